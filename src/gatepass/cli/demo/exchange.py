"""One request over the wire and what came back, header lines as they are; and a verdict on the four answers."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass

from gatepass.cli.demo.cases import Case

__all__ = ["Answer", "ask", "problems"]

_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    challenges: tuple[str, ...]
    body: bytes


def ask(port: int, case: Case, tokens: Mapping[str, str]) -> Answer:
    """The answer of the server on *port*. Raises `OSError` or `http.client.HTTPException` if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.putrequest("GET", case.path.format_map(tokens))
        for line in case.authorization:
            connection.putheader("Authorization", line.format_map(tokens))
        connection.endheaders()
        response = connection.getresponse()
        challenges = response.headers.get_all("WWW-Authenticate", [])
        return Answer(response.status, tuple(challenges), response.read())
    finally:
        connection.close()


def problems(case: Case, answers: Mapping[str, Answer]) -> list[str]:
    """What is wrong with *answers*, by framework; nothing if each is right and all are the same to the byte."""
    found: list[str] = []
    expected = () if case.challenge is None else (case.challenge,)
    first, reference = next(iter(answers.items()))
    for framework, answer in answers.items():
        if answer.status != case.status:
            found.append(f"{framework} answered {answer.status}, not {case.status}")
        if answer.challenges != expected:
            found.append(f"{framework} sent another WWW-Authenticate: {list(answer.challenges)}")
        if case.body is not None and answer.body != case.body.encode():
            found.append(f"{framework} sent another body than expected")
        if answer.body != reference.body:
            found.append(f"{framework} sent another body than {first}")
    return found

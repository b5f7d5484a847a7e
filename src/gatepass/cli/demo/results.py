"""The demo's requests over the wire, the comparison of the four answers, and the table of results.

The table shows each challenge as it was sent. On a narrow terminal it shows the error of each challenge, and one
challenge in full below the table.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatepass.cli.demo.cases import Case
from gatepass.cli.demo.servers import FRAMEWORKS
from gatepass.cli.text import visible

__all__ = ["Answer", "Results", "problems", "report", "send_request"]

_TIMEOUT = 60.0
_SERVER_HEADERS = frozenset(("connection", "content-length", "date", "server", "transfer-encoding"))
_TOKENS = ("access", "refresh")
_ERROR = re.compile(r'error="([^"]*)", error_description="([^"]*)"')
_FILE_WIDTH = 200
_MIN_CHALLENGE_WIDTH = 130
"""Columns of a terminal that shows challenges in full."""


@dataclass(frozen=True, slots=True)
class Answer:
    """*headers* are sorted by name, in lower case, without those that a server adds.

    *tokens* are those of the body, by the names that later requests use. The body has dots in their place.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    tokens: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def challenges(self) -> tuple[str, ...]:
        return tuple(value for name, value in self.headers if name == "www-authenticate")

    @property
    def error(self) -> str:
        """The `error` in the body (RFC 6749 section 5.2), or nothing."""
        return str(_members(self.body).get("error", ""))


Results = Mapping[Case, Mapping[str, Answer]]
"""The answer of each framework to each request."""


def send_request(port: int, case: Case, tokens: Mapping[str, str]) -> Answer:
    """The answer of the server on *port*. Raises `OSError` or `http.client.HTTPException` if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.putrequest("GET" if case.form is None else "POST", case.path.format_map(tokens))
        for line in case.authorization:
            connection.putheader("Authorization", line.format_map(tokens))
        form = b"" if case.form is None else case.form.format_map(tokens).encode()
        if case.form is not None:
            connection.putheader("Content-Type", "application/x-www-form-urlencoded")
            connection.putheader("Content-Length", str(len(form)))
        connection.endheaders(form or None)
        response = connection.getresponse()
        headers = sorted((name.lower(), value) for name, value in response.getheaders())
        relevant = tuple(header for header in headers if header[0] not in _SERVER_HEADERS)
        return _read(case, Answer(response.status, relevant, response.read()))
    finally:
        connection.close()


def problems(case: Case, answers: Mapping[str, Answer]) -> list[str]:
    """One sentence for each mistake in *answers*; none if each is right and all are the same to the byte."""
    mistakes: list[str] = []
    expected = () if case.challenge is None else (case.challenge,)
    first, reference = next(iter(answers.items()))
    for framework, answer in answers.items():
        if answer.status != case.status:
            mistakes.append(f"{framework} answered {answer.status}, not {case.status}")
        if answer.challenges != expected:
            mistakes.append(f"{framework} sent another WWW-Authenticate: {list(answer.challenges)}")
        if case.body is not None and answer.body != case.body.encode():
            mistakes.append(f"{framework} sent another body than expected")
        if (case.status != 200 or case.keeps) and ("cache-control", "no-store") not in answer.headers:
            mistakes.append(f"{framework} lets caches keep the answer")
        if answer.headers != reference.headers:
            mistakes.append(f"{framework} sent other headers than {first}: {dict(answer.headers)}")
        if answer.body != reference.body:
            mistakes.append(f"{framework} sent another body than {first}")
    return mistakes


def report(*parts: Results) -> bool:
    """Print the table and the verdict. Returns whether every answer is right."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _FILE_WIDTH)
    narrow = console.is_terminal and console.width < _MIN_CHALLENGE_WIDTH
    table = Table("Request", "Status", "WWW-Authenticate, or the error", "All four")
    wrong: list[str] = []
    for part in parts:
        for case, given in part.items():
            mistakes = problems(case, given)
            wrong.extend(f"{case.name}: {problem}" for problem in mistakes)
            table.add_row(
                case.name,
                _each(str(answer.status) for answer in given.values()),
                _each(_shown(answer, brief=narrow) for answer in given.values()),
                Text("DIFFER", "bold red") if mistakes else Text("agree", "green"),
            )
        table.add_section()
    console.print(table)
    if narrow:
        _show_in_full(console, parts)
    for line in wrong:
        console.print(Text(visible(line), "bold red"), soft_wrap=True)
    console.print(
        f"{len(wrong)} answers are wrong."
        if wrong
        else f"{sum(map(len, parts))} requests, {len(FRAMEWORKS)} frameworks: every answer is right, "
        "and status, headers and body are the same to the byte, but for the tokens in it.",
        soft_wrap=True,
    )
    return not wrong


def _read(case: Case, answer: Answer) -> Answer:
    """*answer* with the tokens that *case* keeps taken out of its body."""
    if not case.keeps:
        return answer
    members, body, tokens = _members(answer.body), answer.body, dict[str, str]()
    for kind in _TOKENS:
        token = str(members.get(f"{kind}_token", "")) or "missing"  # what is asked with it then goes wrong, and shows
        tokens[f"{case.keeps}_{kind}"] = token
        body = body.replace(token.encode(), b"...")
    return Answer(answer.status, answer.headers, body, tokens)


def _members(body: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _shown(answer: Answer, *, brief: bool) -> str:
    """The challenges of *answer*, or the error in its body. With *brief*, the error alone of a challenge that has one.

    >>> wire = (("www-authenticate", 'Bearer realm="api", error="invalid_token", error_description="It expired"'),)
    >>> _shown(Answer(401, wire, b""), brief=True)
    'invalid_token: It expired'
    """
    found = [(_ERROR.search(challenge) if brief else None, challenge) for challenge in answer.challenges]
    shown = [challenge if error is None else f"{error[1]}: {error[2]}" for error, challenge in found]
    return ", ".join(shown) or answer.error


def _show_in_full(console: Console, parts: Iterable[Results]) -> None:
    """Print one challenge in full, the first that the table shortens."""
    for part in parts:
        for case, given in part.items():
            for challenge in next(iter(given.values())).challenges:
                if _ERROR.search(challenge):
                    console.print(f"What is sent in full, for {case.name}:", soft_wrap=True)
                    console.print(Text(visible(f"WWW-Authenticate: {challenge}")), soft_wrap=True)
                    return


def _each(values: Iterable[str]) -> str:
    """*values* without repetitions."""
    return visible(" / ".join(dict.fromkeys(values)))

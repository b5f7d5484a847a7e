"""The demo's one table, and the verdict below it.

Challenges stand in it as they came over the wire. Where a terminal is too narrow for them, it has their errors, and one
challenge in full stands below.
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

__all__ = ["Answer", "Told", "ask", "problems", "report"]


_PATIENCE = 60.0
_OF_THE_SERVER = frozenset(("connection", "content-length", "date", "server", "transfer-encoding"))
_TOKENS = ("access", "refresh")


@dataclass(frozen=True, slots=True)
class Answer:
    """*headers* in the order of their names, which are in lower case, without those that a server adds.

    *tokens*: what the answer brought, by the names that later requests use. The body has dots in their place.
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


def ask(port: int, case: Case, tokens: Mapping[str, str]) -> Answer:
    """The answer of the server on *port*. Raises `OSError` or `http.client.HTTPException` if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
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
        kept = tuple(header for header in headers if header[0] not in _OF_THE_SERVER)
        return _read(case, Answer(response.status, kept, response.read()))
    finally:
        connection.close()


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
        if (case.status != 200 or case.keeps) and ("cache-control", "no-store") not in answer.headers:
            found.append(f"{framework} lets caches keep the answer")
        if answer.headers != reference.headers:
            found.append(f"{framework} sent other headers than {first}: {dict(answer.headers)}")
        if answer.body != reference.body:
            found.append(f"{framework} sent another body than {first}")
    return found


Told = Mapping[Case, Mapping[str, Answer]]
"""What each framework answered to each request."""

_WIDTH_OF_A_FILE = 200
_WIDTH_OF_A_CHALLENGE = 130
_ERROR = re.compile(r'error="([^"]*)", error_description="([^"]*)"')


def report(*parts: Told) -> bool:
    """Print the table, and whether all is well."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_OF_A_FILE)
    narrow = console.is_terminal and console.width < _WIDTH_OF_A_CHALLENGE
    table = Table("Request", "Status", "WWW-Authenticate, or the error", "All four")
    wrong: list[str] = []
    for part in parts:
        for case, given in part.items():
            found = problems(case, given)
            wrong.extend(f"{case.name}: {problem}" for problem in found)
            table.add_row(
                case.name,
                _each(str(answer.status) for answer in given.values()),
                _each(_told(answer, brief=narrow) for answer in given.values()),
                Text("DIFFER", "bold red") if found else Text("agree", "green"),
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


def _told(answer: Answer, *, brief: bool) -> str:
    """The challenges of *answer*, or its error; of a challenge with an error that one alone where it is to be *brief*.

    >>> wire = (("www-authenticate", 'Bearer realm="api", error="invalid_token", error_description="It expired"'),)
    >>> _told(Answer(401, wire, b""), brief=True)
    'invalid_token: It expired'
    """
    found = [(_ERROR.search(challenge) if brief else None, challenge) for challenge in answer.challenges]
    told = [challenge if error is None else f"{error[1]}: {error[2]}" for error, challenge in found]
    return ", ".join(told) or answer.error


def _show_in_full(console: Console, parts: Iterable[Told]) -> None:
    """One challenge as it came, of those that the table shortens."""
    for part in parts:
        for case, given in part.items():
            for challenge in next(iter(given.values())).challenges:
                if _ERROR.search(challenge):
                    console.print(f"What is sent in full, for {case.name}:", soft_wrap=True)
                    console.print(Text(visible(f"WWW-Authenticate: {challenge}")), soft_wrap=True)
                    return


def _each(values: Iterable[str]) -> str:
    """*values*, each of them once."""
    return visible(" / ".join(dict.fromkeys(values)))

"""Send the demo's requests, compare the four responses, and print the table of results.

The table shows each challenge as it was sent. On a narrow terminal it shows only the error of each challenge, and one
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

__all__ = ["DemoResponse", "Results", "problems", "report", "send_request"]

_TIMEOUT = 60.0
_SERVER_HEADERS = frozenset(("connection", "content-length", "date", "server", "transfer-encoding"))
_TOKENS = ("access", "refresh")
_ERROR = re.compile(r'error="([^"]*)", error_description="([^"]*)"')
_FILE_WIDTH = 200
_MIN_CHALLENGE_WIDTH = 130
"""Columns of a terminal that shows challenges in full."""


@dataclass(frozen=True, slots=True)
class DemoResponse:
    """A response. *headers* are sorted by name, in lower case, without those that a server adds.

    *tokens* are those from the body, and ids of sessions, under the names that later requests use. In the body, dots
    replace them.
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
        """The `error` in the body (RFC 6749 section 5.2), or an empty text."""
        return str(_members(self.body).get("error", ""))

    @property
    def scope(self) -> str:
        """The `scope` of a new access token, as the table shows it, or an empty text."""
        scope = _members(self.body).get("scope")
        return "" if scope is None else f"scope: {scope}"


Results = Mapping[Case, Mapping[str, DemoResponse]]
"""The response of each framework to each request."""


def send_request(port: int, case: Case, tokens: Mapping[str, str]) -> DemoResponse:
    """Return the response of the server on *port*; raise `OSError` or `http.client.HTTPException` without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        method = case.method or ("GET" if case.form is None else "POST")
        connection.putrequest(method, case.path.format_map(tokens))
        for line in case.authorization:
            connection.putheader("Authorization", line.format_map(tokens))
        form = b"" if case.form is None else case.form.format_map(tokens).encode()
        if case.form is not None:
            connection.putheader("Content-Type", "application/x-www-form-urlencoded")
            connection.putheader("Content-Length", str(len(form)))
        connection.endheaders(form or None)
        received = connection.getresponse()
        headers = sorted((name.lower(), value) for name, value in received.getheaders())
        relevant = tuple(header for header in headers if header[0] not in _SERVER_HEADERS)
        return _read(case, DemoResponse(received.status, relevant, received.read()))
    finally:
        connection.close()


def problems(case: Case, responses: Mapping[str, DemoResponse]) -> list[str]:
    """Return one sentence for each mistake; none if all *responses* are correct and identical to the byte."""
    mistakes: list[str] = []
    expected = () if case.challenge is None else (case.challenge,)
    first, reference = next(iter(responses.items()))
    for framework, response in responses.items():
        if response.status != case.status:
            mistakes.append(f"{framework} returned {response.status}, expected {case.status}")
        if response.challenges != expected:
            mistakes.append(f"{framework} sent an unexpected WWW-Authenticate: {list(response.challenges)}")
        if case.body is not None and response.body != case.body.encode():
            mistakes.append(f"{framework} sent an unexpected body")
        if (case.status != 200 or case.keeps) and ("cache-control", "no-store") not in response.headers:
            mistakes.append(f"{framework} did not send Cache-Control: no-store")
        if response.headers != reference.headers:
            mistakes.append(f"{framework} and {first} sent different headers: {dict(response.headers)}")
        if response.body != reference.body:
            mistakes.append(f"{framework} and {first} sent different bodies")
    return mistakes


def report(*parts: Results) -> bool:
    """Print the table and the verdict; return whether every response is correct."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _FILE_WIDTH)
    narrow = console.is_terminal and console.width < _MIN_CHALLENGE_WIDTH
    table = Table("Request", "Status", "WWW-Authenticate, error or scope", "All four")
    wrong: list[str] = []
    for part in parts:
        for case, given in part.items():
            mistakes = problems(case, given)
            wrong.extend(f"{case.name}: {problem}" for problem in mistakes)
            table.add_row(
                case.name,
                _each(str(response.status) for response in given.values()),
                _each(_shown(response, brief=narrow) for response in given.values()),
                Text("DIFFER", "bold red") if mistakes else Text("agree", "green"),
            )
        table.add_section()
    console.print(table)
    if narrow:
        _show_in_full(console, parts)
    for line in wrong:
        console.print(Text(visible(line), "bold red"), soft_wrap=True)
    console.print(
        f"{len(wrong)} mistakes."
        if wrong
        else f"{sum(map(len, parts))} requests, {len(FRAMEWORKS)} frameworks: every response is correct, "
        "and identical in all of them: status, headers and body, except for the tokens in it.",
        soft_wrap=True,
    )
    return not wrong


def _read(case: Case, response: DemoResponse) -> DemoResponse:
    """Return *response* with the tokens and ids of sessions that *case* keeps moved out of its body."""
    members, body = _members(response.body), response.body
    tokens = {f"{case.keeps}_{kind}": members.get(f"{kind}_token") for kind in _TOKENS} if case.keeps else {}
    sessions = {one["label"]: one["family_id"] for one in members.get("sessions", ())} if case.lists else {}
    tokens |= {f"{label}_session": sessions.get(label) for label in case.lists}
    kept = {name: str(token or "missing") for name, token in tokens.items()}  # then requests that use it fail visibly
    for token in kept.values():
        body = body.replace(token.encode(), b"...")
    return DemoResponse(response.status, response.headers, body, kept)


def _members(body: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _shown(response: DemoResponse, *, brief: bool) -> str:
    """Return the challenges of *response*, or the error or scope in its body. *brief*: only the error of a challenge.

    >>> wire = (("www-authenticate", 'Bearer realm="api", error="invalid_token", error_description="It expired"'),)
    >>> _shown(DemoResponse(401, wire, b""), brief=True)
    'invalid_token: It expired'
    """
    found = [(_ERROR.search(challenge) if brief else None, challenge) for challenge in response.challenges]
    shown = [challenge if error is None else f"{error[1]}: {error[2]}" for error, challenge in found]
    return ", ".join(shown) or response.error or response.scope


def _show_in_full(console: Console, parts: Iterable[Results]) -> None:
    """Print in full the first challenge that the table shortens."""
    for part in parts:
        for case, given in part.items():
            for challenge in next(iter(given.values())).challenges:
                if _ERROR.search(challenge):
                    console.print(f"The full header, for {case.name}:", soft_wrap=True)
                    console.print(Text(visible(f"WWW-Authenticate: {challenge}")), soft_wrap=True)
                    return


def _each(values: Iterable[str]) -> str:
    """Join *values* without repetitions."""
    return visible(" / ".join(dict.fromkeys(values)))

"""The demo's one table, and the verdict below it.

Challenges stand in it as they came over the wire. Where a terminal is too narrow for them, it has their errors, and one
challenge in full stands below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatepass.cli.demo.cases import Case
from gatepass.cli.demo.exchange import Answer, problems
from gatepass.cli.demo.frameworks import FRAMEWORKS
from gatepass.cli.text import visible

__all__ = ["Told", "report"]

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

"""The demo's one table, and the verdict below it."""

from __future__ import annotations

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


def report(*parts: Told) -> bool:
    """Print the table, and whether all is well."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_OF_A_FILE)
    table = Table("Request", "Status", "WWW-Authenticate, or the error", "All four")
    wrong: list[str] = []
    for part in parts:
        for case, given in part.items():
            found = problems(case, given)
            wrong.extend(f"{case.name}: {problem}" for problem in found)
            table.add_row(
                case.name,
                _each(str(answer.status) for answer in given.values()),
                _each(", ".join(answer.challenges) or answer.error for answer in given.values()),
                Text("DIFFER", "bold red") if found else Text("agree", "green"),
            )
        table.add_section()
    console.print(table)
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


def _each(values: Iterable[str]) -> str:
    """*values*, each of them once."""
    return visible(" / ".join(dict.fromkeys(values)))

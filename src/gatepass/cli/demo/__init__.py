"""`gatepass demo`: the same requests to Flask, Starlette, FastAPI and Django, and whether the answers are the same.

Real servers on the loopback interface, real requests over the wire. Fails if any answer is wrong or differs.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import time
from collections.abc import Iterable, Mapping

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatepass.cli.demo.cases import CASES, Case
from gatepass.cli.demo.exchange import Answer, ask, problems
from gatepass.cli.demo.fleet import Fleet
from gatepass.cli.demo.frameworks import FRAMEWORKS, SERVERS
from gatepass.cli.demo.tokens import Mint
from gatepass.cli.text import visible
from gatepass.errors import ConfigurationError

__all__ = ["demo"]

_NEEDED = (*FRAMEWORKS, *SERVERS.values())
_WIDTH_OF_A_FILE = 200


@click.command(short_help="Compare the answers of four frameworks.")
@click.option("--serve", is_flag=True, help="Leave the servers running, and print requests to try.")
@click.pass_context
def demo(context: click.Context, *, serve: bool) -> None:
    """Send the same requests to Flask, Starlette, FastAPI and Django, and compare the answers.

    Exits with 1 if any answer is wrong, or not the same from all four to the byte.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise ConfigurationError(
            "the demo needs four frameworks and two servers; install them with: pip install 'gatepass[demo]'"
        )
    mint = Mint()
    tokens = mint.tokens()
    with Fleet(json.dumps(mint.key.to_jwk()), _announce) as fleet:
        right = _report({case: _answers(case, fleet.ports, tokens) for case in CASES})
        if serve:
            _leave_running(fleet, tokens)
    context.exit(0 if right else 1)


def _announce(framework: str, port: int) -> None:
    click.echo(f"{FRAMEWORKS[framework]} on {SERVERS[framework]} answers at http://127.0.0.1:{port}", err=True)


def _answers(case: Case, ports: Mapping[str, int], tokens: Mapping[str, str]) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for framework, port in ports.items():
        try:
            found[FRAMEWORKS[framework]] = ask(port, case, tokens)
        except (OSError, http.client.HTTPException) as error:
            raise ConfigurationError(f"{FRAMEWORKS[framework]} gave no answer to: {case.name}") from error
    return found


def _report(answers: Mapping[Case, Mapping[str, Answer]]) -> bool:
    """Print the table, and whether all is well."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_OF_A_FILE)
    table = Table("Request", "Status", "WWW-Authenticate", "All four")
    wrong: list[str] = []
    for case, given in answers.items():
        found = problems(case, given)
        wrong.extend(f"{case.name}: {problem}" for problem in found)
        table.add_row(
            case.name,
            _each(str(answer.status) for answer in given.values()),
            _each(", ".join(answer.challenges) for answer in given.values()),
            Text("DIFFER", "bold red") if found else Text("agree", "green"),
        )
    console.print(table)
    for line in wrong:
        console.print(Text(visible(line), "bold red"), soft_wrap=True)
    console.print(
        f"{len(wrong)} answers are wrong."
        if wrong
        else f"{len(answers)} requests, {len(FRAMEWORKS)} frameworks: every answer is right, "
        "and status, challenge and body are the same to the byte.",
        soft_wrap=True,
    )
    return not wrong


def _each(values: Iterable[str]) -> str:
    """*values*, each of them once."""
    return visible(" / ".join(dict.fromkeys(values)))


def _leave_running(fleet: Fleet, tokens: Mapping[str, str]) -> None:
    click.echo(f"\nTo try, until you press Ctrl-C:\n\nTOKEN={tokens['good']}\nEXPIRED={tokens['expired']}")
    for port in fleet.ports.values():
        click.echo(f'curl -i http://127.0.0.1:{port}/orders -H "Authorization: Bearer $TOKEN"')
    for header in ("", ' -H "Authorization: Bearer $EXPIRED"', ' -H "Authorization: Basic YW5uYTpzZWNyZXQ="'):
        click.echo(f"curl -i http://127.0.0.1:{next(iter(fleet.ports.values()))}/orders{header}")
    try:
        while True:
            time.sleep(1)
            fleet.check()
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)

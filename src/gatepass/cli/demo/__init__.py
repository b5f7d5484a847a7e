"""`gatepass demo`: send the same requests to Flask, Starlette, FastAPI and Django, and compare the responses.

Four servers on the loopback interface share one SQLite file. The demo fails if a response is wrong, or differs between
frameworks.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import click

from gatepass.cli.demo.cases import CASES, LOGIN, SESSION, Case, DemoTokens
from gatepass.cli.demo.resource import KEY_VARIABLE, PASSWORD, STORE_VARIABLE, USERNAME, USERNAMES
from gatepass.cli.demo.results import DemoResponse, Results, report, send_request
from gatepass.cli.demo.servers import FRAMEWORKS, SERVER_NAMES, Servers
from gatepass.common.settings import extra_hint
from gatepass.errors import ConfigurationError
from gatepass.stores.sqlite import SQLiteStore

__all__ = ["demo"]

_NEEDED = (*FRAMEWORKS, *SERVER_NAMES.values())
_READS_FORMS = ("python_multipart", "multipart")  # the second is its older name


@click.command(short_help="Compare the responses of four frameworks.")
@click.option("--serve", is_flag=True, help="Keep the servers running and print requests to try.")
@click.pass_context
def demo(context: click.Context, *, serve: bool) -> None:
    """Send the same requests to Flask, Starlette, FastAPI and Django, and compare the responses.

    The first requests carry one access token each, valid or not. The others follow logins: refresh, theft, logout, two
    devices of one user.
    Exits with 1 if a response is wrong, or is not identical in all four, byte for byte.
    """
    if not all(map(_installed, _NEEDED)) or not any(map(_installed, _READS_FORMS)):
        raise ConfigurationError(
            f"the demo needs four frameworks and two servers; install them with: {extra_hint('demo')}"
        )
    demo_tokens = DemoTokens()
    tokens = demo_tokens.by_name()
    with tempfile.TemporaryDirectory(prefix="gatepass-") as folder:
        sessions = Path(folder, "sessions.db")
        with SQLiteStore(sessions) as store:
            store.create_schema()
        settings = {KEY_VARIABLE: json.dumps(demo_tokens.key.to_private_jwk()), STORE_VARIABLE: str(sessions)}
        with Servers(settings, _announce) as servers:
            right = report(_token_results(servers.ports, tokens), _session_results(servers.ports))
            if serve:
                _leave_running(servers, tokens)
    context.exit(0 if right else 1)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _announce(framework: str, port: int) -> None:
    click.echo(f"{FRAMEWORKS[framework]} on {SERVER_NAMES[framework]} listens on http://127.0.0.1:{port}", err=True)


def _token_results(ports: Mapping[str, int], tokens: Mapping[str, str]) -> Results:
    return {case: _responses(case, ports, dict.fromkeys(ports, tokens)) for case in CASES}


def _session_results(ports: Mapping[str, int]) -> Results:
    """Run the logins of four users side by side; each sends each request to the next application."""
    results: dict[Case, Mapping[str, DemoResponse]] = {}
    known = [{"user": user} for _, user in zip(ports, USERNAMES[1:], strict=True)]
    for case in SESSION:
        results[case] = _responses(case, ports, dict(zip(ports, known, strict=True)))
        for tokens, response in zip(known, results[case].values(), strict=True):
            tokens.update(response.tokens)
        known = [*known[-1:], *known[:-1]]
    return results


def _responses(
    case: Case, ports: Mapping[str, int], tokens: Mapping[str, Mapping[str, str]]
) -> dict[str, DemoResponse]:
    found: dict[str, DemoResponse] = {}
    for framework, port in ports.items():
        try:
            found[FRAMEWORKS[framework]] = send_request(port, case, tokens[framework])
        except (OSError, http.client.HTTPException) as error:
            raise ConfigurationError(f"{FRAMEWORKS[framework]} sent no response to: {case.name}") from error
    return found


def _leave_running(servers: Servers, tokens: Mapping[str, str]) -> None:
    first, second, third, fourth = (f"http://127.0.0.1:{port}" for port in servers.ports.values())
    orders = [f'curl -i {site}/orders -H "Authorization: Bearer $TOKEN"' for site in (first, second, third, fourth)]
    pair = send_request(servers.ports["flask"], LOGIN, {}).tokens
    lines = (
        "",
        "Requests to try; press Ctrl-C to stop:",
        "",
        f"TOKEN={tokens['valid']}",
        f"EXPIRED={tokens['expired']}",
        *orders,
        f"curl -i {first}/orders",
        f'curl -i {first}/orders -H "Authorization: Bearer $EXPIRED"',
        f'curl -i {first}/orders -H "Authorization: Basic YW5uYTpzZWNyZXQ="',
        "",
        "Log in, refresh, log out; the four share one database. Using a refresh token twice ends its login:",
        "",
        f"curl -i {first}/login -d username={USERNAME} -d 'password={PASSWORD}'",
        f"ACCESS={pair['first_access']}",
        f"REFRESH={pair['first_refresh']}",
        f'curl -i {second}/orders -H "Authorization: Bearer $ACCESS"',
        f'curl -i {third}/sessions -H "Authorization: Bearer $ACCESS"',
        f'curl -i {second}/token -d grant_type=refresh_token -d "refresh_token=$REFRESH"',
        f'curl -i {third}/revoke -d "token=$REFRESH"',
        f'curl -i {fourth}/orders -H "Authorization: Bearer $ACCESS"',
    )
    click.echo("\n".join(lines))
    try:
        while True:
            time.sleep(1)
            servers.check()
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)

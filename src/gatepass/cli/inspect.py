"""`gatepass inspect`: show the contents of a token, and every check that it passes or fails.

The token is read from a file or from standard input. As an argument it is refused: a command line stays in the shell's
history and is visible in the list of processes. The key is read from a file or an environment variable: a PEM, a JWK,
a JWK Set or a secret.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from gatepass.cli.text import as_json, moment, visible
from gatepass.common.allow import HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER, HttpOnLoopback, NonHttpsIssuer
from gatepass.errors import AuthError, ConfigurationError
from gatepass.jose.compact import parse_compact
from gatepass.keys import Key, KeySet
from gatepass.keys.algorithms import ALGORITHMS
from gatepass.keys.material import plain_pem
from gatepass.tokens.explain import Finding, explain
from gatepass.tokens.profile import ANY_AUDIENCE, ANY_ISSUER, PROVIDERS, Profile
from gatepass.tokens.verifier import TokenVerifier

__all__ = ["inspect"]

_PROFILES = {profile.name: profile for profile in (Profile.RFC9068, Profile.GENERIC, *PROVIDERS)}
_ALLOWANCES: dict[str, HttpOnLoopback | NonHttpsIssuer] = {
    "http-on-loopback": HTTP_ON_LOOPBACK,
    "non-https-issuer": NON_HTTPS_ISSUER,
}
_MAX_INPUT = 1_000_000
"""Bytes to read at most of a token or a key file."""
_LIKE_A_TOKEN = re.compile(r"(?i:bearer\b.*)|eyJ.*|[\w-]{8,}\.[\w-]{8,}\.[\w-]*", re.DOTALL)
_PREFIX = re.compile(r"\s*(?:authorization\s*:\s*)?(?:bearer\s+)?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}")
"""The name of a variable. It is shorter than any secret, so a secret given by mistake is never printed."""
_PARAMETER = re.compile(r"\b(algorithm|audience|issuer)= ?")
_MAX_INDENT = 32
"""Columns to indent values at most: one long name must not fill every line with blanks."""
_DATES = frozenset(("exp", "nbf", "iat", "auth_time", "updated_at"))
_STYLES = {"passed": "green", "failed": "bold red", "not reached": "dim"}


@click.command(
    short_help="Show the contents of a token, and check it.",
    epilog="Example: gatepass inspect --key public.pem --issuer https://auth.example < token.txt",
)
@click.argument("source", nargs=-1, metavar="[FILE|-]")
@click.option(
    "--key", "key_file", type=click.Path(path_type=Path), help="The issuer's key: PEM, JWK, JWK Set or secret."
)
@click.option("--key-env", metavar="NAME", help="The environment variable that holds the key.")
@click.option("--algorithm", type=click.Choice(list(ALGORITHMS)), help="The algorithm, if the key does not name it.")
@click.option("--kid", help="The key id in the tokens, if the key is a PEM or a secret.")
@click.option("--issuer", help="The issuer that the token must have.")
@click.option(
    "--allow", multiple=True, type=click.Choice(list(_ALLOWANCES)), help="Accept an issuer that is not an https URL."
)
@click.option("--audience", multiple=True, help="An audience that the service accepts; may be repeated.")
@click.option("--profile", type=click.Choice(list(_PROFILES)), help="Which access tokens to accept (default rfc9068).")
@click.pass_context
def inspect(
    context: click.Context,
    *,
    source: tuple[str, ...],
    key_file: Path | None,
    key_env: str | None,
    algorithm: str | None,
    kid: str | None,
    issuer: str | None,
    allow: tuple[str, ...],
    audience: tuple[str, ...],
    profile: str | None,
) -> None:
    """Show the contents of a token and, with a key, every check that it passes or fails.

    The token is read from FILE, or from standard input. Exits with 1 when a check fails.
    """
    _refuse_token_argument(source)
    if key_file is None and key_env is None:
        if issuer or allow or audience or profile or algorithm or kid:
            raise click.UsageError("a token cannot be checked without the issuer's key: give --key or --key-env.")
        verifier = None
    elif key_file is not None and key_env is not None:
        raise click.UsageError("--key and --key-env exclude each other.")
    else:
        try:
            verifier = TokenVerifier(
                issuer=issuer or ANY_ISSUER,
                allow=[_ALLOWANCES[name] for name in allow],
                audience=audience or ANY_AUDIENCE,
                keys=_keys_in_file(key_file, algorithm, kid)
                if key_file
                else _key_in_env(key_env or "", algorithm, kid),
                profile=_PROFILES[profile or "rfc9068"],
            )
        except ConfigurationError as error:
            raise ConfigurationError(_with_options(str(error))) from None
    token = _read_token(source[0] if source else "-")
    unchecked = [name for name, given in (("issuer", issuer), ("audience", audience)) if verifier and not given]
    findings = () if verifier is None else explain(token, verifier)
    wanted = {"issuer": issuer, "audience": audience, **({} if verifier is None else _accepted(verifier))}
    context.exit(_Report(Console(markup=False, highlight=False, emoji=False), wanted).show(token, findings, unchecked))


class _Report:
    """The lines of one report. Every text from the token goes through `visible`."""

    def __init__(self, console: Console, wanted: Mapping[str, object]) -> None:
        self._console = console
        self._wanted = wanted
        self._now = time.time()

    def show(self, token: str, findings: Iterable[Finding], unchecked: list[str]) -> int:
        """Print the report; return the exit code, 0 if no check failed."""
        shown = [finding for finding in findings if finding.name not in unchecked or finding.outcome == "failed"]
        readable = self._show_contents(token, _verdict(shown, unchecked))
        self._show_checks(shown, unchecked)
        return 0 if readable and all(finding.outcome == "passed" for finding in shown) else 1

    def _show_contents(self, token: str, verdict: tuple[str, str]) -> bool:
        try:
            unverified = parse_compact(token)
            header = unverified.header()
        except AuthError as error:
            self._line((f"Unreadable token: {error.description} ({error.log_detail or error.reason})", "bold red"))
            return False
        for title, members in (("Header", header), ("Claims", unverified.claims)):
            self._line((f"{title}  ", "bold"), verdict)
            self._show_members(members)
        return True

    def _show_members(self, members: Mapping[str, Any]) -> None:
        width = min(max((len(visible(name)) for name in members), default=0), _MAX_INDENT)
        for name, value in members.items():
            date = moment(value, self._now)
            self._line(
                (f"  {visible(name):<{width}}  ", "cyan"),
                (as_json(value), ""),
                (f"  {date}" if date and name in _DATES else "", "dim"),
            )

    def _show_checks(self, findings: list[Finding], unchecked: list[str]) -> None:
        if findings:
            self._line(("Checks", "bold"))
        for finding in findings:
            why = f"  {finding.description} ({': '.join(filter(None, (finding.reason, finding.detail)))})"
            wanted = self._wanted.get(finding.name)
            why += "" if wanted is None else f", expected: {as_json(wanted)}"
            self._line(
                (f"  {finding.outcome:<11}  ", _STYLES[finding.outcome]),
                (finding.name, ""),
                (why if finding.outcome == "failed" else "", ""),
            )
        if any(finding.reason == "unknown_key" for finding in findings):
            self._line(("  If this is the right key, give the key id from the token's header: --kid", "dim"))
        for name in unchecked:
            self._line(("  not checked  ", "bold yellow"), (f"{name}: give --{name}", ""))

    def _line(self, *parts: tuple[str, str]) -> None:
        self._console.print(Text.assemble(*parts), soft_wrap=True)


def _verdict(findings: list[Finding], unchecked: list[str]) -> tuple[str, str]:
    """Return how far the contents can be trusted, and the colour."""
    outcomes = {finding.name: finding.outcome for finding in findings}
    if not findings:
        return "UNVERIFIED, no key was given: the contents may be forged", "bold yellow"
    if outcomes["signature"] != "passed":
        return "UNVERIFIED, no valid signature: the contents may be forged", "bold yellow"
    if set(outcomes.values()) != {"passed"}:
        return "signed with this key, but rejected", "bold red"
    return (f"verified, except {' and '.join(unchecked)}", "yellow") if unchecked else ("verified", "green")


def _accepted(verifier: TokenVerifier) -> dict[str, list[str]]:
    types = ["without typ" if name is None else name for name in verifier.profile.types]
    return {"type": sorted(types), "algorithm": sorted(verifier.algorithms)}


def _refuse_token_argument(source: tuple[str, ...]) -> None:
    if any(_LIKE_A_TOKEN.fullmatch(text) and not os.path.lexists(text) for text in source):
        raise click.UsageError(
            "the argument looks like a token. A command line stays in the shell's history and is visible in the list "
            "of processes: give the token on standard input or in a file. Treat this one as disclosed until it expires."
        )
    if len(source) > 1:
        raise click.UsageError("give one file at a time.")


def _read_token(source: str) -> str:
    if source == "-":
        if sys.stdin.isatty():
            click.echo("Paste the token, then press Enter and Ctrl-D.", err=True)
        raw = sys.stdin.buffer.read(_MAX_INPUT)
    else:
        with Path(source).open("rb") as file:
            raw = file.read(_MAX_INPUT)
    text = raw.decode("ascii", errors="replace")
    found = _PREFIX.sub("", text, count=1).strip()
    if not found:
        raise click.UsageError("the input contains no token.")
    return found


def _with_options(text: str) -> str:
    """Return an error text of the library with this command's options in place of parameters."""
    for name, value in _ALLOWANCES.items():
        text = text.replace(f"allow={value!r}", f"--allow {name}")
    return _PARAMETER.sub(r"--\1 ", text)


def _key_in_env(variable: str, algorithm: str | None, kid: str | None) -> Key:
    if not os.environ.get(variable, "").strip():
        shown = variable if _NAME.fullmatch(variable) else "of --key-env"
        raise ConfigurationError(f"the environment variable {shown} is not set: store the issuer's key in it")
    return Key.from_env(variable, algorithm=algorithm, kid=kid)


def _keys_in_file(path: Path, algorithm: str | None, kid: str | None) -> Key | KeySet:
    """Load *path*, and bind its keys to *algorithm* and *kid* where the file names none.

    Raises `ConfigurationError` or `OSError`.
    """
    with path.open("rb") as file:
        text = file.read(_MAX_INPUT).strip()
    if not text:
        raise ConfigurationError(f"{path} is empty")
    if text.startswith(b"{"):
        if kid is not None:
            raise ConfigurationError(f"{path} contains its own key ids: leave out --kid")
        return _keys_from_json(text, path, algorithm)
    if plain_pem(text) is not None:
        return Key.from_pem(text, algorithm=algorithm, kid=kid)
    return Key.from_secret(text, algorithm=algorithm or "HS256", kid=kid)


def _keys_from_json(text: bytes, path: Path, algorithm: str | None) -> Key | KeySet:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{path} starts like a JWK but is not valid JSON") from None
    if "keys" in document:
        return KeySet.from_jwks(document, algorithms=None if algorithm is None else [algorithm])
    return Key.from_jwk(document, algorithm=algorithm)

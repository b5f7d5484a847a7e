"""`gatepass keygen`: generate a secret or a key pair, for an environment variable or a file.

Standard output carries only the private key or secret, so that it can be piped. A file with it is created readable by
its owner alone. No file is overwritten.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from gatepass.cli.text import visible
from gatepass.common.private_files import create_file
from gatepass.errors import ConfigurationError
from gatepass.jose.compact import decode_base64url
from gatepass.keys import Key
from gatepass.keys.algorithms import ALGORITHMS, closest_algorithm

__all__ = ["keygen"]

_MIN_SIMILARITY = 0.5
_PRIVATE_MODE = 0o600
_PUBLIC_MODE = 0o644
# The algorithms that Key.from_secret and Key.from_pem choose without algorithm=.
_DEFAULT_ALGORITHMS = ("HS256", "RS256", "ES256", "ES384", "ES512")


def _check_algorithm(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return *value* if it is an algorithm; otherwise suggest the nearest name."""
    if value in ALGORITHMS:
        return value
    near = closest_algorithm(value, alike=_MIN_SIMILARITY)
    hint = f"did you mean {near}?" if near else f"choose one of {', '.join(ALGORITHMS)}."
    raise click.BadParameter(f"there is no algorithm {visible(value)}; {hint}")


@click.command(
    short_help="Generate a secret or a key pair.", epilog='Example: export JWT_SECRET_KEY="$(gatepass keygen HS256)"'
)
@click.argument("algorithm", default="ES256", callback=_check_algorithm)
@click.option(
    "--format",
    "form",
    type=click.Choice(["secret", "pem", "jwk"]),
    help="Format of the private key: secret for HS algorithms, pem for the others, or jwk for either.",
)
@click.option("--kid", help="The key id of a JWK; by default a random one, or the key's thumbprint.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the private key to this new file, mode 0600.")
@click.option("--public-out", type=click.Path(path_type=Path), help="Write the public key to this new file.")
@click.option(
    "--public-format",
    type=click.Choice(["pem", "jwk", "jwks"]),
    help="Format of the public key: PEM, a JWK, or a JWK Set to publish.",
)
def keygen(
    *,
    algorithm: str,
    form: str | None,
    kid: str | None,
    out: Path | None,
    public_out: Path | None,
    public_format: str | None,
) -> None:
    """Generate a secret or a key pair for ALGORITHM (default ES256).

    Standard output carries only the secret or private key; the public key and hints go to standard error.
    """
    secret = ALGORITHMS[algorithm].kty == "oct"
    form = form or ("secret" if secret else "pem")
    if form == ("pem" if secret else "secret"):
        owned = "a secret, which has no PEM form" if secret else "a key pair, not a secret"
        raise click.UsageError(f"{algorithm} uses {owned}: leave out --format, or use jwk.")
    if secret and (public_out or public_format):
        raise click.UsageError(f"{algorithm} uses a secret, which has no public key.")
    if kid is not None and form != "jwk":
        raise click.UsageError("--kid needs --format jwk: a secret and a PEM cannot carry a key id.")
    _check_files(out, public_out)
    key = Key.generate(algorithm)
    if kid is not None:
        key = Key.from_jwk({**key.to_private_jwk(), "kid": kid})
    _deliver(_private_text(key, form), out)
    if not secret:
        _publish(_public_text(key, public_format or ("pem" if form == "pem" else "jwks")), public_out)
    _hint(_how_to_load(algorithm, form, out))


def _private_text(key: Key, form: str) -> str:
    if form == "pem":
        return key.to_private_pem()
    jwk = key.to_private_jwk()
    # A generated secret is ASCII text: the bytes that Key.from_env will read.
    return decode_base64url(jwk["k"].encode()).decode() if form == "secret" else json.dumps(jwk)


def _public_text(key: Key, form: str) -> str:
    if form == "pem":
        return key.to_pem()
    return json.dumps(key.to_jwk() if form == "jwk" else {"keys": [key.to_jwk()]})


def _deliver(private: str, out: Path | None) -> None:
    if out is None:
        click.echo(private.rstrip("\n"))
    else:
        _write_new(out, private, _PRIVATE_MODE)
        _hint(f"Written to {out}, readable by its owner only.")


def _publish(public: str, out: Path | None) -> None:
    if out is None:
        _hint("The public key, for services that verify:", *public.splitlines())
    else:
        _write_new(out, public, _PUBLIC_MODE)
        _hint(f"The public key is in {out}.")


def _how_to_load(algorithm: str, form: str, out: Path | None) -> str:
    named = "" if form == "jwk" or algorithm in _DEFAULT_ALGORITHMS else f', algorithm="{algorithm}"'
    if out is None:
        variable = "JWT_SECRET_KEY" if ALGORITHMS[algorithm].kty == "oct" else "JWT_PRIVATE_KEY"
        return f'From an environment variable, load it with: Key.from_env("{variable}"{named})'
    text = "Path(...).read_text()"
    return {
        "secret": f"Load it with: Key.from_secret({text}.strip(){named})",
        "pem": f"Load it with: Key.from_pem({text}{named})",
        "jwk": f"Load it with: Key.from_jwk(json.loads({text}))",
    }[form]


def _check_files(out: Path | None, public_out: Path | None) -> None:
    """Reject files that exist before a key is made, so that no half of a pair is written."""
    if out is not None and out == public_out:
        raise click.UsageError("--out and --public-out must name different files.")
    for path in (out, public_out):
        if path is not None and os.path.lexists(path):
            raise _exists(path)


def _write_new(path: Path, text: str, mode: int) -> None:
    try:
        private = mode == _PRIVATE_MODE
        descriptor = create_file(path) if private else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise _exists(path) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text.rstrip("\n") + "\n")


def _exists(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path} already exists and was not overwritten; choose another name")


def _hint(*lines: str) -> None:
    for line in lines:
        click.echo(visible(line), err=True)

"""`gatepass keys`: list, rotate and remove the keys of a service's key ring by hand.

Running processes see a change within seconds. Intervals are those that the service set for the ring. Private keys are
never shown.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gatepass.cli.text import age, visible
from gatepass.errors import ConfigurationError
from gatepass.jwks.snapshot import MIN_TTL
from gatepass.keyring import EMERGENCY, KeyRing, RingKey

__all__ = ["keys"]

_STYLES = {"active": "bold green", "published": "cyan", "retired": "yellow", "removed": "dim"}
_TIMES = ("signs from", "signs until", "published until")
_NOT_FIXED = "-"
_FILE_WIDTH = 160

_ring = click.argument("directory", type=click.Path(path_type=Path))


@click.group(short_help="List, rotate and remove the keys of a key ring.")
def keys() -> None:
    """List, rotate and remove the keys of the key ring in DIRECTORY. Run it as the owner of the directory."""


@keys.command("list", short_help="List the keys and their states.")
@_ring
def list_keys(*, directory: Path) -> None:
    """List the keys of the ring in DIRECTORY: the state of each key, and until when it lasts."""
    _show(_open(directory))


@keys.command(short_help="Publish the next key, and sign with it when copies are renewed.")
@_ring
def rotate(*, directory: Path) -> None:
    """Publish a new key. It signs as soon as every copy of the public keys can contain it.

    If a key is already published and does not sign yet, that key signs earlier instead.
    """
    ring = _open(directory)
    ring.rotate()
    _show(ring)
    waiting = [key.signs_from for key in ring.all_keys() if key.state == "published" and key.signs_from is not None]
    when = _when(min(waiting), time.time()) if waiting else "from now on"
    click.echo(f"The next key signs {when}.", err=True)


@keys.command(short_help="Remove an unused key, or with --emergency any key.")
@_ring
@click.argument("kid")
@click.option("--emergency", is_flag=True, help="The private key has leaked: remove any key and reject its tokens.")
def remove(*, directory: Path, kid: str, emergency: bool) -> None:
    """Remove the key KID, which must not have signed yet.

    With --emergency, any key is removed at once and its tokens are rejected: by this service within seconds, by other
    services when they renew their copies of the public keys. If KID was the signing key, the next key signs at once.
    """
    ring = _open(directory)
    ring.remove(kid, EMERGENCY if emergency else None)
    _show(ring)
    if emergency:
        span = f"{max(ring.cache_ttl.total_seconds(), MIN_TTL):g}"  # a JWKSClient respects both
        click.echo(
            f"Other services may accept the removed key for {span} seconds, longer if their copy of the keys is stale.",
            err=True,
        )


def _open(directory: Path) -> KeyRing:
    try:
        return KeyRing.open(directory)
    except ConfigurationError as error:
        if (directory / "keyring.json").exists():
            raise
        hint = 'a service creates it with KeyRing(Path("keys")) when it starts for the first time'
        raise ConfigurationError(f"{error}; {hint}") from None


def _show(ring: KeyRing) -> None:
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=_FILE_WIDTH)
    listed = [(key, _times(key)) for key in ring.all_keys()]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("state", *_TIMES, "algorithm", "key id"):
        table.add_column(title)
    for key, times in listed:
        table.add_row(_state(key), *times, key.algorithm, visible(key.kid))
    if console.measure(table, options=console.options.update(max_width=_FILE_WIDTH)).maximum <= console.width:
        console.print(table)
        return
    for key, times in listed:  # a key id stays on one line, to be pasted into another command
        console.print(Text(visible(key.kid)), soft_wrap=True)
        details = "".join(f"; {title}: {when}" for title, when in zip(_TIMES, times, strict=True) if when != _NOT_FIXED)
        console.print(Padding(Text.assemble(_state(key), f", {key.algorithm}{details}"), (0, 0, 0, 2)))


def _state(key: RingKey) -> Text:
    return Text(key.state, _STYLES[key.state])


def _times(key: RingKey) -> list[str]:
    now = time.time()
    return [_when(moment, now) for moment in (key.signs_from, key.retires_at, key.removed_at)]


def _when(moment: datetime | None, now: float) -> str:
    return _NOT_FIXED if moment is None else age(moment.timestamp() - now)

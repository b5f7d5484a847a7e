"""`gatepass keys`: the key ring of a service, looked at and changed by hand.

What is done here the running processes notice within seconds. The numbers of the ring are those that the service gave
it. Private keys are never shown.
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


@click.group(short_help="Show, rotate and remove the keys of a key ring.")
def keys() -> None:
    """Show, rotate and remove the keys of the key ring in DIRECTORY, as its owner."""


@keys.command("list", short_help="Show the keys and their states.")
@_ring
def list_keys(*, directory: Path) -> None:
    """Show the keys of the ring in DIRECTORY: what each is now, and until when."""
    _show(_open(directory))


@keys.command(short_help="Let another key sign as soon as everybody can have it.")
@_ring
def rotate(*, directory: Path) -> None:
    """Publish a new key, which signs as soon as every copy of the public keys can have it.

    Where a key is published already and waits, that one is brought forward.
    """
    ring = _open(directory)
    ring.rotate()
    _show(ring)
    waiting = [key.signs_from for key in ring.all_keys() if key.state == "published" and key.signs_from is not None]
    when = _when(min(waiting), time.time()) if waiting else "from now on"
    click.echo(f"The next key signs {when}.", err=True)


@keys.command(short_help="Remove a key; with --emergency any key, at once.")
@_ring
@click.argument("kid")
@click.option("--emergency", is_flag=True, help="Others know the private key: all its tokens die.")
def remove(*, directory: Path, kid: str, emergency: bool) -> None:
    """Remove the key KID, which must be one that has not signed yet.

    With --emergency any key goes at once, and its tokens are refused: here within seconds, elsewhere as soon as copies
    of the public keys are renewed. If it was the one that signs, the next one signs from now on.
    """
    ring = _open(directory)
    ring.remove(kid, EMERGENCY if emergency else None)
    _show(ring)
    if emergency:
        span = f"{max(ring.cache_ttl.total_seconds(), MIN_TTL):g}"  # a JWKSClient keeps to both
        click.echo(
            f"Others may accept the removed key for {span} seconds, from their copies, or longer if these are old.",
            err=True,
        )


def _open(directory: Path) -> KeyRing:
    try:
        return KeyRing.open(directory)
    except ConfigurationError as error:
        if (directory / "keyring.json").exists():
            raise
        made = 'a service makes one, KeyRing(Path("keys")), when it starts for the first time'
        raise ConfigurationError(f"{error}; {made}") from None


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
    for key, times in listed:  # a key id is pasted into another command, so it stays on one line
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

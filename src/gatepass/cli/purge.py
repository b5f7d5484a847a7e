"""`gatepass purge`: delete ended families, and revocations that no unexpired token needs, in batches.

Run it daily. Every batch is on disk before the next begins, so the command may be interrupted and run again.
"""

from __future__ import annotations

import time
from typing import Final

import click

from gatepass.cli.store_location import StoreFailed, is_redis, opened_store, progress, store_location
from gatepass.cli.text import visible
from gatepass.common.limits import DAY
from gatepass.refresh.store import purge_store

__all__ = ["purge"]

_RESPONSE_TIMEOUT: Final = 30
"""Seconds for which a batch waits for a server that does not respond."""


@click.command(
    short_help="Delete expired and revoked entries from a store.",
    epilog="Example: gatepass purge --store-env STORE_URL, or gatepass purge /var/lib/app/sessions.db",
)
@click.argument("store", required=False)
@click.option("--store-env", metavar="NAME", help="The environment variable that holds the store's URL.")
@click.option("--batch", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Entries per batch.")
@click.option("--limit", type=click.IntRange(1), help="Stop after this many families and revocations together.")
@click.option(
    "--ended-for",
    type=click.IntRange(0),
    metavar="SECONDS",
    default=DAY,
    show_default=True,
    help="Keep families that ended less than this long ago.",
)
@click.pass_context
def purge(
    context: click.Context, *, store: str | None, store_env: str | None, batch: int, limit: int | None, ended_for: int
) -> None:
    """Delete ended refresh token families, and revocations that no unexpired token needs, from STORE.

    STORE is a SQLite file, or a URL: sqlite:///, postgresql+psycopg://, mysql+pymysql://, redis://. Put a URL with a
    password into an environment variable. Exits with 1 when the store fails; entries deleted before that stay deleted.
    Exits with 2 when STORE is not a store.
    """
    location = store_location(store, store_env)
    if is_redis(location):
        click.echo("nothing to do: Redis deletes families and revocations by itself when they expire")
        return
    families = revocations = 0
    failure = None
    try:
        with opened_store(location, response_timeout=_RESPONSE_TIMEOUT) as opened, progress() as show:
            show(_deleted(families, revocations))
            for families, revocations in purge_store(
                opened, now=int(time.time()), ended_for=ended_for, batch=batch, limit=limit
            ):
                show(_deleted(families, revocations))
    except StoreFailed as error:
        failure = visible(str(error))
    except KeyboardInterrupt:
        failure = "interrupted; run it again for the rest"
    stopped = failure is None and limit is not None and families + revocations >= limit
    click.echo(_deleted(families, revocations) + ("; stopped at --limit, there may be more" if stopped else ""))
    if failure is not None:
        click.echo(f"Error: {failure}", err=True)
        context.exit(1)


def _deleted(families: int, revocations: int) -> str:
    return f"deleted {families} families and {revocations} revocations"

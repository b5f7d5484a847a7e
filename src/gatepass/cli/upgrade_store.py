"""`gatepass upgrade-store`: upgrade the tables or keys that an older version of gatepass created.

Run it once, before processes of the new version use the store. It only adds, and may be interrupted and run again.
"""

from __future__ import annotations

import click

from gatepass.cli.store_location import StoreFailed, is_redis, opened_redis, opened_store, progress, store_location
from gatepass.cli.text import visible
from gatepass.refresh.store import STORE_CONTRACT

__all__ = ["upgrade_store"]


@click.command(
    "upgrade-store",
    short_help="Upgrade a store of an older version.",
    epilog="Example: gatepass upgrade-store --store-env STORE_URL, or gatepass upgrade-store /var/lib/app/sessions.db",
)
@click.argument("store", required=False)
@click.option("--store-env", metavar="NAME", help="The environment variable that holds the store's URL.")
@click.option("--prefix", default="gatepass", show_default=True, help="The prefix of the keys in Redis.")
@click.pass_context
def upgrade_store(context: click.Context, *, store: str | None, store_env: str | None, prefix: str) -> None:
    """Upgrade STORE, which an older version of gatepass created, and keep every refresh token family.

    STORE is a SQLite file, or a URL: sqlite:///, postgresql+psycopg://, mysql+pymysql://, redis://. Put a URL with a
    password into an environment variable. Safe to run again. Exits with 1 when the store fails or the command is
    interrupted, and with 2 when STORE is not a store.
    """
    location = store_location(store, store_env)
    try:
        with progress() as show:
            show("upgrading")
            result = _upgrade_redis(location, prefix) if is_redis(location) else _upgrade(location)
    except StoreFailed as error:
        failure = visible(str(error))
    except KeyboardInterrupt:
        failure = "interrupted; run it again"
    else:
        click.echo(result)
        return
    click.echo(f"Error: {failure}", err=True)
    context.exit(1)


def _upgrade(location: str) -> str:
    with opened_store(location, response_timeout=None) as store:  # an index of a large table takes minutes
        before = store.upgrade_schema()
    if before == STORE_CONTRACT:
        return f"nothing to do: the store has version {STORE_CONTRACT}"
    return f"upgraded from version {before} to {STORE_CONTRACT}"


def _upgrade_redis(url: str, prefix: str) -> str:
    """Upgrade even keys that were upgraded before: a process of the older version may have added some since."""
    with opened_redis(url, prefix=prefix) as store:
        store.upgrade_schema()
    return f"upgraded: the store has version {STORE_CONTRACT}"

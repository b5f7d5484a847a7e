"""`gatepass purge`: delete families that ended and revocations that concern no living token, batch after batch.

For a daily job. Every batch is on the disk before the next begins, so the command may be interrupted at any moment and
run again. A URL with a password is not taken as an argument, and no part of a URL is ever printed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gatepass.cli.store_url import ForgetfulStore, StoreFailed, expires_by_itself, holds_password, opened_store
from gatepass.cli.text import visible
from gatepass.common.limits import DAY
from gatepass.errors import ConfigurationError
from gatepass.refresh import Purged

__all__ = ["purge"]


@dataclass(slots=True)
class _Removed:
    """What is gone so far, true at any moment."""

    families: int = 0
    revocations: int = 0

    @property
    def total(self) -> int:
        return self.families + self.revocations

    def __str__(self) -> str:
        return f"deleted {self.families} families and {self.revocations} revocations"


@click.command(
    short_help="Delete what ended from a store.",
    epilog="Example: gatepass purge --store-env STORE_URL, or gatepass purge /var/lib/app/sessions.db",
)
@click.argument("store", required=False)
@click.option("--store-env", metavar="NAME", help="The environment variable that holds the store's URL.")
@click.option("--batch", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Entries to a batch.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many entries, families and revocations together.")
@click.option(
    "--ended-for",
    type=click.IntRange(0),
    metavar="SECONDS",
    default=DAY,
    show_default=True,
    help="Keep families that ended less than so long ago.",
)
@click.pass_context
def purge(
    context: click.Context, *, store: str | None, store_env: str | None, batch: int, limit: int | None, ended_for: int
) -> None:
    """Delete refresh token families that ended, and revocations that concern no living token, from STORE.

    STORE is a file of SQLite, or a URL: sqlite:///, postgresql+psycopg://, mysql+pymysql://, redis://. A URL with a
    password is taken from an environment variable alone. Exits with 1 when the store fails; what was deleted until
    then stays deleted. Exits with 2 when the store is none.
    """
    named = _named(store, store_env)
    if expires_by_itself(named):
        click.echo("nothing to do: Redis deletes families and revocations by itself when they expire")
        return
    removed = _Removed()
    failure = None
    try:
        with opened_store(named) as opened:
            _purge(opened, removed, batch=batch, limit=limit, ended_for=ended_for)
    except StoreFailed as error:
        failure = visible(str(error))
    except KeyboardInterrupt:
        failure = "interrupted; run it again for the rest"
    bounded = limit is not None and removed.total >= limit
    click.echo(f"{removed}{'; stopped at --limit, there may be more' if bounded and not failure else ''}")
    if failure is not None:
        click.echo(f"Error: {failure}", err=True)
        context.exit(1)


def _named(store: str | None, variable: str | None) -> str:
    if (store is None) == (variable is None):
        raise click.UsageError("name the store, as STORE or with --store-env.")
    if variable is not None:
        found = os.environ.get(variable, "").strip()
        if not found:
            raise ConfigurationError(f"the environment variable {variable} is not set; put the store's URL into it")
        return found
    if not store:
        raise click.UsageError("name the store, as STORE or with --store-env.")
    if "://" in store and holds_password(store):
        raise click.UsageError(
            "that URL holds a password. On a command line it stays in the shell's history and shows in the list of "
            "processes: put the URL into an environment variable, and name that with --store-env."
        )
    if "://" not in store:
        _check_file(Path(store))
    return store


def _check_file(path: Path) -> None:
    """Only what came as an argument is named: a variable may hold anything."""
    if path.is_dir():
        raise ConfigurationError(f"{path} is a directory: name the file of SQLite in it")
    if not path.exists():
        raise ConfigurationError(f"there is no file {path}: is the path right? A service makes it by create_schema()")


def _purge(store: ForgetfulStore, removed: _Removed, *, batch: int, limit: int | None, ended_for: int) -> None:
    now = int(time.time())

    def families(size: int) -> bool:
        count = Purged.of(store.purge(before=now - ended_for, limit=size))
        removed.families += count
        return count.more

    def revocations(size: int) -> bool:
        count = store.purge_revocations(before=now, limit=size)
        removed.revocations += count
        return count > 0

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    console.quiet = not console.is_terminal  # a disabled Progress of Rich 13 still ends its line
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=console.quiet) as progress:
        task = progress.add_task(str(removed), total=None)

        def go_on(step: Callable[[int], bool]) -> None:
            while size := batch if limit is None else min(batch, limit - removed.total):
                if not step(size):
                    return
                progress.update(task, description=str(removed))

        go_on(families)
        go_on(revocations)

"""`gatepass purge`: delete ended families, and revocations that no unexpired token needs, in batches.

Run it daily. Every batch is on disk before the next begins, so the command may be interrupted and run again. A URL with
a password is rejected as an argument. Errors repeat neither a URL nor the text of a server's driver, which may quote
the URL.
"""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gatepass.cli.text import visible
from gatepass.common.limits import DAY
from gatepass.common.settings import extra_hint
from gatepass.errors import ConfigurationError
from gatepass.refresh.store import PurgeableStore, purge_store
from gatepass.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["purge"]

_REDIS: Final = frozenset(("redis", "rediss", "unix"))
_SERVERS: Final = frozenset(("postgresql", "mysql", "mariadb"))
_SECRETS: Final = frozenset(("password", "passwd", "sslpassword"))
_WAIT: Final = 30
"""Seconds for which a batch waits for concurrent writers, and for a server that does not respond."""

_CONNECT: Final = {"connect_timeout": 5}
_ALL_TIMEOUTS: Final = {**_CONNECT, "read_timeout": _WAIT, "write_timeout": _WAIT}
_TIMEOUTS: Final = {
    "psycopg": _CONNECT, "psycopg2": _CONNECT, "pymysql": _ALL_TIMEOUTS, "mysqldb": _ALL_TIMEOUTS,
}  # fmt: skip

_REFUSED: Final = frozenset((1044, 1045, 1049, 1142, 1698, "42501"))
"""Error numbers of MySQL and the SQLSTATE of PostgreSQL for a rejected user, password, database or privilege."""

_ACCEPTED_URLS: Final = (
    "the store must be a SQLite file, or a URL that begins with sqlite:///, postgresql+psycopg://, "
    "mysql+pymysql://, redis://, rediss:// or unix://"
)


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
    location = _store_location(store, store_env)
    if _scheme(location) in _REDIS:
        click.echo("nothing to do: Redis deletes families and revocations by itself when they expire")
        return
    families = revocations = 0
    failure = None
    try:
        with _opened_store(location) as opened, _progress() as show:
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


def _store_location(store: str | None, variable: str | None) -> str:
    """Return the path or URL of the store. Errors quote only an argument: a variable may hold a password."""
    if bool(store) == bool(variable):
        raise click.UsageError("name the store, as STORE or with --store-env.")
    if variable:
        found = os.environ.get(variable, "").strip()
        if not found:
            raise ConfigurationError(f"the environment variable {variable} is not set; store the store's URL in it")
        return found
    store = store or ""
    if "://" in store:
        if _holds_password(store):
            raise click.UsageError(
                "the URL contains a password. A command line stays in the shell's history and is visible in the list "
                "of processes: put the URL into an environment variable, and name the variable with --store-env."
            )
    elif Path(store).is_dir():
        raise ConfigurationError(f"{store} is a directory: name the SQLite file in it")
    elif not Path(store).exists():
        raise ConfigurationError(f"there is no file {store}: check the path; a service creates it by create_schema()")
    return store


def _holds_password(url: str) -> bool:
    """Return whether *url* contains a secret; True for a URL that cannot be parsed."""
    try:
        parts = urlsplit(url)
        return parts.password is not None or any(name in _SECRETS for name, _ in parse_qsl(parts.query))
    except ValueError:
        return True


def _scheme(store: str) -> str:
    """Return the scheme of a URL, or an empty text for a path."""
    scheme, colon, _ = store.partition("://")
    return scheme.casefold() if colon else ""


def _deleted(families: int, revocations: int) -> str:
    return f"deleted {families} families and {revocations} revocations"


@contextmanager
def _progress() -> Generator[Callable[[str], None], None, None]:
    """Yield a function that shows its text on a terminal, and does nothing elsewhere."""
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    console.quiet = not console.is_terminal  # a disabled Progress of Rich 13 still ends its line
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=console.quiet) as progress:
        task = progress.add_task("", total=None)
        yield lambda text: progress.update(task, description=text)


class StoreFailed(Exception):
    """The store did not respond or refused. The text is gatepass's own, with the name of the driver's error."""


@contextmanager
def _opened_store(store: str) -> Generator[PurgeableStore, None, None]:
    """Open the store of a path or URL, and close it at the end.

    Raises `ConfigurationError` for what the operator must change, such as missing tables, and `StoreFailed` for every
    error of the database.
    """
    try:
        with ExitStack() as stack:
            if "://" not in store or _scheme(store) == "sqlite":
                yield stack.enter_context(SQLiteStore(_sqlite_path(store), timeout=_WAIT))
            else:
                engine = _engine(store)
                stack.callback(engine.dispose)
                from gatepass.stores.sql import SQLStore  # noqa: PLC0415 - it needs SQLAlchemy, an extra

                yield SQLStore(engine)
    except (ConfigurationError, OSError):
        raise
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise ConfigurationError("SQLite: the file is not a database; check the path") from None
        raise StoreFailed(f"SQLite: {error} ({type(error).__qualname__})") from None  # a file has no password
    except Exception as error:  # noqa: BLE001 - drivers raise many types, and their texts may quote the URL
        cause: Any = getattr(error, "orig", None) or error
        codes = (*cause.args[:1], getattr(cause, "sqlstate", None))
        # PostgreSQL gives no code before the connection is open.
        refused = "FATAL:" in str(cause) or any(code in _REFUSED for code in codes if isinstance(code, int | str))
        problem = "rejected the user, password, database or privileges" if refused else "cannot be reached, or failed"
        raise StoreFailed(f"the database server {problem} ({type(cause).__qualname__})") from None


def _sqlite_path(store: str) -> str:
    if "://" not in store:
        return store
    place = store.partition("://")[2]
    if not place.startswith("/") or place == "/" or "?" in place:
        raise ConfigurationError("the URL of a SQLite file is sqlite:///relative/path or sqlite:////absolute/path")
    return place[1:]


def _engine(store: str) -> Engine:
    if importlib.util.find_spec("sqlalchemy") is None:
        raise ConfigurationError(
            "this store needs SQLAlchemy and a driver (for MariaDB pymysql instead of psycopg); install them with: "
            + extra_hint("sql", "psycopg[binary]")
        )
    from sqlalchemy import create_engine, make_url  # noqa: PLC0415 - an extra
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415 - an extra

    try:
        url = make_url(store)
        dialect = url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):  # each of them quotes the URL
        raise ConfigurationError(_ACCEPTED_URLS) from None
    if url.get_backend_name() not in _SERVERS:
        raise ConfigurationError(_ACCEPTED_URLS)
    if dialect.is_async:
        raise ConfigurationError("the URL names an asynchronous driver; use one such as psycopg or pymysql")
    timeouts = {name: value for name, value in _TIMEOUTS.get(dialect.driver, {}).items() if name not in url.query}
    try:
        return create_engine(url, connect_args=timeouts, hide_parameters=True, pool_size=1)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"the driver {dialect.driver} is not installed; install it, or name another in the URL: "
            "postgresql+psycopg://, mysql+pymysql://"
        ) from None
    except Exception as error:
        raise ConfigurationError(f"the URL of the store cannot be used ({type(error).__qualname__})") from error

"""The store that a command names as an argument or in a variable: its path or URL, and the opened store.

A URL with a password is rejected as an argument. Errors repeat neither a URL nor the text of a server's driver, which
may quote the URL.
"""

from __future__ import annotations

import importlib.util
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gatepass.common.settings import extra_hint
from gatepass.errors import ConfigurationError
from gatepass.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from gatepass.stores.redis import RedisStore
    from gatepass.stores.sql import SQLStore

__all__ = ["StoreFailed", "is_redis", "opened_redis", "opened_store", "progress", "store_location"]

_REDIS: Final = frozenset(("redis", "rediss", "unix"))
_SERVERS: Final = frozenset(("postgresql", "mysql", "mariadb"))
_SECRETS: Final = frozenset(("password", "passwd", "sslpassword"))
_LOCK_TIMEOUT: Final = 30
"""Seconds to wait for concurrent writers of a SQLite file."""

_CONNECT_TIMEOUT: Final = 5
_RESPONSE_OPTIONS: Final = {
    "psycopg": (), "psycopg2": (), "pymysql": ("read_timeout", "write_timeout"),
    "mysqldb": ("read_timeout", "write_timeout"),
}  # fmt: skip
"""The drivers whose timeouts are set, and their options for a server that does not respond."""

_REFUSED: Final = frozenset((1044, 1045, 1049, 1142, 1698, "42501"))
"""Error numbers of MySQL and the SQLSTATE of PostgreSQL for a rejected user, password, database or privilege."""

_ACCEPTED_URLS: Final = (
    "the store must be a SQLite file, or a URL that begins with sqlite:///, postgresql+psycopg://, "
    "mysql+pymysql://, redis://, rediss:// or unix://"
)


class StoreFailed(Exception):
    """The store did not respond or refused. The text is gatepass's own, with the name of the driver's error."""


def store_location(store: str | None, variable: str | None) -> str:
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


def is_redis(store: str) -> bool:
    """Return whether *store* is a URL of Redis."""
    return _scheme(store) in _REDIS


@contextmanager
def opened_store(store: str, *, response_timeout: int | None) -> Generator[SQLiteStore | SQLStore, None, None]:
    """Open the store of a path or URL, and close it at the end. A server may take *response_timeout* seconds.

    Raises `ConfigurationError` for what the operator must change, such as missing tables, and `StoreFailed` for every
    error of the database.
    """
    with _own_errors():
        if "://" not in store or _scheme(store) == "sqlite":
            with SQLiteStore(_sqlite_path(store), timeout=_LOCK_TIMEOUT) as opened:
                yield opened
            return
        engine = _engine(store, response_timeout)
        from gatepass.stores.sql import SQLStore  # noqa: PLC0415 - it needs SQLAlchemy, an extra

        try:
            yield SQLStore(engine)
        finally:
            engine.dispose()


@contextmanager
def opened_redis(url: str, *, prefix: str) -> Generator[RedisStore, None, None]:
    """Open the store in Redis whose keys begin with *prefix*, as `opened_store` opens the others."""
    if importlib.util.find_spec("redis") is None:
        raise ConfigurationError(f"this store needs redis-py; install it with: {extra_hint('redis')}")
    from gatepass.stores.redis import RedisStore  # noqa: PLC0415 - an extra

    with _own_errors(), closing(RedisStore(url, prefix=prefix)) as opened:
        yield opened


@contextmanager
def progress() -> Generator[Callable[[str], None], None, None]:
    """Yield a function that shows its text on a terminal, and does nothing elsewhere."""
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    console.quiet = not console.is_terminal  # a disabled Progress of Rich 13 still ends its line
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=console.quiet) as progress:
        task = progress.add_task("", total=None)
        yield lambda text: progress.update(task, description=text)


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


@contextmanager
def _own_errors() -> Generator[None, None, None]:
    """Replace the errors of databases by `StoreFailed`."""
    try:
        yield
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


def _engine(store: str, response_timeout: int | None) -> Engine:
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
    timeouts = _timeouts(dialect.driver, response_timeout)
    timeouts = {name: value for name, value in timeouts.items() if name not in url.query}
    try:
        return create_engine(url, connect_args=timeouts, hide_parameters=True, pool_size=1)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"the driver {dialect.driver} is not installed; install it, or name another in the URL: "
            "postgresql+psycopg://, mysql+pymysql://"
        ) from None
    except Exception as error:
        raise ConfigurationError(f"the URL of the store cannot be used ({type(error).__qualname__})") from error


def _timeouts(driver: str, response_timeout: int | None) -> dict[str, int]:
    if driver not in _RESPONSE_OPTIONS:
        return {}
    limits = {} if response_timeout is None else dict.fromkeys(_RESPONSE_OPTIONS[driver], response_timeout)
    return {"connect_timeout": _CONNECT_TIMEOUT, **limits}

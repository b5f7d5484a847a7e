"""The store that a URL names, for an operator's command. What a store is made of is imported when it is asked for.

A URL may hold a password, and whatever is wrong with it is said without a word of it: neither its text nor a driver's
leaves this module.
"""

from __future__ import annotations

import importlib.util
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from gatepass.errors import ConfigurationError, extra_hint

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

__all__ = ["ForgetfulStore", "StoreFailed", "expires_by_itself", "holds_password", "opened_store"]

_REDIS: Final = frozenset(("redis", "rediss", "unix"))
_SERVERS: Final = frozenset(("postgresql", "mysql", "mariadb"))
_SECRETS: Final = frozenset(("password", "passwd", "sslpassword"))
_WAIT: Final = 30
"""Seconds for which a batch waits for those who write at the same time, and for a server that says nothing."""

_CONNECT_ARGUMENTS: Final[Mapping[str, Mapping[str, int]]] = {
    "psycopg": {"connect_timeout": 5},
    "psycopg2": {"connect_timeout": 5},
    "pymysql": {"connect_timeout": 5, "read_timeout": _WAIT, "write_timeout": _WAIT},
    "mysqldb": {"connect_timeout": 5, "read_timeout": _WAIT, "write_timeout": _WAIT},
}
_SPELLING: Final = (
    "the store must be a file of SQLite, or a URL that begins with sqlite:///, postgresql+psycopg://, "
    "mysql+pymysql://, redis://, rediss:// or unix://"
)


class ForgetfulStore(Protocol):
    """What can be purged: either half of a store may have something to forget."""

    def purge(self, *, before: int, limit: int) -> int: ...

    def purge_revocations(self, *, before: int, limit: int) -> int: ...


class StoreFailed(Exception):
    """The store did not answer, or would not. Its text is a sentence of ours, and the name of the driver's error."""


def holds_password(store: str) -> bool:
    """Whether *store* is a URL with a secret in it. One that cannot be read is taken for one that has."""
    try:
        parts = urlsplit(store)
        return parts.password is not None or any(name in _SECRETS for name, _ in parse_qsl(parts.query))
    except ValueError:
        return True


def expires_by_itself(store: str) -> bool:
    """Whether *store* names a Redis, where nothing is left to purge."""
    return "://" in store and _scheme(store) in _REDIS


@contextmanager
def opened_store(store: str) -> Generator[ForgetfulStore, None, None]:
    """The store of a path or URL, closed in the end.

    Raises `ConfigurationError` for what will not work until somebody changes it, such as tables that are not there,
    and `StoreFailed` for whatever the database raises meanwhile.
    """
    if "://" not in store:
        opened = _sqlite(store)
    elif _scheme(store) == "sqlite":
        opened = _sqlite(_path_of(store))
    else:
        opened = _sql(store)
    try:
        with opened as found:
            yield found
    except (ConfigurationError, OSError, StoreFailed):
        raise
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise ConfigurationError("SQLite says: the file is not a database; is the path right?") from None
        raise StoreFailed(f"SQLite says: {error} ({type(error).__qualname__})") from None  # a file has no password
    except Exception as error:  # noqa: BLE001 - drivers raise what they like, and their texts may quote the URL
        raise StoreFailed(_of_a_server(error)) from None


@contextmanager
def _sqlite(path: str) -> Generator[ForgetfulStore, None, None]:
    from gatepass.stores.sqlite import SQLiteStore  # noqa: PLC0415 - see above

    with SQLiteStore(path, timeout=_WAIT) as store:
        yield store


@contextmanager
def _sql(store: str) -> Generator[ForgetfulStore, None, None]:
    if importlib.util.find_spec("sqlalchemy") is None:
        raise ConfigurationError(
            "this store needs SQLAlchemy and a driver (for MariaDB pymysql in psycopg's place); install them with: "
            + extra_hint("sql", "psycopg[binary]")
        )
    from gatepass.stores.sql import SQLStore  # noqa: PLC0415 - see above

    engine = _engine(store)
    try:
        yield SQLStore(engine)
    finally:
        engine.dispose()


def _engine(store: str) -> Engine:
    from sqlalchemy import create_engine, make_url  # noqa: PLC0415 - see above
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415 - the same

    try:
        url = make_url(store)
        dialect = url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):  # each of them quotes the URL
        raise ConfigurationError(_SPELLING) from None
    if url.get_backend_name() not in _SERVERS:
        raise ConfigurationError(_SPELLING)
    if dialect.is_async:
        raise ConfigurationError("the URL names a driver for event loops; take one such as psycopg or pymysql")
    try:
        return create_engine(url, connect_args=_limits(url, dialect.driver), hide_parameters=True, pool_size=1)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"the driver {dialect.driver} is not installed; install it, or name another in the URL: "
            "postgresql+psycopg://, mysql+pymysql://"
        ) from None
    except Exception as error:
        raise ConfigurationError(f"the URL of the store cannot be used ({type(error).__qualname__})") from error


def _limits(url: URL, driver: str) -> dict[str, int]:
    """How long the driver may wait, where the URL does not say so itself."""
    return {name: value for name, value in _CONNECT_ARGUMENTS.get(driver, {}).items() if name not in url.query}


def _scheme(store: str) -> str:
    return store.partition("://")[0].casefold()


def _path_of(store: str) -> str:
    place = store.partition("://")[2]
    if not place.startswith("/") or place == "/" or "?" in place:
        raise ConfigurationError("a file of SQLite is named sqlite:///relative/path or sqlite:////absolute/path")
    return place[1:]


_REFUSALS: Final[Mapping[object, str]] = {
    1044: "refused the user, or does not let it use this database",
    1045: "refused the user or its password",
    1698: "refused the user or its password",
    1049: "has no database of that name",
    1142: "does not let this user read and delete",
    "42501": "does not let this user read and delete",
}


def _of_a_server(error: Exception) -> str:
    cause: Any = getattr(error, "orig", None) or error
    codes = (cause.args[0] if cause.args else None, getattr(cause, "sqlstate", None))
    known = next((_REFUSALS[code] for code in codes if isinstance(code, int | str) and code in _REFUSALS), None)
    if known is None:  # PostgreSQL gives no code before there is a connection
        refused = "FATAL:" in str(cause)
        known = "refused the user, its password or the database" if refused else "cannot be reached, or gave up"
    return f"the database server {known} ({type(cause).__qualname__})"

"""Databases of schema version 1, of every persistent store: `make.py` made the fixtures beside this module.

`<kind>.sql` has statements, each followed by a line with `;` alone. `redis.json` has the keys with `<prefix>` for the
store's prefix; each number in it is seconds from the moment of loading, and text is stored as it is.
`<kind>.families.json` has what the clients of that database hold.
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.databases.services import patient, running

from gatepass.stores.sqlite import SQLiteStore

KINDS = [
    "sqlite", "redis", "sql-sqlite", "sql-postgresql", "sql-mariadb",
    "django-sqlite", "django-postgresql", "django-mariadb",
]  # fmt: skip
REVOKED_SUBJECT, REVOKED_UNTIL = "eve", 1_800_000_000
"""The access tokens of this subject are revoked if they were issued until this time."""
HERE = Path(__file__).parent
PREFIX, END = "<prefix>", "\n;\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFamily:
    """A family in a fixture: what it is, the tokens of its client, and whether it *lives* at `NOW`.

    *spent_token* is the immediate predecessor of *refresh_token*, in the family with an open grace window only.
    """

    name: str
    subject: str
    client_id: str
    refresh_token: str
    spent_token: str | None
    family_id: str
    created_at: int
    lives: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Version1Store:
    """A loaded database. `open()` opens a store of the present code on it, after `manage.py migrate` for Django.

    *place* is its address, in the form of `store_addresses.store_address`; *alias* is Django's, None for other stores.
    """

    open: Callable[[], Any]
    place: str
    alias: str | None = None


def families(kind):
    """Return the families in the database of *kind*, as a list of `StoredFamily`."""
    rows = json.loads((HERE / f"{kind}.families.json").read_text(encoding="utf-8"))
    return [StoredFamily(**row) for row in rows]


def load(kind, place):
    """Load the fixture of *kind* into the empty database at *place*: a path (`sqlite`), `"<URL> <prefix>"` (`redis`),
    SQLAlchemy's URL (`sql-...`), or Django's alias (`django-...`).
    """
    _LOADERS[kind.partition("-")[0]](kind, place)


@contextmanager
def version_1_store(kind, folder):
    """Load the fixture of *kind* into a new database, yield its `Version1Store`, and remove the database afterwards.

    Django's database has the tables of `m0001_initial`, which is recorded as applied, and no later migration.
    """
    with ExitStack() as stack:
        yield _MAKERS[kind.partition("-")[0]](kind, folder, stack)


def _sqlite(kind, folder, stack):
    path = folder / "version_1.db"
    load(kind, path)
    return Version1Store(open=lambda: stack.enter_context(SQLiteStore(path, timeout=60)), place=str(path))


def _redis(kind, folder, stack):
    from gatepass.stores.redis import RedisStore

    url, prefix = patient(running("REDIS")), f"test-{secrets.token_hex(6)}"
    stack.callback(_delete_keys, url, prefix)
    load(kind, f"{url} {prefix}")
    return Version1Store(
        open=lambda: stack.enter_context(closing(RedisStore(url, prefix=prefix))), place=f"{url} {prefix}"
    )


def _sql(kind, folder, stack):
    from tests.support.databases.sql_databases import connect, empty_database

    from gatepass.stores.sql import SQLStore

    database = kind.partition("-")[2]
    place = stack.enter_context(empty_database(database, folder))
    load(kind, place)
    engine = connect(database, place)
    stack.callback(engine.dispose)
    return Version1Store(open=lambda: SQLStore(engine), place=place)


def _django(kind, folder, stack):
    from tests.support.django import ready as django_ready  # noqa: F401, I001 - its import is what counts
    from django.core.management import call_command
    from tests.support.django.databases import empty_database

    from gatepass_django.refresh import DjangoStore

    def open_migrated():
        call_command("migrate", "gatepass_refresh", database=alias, verbosity=0)
        return DjangoStore(using=alias)

    alias = stack.enter_context(empty_database(kind.partition("-")[2]))
    load(kind, alias)
    return Version1Store(open=open_migrated, place=alias, alias=alias)


def _load_sqlite(kind, place):
    _create_private(place)
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in _statements(kind):
            connection.execute(statement)


def _load_redis(kind, place):
    from redis import Redis

    url, _, prefix = place.partition(" ")
    with closing(Redis.from_url(url)) as client, client.pipeline() as pipeline:
        now = client.time()[0]
        for one in json.loads((HERE / "redis.json").read_text(encoding="utf-8")):
            key, value = one["key"].replace(PREFIX, prefix), one["value"]
            if one["type"] == "string":
                pipeline.set(key, value)
            else:
                absolute = {name: now + each if isinstance(each, int) else each for name, each in value.items()}
                put = pipeline.zadd if one["type"] == "zset" else pipeline.hset
                put(key, mapping=absolute)
            pipeline.expire(key, one["ttl"])
        pipeline.execute()


def _load_sql(kind, place):
    from sqlalchemy import make_url
    from tests.support.databases.sql_databases import connect

    database = kind.partition("-")[2]
    if database == "sqlite":
        _create_private(make_url(place).database)
    engine = connect(database, place)
    with closing(engine.raw_connection()) as connection:
        with closing(connection.cursor()) as cursor:
            for statement in _statements(kind):
                cursor.execute(statement)
        connection.commit()
    engine.dispose()


def _load_django(kind, place):
    from django.db import connections

    connection = connections[place]
    if connection.vendor == "sqlite":
        _create_private(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        for statement in _statements(kind):
            cursor.execute(statement)


_MAKERS = {"sqlite": _sqlite, "redis": _redis, "sql": _sql, "django": _django}
_LOADERS = {"sqlite": _load_sqlite, "redis": _load_redis, "sql": _load_sql, "django": _load_django}


def _statements(kind):
    return (HERE / f"{kind}.sql").read_text(encoding="utf-8").removesuffix(END).split(END)


def _create_private(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _delete_keys(url, prefix):
    from redis import Redis

    with closing(Redis.from_url(url)) as client:
        for key in client.scan_iter(f"{prefix}:*", count=1_000):
            client.unlink(key)

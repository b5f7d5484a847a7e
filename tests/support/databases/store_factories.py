"""Open stores of every kind, each in an empty database that is removed afterwards."""

import secrets
from contextlib import ExitStack, contextmanager

from tests.support.databases.services import patient, running

from gatepass.stores.memory import MemoryStore
from gatepass.stores.sqlite import SQLiteStore

EVERY_KIND = [
    "memory", "sqlite", "redis", "sql-sqlite", "sql-postgresql", "sql-mariadb",
    "django-sqlite", "django-postgresql", "django-mariadb",
]  # fmt: skip
_EMPTY = ("DELETE FROM gatepass_families", "DELETE FROM gatepass_revocations")


class StoreFactory:
    """Opens any number of stores on one database with `open`; `open_empty` deletes all rows before it opens one."""

    def __init__(self, open_store, open_empty):
        self.open = open_store
        self.open_empty = open_empty


@contextmanager
def store_factory(kind, folder):
    """Yield a `StoreFactory` for stores of *kind*."""
    with ExitStack() as closing:
        yield _MAKERS[kind.partition("-")[0]](kind.partition("-")[2], folder, closing)


def _memory(_, folder, closing):
    kept = []
    return StoreFactory(lambda: kept[-1], lambda: kept.append(MemoryStore()) or kept[-1])


def _sqlite(_, folder, closing):
    path = folder / "every.db"

    def open_store():
        return closing.enter_context(SQLiteStore(path, timeout=60))

    first = open_store()
    first.create_schema()

    def open_empty():
        for statement in _EMPTY:
            first._file.write(lambda connection, statement=statement: connection.execute(statement).rowcount)
        return first

    return StoreFactory(open_store, open_empty)


def _redis(_, folder, closing):
    from gatepass.stores.redis import RedisStore

    url, base, rounds = patient(running("REDIS")), f"test-{secrets.token_hex(6)}", [0]
    first = closing.enter_context(_closed(RedisStore(url, prefix=base)))
    closing.callback(_forget, first._client, base)

    def open_store():
        return closing.enter_context(_closed(RedisStore(url, prefix=f"{base}-{rounds[0]}")))

    def open_empty():
        rounds[0] += 1
        return open_store()

    return StoreFactory(open_store, open_empty)


def _sql(kind, folder, closing):
    from sqlalchemy import text
    from tests.support.databases.sql_databases import connect, empty_database

    from gatepass.stores.sql import SQLStore

    place = closing.enter_context(empty_database(kind, folder))
    engine = connect(kind, place)
    closing.callback(engine.dispose)
    SQLStore(engine).create_schema()

    def open_empty():
        with engine.begin() as connection:
            for statement in _EMPTY:
                connection.execute(text(statement))
        return SQLStore(engine)

    return StoreFactory(lambda: SQLStore(engine), open_empty)


def _django(kind, folder, closing):
    from tests.support.django import ready as django_ready  # noqa: F401, I001 - its import is what counts
    from django.core.management import call_command
    from tests.support.django.databases import empty_database

    from gatepass_django.refresh import DjangoStore
    from gatepass_django.refresh.models import Revocation, TokenFamily

    alias = closing.enter_context(empty_database(kind))
    call_command("migrate", "gatepass_refresh", database=alias, verbosity=0)

    def open_empty():
        TokenFamily.objects.using(alias).all().delete()
        Revocation.objects.using(alias).all().delete()
        return DjangoStore(using=alias)

    return StoreFactory(lambda: DjangoStore(using=alias), open_empty)


_MAKERS = {"memory": _memory, "sqlite": _sqlite, "redis": _redis, "sql": _sql, "django": _django}


@contextmanager
def _closed(store):
    try:
        yield store
    finally:
        store.close()


def _forget(client, prefix):
    for key in client.scan_iter(f"{prefix}*", count=1_000):
        client.unlink(key)

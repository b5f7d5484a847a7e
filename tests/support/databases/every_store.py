"""Every store there is, each in an empty place of its own that is gone afterwards."""

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


class Place:
    """Where stores are opened, any number of them on one place; `emptied` opens one after all that it held is gone."""

    def __init__(self, opened, emptied):
        self.opened = opened
        self.emptied = emptied


@contextmanager
def place_of(kind, folder):
    """A `Place` for stores of *kind*."""
    with ExitStack() as closing:
        yield _MAKERS[kind.partition("-")[0]](kind.partition("-")[2], folder, closing)


def _memory(_, folder, closing):
    kept = []
    return Place(lambda: kept[-1], lambda: kept.append(MemoryStore()) or kept[-1])


def _sqlite(_, folder, closing):
    path = folder / "every.db"

    def opened():
        return closing.enter_context(SQLiteStore(path, timeout=60))

    first = opened()
    first.create_schema()

    def emptied():
        for statement in _EMPTY:
            first._file.write(lambda connection, statement=statement: connection.execute(statement).rowcount)
        return first

    return Place(opened, emptied)


def _redis(_, folder, closing):
    from gatepass.stores.redis import RedisStore

    url, base, rounds = patient(running("REDIS")), f"test-{secrets.token_hex(6)}", [0]
    first = closing.enter_context(_closed(RedisStore(url, prefix=base)))
    closing.callback(_forget, first._client, base)

    def opened():
        return closing.enter_context(_closed(RedisStore(url, prefix=f"{base}-{rounds[0]}")))

    def emptied():
        rounds[0] += 1
        return opened()

    return Place(opened, emptied)


def _sql(kind, folder, closing):
    from sqlalchemy import text
    from tests.support.databases.sql_places import connect, empty_place

    from gatepass.stores.sql import SQLStore

    place = closing.enter_context(empty_place(kind, folder))
    engine = connect(kind, place)
    closing.callback(engine.dispose)
    SQLStore(engine).create_schema()

    def emptied():
        with engine.begin() as connection:
            for statement in _EMPTY:
                connection.execute(text(statement))
        return SQLStore(engine)

    return Place(lambda: SQLStore(engine), emptied)


def _django(kind, folder, closing):
    from tests.support.django import ready as django_ready  # noqa: F401, I001 - its import is what counts
    from django.core.management import call_command
    from tests.support.django.databases import empty_database

    from gatepass_django.refresh import DjangoStore
    from gatepass_django.refresh.models import Revocation, TokenFamily

    alias = closing.enter_context(empty_database(kind))
    call_command("migrate", "gatepass_refresh", database=alias, verbosity=0)

    def emptied():
        TokenFamily.objects.using(alias).all().delete()
        Revocation.objects.using(alias).all().delete()
        return DjangoStore(using=alias)

    return Place(lambda: DjangoStore(using=alias), emptied)


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

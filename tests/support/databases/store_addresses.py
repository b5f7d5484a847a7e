"""Addresses of prepared stores, which another process can open with `serving_process.open_store`."""

import secrets
from contextlib import closing, contextmanager

from tests.support.databases.services import patient, running
from tests.support.databases.sql_databases import connect, empty_database

from gatepass.stores.redis import RedisStore
from gatepass.stores.sql import SQLStore
from gatepass.stores.sqlite import SQLiteStore


@contextmanager
def store_address(kind, folder):
    """Yield the address of an empty store with its tables, which is removed afterwards."""
    if kind == "sqlite":
        with SQLiteStore(folder / "sessions.db") as store:
            store.create_schema()
        yield str(folder / "sessions.db")
    elif kind == "redis":
        url, prefix = patient(running("REDIS")), f"test-{secrets.token_hex(6)}"
        yield f"{url} {prefix}"
        with closing(RedisStore(url)) as store:
            for key in store._client.scan_iter(f"{prefix}:*", count=1_000):
                store._client.unlink(key)
    else:
        with empty_database(kind, folder) as place:
            engine = connect(kind, place)
            SQLStore(engine).create_schema()
            engine.dispose()
            yield place

"""Each store on a separate database, and the bare compare-and-set on the same table, by the driver alone.

Every database is created for the benchmark and deleted afterwards. Servers that are not running are skipped and named.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as NotThere
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from gatepass.stores.memory import MemoryStore
from gatepass.stores.redis import RedisStore
from gatepass.stores.sql import SQLStore
from gatepass.stores.sqlite import SQLiteStore

__all__ = ["PLACES", "NotRunning", "Place", "own_redis", "sql_place"]

CompareAndSet = Callable[[str, bytes, bytes], bool]
"""Takes a family id, its current hash and the next; one statement or script, durable when it returns."""


class NotRunning(Exception):
    """The server is not available on this machine."""


@dataclass(frozen=True)
class Place:
    """A store, the bare compare-and-set on the same table, and the setting that makes both durable."""

    store: Any
    compare_and_set: CompareAndSet
    durable: str
    database: Any = None


@contextmanager
def memory(_: Path) -> Iterator[Place]:
    """Yield a `MemoryStore`; the bare compare-and-set is a dictionary of hashes under a lock."""
    hashes: dict[str, bytes] = {}
    lock = threading.Lock()

    def compare_and_set(name: str, old: bytes, new: bytes) -> bool:
        with lock:
            if hashes.get(name, old) != old:
                return False
            hashes[name] = new
            return True

    yield Place(MemoryStore(), compare_and_set, "no disk")


@contextmanager
def sqlite(folder: Path) -> Iterator[Place]:
    """Yield a `SQLiteStore`; the bare compare-and-set is one UPDATE in autocommit, with the same file and pragmas."""
    path = folder / f"{secrets.token_hex(4)}.db"
    with SQLiteStore(path) as store:
        store.create_schema()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            statement = _UPDATE.replace("%s", "?")

            def compare_and_set(name: str, old: bytes, new: bytes) -> bool:
                return connection.execute(statement, (new, name, old)).rowcount == 1

            yield Place(store, compare_and_set, "synchronous FULL", path)


@contextmanager
def own_redis(folder: Path) -> Iterator[str]:
    """Yield the URL of a server that writes every change to disk before it responds."""
    program = shutil.which("redis-server")
    if program is None:
        raise NotRunning("Redis: the program redis-server is not installed")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    (folder / f"redis-{port}").mkdir()
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
    command = [program, "--port", str(port), "--dir", str(folder / f"redis-{port}"), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:  # noqa: S603 - on loopback
        try:
            with Redis(port=port) as client:
                _wait_until_ready(client)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


@contextmanager
def redis(folder: Path) -> Iterator[Place]:
    """Yield a `RedisStore`; the bare compare-and-set is one Lua script, with the same client library and server."""
    with own_redis(folder) as url, Redis.from_url(url) as client, closing(RedisStore(url)) as store:
        digest = client.script_load(_SCRIPT)

        def compare_and_set(name: str, old: bytes, new: bytes) -> bool:
            return client.evalsha(digest, 1, f"gatepass:family:{name}", old.hex(), new.hex()) == 1

        yield Place(store, compare_and_set, "appendfsync always", url)


@contextmanager
def sql_place(kind: str, folder: Path) -> Iterator[Place]:  # noqa: ARG001 - all places have the same signature
    """Yield an `SQLStore`; the bare compare-and-set is one UPDATE in autocommit, by the driver, in that database."""
    make, drop, into = _DATABASES[kind]
    home = _server_url(kind)
    name = f"gatepass_bench_{secrets.token_hex(4)}"
    admin = create_engine(home, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    try:
        with admin.connect() as connection:
            connection.execute(text(make.format(name)))
    except DBAPIError as error:
        raise NotRunning(f"{kind}: {type(error.orig).__name__} at {home.host}:{home.port}") from None
    engine = create_engine(into(home, name))
    try:
        store = SQLStore(engine)
        store.create_schema()
        with closing(engine.raw_connection()) as pooled:
            yield Place(store, _bare(pooled.driver_connection, kind), _query(engine, _DURABLE[kind]), engine)
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.execute(text(drop.format(name)))
        admin.dispose()


def _bare(connection: Any, kind: str) -> CompareAndSet:
    """Return the compare-and-set on *connection*, which is the driver's own."""
    if kind == "PostgreSQL":
        connection.autocommit = True
    else:
        connection.autocommit(True)  # noqa: FBT003 - PyMySQL's signature
    cursor = connection.cursor()

    def compare_and_set(name: str, old: bytes, new: bytes) -> bool:
        cursor.execute(_UPDATE, (new, name if kind == "PostgreSQL" else name.encode(), old))
        return cursor.rowcount == 1

    return compare_and_set


def _query(engine: Engine, question: str) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text(f"SELECT {question}")).scalar_one())


def _wait_until_ready(client: Redis) -> None:
    for _ in range(500):
        try:
            client.ping()
            return
        except NotThere:
            time.sleep(0.01)
    raise NotRunning("Redis: redis-server did not start")


def _server_url(kind: str) -> URL:
    variable, default, driver = _ADDRESSES[kind]
    return make_url(os.environ.get(variable) or default).set(drivername=driver)


_UPDATE = "UPDATE gatepass_families SET current_hash = %s WHERE family_id = %s AND current_hash = %s"
_SCRIPT = """
if redis.call('HGET', KEYS[1], 'current_hash') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'current_hash', ARGV[2])
return 1
"""
_ADDRESSES = {
    "PostgreSQL": ("GATEPASS_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test", "postgresql+psycopg"),
    "MariaDB": ("GATEPASS_TEST_MARIADB_URL", "mysql://root@127.0.0.1:3306/test", "mysql+pymysql"),
}
_DATABASES: dict[str, tuple[str, str, Callable[[URL, str], URL]]] = {
    "PostgreSQL": (
        "CREATE SCHEMA {}",
        "DROP SCHEMA {} CASCADE",
        lambda home, name: home.update_query_dict({"options": f"-c search_path={name}"}),
    ),
    "MariaDB": ("CREATE DATABASE {}", "DROP DATABASE {}", lambda home, name: home.set(database=name)),
}
_DURABLE = {
    "PostgreSQL": "'fsync ' || current_setting('fsync') || ', commit ' || current_setting('synchronous_commit')",
    "MariaDB": "CONCAT('innodb_flush_log_at_trx_commit ', @@innodb_flush_log_at_trx_commit)",
}

PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "memory": memory,
    "SQLite": sqlite,
    "Redis": redis,
    "PostgreSQL": lambda folder: sql_place("PostgreSQL", folder),
    "MariaDB": lambda folder: sql_place("MariaDB", folder),
}

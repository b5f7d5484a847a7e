"""Make the fixtures of schema version 1 with the code of that version.

    python -m tests.support.databases.version_1.make

This program can only be run with the code of schema version 1, and refuses to write with any other. It is kept so that
a reader sees how the fixtures arose. Each database gets the same kinds of families, with random tokens of its own.
"""

import json
import re
import tempfile
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

from tests.support.breaking_store import NOW, Clock, make_revocation, make_service
from tests.support.databases.store_factories import store_factory
from tests.support.databases.version_1 import END, HERE, KINDS, PREFIX, REVOKED_SUBJECT, StoredFamily

from gatepass.refresh import RefreshToken

MINUTE, HOUR, DAY = 60, 3_600, 86_400
SPACE = HOUR  # seconds that the Redis store adds to each lifetime, and once more to a family's in an index
SQL_TABLES = ("gatepass_schema", "gatepass_families", "gatepass_revocations")
DJANGO_TABLES = ("gatepass_refresh_family", "gatepass_refresh_revocation")


class Logins:
    """Makes families in *store*, each by a service whose clock is set to the moments of the family's life."""

    def __init__(self, store):
        self._store = store
        self.made = []

    def add(
        self, name, *, at, rotated_at=(), revoked_at=None, grace=0, subject="anna", client_id="web", lives=True, **facts
    ):
        clock = Clock(at)
        service = make_service(self._store, clock, grace=grace)
        scope = "orders:read orders:write"
        tokens = [service.grant(subject, client_id=client_id, scope=scope, **facts).refresh_token]
        for moment in rotated_at:
            clock.now = moment
            tokens.append(service.refresh(tokens[-1], client_id=client_id).refresh_token)
        if revoked_at is not None:
            clock.now = revoked_at
            service.revoke(tokens[-1], client_id=client_id)
        one = StoredFamily(
            name=name,
            subject=subject,
            client_id=client_id,
            refresh_token=tokens[-1],
            spent_token=tokens[-2] if grace else None,
            family_id=RefreshToken.parse(tokens[-1]).family_id,
            created_at=at,
            lives=lives,
        )
        self.made.append({name: getattr(one, name) for name in StoredFamily.__slots__})


def fill(store):
    """Make the families and the revocation, and return the rows of `<kind>.families.json`."""
    logins = Logins(store)
    logins.add("fresh", at=NOW)
    logins.add("rotated twice", at=NOW - 2 * HOUR, rotated_at=(NOW - HOUR, NOW - 30 * MINUTE))
    logins.add("in an open grace window", at=NOW - HOUR, rotated_at=(NOW - 5,), grace=60)
    logins.add(
        "with the facts of the login",
        at=NOW - 10 * MINUTE,
        auth_time=datetime.fromtimestamp(NOW - 11 * MINUTE, UTC),
        acr="urn:example:acr:2",
        amr=("pwd", "otp"),
    )
    logins.add("first of one second", at=NOW - 30, subject="ben", client_id="mobile")
    logins.add("second of one second", at=NOW - 30, subject="ben", client_id="mobile")
    logins.add("odd subject", at=NOW - MINUTE, subject="  Ärger 👩🏽‍🚀 {x} 'y'")
    logins.add("revoked", at=NOW - HOUR, revoked_at=NOW - 10 * MINUTE, lives=False)
    logins.add("idle for too long", at=NOW - 14 * DAY - 10 * MINUTE, lives=False)
    oldest = NOW - 90 * DAY - 10 * MINUTE
    logins.add(
        "past its absolute end", at=oldest, rotated_at=[oldest + day * DAY for day in range(10, 90, 10)], lives=False
    )
    old = NOW - 80 * DAY
    logins.add("kept alive for 80 days", at=old, rotated_at=[old + day * DAY for day in range(10, 80, 10)])
    make_revocation(store, Clock()).revoke_subject(REVOKED_SUBJECT)
    return logins.made


def make_sqlite(kind, folder):
    with store_factory(kind, folder) as factory:
        store = factory.open()
        rows = fill(store)
        write_sql(kind, rows, *store._file.read(lambda connection: dump_of_sqlite(connection.execute, SQL_TABLES)))


def make_sql(kind, folder):
    from sqlalchemy import Engine, event

    seen = []

    def see(connection, cursor, statement, *others):
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", see)
    with store_factory(kind, folder) as factory:
        event.remove(Engine, "before_cursor_execute", see)
        store = factory.open()
        rows = fill(store)
        with closing(store._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            write_sql(kind, rows, *dump(kind, cursor, SQL_TABLES, seen))


def make_django(kind, folder):
    from tests.support.django import ready as django_ready  # noqa: F401, I001 - its import is what counts
    from django.db import connections
    from tests.support.django.databases import ALIASES

    seen, connection = [], connections[ALIASES[kind.partition("-")[2]]]

    def see(execute, statement, params, many, context):
        seen.append(statement)
        return execute(statement, params, many, context)

    with ExitStack() as stack:
        with connection.execute_wrapper(see):
            factory = stack.enter_context(store_factory(kind, folder))
        rows = fill(factory.open())
        with connection.cursor() as cursor:
            definitions, inserts = dump(kind, cursor, DJANGO_TABLES, seen)
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = f"{datetime.fromtimestamp(NOW, UTC):%Y-%m-%d %H:%M:%S}"
            migrations = [(*row, applied) for row in cursor.fetchall()]
        assert [row[:2] for row in migrations] == [("gatepass_refresh", "m0001_initial")]
        inserts.append(insert(kind, "django_migrations", ("app", "name", "applied"), migrations))
        write_sql(kind, rows, definitions, inserts)


def make_redis(kind, folder):
    with store_factory(kind, folder) as factory:
        store = factory.open()
        rows = fill(store)
        keys = sorted(key_of(store, name) for name in store._client.scan_iter(f"{store._prefix}:*"))
        found = {key: value_of(store, key) for key in keys}
    lines = [json.dumps(as_if_at_now(key, found), ensure_ascii=False) for key in keys]
    write(f"{kind}.json", lines_of_json(lines))
    write_families(kind, rows)


def dump(kind, cursor, tables, seen):
    """Return the definitions of tables and indexes, and the INSERT statements. *seen*: what created the tables."""
    if kind.endswith("-sqlite"):
        return dump_of_sqlite(cursor.execute, tables)
    definitions = [statement for statement in seen if re.match(r"\s*(?:CREATE|ALTER) (?:TABLE|INDEX) ", statement)]
    return definitions, [rows_of(kind, cursor.execute, cursor, name) for name in tables]


def dump_of_sqlite(execute, tables):
    found = execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'").fetchall()
    return [sql for (sql,) in found], [rows_of("sqlite", execute, None, name) for name in tables]


def rows_of(kind, execute, cursor, table):
    result = execute(f"SELECT * FROM {table}")  # noqa: S608 - constant names
    cursor = cursor or result
    columns, rows = [one[0] for one in cursor.description], list(cursor.fetchall())
    assert table != "gatepass_schema" or rows[0][columns.index("version")] == 1, "this is not the code of version 1"
    return insert(kind, table, columns, sorted(rows))


def insert(kind, table, columns, rows):
    values = ",\n".join(f"({', '.join(literal(kind, value) for value in row)})" for row in rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES\n{values}"


def literal(kind, value):
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return rf"'\x{value.hex()}'" if kind.endswith("postgresql") else f"x'{value.hex()}'"
    assert isinstance(value, str)
    assert not set(value) & set("\\%\n"), "text that databases or drivers read differently"
    return "'" + value.replace("'", "''") + "'"


def key_of(store, name):
    return name.decode().replace(store._prefix, PREFIX)


def value_of(store, key):
    """Return the type and the value of a key, and its lifetime. Times by the server's clock become lifetimes."""
    client, name = store._client, key.replace(PREFIX, store._prefix)
    now, kind = client.time()[0], client.type(name).decode()
    if kind == "string":
        value = client.get(name).decode()
    elif kind == "zset":
        value = {member.decode(): int(score) - now for member, score in client.zrange(name, 0, -1, withscores=True)}
    else:
        value = {field.decode(): text.decode() for field, text in client.hgetall(name).items()}
        value["gone_at"] = int(value["gone_at"]) - now
    return kind, value, client.ttl(name)


def as_if_at_now(key, found):
    """Return the entry of `redis.json` as it would be at `NOW` on a server whose clock had followed the families' lives.

    The server counted each lifetime from the moment of making; here it counts from the moments of the family's life.
    """
    kind, value, ttl = found[key]
    part, name = key.removeprefix(f"{PREFIX}:").split(":", 1)
    if part == "family":
        created, rotated, expires, idle = times_of(key, found)
        value = value | {"gone_at": agreed(expires - NOW + SPACE, value["gone_at"] - (NOW - created))}
        ttl = agreed(min(idle, expires) - NOW + SPACE, ttl - (NOW - max(created, rotated)))
    elif part == "salt":
        rotated = times_of(name.strip("{}"), found)[1]
        ttl = agreed(rotated + MINUTE - NOW, ttl - (NOW - rotated))
    elif part == "revoked":
        ttl = int(value.split(" ")[1]) - NOW + SPACE  # the store subtracted the time of this machine
    else:
        lives = {one: times_of(f"{PREFIX}:family:{one}", found) for one in value}
        value = {
            one: agreed(expires - NOW + 2 * SPACE, value[one] - (NOW - created))
            for one, (created, _, expires, _) in lives.items()
        }
        ttl = max(value.values())
    assert ttl > 0, "the server would not have this key any more"
    return {"key": key, "type": kind, "ttl": ttl, "value": value}


def times_of(key, found):
    return [int(found[key][1][name]) for name in ("created_at", "rotated_at", "expires_at", "idle_expires_at")]


def agreed(exact, measured):
    """Return *exact*, which must be what the store wrote, except for the seconds since then."""
    assert abs(exact - measured) < MINUTE, (exact, measured)
    return exact


def write_sql(kind, rows, definitions, inserts):
    statements = [re.sub(r"[ \t]+$", "", one.strip(), flags=re.MULTILINE) for one in (*definitions, *inserts)]
    assert not any(END in statement for statement in statements)
    write(f"{kind}.sql", "".join(statement + END for statement in statements))
    write_families(kind, rows)


def write_families(kind, rows):
    write(f"{kind}.families.json", lines_of_json([json.dumps(row, ensure_ascii=False) for row in rows]))


def lines_of_json(lines):
    return "[\n" + ",\n".join(lines) + "\n]\n"


def write(name, text):
    (HERE / name).write_text(text, encoding="utf-8")
    print(name, len(text))


_MAKERS = {"sqlite": make_sqlite, "redis": make_redis, "sql": make_sql, "django": make_django}

if __name__ == "__main__":
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            _MAKERS[kind.partition("-")[0]](kind, Path(folder))

"""A file of version 1 is upgraded in place: by one call or several at once, while other processes have it open."""

import os
import sqlite3
from contextlib import closing
from functools import partial

import pytest
from tests.support.databases.sqlite_store import PATIENCE
from tests.support.databases.version_1 import load
from tests.support.needs import reason_for

from gatepass import ConfigurationError
from gatepass.stores import sqlite
from gatepass.stores.sqlite import SQLiteStore
from gatepass.testing.base import make_family
from gatepass.testing.racing import in_processes, rounds

NEW = ("claims", "label", "refresh_ttl")
WHAT_TO_RUN = r"of version 1: run upgrade_schema\(\) of the store once, or: gatepass upgrade-store"
OLD = (
    "family_id", "subject", "client_id", "scope", "audience", "auth_time", "acr", "amr", "created_at", "expires_at",
    "idle_expires_at", "proof_hash", "current_hash", "previous_hash", "salt", "rotated_at", "revoked_at", "purge_at",
)  # fmt: skip
INSERT = f"INSERT INTO gatepass_families ({', '.join(OLD)}) VALUES ({', '.join('?' * len(OLD))})"  # noqa: S608 - constant names
INDEX = "CREATE INDEX gatepass_families_login ON gatepass_families (subject, created_at, family_id)"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "version_1.db"
    load("sqlite", path)
    return path


def upgrade(path):
    with SQLiteStore(path, timeout=PATIENCE) as store:
        return store.upgrade_schema()


def ask(path, query):
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(query).fetchall()


def version(path):
    return ask(path, "SELECT version FROM gatepass_schema")


def rows(path):
    """Return all families, without the columns of version 2, which are the last."""
    found = ask(path, "SELECT * FROM gatepass_families ORDER BY family_id")
    return [row[: len(OLD)] for row in found]


def structure(path):
    columns = ask(path, "SELECT * FROM pragma_table_info('gatepass_families')")
    indexes = ask(path, "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name")
    return columns, [
        (name, table, " ".join((sql or "").split()).replace("IF NOT EXISTS ", "")) for name, table, sql in indexes
    ]


def test_an_upgrade_keeps_every_row_and_makes_the_tables_of_a_new_file(path, tmp_path):
    before = rows(path)

    assert upgrade(path) == 1

    assert len(before) == 11
    assert rows(path) == before
    with SQLiteStore(tmp_path / "new.db") as new:
        new.create_schema()
    assert structure(path) == structure(tmp_path / "new.db")


def test_another_upgrade_changes_nothing(path):
    one = make_family(claims='{"tenant":"north"}', label="phone", refresh_ttl=60).family
    with SQLiteStore(path, timeout=PATIENCE) as store:
        store.upgrade_schema()
        store.create(one)
        before = structure(path)

        assert store.upgrade_schema() == 2

        assert structure(path) == before
        assert store.get(one.family_id) == one


@pytest.mark.parametrize(
    "call",
    [
        SQLiteStore.create_schema,
        lambda store: store.get("x"),
        lambda store: store.rotate("x", make_family().next()[1]),
        lambda store: store.create(make_family().family),
        lambda store: store.live_families("anna", at=1, limit=1, after=None),
        lambda store: store.revoked_until(["x"], now=1),
    ],
)
def test_a_store_of_version_1_says_what_to_run_and_is_not_changed(path, call):
    before = structure(path)

    with SQLiteStore(path) as store, pytest.raises(ConfigurationError, match=WHAT_TO_RUN):
        call(store)

    assert (version(path), structure(path)) == ([(1,)], before)


def test_a_store_that_was_refused_works_after_the_upgrade(path):
    with SQLiteStore(path, timeout=PATIENCE) as store:
        with pytest.raises(ConfigurationError):
            store.get("x")
        upgrade(path)

        assert store.get("x") is None


def test_a_missing_file_is_not_created(tmp_path):
    with pytest.raises(ConfigurationError, match=r"does not exist; call create_schema\(\) once"):
        upgrade(tmp_path / "none.db")

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_gone_since_is_an_error_of_the_database(path):
    with SQLiteStore(path, timeout=PATIENCE) as store:
        store.upgrade_schema()
        path.rename(path.with_name("moved.db"))

        with pytest.raises(sqlite3.OperationalError, match="the store's file is gone"):
            store.upgrade_schema()


def test_a_file_without_tables_is_not_changed(tmp_path):
    """It may be the database of another program, which keeps its journal as it is."""
    other = tmp_path / "other.db"
    ask(other, "CREATE TABLE theirs (x)")
    before = other.read_bytes()

    with pytest.raises(ConfigurationError, match=r"no tables of gatepass; call create_schema\(\) once"):
        upgrade(other)

    assert other.read_bytes() == before
    assert list(tmp_path.iterdir()) == [other]


def test_tables_of_a_newer_version_are_not_changed(path):
    ask(path, "UPDATE gatepass_schema SET version = 3")
    before = structure(path)

    with pytest.raises(ConfigurationError, match="made by a newer version of gatepass: upgrade gatepass"):
        upgrade(path)

    assert (version(path), structure(path)) == ([(3,)], before)


@pytest.mark.parametrize(
    "added", [[INDEX], [INDEX, *(f"ALTER TABLE gatepass_families ADD COLUMN {name} TEXT" for name in NEW[:2])]]
)
def test_what_was_added_before_is_kept(path, tmp_path, added):
    for statement in added:
        ask(path, statement)

    assert upgrade(path) == 1

    with SQLiteStore(tmp_path / "new.db") as new:
        new.create_schema()
    assert structure(path) == structure(tmp_path / "new.db")


def test_an_upgrade_that_fails_half_way_changes_nothing(path):
    before = structure(path)
    ask(path, "CREATE TRIGGER no BEFORE UPDATE ON gatepass_schema BEGIN SELECT RAISE(ABORT, 'not today'); END")

    with pytest.raises(sqlite3.IntegrityError, match="not today"):
        upgrade(path)

    assert structure(path) == before
    ask(path, "DROP TRIGGER no")
    assert upgrade(path) == 1


@pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "modes are looked at"))
@pytest.mark.parametrize("which", ["the file", "its directory"])
def test_a_file_that_others_can_change_is_refused(path, which):
    (path if which == "the file" else path.parent).chmod(0o777)

    with pytest.raises(ConfigurationError, match=r"(others|other users) can"):
        upgrade(path)

    assert version(path) == [(1,)]


def test_a_process_of_version_1_goes_on_with_its_open_connection(path):
    """It inserts by the names of its columns."""
    template = next(row for row in rows(path) if row[OLD.index("revoked_at")] is None)
    current = template[OLD.index("current_hash")]
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute(INSERT, ("before", *template[1:]))
        upgrade(path)
        old.execute(INSERT, ("after", *template[1:]))

        for name in ("before", "after"):
            assert old.execute(sqlite._ROTATE, (b"next", current, b"", 1, 1, name, current)).rowcount == 1

    with SQLiteStore(path, timeout=PATIENCE) as store:
        assert [store.get(name).label for name in ("before", "after")] == [None, None]


def test_an_upgrade_waits_for_a_writer_no_longer_than_its_timeout(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with SQLiteStore(path, timeout=0) as store, pytest.raises(sqlite3.OperationalError, match="locked"):
            store.upgrade_schema()
        writer.execute("ROLLBACK")

    assert upgrade(path) == 1


def upgrade_of(folder, run, number):
    return upgrade(folder / f"{run}.db")


def test_processes_may_upgrade_concurrently(tmp_path):
    runs = rounds()
    for run in range(runs):
        load("sqlite", tmp_path / f"{run}.db")
    before = rows(tmp_path / "0.db")

    outcomes = in_processes(6, runs, partial(type(tmp_path), tmp_path), upgrade_of)

    assert [sorted(one) for one in outcomes] == [[1, 2, 2, 2, 2, 2]] * runs
    assert [(version(path), rows(path)) for path in sorted(tmp_path.glob("*.db"))] == [([(2,)], before)] * runs

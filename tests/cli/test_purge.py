"""`gatepass purge` on real stores: which rows it deletes, when it stops, and that it never shows a password."""

import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager

import pytest
from sqlalchemy import create_engine, text
from tests.cli.test_main import without
from tests.support.databases.services import running
from tests.support.databases.sql_databases import connect, empty_database
from tests.support.needs import reason_for
from tests.support.ports import free_port
from tests.support.sessions import wait_until

from gatepass.refresh import purge_store
from gatepass.stores.sql import SQLStore
from gatepass.stores.sqlite import SQLiteStore
from gatepass.testing.base import make_family

HOUR, DAY = 3_600, 86_400
SECRET = "hunter2-hunter2"
KINDS = ["file", "file of SQLAlchemy", "postgresql", "mariadb"]


@contextmanager
def a_store(kind, folder):
    """Return an empty store with its tables, and its name on the command line."""
    if kind == "file":
        with SQLiteStore(folder / "sessions.db") as store:
            store.create_schema()
            yield store, f"sqlite:///{folder / 'sessions.db'}"
        return
    kind = "sqlite" if kind == "file of SQLAlchemy" else kind
    with empty_database(kind, folder) as place:
        engine = connect(kind, place)
        store = SQLStore(engine)
        store.create_schema()
        yield store, place
        engine.dispose()


@pytest.fixture(params=KINDS)
def stored(request, tmp_path):
    with a_store(request.param, tmp_path) as stored:
        fill(stored[0])
        yield stored


@pytest.fixture
def file(tmp_path):
    with a_store("file", tmp_path) as (store, _):
        fill(store)
        yield store, tmp_path / "sessions.db"


def fill(store):
    """Add three families that ended long ago, one an hour ago and one active; two expired revocations and one valid."""
    now = int(time.time())
    for number in range(3):
        store.create(
            make_family(family_id=f"gone{number}", idle_expires_at=now - DAY - HOUR, expires_at=now + DAY).family
        )
    store.create(make_family(family_id="late", idle_expires_at=now - HOUR, expires_at=now + DAY).family)
    store.create(make_family(family_id="alive", idle_expires_at=now + HOUR, expires_at=now + DAY).family)
    for name, keep in (("a", now - 9), ("b", now - 9), ("c", now + HOUR)):
        store.put_revocation(name, issued_until=now, keep_until=keep)


def left(store):
    names = ("gone0", "gone1", "gone2", "late", "alive")
    kept = {name for name in names if store.get(name) is not None}
    return kept | {name for name in "abc" if store.revoked_until([name], now=0) is not None}


def said(result):
    return result.stdout.decode() + result.stderr.decode()


def test_ended_families_and_expired_revocations_are_deleted(gatepass_here, stored):
    store, place = stored

    first, second = gatepass_here("purge", place), gatepass_here("purge", place)

    assert (first.returncode, first.stdout, first.stderr) == (0, b"deleted 3 families and 2 revocations\n", b"")
    assert (second.returncode, second.stdout) == (0, b"deleted 0 families and 0 revocations\n")
    assert left(store) == {"late", "alive", "c"}


def test_an_option_sets_how_long_ended_families_are_kept(gatepass_here, stored):
    store, place = stored

    gatepass_here("purge", place, "--ended-for", "0")

    assert left(store) == {"alive", "c"}


@pytest.mark.parametrize(
    ("limit", "answer"),
    [
        (2, "deleted 2 families and 0 revocations; stopped at --limit, there may be more"),
        (4, "deleted 3 families and 1 revocations; stopped at --limit, there may be more"),
        (6, "deleted 3 families and 2 revocations"),
    ],
)
def test_no_more_rows_than_the_limit_are_deleted(gatepass_here, stored, limit, answer):
    store, place = stored

    result = gatepass_here("purge", place, "--limit", limit, "--batch", 2)

    assert (result.returncode, result.stdout.decode().strip()) == (0, answer)
    assert len(left(store)) == 8 - min(limit, 5)


def test_batches_are_deleted_until_none_is_left(file):
    sizes = []

    class Watched:
        def purge(self, *, before, limit):
            sizes.append(limit)
            return file[0].purge(before=before, limit=limit)

        def purge_revocations(self, *, before, limit):
            sizes.append(-limit)
            return file[0].purge_revocations(before=before, limit=limit)

    deleted = list(purge_store(Watched(), now=int(time.time()), ended_for=DAY, batch=2))

    assert deleted == [(2, 0), (3, 0), (3, 2), (3, 2)]
    assert sizes == [2, 2, -2, -2]  # the last batch of families is short; the last one of revocations is empty
    assert left(file[0]) == {"late", "alive", "c"}


def test_a_store_may_be_given_as_a_path(gatepass, file):
    assert gatepass("purge", "sessions.db").stdout == b"deleted 3 families and 2 revocations\n"
    assert left(file[0]) == {"late", "alive", "c"}


def test_a_store_may_be_given_in_the_environment(gatepass_here, stored):
    _, place = stored

    result = gatepass_here("purge", "--store-env", "STORE_URL", env={"STORE_URL": f"{place}\n"})

    assert result.stdout == b"deleted 3 families and 2 revocations\n"


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "rediss://127.0.0.1:1/0", "unix:///nowhere.sock", f"REDIS://:{SECRET}@nowhere:1"]
)
def test_redis_is_unchanged_because_it_expires_its_keys(gatepass_here, url):
    result = gatepass_here("purge", "--store-env", "STORE_URL", env={"STORE_URL": url})

    assert result.returncode == 0
    assert b"by itself" in result.stdout
    assert SECRET not in said(result)


def test_redis_needs_no_extra():
    assert without("redis", "sqlalchemy", arguments=["purge", "redis://127.0.0.1:1/0"]).returncode == 0


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://app:{SECRET}@db.example/app",
        f"mysql+pymysql://app:{SECRET}@db.example/app",
        f"postgresql+psycopg://db.example/app?user=app&password={SECRET}",
        f"redis://:{SECRET}@db.example/0",
        f"postgresql+psycopg://app:{SECRET}@[db/app",
        f"postgresql+psycopg://app:{SECRET}@db.ex\u00e4mple/app",
    ],
)
def test_a_password_is_not_taken_from_the_command_line(gatepass_here, url):
    result = gatepass_here("purge", url)

    assert result.returncode == 2
    assert "--store-env" in said(result)
    assert SECRET not in said(result)


@pytest.mark.parametrize(
    "arguments", [[], [""], ["sessions.db", "--store-env", "STORE_URL"], ["--store-env", "NOT_SET"], ["--limit", "0"]]
)
def test_a_command_without_exactly_one_store_is_refused(gatepass_here, arguments):
    result = gatepass_here("purge", *arguments, env={"STORE_URL": "sessions.db"})

    assert result.returncode == 2
    assert result.stderr.decode().splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:///", "the URL of a SQLite file is"),
        ("sqlite://sessions.db", "the URL of a SQLite file is"),
        ("sqlite:///sessions.db?mode=ro", "the URL of a SQLite file is"),
        ("nowhere.db", "does not exist"),
        (f"postgres://app:{SECRET}@db.example/app", "the store must be"),
        (f"oracle://app:{SECRET}@db.example/app", "the store must be"),
        (f"postgresql+psycopg://app:{SECRET}@db.example:{SECRET}/app", "the store must be"),
        (f"://{SECRET}", "the store must be"),
        (f"postgresql+asyncpg://app:{SECRET}@db.example/app", "asynchronous driver"),
        (f"mysql+pymysql://root@127.0.0.1/test?plugin={SECRET}", "cannot be used"),
        (f"postgresql+pg8000://app:{SECRET}@db.example/app", "the driver pg8000 is not installed"),
    ],
)
def test_the_error_for_an_invalid_url_hides_its_password(gatepass_here, url, sentence):
    result = gatepass_here("purge", "--store-env", "STORE_URL", env={"STORE_URL": url})

    assert result.returncode == 2
    assert sentence in result.stderr.decode()
    assert SECRET not in said(result)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
def test_missing_tables_get_a_message(gatepass_here, tmp_path, kind):
    with empty_database(kind, tmp_path) as place:
        if kind == "sqlite":
            sqlite3.connect(tmp_path / "sql.db").close()
        result = gatepass_here("purge", place)

    assert result.returncode == 2
    assert "create_schema()" in result.stderr.decode()


def closed_port(_):
    return f"127.0.0.1:{free_port()}/test"


def running_server(name):
    place = running(name).partition("@")[2]
    return place.partition("/")[0] + "/nowhere"


@pytest.mark.parametrize(
    ("scheme", "place", "name", "sentence"),
    [
        ("postgresql+psycopg", closed_port, "", "cannot be reached"),
        ("mysql+pymysql", closed_port, "", "cannot be reached"),
        ("postgresql+psycopg", running_server, "POSTGRES", "rejected"),
        ("mysql+pymysql", running_server, "MARIADB", "rejected"),
    ],
)
def test_the_error_for_a_server_that_refuses_the_connection_hides_the_password(
    gatepass_here, scheme, place, name, sentence
):
    url = f"{scheme}://unknown:{SECRET}@{place(name)}"

    result = gatepass_here("purge", "--store-env", "STORE_URL", env={"STORE_URL": url})

    assert result.returncode == 1
    assert sentence in result.stderr.decode()
    assert SECRET not in said(result)


@pytest.mark.parametrize("options", [f"?{SECRET}=1", f"?ssl_ca={SECRET}", f"?charset={SECRET}"])
@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "mysql+pymysql"])
def test_the_error_for_an_unknown_driver_option_hides_it(gatepass_here, scheme, options):
    url = f"{scheme}://root@127.0.0.1:{free_port()}/test{options}"

    result = gatepass_here("purge", "--store-env", "STORE_URL", env={"STORE_URL": url})

    assert result.returncode in {1, 2}
    assert SECRET not in said(result)
    assert "Traceback" not in said(result)


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [("sqlalchemy", "'psycopg[binary]' (the extra gatepass[sql])"), ("psycopg", "the driver psycopg is not")],
)
def test_without_a_driver_the_command_names_it(missing, sentence):
    result = without(missing, arguments=["purge", "postgresql+psycopg://127.0.0.1:1/test"])

    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_the_error_of_a_store_that_fails_half_way_reports_the_deleted_rows(gatepass_here, file):
    store, path = file
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE DELETE ON gatepass_revocations BEGIN SELECT RAISE(ABORT, 'not today'); END"
        )

    result = gatepass_here("purge", path)

    assert result.returncode == 1
    assert result.stdout == b"deleted 3 families and 0 revocations\n"
    assert b"not today" in result.stderr
    assert left(store) == {"late", "alive", "a", "b", "c"}


@pytest.mark.parametrize("content", [b"this file is not a database, despite its name" * 100])
def test_a_file_that_is_no_database_is_refused_unchanged(gatepass_here, tmp_path, content):
    (tmp_path / "notes.txt").write_bytes(content)

    result = gatepass_here("purge", "notes.txt")

    assert (result.returncode, result.stdout) == (2, b"")
    assert b"not a database; check the path" in result.stderr
    assert (tmp_path / "notes.txt").read_bytes() == content


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("nope.db", "there is no file nope.db: check the path"), (".", ". is a directory: name the SQLite file")],
)
def test_a_path_without_a_file_is_named(gatepass_here, tmp_path, place, sentence):
    result = gatepass_here("purge", place)

    assert (result.returncode, result.stdout) == (2, b"")
    assert sentence in result.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_shows_progress_and_standard_output_only_the_result(file):
    near, far = pty.openpty()
    with ExitStack() as ends:
        ends.callback(os.close, near)
        command = [sys.executable, "-m", "gatepass", "purge", str(file[1]), "--batch", "1"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=far, check=False, timeout=240)
        os.close(far)
        shown = os.read(near, 100_000)

    assert done.stdout == b"deleted 3 families and 2 revocations\n"
    assert b"deleted " in shown


# A background job of a shell ignores the signal, and its children would inherit that.
HEEDING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from gatepass.cli import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "a signal is sent"))
def test_an_interrupt_reports_the_deleted_rows(tmp_path):
    with a_store("postgresql", tmp_path) as (store, place):
        fill(store)
        engine = create_engine(place)
        with engine.connect() as holder, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            holder.execute(text("LOCK TABLE gatepass_revocations"))
            command = [sys.executable, "-c", HEEDING, "purge", place]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running_command:
                waiting = text(
                    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'gatepass_revocations'::regclass"
                )
                wait_until(lambda: watcher.execute(waiting).scalar_one())
                running_command.send_signal(signal.SIGINT)
                out, err = running_command.communicate(timeout=120)
        engine.dispose()

    assert running_command.returncode == 1
    assert out == b"deleted 3 families and 0 revocations\n"
    assert b"interrupted" in err
    assert b"Traceback" not in err

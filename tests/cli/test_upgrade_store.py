"""`gatepass upgrade-store` on real stores of version 1: what it prints, and that it never shows a password."""

import os
import pty
import signal
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import Engine, event, text
from tests.cli.test_main import without
from tests.cli.test_purge import HEEDING, KINDS, SECRET, closed_port, said
from tests.support.breaking_store import NOW
from tests.support.databases.sql_databases import connect, empty_database
from tests.support.databases.version_1 import version_1_store
from tests.support.needs import reason_for
from tests.support.sessions import wait_until

from gatepass import ConfigurationError

STORES = {
    "file": "sqlite",
    "file of SQLAlchemy": "sql-sqlite",
    "postgresql": "sql-postgresql",
    "mariadb": "sql-mariadb",
}
UPGRADED = b"upgraded from version 1 to 2\n"


@pytest.fixture(params=KINDS)
def stored(request, tmp_path):
    """Yield a database of version 1."""
    with version_1_store(STORES[request.param], tmp_path) as database:
        yield database


@pytest.fixture
def file(tmp_path):
    with version_1_store("sqlite", tmp_path) as database:
        yield database.place


def living(database):
    """Return the families of one user that live."""
    return database.open().live_families("anna", at=NOW, limit=100, after=None)


def version(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT version FROM gatepass_schema").fetchall()


def test_a_store_of_version_1_is_upgraded_once(gatepass_here, stored):
    first, second = gatepass_here("upgrade-store", stored.place), gatepass_here("upgrade-store", stored.place)

    assert (first.returncode, first.stdout, first.stderr) == (0, UPGRADED, b"")
    assert (second.returncode, second.stdout) == (0, b"nothing to do: the store has version 2\n")
    assert len(living(stored)) == 5


def test_a_store_may_be_given_in_the_environment(gatepass_here, stored):
    result = gatepass_here("upgrade-store", "--store-env", "STORE_URL", env={"STORE_URL": f"{stored.place}\n"})

    assert (result.returncode, result.stdout) == (0, UPGRADED)


def test_mariadb_may_take_longer_for_an_upgrade_than_for_a_batch_of_a_purge(gatepass_here, tmp_path):
    timeouts = []

    def record(dialect, connection, arguments, options):
        timeouts.append(options.get("read_timeout"))

    with version_1_store("sql-mariadb", tmp_path) as database:
        event.listen(Engine, "do_connect", record)
        try:
            gatepass_here("upgrade-store", database.place)
            of_the_upgrade = set(timeouts)
            timeouts.clear()
            gatepass_here("purge", database.place)
        finally:
            event.remove(Engine, "do_connect", record)

    assert (of_the_upgrade, set(timeouts)) == ({None}, {30})


def test_a_process_of_its_own_upgrades_a_file(gatepass, file):
    assert gatepass("upgrade-store", "version_1.db").stdout == UPGRADED
    assert version(file) == [(2,)]


def test_the_keys_in_redis_are_upgraded_as_often_as_the_command_runs(gatepass_here, tmp_path):
    with version_1_store("redis", tmp_path) as database:
        url, _, prefix = database.place.partition(" ")
        with pytest.raises(ConfigurationError, match="gatepass upgrade-store"):
            living(database)

        for _ in range(2):
            result = gatepass_here("upgrade-store", url, "--prefix", prefix)
            assert (result.returncode, result.stdout) == (0, b"upgraded: the store has version 2\n")

        assert len(living(database)) == 5


def test_a_wrong_prefix_is_refused(gatepass_here):
    result = gatepass_here("upgrade-store", "redis://127.0.0.1:1/0", "--prefix", "{x}")

    assert (result.returncode, result.stdout) == (2, b"")
    assert b"prefix= must be" in result.stderr


def test_a_purge_of_a_store_of_version_1_says_what_to_run(gatepass_here, stored):
    result = gatepass_here("purge", stored.place)

    assert result.returncode == 2
    assert b"of version 1: run upgrade_schema() of the store once, or: gatepass upgrade-store" in result.stderr


def test_a_newer_store_is_refused(gatepass_here, file):
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE gatepass_schema SET version = 3")

    result = gatepass_here("upgrade-store", file)

    assert (result.returncode, result.stdout) == (2, b"")
    assert b"made by a newer version of gatepass: upgrade gatepass" in result.stderr


@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
def test_missing_tables_get_a_message(gatepass_here, tmp_path, kind):
    with empty_database(kind, tmp_path) as place:
        if kind == "sqlite":
            sqlite3.connect(tmp_path / "sql.db").close()
        result = gatepass_here("upgrade-store", place)

    assert result.returncode == 2
    assert "create_schema()" in result.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name the store"),
        (["nope.db"], "there is no file nope.db"),
        (["sqlite:///nope.db"], "does not exist"),
        (["--store-env", "NOT_SET"], "is not set"),
        ([f"postgresql+psycopg://app:{SECRET}@db.example/app"], "--store-env"),
        ([f"redis://:{SECRET}@db.example/0"], "--store-env"),
    ],
)
def test_a_wrong_name_of_a_store_is_refused_and_no_file_is_created(gatepass_here, tmp_path, arguments, sentence):
    result = gatepass_here("upgrade-store", *arguments)

    assert result.returncode == 2
    assert sentence in result.stderr.decode()
    assert SECRET not in said(result)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "mysql+pymysql", "redis"])
def test_a_server_that_does_not_respond_is_a_failure_of_the_store(gatepass_here, scheme):
    url = f"{scheme}://unknown:{SECRET}@{closed_port(None)}".removesuffix("/test" if scheme == "redis" else "")

    result = gatepass_here("upgrade-store", "--store-env", "STORE_URL", env={"STORE_URL": url})

    assert (result.returncode, result.stdout) == (1, b"")
    assert "cannot be reached" in result.stderr.decode()
    assert SECRET not in said(result)


def test_without_a_driver_the_command_names_it():
    result = without("redis", arguments=["upgrade-store", "redis://127.0.0.1:1/0"])

    assert result.returncode == 2
    assert "gatepass[redis]" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_terminal_shows_progress_and_standard_output_only_the_result(file):
    near, far = pty.openpty()
    with ExitStack() as ends:
        ends.callback(os.close, near)
        command = [sys.executable, "-m", "gatepass", "upgrade-store", file]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=far, check=False, timeout=240)
        os.close(far)
        shown = os.read(near, 100_000)

    assert done.stdout == UPGRADED
    assert b"upgrading" in shown


@pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "a signal is sent"))
def test_an_interrupted_upgrade_changes_nothing_and_can_be_run_again(gatepass_here, tmp_path):
    with version_1_store("sql-postgresql", tmp_path) as database:
        engine = connect("postgresql", database.place)
        with engine.connect() as holder, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            holder.execute(text("LOCK TABLE gatepass_families IN ROW EXCLUSIVE MODE"))
            command = [sys.executable, "-c", HEEDING, "upgrade-store", database.place]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
                waiting = text(
                    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'gatepass_families'::regclass"
                )
                wait_until(lambda: watcher.execute(waiting).scalar_one())
                running.send_signal(signal.SIGINT)
                out, err = running.communicate(timeout=120)
        engine.dispose()

        assert (running.returncode, out) == (1, b"")
        assert err == b"Error: interrupted; run it again\n"
        assert gatepass_here("upgrade-store", database.place).stdout == UPGRADED

"""The file of the SQLite store: permissions of the file and its directories, locks, threads and forks."""

import gc
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest
from tests.support.databases.sqlite_store import PATIENCE, path, store
from tests.support.needs import missing, reason_for

from gatepass import ConfigurationError
from gatepass.stores import sqlite_file
from gatepass.stores.sqlite import SQLiteStore
from gatepass.testing.base import make_family
from gatepass.testing.racing import in_processes, in_threads, rounds

__all__ = ["path", "store"]


def descriptors(path):
    """Return the open file descriptors of this process on the files of the store."""
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += [one] if str(one.readlink()).startswith(str(path)) else []
    return found


def start(folder, run, number):
    """Start as a worker does. Some also close the file as its last user, and open it again."""
    for _ in range(1 + number % 2 * 2):
        with SQLiteStore(folder / f"{run}.db", timeout=PATIENCE) as store:
            store.create_schema()
            store.create(make_family().family)
    return "started"


def test_processes_may_create_the_schema_concurrently(tmp_path):
    starts = 2 * rounds()
    answers = in_processes(8, starts, partial(Path, tmp_path), start)

    assert answers == [["started"] * 8] * starts
    for run in range(starts):
        with closing(sqlite3.connect(tmp_path / f"{run}.db")) as connection:
            assert connection.execute("SELECT version FROM gatepass_schema").fetchall() == [(2,)]
            assert connection.execute("SELECT count(*) FROM gatepass_families").fetchall() == [(16,)]
            assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


@pytest.fixture
def writer(path):
    """Lock a new file for writing, as another process does that is about to switch it to a log."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def test_creating_the_schema_waits_for_another_writer(path, writer, monkeypatch):
    """SQLite itself does not wait here, but fails at once."""
    refused = []

    def go_on(seconds):
        refused.append(seconds)
        if len(refused) == 3:
            writer.execute("ROLLBACK")

    monkeypatch.setattr(sqlite_file, "sleep", go_on)
    with SQLiteStore(path, timeout=60) as store:
        store.create_schema()
        assert store.get("x") is None
    assert len(refused) == 3


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_creating_the_schema_waits_no_longer_than_the_timeout(path, writer, timeout):
    with SQLiteStore(path, timeout=timeout) as store:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.create_schema()
        writer.execute("ROLLBACK")
        store.create_schema()
        assert store.get("x") is None


def test_it_can_share_a_file_with_the_tables_of_the_application(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE orders (id)")
        connection.execute("PRAGMA user_version = 7")
    with SQLiteStore(path) as store:
        store.create_schema()
        assert store.get("x") is None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (7,)


def test_the_file_is_accessible_to_its_owner_only(store, path):
    store.create(make_family().family)

    assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}


POSIX = pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "owners and modes are looked at"))


@POSIX
@pytest.mark.parametrize("umask", [0, 0o777])
def test_created_files_are_private_regardless_of_the_umask(path, umask):
    previous = os.umask(umask)
    try:
        with SQLiteStore(path) as store:
            store.create_schema()
            store.create(make_family().family)
            assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(previous)


@POSIX
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o660])
def test_a_file_that_others_can_change_is_refused(store, path, mode):
    path.chmod(mode)

    with pytest.raises(ConfigurationError, match=r"other users can change .*sessions\.db.*: chmod 600 .*sessions\.db"):
        SQLiteStore(path)
    for ask in (lambda: store.get("x"), lambda: store.create(make_family().family), store.create_schema):
        with pytest.raises(ConfigurationError, match="other users can change"):
            ask()


@POSIX
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o600])
def test_a_file_that_others_can_read_is_used_because_it_holds_hashes_only(store, path, mode):
    path.chmod(mode)

    with SQLiteStore(path) as again:
        again.create_schema()
        assert again.get("x") is None


@POSIX
@pytest.mark.parametrize("name", ["-journal", "-wal", "-shm"])
def test_a_log_or_journal_that_others_can_change_is_refused(path, name):
    """SQLite would apply it to the file."""
    with SQLiteStore(path) as store:
        store.create_schema()
    beside = path.with_name(path.name + name)
    beside.touch()
    beside.chmod(0o666)

    with pytest.raises(ConfigurationError, match=f"other users can change .*{name}"):
        SQLiteStore(path)


@pytest.mark.parametrize("ask", [SQLiteStore, lambda path: SQLiteStore(path).create_schema()])
@pytest.mark.parametrize("leads", ["to a file", "nowhere"])
def test_a_symbolic_link_is_refused_and_its_target_not_changed(tmp_path, path, ask, leads):
    target = tmp_path / "elsewhere"
    if leads == "to a file":
        with SQLiteStore(target) as store:
            store.create_schema()
    path.symlink_to(target)

    with pytest.raises(ConfigurationError, match="is a link"):
        ask(path)
    assert target.exists() is (leads == "to a file")


@POSIX
@pytest.mark.parametrize("name", ["", "-wal"])
def test_other_file_types_are_refused_without_blocking(path, name):
    if name:
        path.touch(mode=0o600)
    os.mkfifo(path.with_name(path.name + name), 0o600)

    with pytest.raises(ConfigurationError, match="a device, a pipe or a socket"):
        SQLiteStore(path)


@pytest.mark.parametrize("place", ["a directory", "in a file", "too long"])
@pytest.mark.parametrize("make", [SQLiteStore, lambda path: SQLiteStore(path).create_schema()])
def test_a_path_that_can_hold_no_file_is_refused(tmp_path, place, make):
    (tmp_path / "file").touch(mode=0o600)
    path = {"a directory": tmp_path, "in a file": tmp_path / "file" / "db", "too long": tmp_path / ("x" * 300)}[place]

    with pytest.raises(ConfigurationError, match="cannot be used"):
        make(path)


def test_the_error_names_a_missing_directory(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot be used: No such file.*its directory must exist"):
        SQLiteStore(tmp_path / "no" / "sessions.db").create_schema()


@POSIX
@pytest.mark.parametrize("mode", [0o777, 0o702, 0o770, 0o1777, 0o755, 0o700])
def test_a_directory_in_which_others_can_replace_the_file_is_refused(store, path, mode):
    if mode == 0o770 and os.geteuid() != 0:
        missing("root", "a user's own group may write")
    path.parent.chmod(mode)
    try:
        if mode in (0o777, 0o702, 0o770):
            with pytest.raises(ConfigurationError, match=r"other users can replace .*chmod go-w"):
                SQLiteStore(path)
            with pytest.raises(ConfigurationError, match="other users can replace the files"):
                store.create_schema()
        else:
            SQLiteStore(path).close()
    finally:
        path.parent.chmod(0o700)


@POSIX
def test_files_of_another_user_are_refused(store, path):
    if os.geteuid() != 0:
        missing("root", "only root can give a file away")
    for place, sentence in ((path, "sessions.db belongs to another user"), (path.parent, "the directory .* belongs")):
        os.chown(place, 12_345, -1)
        with pytest.raises(ConfigurationError, match=sentence):
            SQLiteStore(path)
        os.chown(place, 0, -1)


@POSIX
@pytest.mark.parametrize("way", ["a link that others can change", "a link that is the owner's"])
def test_every_directory_of_the_path_is_checked(tmp_path, way):
    """A user who can change a link in the path can replace the file, also by an older copy."""
    shared, private = tmp_path / "shared", tmp_path / "private"
    for one in (shared, shared / "data", private):
        one.mkdir(mode=0o700)
    (shared / "link").symlink_to(private)
    path = shared / "link" / "sessions.db"
    with SQLiteStore(path) as store:
        store.create_schema()
        if way == "a link that is the owner's":
            assert store.get("x") is None
            return
        shared.chmod(0o777)

        for ask in (lambda: SQLiteStore(path), lambda: store.get("x"), store.create_schema):
            with pytest.raises(ConfigurationError, match=r"other users can replace the files in .*shared: chmod"):
                ask()
    with pytest.raises(ConfigurationError, match="other users can replace the files"):
        SQLiteStore(path.with_name("new.db")).create_schema()
    assert not path.with_name("new.db").exists()


@POSIX
@pytest.mark.parametrize("mode", [0o1777, 0o755, 0o750])
@pytest.mark.parametrize("way", ["data", "link", "data/../data/./", "again"])
def test_a_path_that_others_cannot_change_is_accepted(tmp_path, mode, way):
    (tmp_path / "home" / "data").mkdir(parents=True)
    (tmp_path / "home" / "link").symlink_to("data")
    (tmp_path / "home" / "again").symlink_to(tmp_path / "home" / "link")
    (tmp_path / "home").chmod(mode)

    with SQLiteStore(tmp_path / "home" / way / "sessions.db") as store:
        store.create_schema()
        assert store.get("x") is None


@POSIX
def test_a_symbolic_link_of_another_user_in_the_path_is_refused(tmp_path):
    if os.geteuid() != 0:
        missing("root", "only root can give a file away")
    (tmp_path / "home" / "data").mkdir(parents=True)
    (tmp_path / "home" / "link").symlink_to("data")
    (tmp_path / "home").chmod(0o1777)
    os.chown(tmp_path / "home" / "link", 12_345, -1, follow_symlinks=False)

    with pytest.raises(ConfigurationError, match="link is a link of another user"):
        SQLiteStore(tmp_path / "home" / "link" / "sessions.db").create_schema()


@POSIX
def test_circular_symbolic_links_are_refused_with_an_explanation(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")

    with pytest.raises(ConfigurationError, match="cannot be used"):
        SQLiteStore(tmp_path / "one" / "sessions.db").create_schema()


CLOSED = """
import os, sys
from gatepass import ConfigurationError
from gatepass.stores.sqlite import SQLiteStore
if os.getuid() == 0:
    os.setuid(65_534)
try:
    SQLiteStore(sys.argv[1]).create_schema()
except ConfigurationError as error:
    print(error)
"""


@POSIX
@pytest.mark.parametrize("mode", [0o000, 0o500])
@pytest.mark.parametrize("there", [True, False])
def test_an_inaccessible_directory_is_refused_with_an_explanation(tmp_path, mode, there):
    """Run as this user, or as a user without permissions if this is root."""
    path = tmp_path / "closed" / "sessions.db"
    path.parent.mkdir()
    if there:
        with SQLiteStore(path) as store:
            store.create_schema()
    if os.geteuid() == 0:
        for one in (path.parent, *path.parent.iterdir()):
            os.chown(one, 65_534, -1)
    folders = [one for one in path.parents if one.is_relative_to(tmp_path.parents[1])]
    modes = {one: one.stat().st_mode for one in folders}
    for one in folders:
        one.chmod(modes[one] | 0o055)
    path.parent.chmod(mode)
    try:
        done = subprocess.run(
            [sys.executable, "-c", CLOSED, path],
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        )  # fmt: skip - a user without rights cannot write what coverage measures
    finally:
        for one in folders:
            one.chmod(modes[one])
    assert done.stderr == ""
    assert "must be able to read and write in it" in done.stdout


def test_acknowledged_changes_are_on_disk(store):
    asked = ["PRAGMA synchronous", "PRAGMA journal_mode"]
    answers = store._file.read(lambda connection: [connection.execute(one).fetchone()[0] for one in asked])

    assert answers == [2, "wal"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        "\t\n",
        ":memory:",
        " :memory:",
        "file:x.db",
        "file:x.db?mode=memory",
        "file::memory:",
        "FILE:///x.db",
        Path("file:x.db"),
    ],
)
def test_a_store_without_a_file_is_refused(path):
    with pytest.raises(ConfigurationError, match="MemoryStore"):
        SQLiteStore(path)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason=reason_for("POSIX", "open files are counted in /proc"))
def test_finished_threads_leave_no_connections_open(store, path):
    for _ in range(3):
        in_threads(30, 1, lambda _run, _number: [store.get("x"), store.create(make_family().family)])

    assert len(store._file._pool._idle) <= 8
    assert 0 < len(descriptors(path)) <= 2 * 30  # the file and its log, for the connections that were open at one time
    store.close()
    assert descriptors(path) == []


def test_a_garbage_collected_store_closes_its_file(path):
    store = SQLiteStore(path)
    store.create_schema()
    store.get("x")
    assert descriptors(path)
    del store
    gc.collect()

    assert descriptors(path) == []


FORK = """
import os, sys, threading
from gatepass.stores.sqlite import SQLiteStore
from gatepass.testing.base import make_family
store = SQLiteStore(sys.argv[1])
store.create_schema()
mine, theirs = make_family(), make_family()
store.create(mine.family)
store._file._writers._lock.acquire()  # another thread may hold any lock as this one forks
store._file._pool._lock.acquire()
child = os.fork()
if child == 0:
    assert store._file._pool._idle == []
    store.create(theirs.family)
    after, rotation = mine.next()
    assert store.rotate(mine.family.family_id, rotation)
    store.close()
    os._exit(0)
store._file._writers._lock.release()
store._file._pool._lock.release()
assert os.waitpid(child, 0)[1] == 0
assert store.get(theirs.family.family_id) == theirs.family
assert not store.rotate(mine.family.family_id, mine.next()[1])
store.create(make_family().family)
store.close()
"""


BUSY = """
import os, sys, threading
from gatepass.stores.sqlite import SQLiteStore
from gatepass.testing.base import make_family
store = SQLiteStore(sys.argv[1], timeout=60)
stop = threading.Event()
def write():
    while not stop.is_set():
        store.create(make_family().family)
writers = [threading.Thread(target=write) for _ in range(3)]
for writer in writers:
    writer.start()
children = []
for _ in range(6):
    child = os.fork()
    if not child:
        store.create(make_family().family)  # SQLite raises if it takes the file for locked
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
stop.set()
for writer in writers:
    writer.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason=reason_for("POSIX", "a process is forked"))
def test_a_process_that_is_forked_while_others_write_can_write_too(path):
    """SQLite records locks of a file within the process, and a fork would copy the record."""
    with SQLiteStore(path) as store:
        store.create_schema()

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUSY, path], capture_output=True, text=True, timeout=240, check=False
    )

    assert (done.stdout, done.stderr) == ("[0, 0, 0, 0, 0, 0]\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason=reason_for("POSIX", "a process is forked"))
def test_a_forked_child_has_connections_and_locks_of_its_own(path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, path], capture_output=True, text=True, timeout=240, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")

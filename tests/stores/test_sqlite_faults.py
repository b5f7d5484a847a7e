"""The process is killed, the disk is full, the file is damaged, or the clock jumps: the SQLite store loses no family,
accepts no token twice, and every response is correct or 503.
"""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.support.breaking_store import Clock, make_service, reason_of
from tests.support.needs import missing
from tests.support.sessions import Session, refreshing, wait_until

from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import InvalidGrant, RefreshTokenReused, StoreUnavailable
from gatepass.stores import sqlite
from gatepass.stores.rows import row_of
from gatepass.stores.sqlite import SQLiteStore
from gatepass.testing.base import make_family

WRITER = Path(__file__).parents[1] / "support" / "databases" / "sqlite_writer.py"
FAMILIES = 8


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path):
    with SQLiteStore(path, timeout=1) as store:
        store.create_schema()
        yield store


@pytest.fixture
def service(store):
    return make_service(store, Clock())


def killed_in_the_middle(path, pause):
    """Return what a writer printed before it was killed: for each family, the last hash that was done, and the last one
    tried.
    """
    with subprocess.Popen([sys.executable, WRITER, path, str(FAMILIES)], stdout=subprocess.PIPE) as writer:
        lines, begun = [], set()
        while len(begun) < FAMILIES:
            lines.append(writer.stdout.readline())
            begun.add(lines[-1].split()[2])
        wait_for = random.Random(pause).randrange(200)  # noqa: S311 - a draw for a test
        lines += [writer.stdout.readline() for _ in range(wait_for)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
    said = {}
    for line in lines:
        _, what, family_id, current = line.decode().split()
        said.setdefault(family_id, {})[what] = bytes.fromhex(current)
    return said


def test_a_killed_writer_loses_no_acknowledged_rotation(store, path):
    for pause in range(4):
        said = killed_in_the_middle(path, pause)
        assert len(said) == FAMILIES
        for family_id, hashes in said.items():
            assert store.get(family_id).current_hash in {hashes["done"], hashes.get("try")}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_writers_continue_while_others_are_killed(store, path, service):
    sessions = [Session(service, f"user-{number}") for number in range(4)]
    with refreshing(sessions):
        for pause in range(3):
            killed_in_the_middle(path, pause)

    assert [session.wrong for session in sessions] == [None] * 4
    assert all(session.survives() for session in sessions)


def test_a_full_database_is_503_and_works_again_when_there_is_space(store, service):
    sessions = [Session(service, f"user-{number}") for number in range(4)]
    pages = store._file.read(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    limit(store, pages)
    with pytest.raises(StoreUnavailable):  # noqa: PT012 - which of them it is depends on the pages
        for number in range(1_000):
            service.grant(f"further-{number}", scope="x" * 200)
    for session in sessions:
        session.refresh()

    limit(store, 2**30)
    assert all(session.survives() for session in sessions)
    assert service.grant("late")


def limit(store, pages):
    """Set `max_page_count`, which belongs to a connection, on the only connection of the store."""
    store._file.close()
    store._file._pool.__init__()
    store._file.read(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall())


FULL = """
import resource, signal, sys
from tests.support.breaking_store import Clock, make_service, reason_of
from tests.support.sessions import Session
from gatepass.refresh.errors import StoreUnavailable
from gatepass.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1], timeout=1)
store.create_schema()
service = make_service(store, Clock())
sessions = [Session(service, f"user-{number}") for number in range(4)]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
while sum(session.unavailable for session in sessions) < 10:
    for session in sessions:
        session.refresh()
assert [session.wrong for session in sessions] == [None] * 4
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert all(session.survives() for session in sessions)
print(sum(session.refreshed for session in sessions))
"""


def run(program, *arguments, **options):
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_log_that_cannot_grow_is_503_and_loses_no_family(path):
    assert int(run(FULL, path)) > 8


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        missing("a disk that can be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_503_and_loses_no_family(small_disk):
    with SQLiteStore(small_disk / "sessions.db", timeout=1) as store:
        store.create_schema()
        service = make_service(store, Clock())
        sessions = [Session(service, f"user-{number}") for number in range(4)]
        stuff = small_disk / "stuff"
        with stuff.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):  # noqa: PT012 - as above
            while True:
                file.write(bytes(4096))
        with refreshing(sessions):
            wait_until(lambda: all(session.unavailable > 3 for session in sessions))
        # Once no session refreshes, the log may start over, and has space for a while.
        late = []
        with pytest.raises(StoreUnavailable):  # noqa: PT012 - as above
            while len(late) < 10_000:
                late.append(service.grant("late"))
        ended = 0
        with suppress(StoreUnavailable):
            ended = service.revoke_subject("user-0")

        assert [session.wrong for session in sessions] == [None] * 4
        stuff.unlink()
        assert all(service.refresh(pair.refresh_token) for pair in late), "what was answered is there"
        assert all(session.survives() for session in sessions[ended:])
        assert service.revoke_subject("user-0") == 1 - ended
        for session in sessions[1:]:
            with pytest.raises(RefreshTokenReused):
                service.refresh(session.spent[-1])
        with closing(sqlite3.connect(small_disk / "sessions.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


FULL_AND_KILLED = """
import os, signal, sys
from tests.support.breaking_store import Clock, make_service, reason_of
from tests.support.sessions import Session, refreshing, wait_until
from gatepass.stores.sqlite import SQLiteStore
sessions = [Session(make_service(SQLiteStore(sys.argv[1]), Clock(), grace=60), f"user-{number}") for number in range(4)]
stuff = open(sys.argv[2], "wb", buffering=0)
stuff.write(bytes(131072))  # the log may take all of the rest: there is room for it when this is gone
with refreshing(sessions):
    wait_until(lambda: all(session.refreshed > 3 for session in sessions))
    try:
        while True:
            stuff.write(bytes(4096))
    except OSError:
        pass
    wait_until(lambda: any(session.unavailable > 3 for session in sessions))  # the log has room for a while
assert [session.wrong for session in sessions] == [None] * 4
# After the last refresh: on a disk that is nearly full one more may still succeed.
print(*(session.spent[-1] for session in sessions), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_on_a_full_disk_loses_no_family(small_disk):
    path, stuff = small_disk / "sessions.db", small_disk / "stuff"
    with SQLiteStore(path, timeout=1) as store:
        store.create_schema()
    done = subprocess.run(
        [sys.executable, "-c", FULL_AND_KILLED, path, stuff], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    stuff.unlink()

    with SQLiteStore(path, timeout=1) as store:
        service = make_service(store, Clock(), grace=60)
        for predecessor in done.stdout.split():
            assert service.refresh(predecessor), "within the window the last successor once more"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


READ_ONLY = """
import ctypes, os, struct, sys
from tests.support.breaking_store import Clock, make_service, reason_of
from gatepass.refresh.errors import StoreUnavailable
from gatepass.stores.sqlite import SQLiteStore
if os.getuid() == 0:  # to whom every file is open, for as long as it has the capabilities of Linux
    version_3, itself = 0x20080522, 0
    none = struct.pack("=6I", *[0] * 6)
    assert ctypes.CDLL(None).capset(struct.pack("=Ii", version_3, itself), none) == 0
with SQLiteStore(sys.argv[1], timeout=1) as store:
    service = make_service(store, Clock())
    for ask in (lambda: service.refresh(sys.argv[2]), lambda: service.revoke(sys.argv[2]), lambda: service.grant("x")):
        try:
            ask()
        except StoreUnavailable:
            print("503")
"""


@pytest.mark.skipif(
    os.getuid() == 0 and sys.platform != "linux",
    reason="root may write to every file, and gives that up on Linux alone",
)
def test_a_file_that_may_not_be_written_is_503(service, store, path):
    session = Session(service, "anna")
    store.close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert run(READ_ONLY, path, session.token).split() == ["503"] * 3
    finally:
        path.parent.chmod(0o700)
        path.chmod(0o600)

    with SQLiteStore(path) as again:
        session.service = make_service(again, Clock())
        assert session.survives()


def test_a_file_that_is_no_database_is_503(path):
    path.write_bytes(b"these are no pages of SQLite" * 1_000)
    with SQLiteStore(path) as store:
        service = make_service(store, Clock())
        with pytest.raises(sqlite3.DatabaseError):
            store.get("x")
        with pytest.raises(StoreUnavailable):
            service.grant("anna")
        with pytest.raises(sqlite3.DatabaseError):
            store.create_schema()


def test_damaged_pages_are_503_and_never_a_token(store, path, service):
    sessions = [Session(service, f"user-{number}") for number in range(200)]
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        for page in range(2, size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with SQLiteStore(path) as damaged:
        for session in sessions[::20]:
            session.service = make_service(damaged, Clock())
            session.refresh()
            assert session.wrong is None or type(session.wrong) is InvalidGrant
            assert session.refreshed == 0


def test_a_lock_held_too_long_is_503_and_changes_nothing(store, path, service):
    session = Session(service, "anna")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        session.refresh()
        assert session.unavailable == 1
        assert store.get("unknown") is None  # readers do not wait
        other.execute("ROLLBACK")

    assert session.survives()


def test_one_job_that_fails_does_not_fail_the_others(store):
    good = [make_family().family for _ in range(3)]
    bad = make_family(subject="\ud800").family
    rows = [row_of(one) for one in (good[0], bad, good[1], good[0], good[2])]

    outcomes = store._file._transact([lambda connection, row=row: insert(connection, row) for row in rows])

    assert [type(one) for one in outcomes] == [int, UnicodeEncodeError, int, sqlite3.IntegrityError, int]
    assert [store.get(one.family_id) for one in good] == good
    assert store.get(bad.family_id) is None


def insert(connection, row):
    return sqlite._changed(connection, sqlite._INSERT, row)


def test_a_clock_jump_loses_no_family_and_revives_no_token(store):
    clock = Clock()
    service = make_service(store, clock, refresh_ttl=1_000, absolute_ttl=10**6)
    start, chance = clock.now, random.Random(7)  # noqa: S311 - a draw for a test
    session = Session(service, "anna")
    spent = []
    for _ in range(60):
        spent.append(session.token)
        clock.now = start + chance.randrange(-900, 900)
        family = store.get(RefreshToken.parse(session.token).family_id)
        late = clock.now >= family.idle_expires_at
        before = session.refreshed
        session.refresh()
        if late:
            assert session.wrong.reason == "refresh_expired"
            session.wrong = None
        else:
            assert session.refreshed == before + 1
        service.purge()

    clock.now = start
    assert session.survives()
    with pytest.raises(RefreshTokenReused):
        service.refresh(spent[0])


@pytest.mark.parametrize("used", [True, False])
def test_a_temporarily_missing_file_is_503_and_no_session_is_lost(path, used):
    with SQLiteStore(path) as first:
        first.create_schema()
        token = make_service(first, Clock()).grant("anna").refresh_token
    with SQLiteStore(path) as store:
        service = make_service(store, Clock())
        if used:
            assert service.refresh(service.grant("bert").refresh_token)
            store._file._pool.close()  # the connections are gone with the volume
            store._file._after_fork_in_child()
        path.rename(path.with_suffix(".away"))
        assert reason_of(service.refresh, token) == "store_unavailable"
        assert not path.exists()

        path.with_suffix(".away").rename(path)
        assert service.refresh(token)

"""A server that forks without Python's hooks, as uWSGI does: child processes use their own connections and locks."""

import os
import subprocess
import sys

import pytest
from tests.support.databases.raw_forks import AT_ONCE, POINTS
from tests.support.databases.services import running
from tests.support.databases.store_factories import EVERY_KIND
from tests.support.needs import reason_for

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason=reason_for("POSIX", "a process is forked"))

SERVICES = {"redis": "REDIS", "postgresql": "POSTGRES", "mariadb": "MARIADB"}


def run(*command):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("kind", [kind for kind in EVERY_KIND if kind not in {"sqlite", "sql-sqlite"}])
def test_a_child_that_is_forked_during_a_rotation_works_and_blocks_no_other_process(kind, tmp_path):
    service = SERVICES.get(kind.rpartition("-")[2])
    if service:
        running(service)

    said = run("-m", "tests.support.databases.raw_forks", kind, tmp_path)

    assert said == f"{[0] * (AT_ONCE + POINTS)} {[True] * POINTS}\n"


def test_a_child_that_is_forked_during_an_sqlite_transaction_raises_an_error(tmp_path):
    """The child inherits SQLite's records of locks that it does not hold."""
    said = run("-m", "tests.support.databases.raw_forks", "sqlite", tmp_path)

    children, _, answers = said.partition("] ")
    assert answers == f"{[True] * POINTS}\n", "and the parent's transaction ends as it would have"
    children = children.strip("[]").split(", ")
    others = children[AT_ONCE:]
    assert children[:AT_ONCE] == ["0"] * AT_ONCE, "no connection was in use then"
    assert set(others) <= {"0", "3"}
    assert others[-1] == "3"


OUTLIVED = """
import ctypes, os, sys
from gatepass.stores.sqlite import SQLiteStore
from gatepass.testing.base import make_family
store, early, late = SQLiteStore(sys.argv[1]), make_family().family, make_family().family
store.create_schema()
store.create(make_family().family)  # and its connection waits for the next
(told, tell), (hears, say) = os.pipe(), os.pipe()
child = os.fork() if sys.argv[2] == "hooks" else ctypes.PyDLL(None).fork()
if child == 0:
    store.create(early)
    os.write(tell, b".")
    os.read(hears, 1)
    store.create(late)
    store.close()
    os._exit(0)
os.read(told, 1)
store.close()
os.write(say, b".")
assert os.waitpid(child, 0)[1] == 0
with SQLiteStore(sys.argv[1]) as again:
    print([again.get(one.family_id) is not None for one in (early, late)])
"""


@pytest.mark.parametrize("fork", ["hooks", "no hooks"])
def test_rotations_of_a_child_are_kept_when_its_parent_closes_the_file_first(tmp_path, fork):
    """For example, the first process of a server uses the store, forks its workers and exits before them."""
    assert run("-c", OUTLIVED, tmp_path / "sessions.db", fork) == "[True, True]\n"

"""Group commit: one commit for many writers, each with its own result."""

import ast
import contextlib
import inspect
import itertools
import sys
import threading

import pytest

from gatepass.stores import group_commit
from gatepass.stores.group_commit import GroupCommit

PATIENCE = 120
"""The timeout after which a thread counts as hanging, in seconds."""


class Disk:
    """Records what was committed together. The first commit waits for *gate*, so that others queue behind it."""

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.failure = None

    def commit(self, works):
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        self.batches.append(list(works))
        if self.failure is not None:
            raise self.failure
        return [ValueError(work) if str(work).startswith("bad") else work.upper() for work in works]


def start(group, *works):
    """Run each work in a thread. Return a dictionary that receives the results and exceptions, and the threads."""
    outcomes = {}

    def run(work):
        try:
            outcomes[work] = group.run(work)
        except BaseException as error:  # noqa: BLE001 - it is what the test judges
            outcomes[work] = error

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    return outcomes, threads


def queued(group, count):
    while len(group._waiting) < count:
        threading.Event().wait(0.001)


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def group(disk):
    return GroupCommit(disk.commit)


def begin(group, disk, *works):
    """Start one thread that commits, and the others that wait behind it."""
    first = start(group, "first")
    assert disk.entered.wait(PATIENCE)
    rest = start(group, *works)
    queued(group, len(works))
    return first, rest


def finish(disk, *started):
    disk.gate.set()
    for _, threads in started:
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_a_single_writer_commits_for_itself(group, disk):
    disk.gate.set()

    assert [group.run("a"), group.run("b")] == ["A", "B"]
    assert disk.batches == [["a"], ["b"]]


def test_concurrent_waiters_are_committed_together(group, disk):
    first, rest = begin(group, disk, "a", "b", "c")
    finish(disk, first, rest)

    assert [sorted(batch) for batch in disk.batches] == [["first"], ["a", "b", "c"]]
    assert rest[0] == {"a": "A", "b": "B", "c": "C"}


def test_an_error_is_raised_in_its_own_call_only(group, disk):
    first, rest = begin(group, disk, "a", "bad", "c")
    finish(disk, first, rest)

    assert rest[0]["a"] == "A"
    assert rest[0]["c"] == "C"
    assert isinstance(rest[0]["bad"], ValueError)


def test_a_failed_commit_fails_for_all_its_writers_and_for_none_after(group, disk):
    disk.failure = OSError("disk full")
    first, rest = begin(group, disk, "a", "b")
    finish(disk, first, rest)

    assert {type(one) for one in (*first[0].values(), *rest[0].values())} == {OSError}
    assert rest[0]["a"] is not rest[0]["b"]
    disk.failure = None
    assert group.run("later") == "LATER"


def test_an_interrupted_committer_leaves_no_thread_waiting(group, disk):
    disk.failure = KeyboardInterrupt()
    first, rest = begin(group, disk, "a", "b")
    finish(disk, first, rest)

    assert isinstance(first[0]["first"], KeyboardInterrupt)
    assert {type(one) for one in rest[0].values()} == {KeyboardInterrupt, RuntimeError}
    disk.failure = None
    assert group.run("later") == "LATER"


class Interrupted:
    """A wait that raises KeyboardInterrupt, at once or when the thread receives its turn."""

    def __init__(self, told=None):
        self.told = told

    def acquire(self):
        if self.told is not None:
            assert self.told.wait(PATIENCE)
        raise KeyboardInterrupt

    def release(self):
        if self.told is not None:
            self.told.set()


def interrupting(patch, wake):
    ordinary = group_commit._Job

    def job(work):
        made = ordinary(work)
        if work == "gone":
            made.wake = wake
        return made

    patch.setattr(group_commit, "_Job", job)


def test_the_work_of_an_interrupted_waiter_is_withdrawn(group, disk, monkeypatch):
    interrupting(monkeypatch, Interrupted())
    first = start(group, "first")
    assert disk.entered.wait(PATIENCE)
    with pytest.raises(KeyboardInterrupt):
        group.run("gone")
    rest = start(group, "a")
    queued(group, 1)
    finish(disk, first, rest)

    assert disk.batches == [["first"], ["a"]]
    assert group.run("later") == "LATER"


def test_a_waiter_interrupted_at_the_start_of_its_turn_passes_it_on(group, disk, monkeypatch):
    interrupting(monkeypatch, Interrupted(threading.Event()))
    first = start(group, "first")
    assert disk.entered.wait(PATIENCE)
    gone = start(group, "gone")
    queued(group, 1)
    rest = start(group, "a")
    queued(group, 2)
    finish(disk, first, gone, rest)

    assert isinstance(gone[0]["gone"], KeyboardInterrupt)
    assert rest[0] == {"a": "A"}
    assert disk.batches == [["first"], ["a"]]
    assert group.run("later") == "LATER"


WITHS = {node.lineno for node in ast.walk(ast.parse(inspect.getsource(group_commit))) if isinstance(node, ast.With)}


def interrupted_at(step, call):
    """Run *call* in a thread that is interrupted at its *step*-th line of the module; False if it has fewer lines.

    Lines with `with` do not count: between their exit and the release of the lock only this tracer could interrupt.
    """
    steps = iter(range(step))
    was = []

    def trace(frame, event, _):
        if frame.f_code.co_filename != group_commit.__file__:
            return None
        if event == "line" and frame.f_lineno not in WITHS and next(steps, None) is None and not was:
            was.append(frame.f_lineno)
            raise KeyboardInterrupt
        return trace

    def run():
        sys.settrace(trace)
        with contextlib.suppress(KeyboardInterrupt, RuntimeError):
            call()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, was


@pytest.mark.parametrize("others", [0, 2])
def test_an_interrupt_at_any_line_of_the_leader_leaves_the_turn_to_the_next(others):
    for step in itertools.count():
        disk = Disk()
        group = GroupCommit(disk.commit)
        thread, was = interrupted_at(step, lambda group=group: group.run("gone"))
        while thread.is_alive() and not disk.entered.is_set():
            threading.Event().wait(0.001)
        behind = start(group, *"ab"[:others])
        finish(disk, ({}, [thread]), behind, start(group, "later"))
        assert group.run("again") == "AGAIN"
        assert {str(one) for one in behind[0].values()} <= {"A", "B", group_commit._INTERRUPTED}
        if not was:
            break
    assert step > 10


def test_an_interrupt_at_any_line_of_a_waiter_leaves_the_turn_to_the_next():
    for step in itertools.count():
        disk = Disk()
        group = GroupCommit(disk.commit)
        first = start(group, "first")
        assert disk.entered.wait(PATIENCE)
        thread, was = interrupted_at(step, lambda group=group: group.run("gone"))
        while thread.is_alive() and not group._waiting:
            threading.Event().wait(0.001)
        finish(disk, first, ({}, [thread]), start(group, "later"))
        assert group.run("again") == "AGAIN"
        if not was:
            break
    assert step > 10

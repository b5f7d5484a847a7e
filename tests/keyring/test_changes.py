"""Several processes change one directory: a killed process leaves no partial change."""

import json
import os
import signal
import subprocess
import sys

import pytest
from tests.support.needs import reason_for
from tests.support.rings import HOUR, NOW, NUMBERS, Clock, active, make_ring, states

from gatepass import KeyRing
from gatepass.keyring import EMERGENCY, files
from gatepass.keyring.manifest import from_text

pytestmark = pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "processes are forked and killed"))

ALL_AT_ONCE = """
import sys
from gatepass import KeyRing
place, numbers, now = sys.argv[1], eval(sys.argv[2]), float(sys.argv[3])
ring = KeyRing(place, clock=lambda: now, **numbers)
print("ready", flush=True)
sys.stdin.readline()
ring.rotate_if_due()
print(*[key.kid for key in ring.all_keys()])
"""

FIRST_START = """
import sys
from gatepass import KeyRing
place = sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
print(KeyRing(place).current().signing_key.kid)
"""

KILLED = """
import os, signal, sys
from gatepass import KeyRing
place, numbers, now, function, number = sys.argv[1], eval(sys.argv[2]), float(sys.argv[3]), sys.argv[4], int(sys.argv[5])
ring = KeyRing(place, clock=lambda: now, **numbers)
real, calls = getattr(os, function), 0

def deadly(*arguments, **named):
    global calls
    calls += 1
    if calls == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)

setattr(os, function, deadly)
ring.rotate()
"""

BUSY = """
import itertools, sys
from gatepass import KeyRing
from gatepass.keyring import EMERGENCY
for now in itertools.count(1_800_000_000, 10_000):
    ring = KeyRing(sys.argv[1], clock=lambda: now)
    ring.rotate()
    ring.remove(ring.current().signing_key.kid, EMERGENCY)
    print("turned", flush=True)
"""

IMPATIENT = """
import sys
from gatepass import KeyRing
from gatepass.keyring import files
from gatepass.keyring.changes import rotate
place, numbers, now = sys.argv[1], eval(sys.argv[2]), float(sys.argv[3])
files._LOCK_TIMEOUT, files._MAX_ATTEMPTS = 0.03, 1_000
ring = KeyRing(place, clock=lambda: now, **numbers)
print("ready", flush=True)
sys.stdin.readline()
ring._change(lambda line, now: rotate(line, now, line.schedule, ahead=line.schedule.publish_ahead))
"""

STOPPED = KILLED.replace("SIGKILL", "SIGSTOP")

FORKED = """
import os, sys, threading
from gatepass import KeyRing
place, numbers, now = sys.argv[1], eval(sys.argv[2]), [float(sys.argv[3])]
KeyRing(place + "-gone", clock=lambda: now[0], **numbers)
ring = KeyRing(place, clock=lambda: now[0], **numbers)
ring._watch._lock.acquire()  # as if a thread of the parent's were at it
ring._rotation._running.acquire()
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
now[0] += 4 * 3_600
ring.current()
for thread in threading.enumerate():
    if thread.name == "gatepass-keyring":
        thread.join()
print(*[key.state for key in ring.all_keys()])
"""

FORKED_UNDER_THE_LOCK = """
import os, signal, sys
from gatepass import KeyRing
place, numbers, now, end = sys.argv[1], eval(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
ring = KeyRing(place, clock=lambda: now, **numbers)
read, write = os.pipe()
with ring._place.locked():  # as a thread that rotates has it
    child = os.fork()
    if child == 0:
        os.close(read)
        os.write(write, b"!")
        signal.pause()
    os.read(read, 1)
    print(child, flush=True)
    if end == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
ring.rotate()
"""


def without_hooks(program):
    """Fork without our hooks, as a server in C does. The hooks of the standard library still run."""
    return "import logging, os, threading\nos.register_at_fork = lambda **hooks: None\n" + program


def start(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def all_at_once(program, *arguments):
    """Return the output of four processes that wait for one another and then continue together."""
    processes = [start(program, *arguments) for _ in range(4)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [finished(process) for process in processes]


PATIENCE = 120
"""The timeout after which a process counts as hanging, in seconds."""


def finished(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out.split()


def test_one_of_four_processes_that_find_a_rotation_due_creates_the_key(place, clock):
    make_ring(place, clock)
    due = NOW + 4 * HOUR

    seen = all_at_once(ALL_AT_ONCE, place, NUMBERS, due)

    assert {len(kids) for kids in seen} == {2}
    assert len({kid for kids in seen for kid in kids}) == 2


def test_four_processes_that_start_on_an_empty_directory_have_one_key(place):
    seen = all_at_once(FIRST_START, place)

    assert len({kid for kids in seen for kid in kids}) == 1
    assert states(KeyRing(place)) == ["active"]


@pytest.mark.parametrize(
    ("function", "number"), [("fdopen", 1), ("fsync", 1), ("replace", 1), ("open", 2), ("open", 3), ("fsync", 2)]
)
def test_a_process_that_is_killed_during_a_write_leaves_a_complete_ring(place, clock, function, number):
    ring = make_ring(place, clock)
    before = ring.current().signing_key.kid

    killed = start(KILLED, place, NUMBERS, NOW, function, number)
    killed.communicate(timeout=PATIENCE)

    assert killed.returncode == -signal.SIGKILL
    again = make_ring(place, clock)
    assert again.current().signing_key.kid == before
    assert states(again) in (["active"], ["active", "published"])
    again.rotate()
    assert states(again) == ["active", "published"]
    assert sorted(path.name for path in place.iterdir()) == ["keyring.json", "lock"]


@pytest.mark.parametrize(
    ("function", "number"), [("fdopen", 1), ("fsync", 1), ("replace", 1), ("open", 2), ("open", 3), ("fsync", 2)]
)
def test_a_process_that_is_stopped_during_a_write_neither_blocks_nor_undoes_a_removal(
    place, clock, monkeypatch, function, number
):
    ring = make_ring(place, clock)
    known_to_others = active(ring)
    stopped = start(STOPPED, place, NUMBERS, NOW, function, number)
    assert os.WIFSTOPPED(os.waitpid(stopped.pid, os.WUNTRACED)[1])
    monkeypatch.setattr(files, "_LOCK_TIMEOUT", 0.05)

    ring.remove(known_to_others, EMERGENCY)

    assert known_to_others not in [key.kid for key in ring.current()]
    stopped.send_signal(signal.SIGCONT)
    finished(stopped)
    again = make_ring(place, clock)
    assert known_to_others not in [key.kid for key in again.current()]
    assert states(again).count("active") == 1
    assert sorted(path.name for path in place.iterdir()) == ["keyring.json", "lock"]


def test_processes_that_take_over_from_a_stopped_one_at_once_lose_no_change(place, clock):
    ring = make_ring(place, clock)
    stopped = start(STOPPED, place, NUMBERS, NOW, "replace", 1)
    os.waitpid(stopped.pid, os.WUNTRACED)

    all_at_once(IMPATIENT, place, NUMBERS, NOW)
    stopped.send_signal(signal.SIGCONT)
    finished(stopped)

    assert len(ring.all_keys()) == 5  # a second rotation brings the key of another process forward


@pytest.mark.parametrize("program", [FORKED, without_hooks(FORKED)], ids=["by Python", "by a server in C"])
def test_a_forked_child_works_regardless_of_the_state_of_its_parent(place, program):
    assert finished(start(program, place, NUMBERS, NOW)) == ["active", "published"]


@pytest.mark.parametrize(("end", "code"), [("done", 0), ("killed", -signal.SIGKILL)])
@pytest.mark.parametrize(
    "program", [FORKED_UNDER_THE_LOCK, without_hooks(FORKED_UNDER_THE_LOCK)], ids=["by Python", "by a server in C"]
)
def test_a_child_that_was_forked_under_the_lock_does_not_keep_it(place, program, end, code):
    ring = KeyRing(place, **NUMBERS)
    parent = start(program, place, NUMBERS, NOW, end)
    child = int(parent.stdout.readline())
    try:
        assert parent.wait(timeout=PATIENCE) == code
        ring.remove(active(ring), EMERGENCY)  # otherwise it would report that another process holds the lock
    finally:
        os.kill(child, signal.SIGKILL)
        parent.communicate(timeout=PATIENCE)


def test_a_child_does_not_take_the_lock_from_its_parent(place, clock):
    import fcntl

    ring = make_ring(place, clock)
    with ring._place.locked():
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        other = os.open(place / "lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)


def test_readers_always_see_a_complete_ring_also_after_a_kill(place):
    KeyRing(place, clock=Clock())
    for round_ in range(3):
        busy = start(BUSY, place)
        assert busy.stdout.readline() == "turned\n", busy.stderr.read()
        seen, reads = set(), 0
        while len(seen) < 10 + 7 * round_ or reads < 50:
            assert busy.poll() is None, busy.stderr.read()
            text = (place / "keyring.json").read_bytes()
            assert from_text(text).signer(0) is not None
            seen.add(text)
            reads += 1
        busy.kill()
        busy.communicate(timeout=PATIENCE)

        json.loads((place / "keyring.json").read_text())
        KeyRing(place, clock=Clock()).rotate()

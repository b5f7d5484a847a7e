"""A program that forks without Python's hooks while a thread is in the middle of a rotation.

Arguments: the kind of store and a folder. It prints how each child ended, and whether the rotations were completed.
"""

import ctypes
import os
import sys
import threading
from pathlib import Path

from tests.support.databases.store_factories import store_factory

from gatepass import ConfigurationError
from gatepass.testing.base import make_family, seconds_from_now

AT_ONCE, POINTS = 3, 8
fork = ctypes.PyDLL(None).fork  # holds the interpreter's lock, without which the child would wait forever


class Rotation:
    """A rotation in a thread that stops at the call of its *point*-th function."""

    def __init__(self, store, point):
        self.calls, self.answer = 0, None
        self._store, self._point = store, point
        self._stands, self._goes_on = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._stands.wait()

    def end(self):
        self._goes_on.set()
        self._thread.join()
        return self.answer

    def _run(self):
        try:
            one = make_family()
            self._store.create(one.family)  # so that this thread has a connection
            rotation = one.next()[1]
            sys.setprofile(self._count)
            self.answer = self._store.rotate(one.family.family_id, rotation)
            sys.setprofile(None)
        finally:
            self._stands.set()

    def _count(self, frame, event, argument):
        if event == "call":
            self.calls += 1
            if self.calls == self._point:
                self._stands.set()
                self._goes_on.wait()


def live(store):
    """Run the life of a family. Any exception or failed assertion means that the store is wrong."""
    one = make_family()
    store.create(one.family)
    for _ in range(5):
        one, rotation = one.next()
        assert store.rotate(one.family.family_id, rotation) is True
        assert store.get(one.family.family_id) == one.family
    store.put_revocation(one.family.family_id, issued_until=seconds_from_now(0), keep_until=seconds_from_now(900))
    assert store.revoked_until([one.family.family_id], now=seconds_from_now(0)) is not None
    assert store.revoke(one.family.family_id, at=seconds_from_now(0)) is True


def of_a_child(store, meanwhile=lambda: None):
    child = fork()
    if child == 0:
        try:
            live(store)
        except ConfigurationError:
            os._exit(3)
        except Exception as error:  # noqa: BLE001 - told by the status
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    meanwhile()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(kind, folder):
    # A thread that waits for the interpreter's lock holds parts of it, for which a child would wait.
    sys.setswitchinterval(1_000)
    with store_factory(kind, Path(folder)) as factory:
        store = factory.open_empty()
        live(store)  # so that this thread, which forks, has a connection too
        whole = Rotation(store, None)
        assert whole.end() is True
        children, answers = [of_a_child(store, lambda: live(store)) for _ in range(AT_ONCE)], []
        for number in range(POINTS):
            rotation = Rotation(store, 1 + whole.calls * number // POINTS)
            children.append(of_a_child(store))
            answers.append(rotation.end())
        live(store)
        os.write(1, f"{children} {answers}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])

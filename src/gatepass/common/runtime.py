"""Per-process values and locks, for servers that fork without Python's fork hooks or freeze threads.

uWSGI does both: it does not run Python's fork hooks, and without `enable-threads` it runs no threads between requests.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, final

__all__ = ["PerProcess", "ProcessLock", "threads_are_frozen", "warn_of_frozen_threads"]

_T = TypeVar("_T")

_OFF = (False, None, b"false", "false", b"0", "0")
_ONE_THREAD = (*_OFF, True, b"1", "1")  # uWSGI enables no threads for one


@final
class PerProcess(Generic[_T]):
    """A value for each process, the same for all its threads. Threads that race may call *make* in vain."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: dict[int, _T] = {os.getpid(): make()}

    def get(self) -> _T:
        """Return the value of this process. The value of the parent process is not used."""
        process = os.getpid()
        made = self._made.get(process)
        # Of several threads that make a value at the same time, the first one sets it.
        return self._made.setdefault(process, self._make()) if made is None else made


@final
class ProcessLock:
    """A lock that is free in a forked child, even if a thread of the parent held it: it compares process ids."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks = PerProcess(threading.Lock)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - as `Lock` has it
        """Acquire the lock, as `threading.Lock.acquire` does."""
        return self._locks.get().acquire(blocking, timeout)

    def release(self) -> None:
        """Release the lock. A child that was forked while the parent held the lock has no lock to release."""
        with contextlib.suppress(RuntimeError):
            self._locks.get().release()

    def __enter__(self) -> None:
        self._locks.get().acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def threads_are_frozen() -> bool:
    """Return whether the server is known to run no threads between two requests: uWSGI without threads enabled."""
    try:
        uwsgi: Any = importlib.import_module("uwsgi")
    except ImportError:  # the module exists only inside uWSGI
        return False
    options: Any = getattr(uwsgi, "opt", None)
    if not isinstance(options, Mapping):
        return False
    given: dict[str, object] = {
        name.decode() if isinstance(name, bytes) else str(name): value  # pyright: ignore[reportUnknownArgumentType]
        for name, value in options.items()  # pyright: ignore[reportUnknownVariableType]
    }
    if any(given.get(name) not in _OFF for name in ("enable-threads", "gevent", "asyncio")):
        return False
    has_threads: Any = getattr(uwsgi, "has_threads", None)  # newer versions of uWSGI have it
    return given.get("threads") in _ONE_THREAD if has_threads is None else not has_threads


def warn_of_frozen_threads(logger: logging.Logger, consequence: str) -> None:
    """Log the *consequence* and the remedy if the server freezes threads. For use at start-up."""
    if threads_are_frozen():
        logger.warning("uWSGI runs no threads between requests: set enable-threads = true; until then %s", consequence)

"""Per-process values and locks, for servers that fork without Python's fork hooks or freeze threads; worker threads and
uncancelled work of an event loop.

uWSGI does both: it does not run Python's fork hooks, and without `enable-threads` it runs no threads between requests.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar, final

__all__ = [
    "PerProcess", "ProcessLock", "Shield", "can_block", "in_worker_thread", "is_stray_cancellation",
    "threads_are_frozen", "warn_of_frozen_threads",
]  # fmt: skip

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


def can_block() -> bool:
    """Return whether the calling thread may block: it runs no event loop."""
    for name, current in (("asyncio.events", "get_running_loop"), ("trio.lowlevel", "current_trio_token")):
        loaded = sys.modules.get(name)
        if loaded is not None:
            with contextlib.suppress(RuntimeError):
                getattr(loaded, current)()
                return False
    return True


async def in_worker_thread(function: Callable[[], Any]) -> Any:
    """Run *function* in a worker thread of the running event loop, asyncio's or trio's, and return its result."""
    trio = _running_trio()
    if trio is not None:
        return await trio.to_thread.run_sync(function)
    import asyncio  # noqa: PLC0415 - only a service with an event loop needs it

    return await asyncio.to_thread(function)


def is_stray_cancellation(error: BaseException) -> bool:
    """Return whether *error* is asyncio's cancellation of work that this task awaits, and not of the task itself."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


@final
class Shield:
    """Runs coroutines to their end, even if the task that awaits them is cancelled, on asyncio's and trio's loops."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: set[Any] = set()  # asyncio itself keeps no reference to a task

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Await *work* and return its result. If the caller is cancelled, *work* goes on without it."""
        trio = _running_trio()
        if trio is not None:
            with trio.CancelScope(shield=True):
                return await work
        import asyncio  # noqa: PLC0415 - only a service with an event loop needs it

        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        await asyncio.wait((task,))  # not `asyncio.shield`, which logs the error of work that has lost its caller
        return task.result()

    def _forget(self, task: Any) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved here: asyncio logs an error that is not, with a traceback that quotes


def _running_trio() -> Any:
    """Return the module trio if it runs the calling task, or None."""
    trio = sys.modules.get("trio")
    if trio is not None:
        with contextlib.suppress(RuntimeError):
            trio.lowlevel.current_trio_token()
            return trio
    return None


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

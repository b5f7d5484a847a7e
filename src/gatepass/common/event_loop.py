"""The event loop of the calling thread, asyncio's or trio's: whether one runs, and how to block or go on beside it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, final

__all__ = ["RunBlocking", "Shield", "can_block", "in_worker_thread"]

_T = TypeVar("_T")

RunBlocking = Callable[[Callable[[], Any]], Awaitable[Any]]
"""A function that runs a blocking function in a worker thread, and is awaited."""


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

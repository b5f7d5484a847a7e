"""Where requests meet: a view that waits here goes on when as many requests are in it as the contract sends at once.
None of them depends on how fast the machine is. One that never comes breaks the meeting, and the others crash.
"""

import asyncio
import threading
from weakref import WeakKeyDictionary

TOGETHER = 12
"""Requests that meet."""
_PATIENCE = 120

_in_threads = threading.Barrier(TOGETHER, timeout=_PATIENCE)
_on_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Barrier] = WeakKeyDictionary()


def meet() -> None:
    """In a view that runs in a thread of its own."""
    _in_threads.wait()


async def meet_on_the_loop() -> None:
    """In a coroutine function."""
    barrier = _on_loops.setdefault(asyncio.get_running_loop(), asyncio.Barrier(TOGETHER))
    async with asyncio.timeout(_PATIENCE):
        await barrier.wait()

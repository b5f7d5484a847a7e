"""Where requests wait_for_all_requests: a view that waits here goes on when as many requests are in it as the contract sends at once.
None of them depends on how fast the machine is. One that never comes breaks the meeting, and the others crash.
"""

import asyncio
import threading
from weakref import WeakKeyDictionary

CONCURRENT_REQUESTS = 12
"""Requests that wait_for_all_requests."""
_PATIENCE = 120

_in_threads = threading.Barrier(CONCURRENT_REQUESTS, timeout=_PATIENCE)
_on_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Barrier] = WeakKeyDictionary()


def wait_for_all_requests() -> None:
    """In a view that runs in a thread of its own."""
    _in_threads.wait()


async def wait_for_all_requests_async() -> None:
    """In a coroutine function."""
    barrier = _on_loops.setdefault(asyncio.get_running_loop(), asyncio.Barrier(CONCURRENT_REQUESTS))
    async with asyncio.timeout(_PATIENCE):
        await barrier.wait()

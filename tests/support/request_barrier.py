"""A barrier for views: each request waits until `CONCURRENT_REQUESTS` requests are in the view."""

import asyncio
import threading
from weakref import WeakKeyDictionary

CONCURRENT_REQUESTS = 12
"""The number of requests that wait for one another."""
_PATIENCE = 120

_in_threads = threading.Barrier(CONCURRENT_REQUESTS, timeout=_PATIENCE)
_on_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Barrier] = WeakKeyDictionary()


def wait_for_all_requests() -> None:
    """Wait in a view that runs in a thread of its own."""
    _in_threads.wait()


async def wait_for_all_requests_async() -> None:
    """Wait in a coroutine function."""
    barrier = _on_loops.setdefault(asyncio.get_running_loop(), asyncio.Barrier(CONCURRENT_REQUESTS))
    async with asyncio.timeout(_PATIENCE):
        await barrier.wait()

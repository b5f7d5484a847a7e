"""An event loop for fetches whose time advances on demand, so that no deadline depends on the machine's speed."""

import asyncio
import threading

_FETCH = "gatepass-jwks"
"""The name of the threads in which fetches run, each on its own event loop."""
_TURNS = 40
"""The number of turns of an event loop within which all work that does not wait for a server is done."""
_ordinary = asyncio.events.new_event_loop
_running = set()


class AdvancingLoop(asyncio.SelectorEventLoop):
    advanced = 0.0

    def time(self):
        return super().time() + self.advanced

    def close(self):
        _running.discard(self)
        super().close()


def new_event_loop():
    """Return an event loop. In the thread of a fetch its time can be advanced."""
    if threading.current_thread().name != _FETCH:
        return _ordinary()
    loop = AdvancingLoop()
    _running.add(loop)
    return loop


def advance_time(seconds):
    """Advance the time of each fetch under way, and return when its event loop has noticed."""
    for loop in list(_running):
        _advance(loop, seconds)


def advance_time_when_idle(seconds):
    """Do the same after each fetch has done all its work before it waits for a response."""
    for loop in list(_running):
        for _ in range(_TURNS):
            _advance(loop, 0)
        _advance(loop, seconds)


def _advance(loop, seconds):
    noticed = threading.Event()

    def add():
        loop.advanced += seconds
        noticed.set()

    try:
        loop.call_soon_threadsafe(add)
    except RuntimeError:  # the fetch has just ended
        return
    while not loop.is_closed() and not noticed.wait(0.01):
        pass

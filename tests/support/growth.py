"""Assert that a piece of work costs no more than linear processor time.

The cost is compared with the cost at smaller sizes, and the minimum of several measurements counts, so a busy machine
does not matter. An endless call is interrupted, or detected at a small size if it cannot be interrupted.
"""

import signal
import threading
import time
from contextlib import contextmanager

LINEAR = 4
ALLOWED = 8
"""Four times the text may cost eight times the work; quadratic work would cost sixteen times."""

LOOPS = 10
"""Work that costs at most this many loops over the text always passes; even a hundred would be far from quadratic."""

_ROUNDS = 8
_MEASURED = 2.0
"""Minimal seconds of measurement, beside `_ROUNDS`, before a failure, so that a busy moment does not matter."""
_LIMIT = 3.0
"""Maximal processor time of one call, in seconds. Exponential work would take years."""
_SMALLEST = 16
"""Initial number of characters if no timer can interrupt."""


class NeverEnds(AssertionError):
    """The work was interrupted after the processor time of many linear runs."""


@contextmanager
def limited():
    """Interrupt the main thread after `_LIMIT` seconds of processor time, also within `re`."""
    if not _is_interruptible():
        yield
        return

    def interrupt(*_):
        raise NeverEnds(f"{_LIMIT:.0f} seconds of processor time was not enough")

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, _LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _is_interruptible():
    """Return False on Windows, which has no such timer, and outside the main thread, which alone can be interrupted."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def cost(work, text):
    """Return the processor time of *work* for *text* in this thread, with any result or error."""
    with limited():
        return _spent(time.thread_time, work, text)


def cost_in_any_thread(work, text):
    """Return the processor time of work in other threads, uninterrupted: a timer would make this clock coarse."""
    return _spent(time.process_time, work, text)


def _spent(clock, work, text):
    begin = clock()
    try:
        work(text)
    except NeverEnds:
        raise
    except Exception:  # noqa: BLE001, S110 - a refusal must not cost more either
        pass
    return clock() - begin


def assert_linear(work, hostile, size, *, smallest=None):
    """Fail unless *work* on `hostile(size)` costs at most `ALLOWED` times the cost of a quarter of it, or less than
    `LOOPS` loops over the text: within microseconds, the caches of the processor distort any ratio.

    `hostile(n)` returns a text of about *n* characters. *smallest* is the initial size for work in another thread,
    which cannot be interrupted: sizes grow so slowly that a step fails before the next would never end. The same
    applies if there is no timer.
    """
    measure = cost if smallest is None else cost_in_any_thread
    if smallest is None and not _is_interruptible():
        smallest = _SMALLEST
    sizes = [size // LINEAR, size // 2, size]
    sizes[:0] = [] if smallest is None else _steps(smallest, below=sizes[0])
    texts, costs = [], []
    for length in sizes:
        texts.append(hostile(length))
        costs.append(measure(work, texts[-1]))
        _compare(lambda text: measure(work, text), texts[-3:], costs)


def _loop(text):
    for _ in range(LOOPS):
        for _ in text:
            pass


def _steps(length, *, below):
    """Yield small steps first, at which exponential work is noticed, and then doubled sizes."""
    while length < below:
        yield length
        length = length * 5 // 4 if length < 128 else length * 2


def _compare(measure, texts, costs):
    """Compare the last of *costs* with the two before it; measure again until it passes or the rounds are used up."""
    places = range(-len(texts), 0)
    rounds, measured, cheap = 0, 0.0, _spent(time.thread_time, _loop, texts[-1])
    while costs[-1] > cheap and not all(costs[-1] <= ALLOWED * costs[place] for place in places):
        if rounds >= _ROUNDS and measured > _MEASURED:
            break
        rounds += 1
        for place in places:
            again = measure(texts[place])
            measured += again
            costs[place] = min(costs[place], again)
    else:
        return
    shown = ", ".join(f"{len(texts[place])}: {costs[place] * 1e6:.0f} µs" for place in places)
    raise AssertionError(f"the cost grows faster than the text ({shown}) for {texts[-1][:40]!r}...")

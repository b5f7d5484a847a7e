"""Assert that a piece of work costs no more than linear processor time.

The cost is compared with its own at smaller sizes, and the least of several measurements counts, so a busy machine
does not matter. A call that would not end is interrupted, or found at a small size where nothing can interrupt it.
"""

import signal
import threading
import time
from contextlib import contextmanager

LINEAR = 4
ALLOWED = 8
"""Four times the text may cost eight times the work; were the work quadratic, it would be sixteen times."""

LOOPS = 10
"""What costs no more than so many loops over the text is cheap at every size; a hundred would still be far from quadratic."""

_ROUNDS = 8
_MEASURED = 2.0
"""Seconds of measuring, and that many rounds at least, before the verdict is a failure: a busy moment passes."""
_LIMIT = 3.0
"""Seconds of processor time for one call. An exponential one would take years."""
_SMALLEST = 16
"""Characters to begin with where no timer interrupts."""


class NeverEnds(AssertionError):
    """The work was interrupted: it used up the processor time of many linear runs."""


@contextmanager
def limited():
    """Interrupt what runs in the main thread after `_LIMIT` seconds of processor time, also within `re`."""
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
    """Windows has no such timer, and a thread other than the main one cannot be interrupted."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def cost(work, text):
    """The processor time that *work* takes for *text* in this thread, with any result or error."""
    with limited():
        return _spent(time.thread_time, work, text)


def cost_in_any_thread(work, text):
    """The same for work that goes to other threads. Nothing interrupts it: a timer would make this clock a coarse one."""
    return _spent(time.process_time, work, text)


def _spent(clock, work, text):
    begin = clock()
    try:
        work(text)
    except NeverEnds:
        raise
    except Exception:  # noqa: BLE001, S110 - a refusal is an answer too, and may cost as much as one
        pass
    return clock() - begin


def assert_linear(work, hostile, size, *, smallest=None):
    """Fail unless *work* on `hostile(size)` costs at most `ALLOWED` times what a quarter of it costs, or less than
    `LOOPS` loops over the text: of what takes microseconds, the processor's own caches make any ratio.

    `hostile(n)` makes a text of about *n* characters. *smallest*: begin there instead, for work in another thread,
    which nothing could interrupt: one step tells before the next would never end. So it is where there is no timer.
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
    """Small ones first, where exponential work begins to show, and then doublings."""
    while length < below:
        yield length
        length = length * 5 // 4 if length < 128 else length * 2


def _compare(measure, texts, costs):
    """The last of *costs* with the two before it, measured again until it passes or there is no hope."""
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

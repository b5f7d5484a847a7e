"""The clocks of this machine, looked up when they are read: a test that replaces `time.time` moves every default."""

from __future__ import annotations

import time

__all__ = ["steady_clock", "wall_clock"]


def wall_clock() -> float:
    """Seconds since 1970."""
    return time.time()


def steady_clock() -> float:
    """Seconds that are never set back, from some beginning."""
    return time.monotonic()

"""Rotations that are due: one at a time, in a thread of its own, since to make a key and write it takes too long for a
request. Where the server lets threads stand still, which would keep the lock, it is the request's work all the same.
One that fails is logged, and tried again after a while.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, final

from gatepass.common.runtime import ProcessLock, may_block, threads_stand_still
from gatepass.errors import ConfigurationError

__all__ = ["DueRotation"]

_PAUSE: Final = 60.0
_logger = logging.getLogger("gatepass.keyring")


@final
class DueRotation:
    """For one ring in one process. *clock* is the ring's."""

    __slots__ = ("_clock", "_not_before", "_running")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._not_before = float("-inf")
        self._running = ProcessLock()

    def begin(self, rotate: Callable[[], None]) -> None:
        """Let *rotate* run, unless it does already or has failed just now."""
        if self._clock() < self._not_before <= self._clock() + _PAUSE or not self._running.acquire(blocking=False):
            return
        if threads_stand_still() and may_block():
            self._run(rotate)
            return
        try:
            threading.Thread(target=self._run, args=(rotate,), name="gatepass-keyring", daemon=True).start()
        except RuntimeError:  # the interpreter is about to end, or has no thread to give: another time
            self._running.release()

    def _run(self, rotate: Callable[[], None]) -> None:
        try:
            rotate()
        except (OSError, ConfigurationError) as error:
            self._not_before = self._clock() + _PAUSE
            _logger.error("the key ring is due for a rotation, which failed: %s", type(error).__name__)  # noqa: TRY400
        finally:
            self._running.release()

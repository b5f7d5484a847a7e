"""Fail open: for a short while after the store's last answer, an unreachable store counts as "not revoked".

The default is 503. An application chooses this by `fail_open_for=` where serving a revoked token for that while is
better than serving none. It concerns access tokens alone; refresh tokens never work without their store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, final

from gatepass.common.limits import steady_clock
from gatepass.common.traces import traced
from gatepass.errors import ConfigurationError
from gatepass.revocation.store import RevocationStore, StoreLayer

__all__ = ["FailOpen", "LastAnswer"]

_LOG_INTERVAL: Final = 10.0
"""Seconds between two lines in the log."""
_logger = logging.getLogger("gatepass.revocation")


@final
class LastAnswer(StoreLayer):
    """A `RevocationStore` directly in front of the real one that notes when it answered. A cache does not count."""

    __slots__ = ("at",)

    def __init__(
        self,
        store: RevocationStore,
        *,
        clock: Callable[[], float] = steady_clock,  # not the time of day, which may be set back
    ) -> None:
        super().__init__(store, clock)
        self.at: float | None = None
        """When the store was last asked and answered."""

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        """See `RevocationStore.revoked_until`."""
        asked = self._clock()
        until = self._store.revoked_until(keys, now=now)
        self.at = asked
        return until


@final
class FailOpen(StoreLayer):
    """A `RevocationStore` in front of another. Up to *limit* seconds after *last_answer*, its errors count as "nothing
    is known". The errors of a store that never answered pass through.
    """

    __slots__ = ("_last_answer", "_limit", "_warned_at")

    def __init__(
        self,
        store: RevocationStore,
        last_answer: LastAnswer,
        *,
        limit: float,
        clock: Callable[[], float] = steady_clock,
    ) -> None:
        super().__init__(store, clock)
        self._last_answer = last_answer
        self._limit = limit
        self._warned_at: float | None = None

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        """See `RevocationStore.revoked_until`."""
        try:
            return self._store.revoked_until(keys, now=now)
        except ConfigurationError:
            raise
        except Exception as error:
            failed, last = self._clock(), self._last_answer.at
            if last is None or failed - last >= self._limit:
                raise
            self._warn(error, failed)
            return None

    def _warn(self, error: Exception, now: float) -> None:
        if self._warned_at is None or now - self._warned_at >= _LOG_INTERVAL:
            self._warned_at = now
            _logger.error("the check of revocations fails open: the store raised %s", type(error).__qualname__)
            _logger.debug("what the store raised: %s", traced(error))

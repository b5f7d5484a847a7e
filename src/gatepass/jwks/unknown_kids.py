"""Kids that the issuer does not publish: remembered for an interval, with a token bucket for the fetches they cause.

Forged kids can cause a burst of fetches, and then one per interval. These fetches also bring a key that the issuer has
just published, so a flood delays that key by at most one interval and one fetch.
"""

from __future__ import annotations

from typing import Final, final

__all__ = ["UnknownKidLimiter"]

_MAX_BURST: Final = 2.0
"""Fetches: a second new key need not wait for an interval after the fetch for the first one."""
_MAX_REMEMBERED: Final = 1_000
"""Kids: about a megabyte if each has the maximum length of a kid."""


@final
class UnknownKidLimiter:
    """The limits on fetches for unknown kids.

    Not thread-safe by itself: the owner holds a lock. Times are seconds of the owner's clock.
    """

    __slots__ = ("_interval", "_refilled_at", "_tokens", "_until")

    def __init__(self, *, interval: float) -> None:
        self._interval = interval
        self._tokens = _MAX_BURST
        self._refilled_at: float | None = None
        self._until: dict[str | None, float] = {}

    def remember(self, kid: str | None, since: float) -> None:
        """Record that a fetch which began at *since* or later did not bring *kid*."""
        self._until.pop(kid, None)
        if len(self._until) >= _MAX_REMEMBERED:
            del self._until[next(iter(self._until))]  # the oldest: a dict keeps the order of insertion
        self._until[kid] = since + self._interval

    def remembers(self, kid: str | None, now: float) -> bool:
        """Return whether a fetch without *kid* was recorded less than an interval ago."""
        return now < self._until.get(kid, now)

    def may_fetch(self, now: float) -> bool:
        """Take one fetch from the bucket. Return False if the bucket is empty."""
        if self._refilled_at is not None:
            self._tokens = min(_MAX_BURST, self._tokens + max(0.0, now - self._refilled_at) / self._interval)
        self._refilled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

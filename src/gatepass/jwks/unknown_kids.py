"""Kids that nobody publishes: remembered for a moment, and answered by a fetch only as often as a bucket allows.

Whoever forges kids can make us ask the key server a few times, and then once an interval. A key that the issuer
has just published is found by the very same fetches, so a flood delays it by one interval and one fetch at most.
"""

from __future__ import annotations

from typing import final

__all__ = ["UnknownKids"]


@final
class UnknownKids:
    """Not safe for threads by itself: its owner holds a lock. Times are seconds of the owner's clock."""

    __slots__ = ("_burst", "_capacity", "_interval", "_left", "_refilled_at", "_until")

    def __init__(self, *, interval: float, burst: int, capacity: int) -> None:
        self._interval = interval
        self._burst = float(burst)
        self._capacity = capacity
        self._left = float(burst)
        self._refilled_at: float | None = None
        self._until: dict[str | None, float] = {}

    def remember(self, kid: str | None, since: float) -> None:
        """A fetch that began at *since* or later did not bring *kid*."""
        self._until.pop(kid, None)
        while len(self._until) >= self._capacity:
            del self._until[next(iter(self._until))]  # the oldest: a dict keeps the order of insertion
        self._until[kid] = since + self._interval

    def remembers(self, kid: str | None, now: float) -> bool:
        """Whether *kid* was looked for less than an interval ago."""
        return now < self._until.get(kid, now)

    def may_fetch(self, now: float) -> bool:
        """Take one fetch out of the bucket, if one is in it."""
        if self._refilled_at is not None:
            self._left = min(self._burst, self._left + max(0.0, now - self._refilled_at) / self._interval)
        self._refilled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

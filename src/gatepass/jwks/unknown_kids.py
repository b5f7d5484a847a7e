"""Kids that the issuer does not publish: remembered for an interval, with a token bucket for the fetches they cause.

Forged kids can cause a burst of fetches, and then one in each interval. The same fetches bring a key that the issuer
has just published, so a flood delays it by one interval and one fetch at most.
"""

from __future__ import annotations

from typing import Final, final

__all__ = ["UnknownKidLimiter"]

_MAX_BURST: Final = 2.0
"""Fetches at once: a second new key need not wait for an interval because the first one was just looked for."""
_MAX_REMEMBERED: Final = 1_000
"""Kids: at the longest kid that a header may have, about a megabyte."""


@final
class UnknownKidLimiter:
    """Not safe for threads by itself: its owner holds a lock. Times are seconds of the owner's clock."""

    __slots__ = ("_interval", "_refilled_at", "_tokens", "_until")

    def __init__(self, *, interval: float) -> None:
        self._interval = interval
        self._tokens = _MAX_BURST
        self._refilled_at: float | None = None
        self._until: dict[str | None, float] = {}

    def remember(self, kid: str | None, since: float) -> None:
        """A fetch that began at *since* or later did not bring *kid*."""
        self._until.pop(kid, None)
        if len(self._until) >= _MAX_REMEMBERED:
            del self._until[next(iter(self._until))]  # the oldest: a dict keeps the order of insertion
        self._until[kid] = since + self._interval

    def remembers(self, kid: str | None, now: float) -> bool:
        """Whether *kid* was looked for less than an interval ago."""
        return now < self._until.get(kid, now)

    def may_fetch(self, now: float) -> bool:
        """Take one fetch out of the bucket, if one is in it."""
        if self._refilled_at is not None:
            self._tokens = min(_MAX_BURST, self._tokens + max(0.0, now - self._refilled_at) / self._interval)
        self._refilled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

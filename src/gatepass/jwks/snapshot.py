"""An immutable snapshot of an issuer's keys, and the policy that says how long one is fresh and usable."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeAlias, final

from gatepass.common.limits import DAY
from gatepass.common.settings import seconds
from gatepass.errors import ConfigurationError
from gatepass.keys import KeySet

__all__ = ["EMPTY", "MIN_TTL", "CachePolicy", "JWKSSnapshot", "KeyState", "refresh_delay"]

KeyState: TypeAlias = Literal["empty", "fresh", "stale", "dead"]

MIN_TTL: Final = 60
"""Seconds: a response that forbids caching would otherwise cost a fetch for each request."""
_MAX_TTL: Final = 3_600.0
"""Seconds, the default: a withdrawn key is noticed within the hour, however long the issuer allows caching."""
_FRESH_FOR: Final = 600.0
_REFRESH_AT: Final = 0.8
"""The fraction of its freshness after which a snapshot is refreshed. The rest allows a slow fetch and a retry."""
_JITTER: Final = 0.1
"""The random fraction of that delay, so that processes that started together do not fetch together."""
_CLOCK_TOLERANCE: Final = 60.0
"""Seconds: a thread may read the clock before another thread's fetch, and the new snapshot after it."""


@final
@dataclass(frozen=True, slots=True)
class JWKSSnapshot:
    """The keys from one fetch. *digest* is the SHA-256 of the document. Times are seconds of the client's clock."""

    keys: KeySet | None
    url: str
    digest: bytes
    etag: str | None
    fetched_at: float
    refresh_at: float
    fresh_until: float
    usable_until: float

    def state(self, now: float) -> KeyState:
        if self.keys is None:
            return "empty"
        if self.usable(now) is None:
            return "dead"
        return "fresh" if now < self.fresh_until else "stale"

    def usable(self, now: float) -> KeySet | None:
        """Return the keys while they may be used. If the clock was set back, their age is unknown and they are not."""
        return self.keys if self.fetched_at - _CLOCK_TOLERANCE <= now < self.usable_until else None


EMPTY: Final = JWKSSnapshot(None, "", b"", None, -math.inf, -math.inf, -math.inf, -math.inf)
"""The snapshot before the first fetch."""


@final
class CachePolicy:
    """How long fetched keys are fresh and usable, in seconds. None means the default, lowered to what the others allow.

    Raises `ConfigurationError`.
    """

    __slots__ = ("_fresh_for", "_max_ttl", "usable_for")

    def __init__(
        self, *, fresh_for: float | timedelta | None, max_ttl: float | timedelta | None, usable_for: float | timedelta
    ) -> None:
        self.usable_for: float = _checked(usable_for, "usable_for")
        self._max_ttl = min(_MAX_TTL, self.usable_for) if max_ttl is None else _checked(max_ttl, "max_ttl")
        self._fresh_for = min(_FRESH_FOR, self._max_ttl) if fresh_for is None else _checked(fresh_for, "fresh_for")
        if self._max_ttl > self.usable_for:
            raise ConfigurationError("max_ttl= must not be longer than usable_for=: fresh keys are usable keys")
        if self._fresh_for > self._max_ttl:
            raise ConfigurationError(f"fresh_for= must not be longer than max_ttl=, which is {self._max_ttl:g} seconds")

    def ttl(self, stated: float | None) -> float:
        """Return how long a response is fresh. *stated*: the seconds that its headers state, or None."""
        return self._fresh_for if stated is None else min(max(stated, MIN_TTL), self._max_ttl)


def refresh_delay(fresh_for: float) -> float:
    """Return the seconds from a fetch to the refresh of keys that are fresh for *fresh_for* seconds."""
    return fresh_for * _REFRESH_AT * (1 - _JITTER * secrets.randbelow(1_000) / 1_000)


def _checked(value: float | timedelta, name: str) -> float:
    return seconds(value, name, minimum=MIN_TTL, maximum=DAY)

"""Every number by which remote keys live, in one place: how long they are fresh, how often a fetch may be tried.

The documents show them in one table. Contradictions raise `ConfigurationError` when the client is made.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeAlias, TypedDict, final

from gatepass.common.limits import DAY
from gatepass.common.settings import seconds
from gatepass.errors import ConfigurationError
from gatepass.keys import KeySet

__all__ = ["NOTHING", "Held", "KeyState", "Timing", "TimingOptions"]

KeyState: TypeAlias = Literal["empty", "fresh", "stale", "dead"]

_MOMENT: Final = 60.0
"""Seconds: a thread may look at the clock, and at the keys when another has fetched them anew."""


@dataclass(frozen=True, slots=True)
class Held:
    """*digest* is that of the document. Times are seconds of the client's clock."""

    keys: KeySet | None
    address: str
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
        """The keys, while they may be used. A clock that was set back says nothing of their age."""
        return self.keys if self.fetched_at - _MOMENT <= now < self.usable_until else None


NOTHING: Final = Held(None, "", b"", None, -math.inf, -math.inf, -math.inf, -math.inf)
"""Before the first fetch."""


class TimingOptions(TypedDict, total=False):
    """The numbers that a `JWKSClient` takes as keywords; times are seconds or timedelta."""

    fresh_for: float | timedelta
    least_fresh: float | timedelta
    most_fresh: float | timedelta
    refresh_at: float
    usable_for: float | timedelta
    first_retry: float | timedelta
    longest_retry: float | timedelta
    timeout: float | timedelta
    longest_wait: float | timedelta
    unknown_kid_interval: float | timedelta
    unknown_kid_burst: int
    remembered_kids: int
    max_bytes: int
    max_keys: int


@final
@dataclass(frozen=True, slots=True)
class Timing:
    """The same numbers, checked. Times are seconds."""

    fresh_for: float
    least_fresh: float
    most_fresh: float
    refresh_at: float
    usable_for: float
    first_retry: float
    longest_retry: float
    timeout: float
    longest_wait: float
    unknown_kid_interval: float
    unknown_kid_burst: int
    remembered_kids: int
    max_bytes: int
    max_keys: int

    @classmethod
    def of(cls, options: TimingOptions) -> Timing:
        """*options* over the defaults. Raises `ConfigurationError`, also for a name that is none of these."""
        unknown = sorted(options.keys() - cls.__slots__)
        if unknown:
            raise ConfigurationError(f"JWKSClient knows no {unknown[0]}=")
        timing = cls(
            fresh_for=seconds(options.get("fresh_for", 600), "fresh_for", minimum=1, maximum=DAY),
            least_fresh=seconds(options.get("least_fresh", 60), "least_fresh", minimum=1, maximum=DAY),
            most_fresh=seconds(options.get("most_fresh", 3_600), "most_fresh", minimum=1, maximum=DAY),
            refresh_at=seconds(options.get("refresh_at", 0.8), "refresh_at", minimum=0.1, maximum=1),
            usable_for=seconds(options.get("usable_for", 3_600), "usable_for", minimum=1, maximum=DAY),
            first_retry=seconds(options.get("first_retry", 1), "first_retry", minimum=0.1, maximum=60),
            longest_retry=seconds(options.get("longest_retry", 60), "longest_retry", minimum=1, maximum=3_600),
            timeout=seconds(options.get("timeout", 5), "timeout", minimum=0.1, maximum=60),
            longest_wait=seconds(options.get("longest_wait", 1), "longest_wait", minimum=0.1, maximum=60),
            unknown_kid_interval=seconds(
                options.get("unknown_kid_interval", 10), "unknown_kid_interval", minimum=1, maximum=300
            ),
            unknown_kid_burst=_number(options.get("unknown_kid_burst", 2), "unknown_kid_burst", most=100),
            remembered_kids=_number(options.get("remembered_kids", 1_000), "remembered_kids", most=100_000),
            max_bytes=_number(options.get("max_bytes", 256 * 1024), "max_bytes", most=16 * 1024 * 1024),
            max_keys=_number(options.get("max_keys", 100), "max_keys", most=1_000),
        )
        if not timing.least_fresh <= timing.fresh_for <= timing.most_fresh:
            raise ConfigurationError("fresh_for= must lie between least_fresh= and most_fresh=")
        if timing.usable_for < timing.most_fresh:
            raise ConfigurationError("usable_for= must not be shorter than most_fresh=: fresh keys are usable keys")
        if timing.longest_retry < timing.first_retry:
            raise ConfigurationError("longest_retry= must not be shorter than first_retry=")
        return timing

    def freshness(self, stated: float | None) -> float:
        """How long an answer is fresh whose own headers said *stated* seconds, or nothing."""
        return self.fresh_for if stated is None else min(max(stated, self.least_fresh), self.most_fresh)

    def ahead(self, fresh_for: float) -> float:
        """When to refresh keys that are fresh for so long: a little earlier each time by chance, so that many
        processes which started together do not ask together.
        """
        return fresh_for * self.refresh_at * (1 - secrets.randbelow(1_000) / 10_000)

    def back_off(self, failures: int) -> float:
        """Seconds without another try after so many failures in a row."""
        return min(self.longest_retry, self.first_retry * 2.0 ** min(failures - 1, 32))


def _number(value: object, name: str, *, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ConfigurationError(f"{name}= must be a whole number from 1 to {most}")
    return value

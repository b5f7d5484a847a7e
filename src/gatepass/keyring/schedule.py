"""The numbers of a key ring, and what follows from them: how early a key is shown, how long it stays.

Whoever checks tokens keeps a copy of our public keys for a while. So a key is shown before it signs, for at least
as long as a copy may be kept, and it stays after it signed, until its last token is dead everywhere.
Numbers that contradict each other are refused here, when the ring is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, final

from gatepass.common.limits import DAY, MAX_ACCESS_TTL, MAX_JWKS_CACHE_TTL, MAX_LEEWAY, YEAR
from gatepass.common.settings import seconds
from gatepass.errors import ConfigurationError
from gatepass.keys.algorithms import algorithm_named
from gatepass.keys.key_set import asymmetric_names

__all__ = ["MOST_KEYS", "MOST_REMOVED", "RELOAD", "Schedule"]

RELOAD: Final = 2
"""Seconds after which a process looks again whether another one changed the ring."""
MOST_KEYS: Final = 32
"""That a ring publishes at one time: others need not take more."""
MOST_REMOVED: Final = 8
"""That a ring remembers of those that it publishes no more."""

_LONGEST: Final = 10 * YEAR
_LEAST_MARGIN: Final = 3 * RELOAD


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Whole seconds all of them; the arguments of `KeyRing` say what each is for."""

    algorithm: str
    access_ttl: int
    leeway: int
    cache_ttl: int
    margin: int
    rotate_every: int | None
    publish_ahead: int
    keep_retired: int

    @classmethod
    def checked(
        cls,
        *,
        algorithm: str,
        access_ttl: float | timedelta,
        leeway: float | timedelta,
        cache_ttl: float | timedelta,
        margin: float | timedelta,
        rotate_every: float | timedelta | None,
        publish_ahead: float | timedelta | None,
        keep_retired: float | timedelta | None,
    ) -> Schedule:
        """The schedule, or `ConfigurationError` with a sentence that says what to change."""
        if algorithm_named(algorithm).kty == "oct":
            asymmetric = ", ".join(asymmetric_names(None))
            raise ConfigurationError(f"a key ring publishes its keys, so algorithm= must be one of {asymmetric}")
        lifetime = _whole(access_ttl, "access_ttl", least=1, most=MAX_ACCESS_TTL)
        tolerated = _whole(leeway, "leeway", least=0, most=MAX_LEEWAY)
        cached = _whole(cache_ttl, "cache_ttl", least=1, most=MAX_JWKS_CACHE_TTL)
        spare = _whole(margin, "margin", least=_LEAST_MARGIN, most=DAY)
        announced, needed = cached + spare, lifetime + tolerated + cached + spare
        ahead = announced if publish_ahead is None else _whole(publish_ahead, "publish_ahead", least=1, most=_LONGEST)
        keep = needed if keep_retired is None else _whole(keep_retired, "keep_retired", least=1, most=_LONGEST)
        every = None if rotate_every is None else _whole(rotate_every, "rotate_every", least=1, most=_LONGEST)
        if ahead < announced:
            raise ConfigurationError(
                f"publish_ahead= is {ahead} seconds, but others may use a copy without the new key for cache_ttl= and "
                f"margin=, {announced} seconds: raise publish_ahead=, or lower cache_ttl="
            )
        if keep < needed:
            raise ConfigurationError(
                f"keep_retired= is {keep} seconds, but a retired key's last token needs it for access_ttl=, leeway=, "
                f"cache_ttl= and margin=, {needed} seconds: raise keep_retired=, or lower one of those"
            )
        if every is not None and every < ahead:
            raise ConfigurationError(
                f"rotate_every= is {every} seconds, but each key is published {ahead} seconds before it signs: "
                "raise rotate_every=, or lower cache_ttl= or publish_ahead="
            )
        if every is not None and math.ceil(keep / every) + math.ceil(ahead / every) + 2 > MOST_KEYS:
            raise ConfigurationError(
                f"rotate_every= is {every} seconds, but each key is published for {ahead + every + keep} seconds, "
                f"which is more than {MOST_KEYS} keys at once: raise rotate_every=, or lower access_ttl= or "
                "keep_retired="
            )
        return cls(
            algorithm=algorithm,
            access_ttl=lifetime,
            leeway=tolerated,
            cache_ttl=cached,
            margin=spare,
            rotate_every=every,
            publish_ahead=ahead,
            keep_retired=keep,
        )

    @property
    def announced(self) -> int:
        """How long a key must have been published, at the very least, before it signs."""
        return self.cache_ttl + self.margin


def _whole(value: float | timedelta, name: str, *, least: int, most: int) -> int:
    return math.ceil(seconds(value, name, minimum=least, maximum=most))

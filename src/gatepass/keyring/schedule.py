"""The settings of a key ring, and the times that follow: how early a key is published, and how long it stays published.

Services that verify tokens cache the public keys. A key is therefore published before it signs, for at least as long as
a copy may be cached. After it stops signing it stays published until its last token has expired everywhere. Rejects
settings that contradict each other, when the ring is created.
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

__all__ = ["MAX_KEYS", "MAX_REMOVED", "RELOAD_INTERVAL", "Schedule"]

RELOAD_INTERVAL: Final = 2
"""Seconds between two checks whether another process changed the ring."""
MAX_KEYS: Final = 32
"""Maximum number of keys published at the same time: a client of the JWK Set may reject more."""
MAX_REMOVED: Final = 8
"""Maximum number of removed keys that a ring remembers."""

_MAX_TIME: Final = 10 * YEAR
_MIN_MARGIN: Final = 3 * RELOAD_INTERVAL


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The arguments of `KeyRing`, in whole seconds."""

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
        """Return the schedule. Raises `ConfigurationError`, which says what to change."""
        if algorithm_named(algorithm).kty == "oct":
            asymmetric = ", ".join(asymmetric_names(None))
            raise ConfigurationError(f"a key ring publishes its keys, so algorithm= must be one of {asymmetric}")
        lifetime = _whole(access_ttl, "access_ttl", minimum=1, maximum=MAX_ACCESS_TTL)
        tolerated = _whole(leeway, "leeway", minimum=0, maximum=MAX_LEEWAY)
        cached = _whole(cache_ttl, "cache_ttl", minimum=1, maximum=MAX_JWKS_CACHE_TTL)
        spare = _whole(margin, "margin", minimum=_MIN_MARGIN, maximum=DAY)
        announced, needed = cached + spare, lifetime + tolerated + cached + spare
        ahead = (
            announced if publish_ahead is None else _whole(publish_ahead, "publish_ahead", minimum=1, maximum=_MAX_TIME)
        )
        keep = needed if keep_retired is None else _whole(keep_retired, "keep_retired", minimum=1, maximum=_MAX_TIME)
        every = None if rotate_every is None else _whole(rotate_every, "rotate_every", minimum=1, maximum=_MAX_TIME)
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
        if every is not None and math.ceil(keep / every) + math.ceil(ahead / every) + 2 > MAX_KEYS:
            raise ConfigurationError(
                f"rotate_every= is {every} seconds, but each key is published for {ahead + every + keep} seconds, "
                f"which is more than {MAX_KEYS} keys at once: raise rotate_every=, or lower access_ttl= or "
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
        """The minimum time for which a key is published before it signs: others may use a copy without it so long."""
        return self.cache_ttl + self.margin


def _whole(value: float | timedelta, name: str, *, minimum: int, maximum: int) -> int:
    return math.ceil(seconds(value, name, minimum=minimum, maximum=maximum))

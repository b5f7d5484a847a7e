"""Limits that several packages share, conversions of NumericDates, and clocks.

A key ring and a list of revocations keep their entries for the longest lifetime of a token plus the largest leeway of a
verifier. If one of them used a lower limit, a token could outlive its key or its revocation. A datetime without a time
zone is refused, because it is a different moment on every machine.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = [
    "DAY",
    "FIRST_SECOND",
    "LAST_SECOND",
    "MAX_ACCESS_TTL",
    "MAX_JWKS_CACHE_TTL",
    "MAX_KID_LENGTH",
    "MAX_LEEWAY",
    "YEAR",
    "moment_of",
    "numeric_date",
    "steady_clock",
    "wall_clock",
]

DAY: Final = 86_400
YEAR: Final = 366 * DAY

MAX_ACCESS_TTL: Final = DAY
"""The longest lifetime of an access token, in seconds."""
MAX_LEEWAY: Final = 300
"""The largest leeway of a verifier, in seconds."""
MAX_JWKS_CACHE_TTL: Final = 7 * DAY
"""The longest time for which others may cache a published JWK Set, in seconds."""

MAX_KID_LENGTH: Final = 1_024
"""Characters of a key id. The same limit for keys and for token headers, so that a token can name every key."""

FIRST_SECOND: Final = -62_135_596_800
"""The first second of the year 1, the earliest of a datetime."""
LAST_SECOND: Final = 253_402_300_799
"""The last second of the year 9999, the latest of a datetime. A date in milliseconds is larger."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def numeric_date(moment: datetime, name: str) -> int:
    """Return *moment* as a NumericDate (RFC 7519). Raises `ValueError` for a datetime without a time zone.

    >>> from datetime import UTC
    >>> numeric_date(datetime(2027, 1, 15, 8, tzinfo=UTC), "not_after")
    1800000000
    """
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise ValueError(f"{name}= takes a datetime with a time zone, such as datetime.now(UTC)")
    return int(moment.timestamp())


def moment_of(seconds: float) -> datetime:
    """Return a NumericDate as a datetime in UTC, for every year: on Windows `datetime.fromtimestamp` ends at 3000.

    >>> moment_of(-62_135_596_800).isoformat()
    '0001-01-01T00:00:00+00:00'
    """
    return _EPOCH + timedelta(seconds=seconds)


def wall_clock() -> float:
    """Return the seconds since 1970."""
    return time.time()


def steady_clock() -> float:
    """Return seconds of a clock that is never set back, counted from an arbitrary start."""
    return time.monotonic()

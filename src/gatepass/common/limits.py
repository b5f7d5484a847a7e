"""The limits that several rooms share, each written once; moments in seconds since 1970, and the clocks.

A key ring and a list of revocations keep entries for as long as an issuer's longest token lives, plus a verifier's
largest leeway. If two of these numbers differed, a token could outlive its key or its revocation. Refused: a datetime
without its time zone, which is another moment on every machine.
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
"""Seconds: the lifetime of an access token."""
MAX_LEEWAY: Final = 300
"""Seconds: the leeway of a verifier."""
MAX_JWKS_CACHE_TTL: Final = 7 * DAY
"""Seconds: the time for which others may cache a published JWK Set."""

MAX_KID_LENGTH: Final = 1_024
"""Characters of a key id, in a key and in a token's header: a key that no token may name would verify nothing."""

FIRST_SECOND: Final = -62_135_596_800
"""Of the year 1, the first that a datetime has."""
LAST_SECOND: Final = 253_402_300_799
"""Of the year 9999, the last one. Milliseconds given for seconds are larger."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def numeric_date(moment: datetime, name: str) -> int:
    """*moment* as a NumericDate. Raises `ValueError`.

    >>> from datetime import UTC
    >>> numeric_date(datetime(2027, 1, 15, 8, tzinfo=UTC), "not_after")
    1800000000
    """
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise ValueError(f"{name}= takes a datetime that knows its time zone, such as datetime.now(UTC)")
    return int(moment.timestamp())


def moment_of(seconds: float) -> datetime:
    """The moment of a NumericDate, in any year that a datetime has: on Windows `datetime.fromtimestamp` ends with 3000.

    >>> moment_of(-62_135_596_800).isoformat()
    '0001-01-01T00:00:00+00:00'
    """
    return _EPOCH + timedelta(seconds=seconds)


def wall_clock() -> float:
    """Seconds since 1970."""
    return time.time()


def steady_clock() -> float:
    """Seconds that are never set back, from some beginning."""
    return time.monotonic()

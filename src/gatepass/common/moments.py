"""Moments as tokens have them, in seconds since 1970 (RFC 7519), and as callers give and get them.

Refused: a datetime without its time zone, which is another moment on every machine, and whatever is no datetime.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["moment_of", "whole_seconds"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def whole_seconds(moment: datetime, name: str) -> int:
    """*moment* as a NumericDate. Raises `ValueError`.

    >>> from datetime import UTC
    >>> whole_seconds(datetime(2027, 1, 15, 8, tzinfo=UTC), "not_after")
    1800000000
    """
    if not isinstance(moment, datetime) or moment.utcoffset() is None:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"{name}= takes a datetime that knows its time zone, such as datetime.now(UTC)")
    return int(moment.timestamp())


def moment_of(seconds: float) -> datetime:
    """The moment of a NumericDate, in any year that a datetime has: on Windows `datetime.fromtimestamp` ends with 3000.

    >>> moment_of(-62_135_596_800).isoformat()
    '0001-01-01T00:00:00+00:00'
    """
    return _EPOCH + timedelta(seconds=seconds)

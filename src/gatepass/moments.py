"""A moment that the caller of `issue` or `grant` gives, in a token's words: whole seconds since 1970 (RFC 7519).

Refused: a datetime without its time zone, which is another moment on every machine, and whatever is no datetime.
"""

from __future__ import annotations

from datetime import datetime

__all__ = ["whole_seconds"]


def whole_seconds(moment: datetime, name: str) -> int:
    """*moment* as a NumericDate. Raises `ValueError`.

    >>> from datetime import UTC
    >>> whole_seconds(datetime(2027, 1, 15, 8, tzinfo=UTC), "not_after")
    1800000000
    """
    if not isinstance(moment, datetime) or moment.utcoffset() is None:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"{name}= takes a datetime that knows its time zone, such as datetime.now(UTC)")
    return int(moment.timestamp())

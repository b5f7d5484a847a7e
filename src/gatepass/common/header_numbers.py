"""Numbers in HTTP headers, such as `Content-Length` and `max-age`: read in one way, wherever they come from."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["LARGEST_HEADER_NUMBER", "header_number"]

LARGEST_HEADER_NUMBER: Final = 2**31
"""What a larger number counts as (RFC 9111 section 1.2.2)."""

_DIGITS: Final = re.compile("[0-9]+")


def header_number(value: str) -> int | None:
    r"""The number in *value*: decimal digits of ASCII, leading zeros too (RFC 9110 section 8.6); else None.

    >>> header_number("00"), header_number("060"), header_number("9" * 5_000)
    (0, 60, 2147483648)
    >>> header_number("5, 5"), header_number("+5"), header_number("1_0"), header_number("\u0665"), header_number("")
    (None, None, None, None, None)
    """
    if not _DIGITS.fullmatch(value):
        return None
    digits = value.lstrip("0")
    # Python converts no more than 4,300 digits, and these are more than enough.
    return min(int(digits or "0"), LARGEST_HEADER_NUMBER) if len(digits) <= 10 else LARGEST_HEADER_NUMBER

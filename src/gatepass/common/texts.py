"""Text as callers give it, one string or a list of them, and numbers in HTTP headers.

Subclasses of `str` become `str`: a member of an enumeration may format as its name, and be looked up by its value.
Refused where a list is expected: a mapping, which would be read as its keys, and octets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar, cast

__all__ = ["MAX_HEADER_NUMBER", "header_number", "listed", "plain"]

_T = TypeVar("_T")

MAX_HEADER_NUMBER: Final = 2**31
"""What a larger number counts as (RFC 9111 section 1.2.2)."""
_DIGITS: Final = re.compile("[0-9]+")


def plain(value: _T) -> _T:
    """*value*, as the text that it holds if its class is one derived from `str`.

    >>> from enum import Enum
    >>> class Client(str, Enum):
    ...     WEB = "web"
    >>> f"{Client.WEB} {plain(Client.WEB)}"
    'Client.WEB web'
    """
    if isinstance(value, str) and type(value) is not str:
        return cast("_T", str.__str__(value))  # not str(value), which the class may answer
    return value


def listed(value: object) -> tuple[Any, ...] | None:
    """The members of a list, as `plain` has them; None for what is no list. Those of a set are sorted."""
    if isinstance(value, (str, bytes, bytearray, memoryview, Mapping)) or not isinstance(value, Iterable):
        return None
    members: tuple[Any, ...] = tuple(map(plain, value))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, (set, frozenset)) and all(isinstance(member, str) for member in members):
        return tuple(sorted(members))
    return members


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
    return min(int(digits or "0"), MAX_HEADER_NUMBER) if len(digits) <= 10 else MAX_HEADER_NUMBER

"""Normalization of strings and lists of strings from callers, and of numbers in HTTP headers.

Subclasses of `str` become `str`, because a member of an enumeration may format as its name but compare as its value.
Refused where a list is expected: bytes, and a mapping, which would be read as its keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar, cast

__all__ = ["MAX_HEADER_NUMBER", "header_number", "is_plain_name", "listed", "plain"]

_T = TypeVar("_T")

MAX_HEADER_NUMBER: Final = 2**31
"""The value for every larger number (RFC 9111 section 1.2.2)."""
_DIGITS: Final = re.compile("[0-9]+")


def plain(value: _T) -> _T:
    """Return *value*, converted to `str` if its class is a subclass of `str`.

    >>> from enum import Enum
    >>> class Client(str, Enum):
    ...     WEB = "web"
    >>> f"{Client.WEB} {plain(Client.WEB)}"
    'Client.WEB web'
    """
    if type(value) is not str and issubclass(type(value), str):  # not isinstance: an object may lie about its class
        return cast("_T", str.__str__(cast("str", value)))  # str(value) would call a method of the subclass
    return value


def is_plain_name(value: object) -> bool:
    """Return whether *value* is a string that a dict compares by its text. A subclass may define another comparison."""
    kind = type(value)
    return kind is str or (issubclass(kind, str) and kind.__hash__ is str.__hash__ and kind.__eq__ is str.__eq__)


def listed(value: object) -> tuple[Any, ...] | None:
    """Return the members of a list, each through `plain`; None for other values. The members of a set are sorted."""
    if isinstance(value, (str, bytes, bytearray, memoryview, Mapping)) or not isinstance(value, Iterable):
        return None
    members: tuple[Any, ...] = tuple(map(plain, value))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, (set, frozenset)) and all(isinstance(member, str) for member in members):
        return tuple(sorted(members))
    return members


def header_number(value: str) -> int | None:
    r"""Return the number in *value*: ASCII digits, also with leading zeros (RFC 9110 section 8.6); else None.

    >>> header_number("00"), header_number("060"), header_number("9" * 5_000)
    (0, 60, 2147483648)
    >>> header_number("5, 5"), header_number("+5"), header_number("1_0"), header_number("\u0665"), header_number("")
    (None, None, None, None, None)
    """
    if not _DIGITS.fullmatch(value):
        return None
    digits = value.lstrip("0")
    # Python converts at most 4,300 digits; more than 10 exceed the maximum in any case.
    return min(int(digits or "0"), MAX_HEADER_NUMBER) if len(digits) <= 10 else MAX_HEADER_NUMBER

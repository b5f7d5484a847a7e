"""A strict JSON parser and encoder (RFC 8259).

Refused: encodings other than UTF-8, a byte order mark, a top level that is not an object, a member named twice at
any level, `NaN` and `Infinity`, fractions beyond a finite float, lone surrogates, trailing text and deep nesting. The
parser raises `MalformedToken` for each of them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from gatepass.errors import MalformedToken

__all__ = ["MAX_DEPTH", "dump_object", "dump_text", "parse_object"]

MAX_DEPTH = 32

_BACKSLASH = 0x5C
_BRACKET = 0x5B
# The closing quote is optional: if it were required, the search would restart at each quote of unterminated text.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse *raw*, which must be one JSON object (RFC 7519 section 7.2, RFC 7515 section 10.12).

    >>> parse_object(b'{"sub": "anna"}')
    {'sub': 'anna'}
    """
    try:
        text = raw.decode().strip(" \t\r\n")
        if _BRACKET in raw or raw.rfind(b"{") > 0:
            _check_depth(raw)
            value, end = _scan(text, 0)
        else:
            # Without `object_pairs_hook` verifying flat HS256 takes 9 % less time. A flat object has one comma between
            # two members: if there are no more commas than that, no name is duplicated.
            value, end = _scan_flat(text, 0)
            if type(value) is dict and raw.count(b",") >= len(value):  # pyright: ignore[reportUnknownArgumentType]
                value, end = _scan(text, 0)
        if type(value) is dict and end == len(text) and not (_BACKSLASH in raw and _has_surrogate(value)):  # pyright: ignore[reportUnknownArgumentType]
            return value  # pyright: ignore[reportUnknownVariableType]
    except (ValueError, StopIteration, RecursionError):
        pass
    # Raised outside of `except`: a JSONDecodeError contains the whole text, and would be the context of this error.
    raise MalformedToken("not a strict JSON object")


def dump_object(value: dict[str, Any]) -> bytes:
    """Encode *value* as compact UTF-8 JSON. Raises `ValueError` for NaN, lone surrogates and types that JSON lacks."""
    try:
        return _encode(value).encode()
    except (TypeError, UnicodeEncodeError):
        pass
    # Raised outside of `except`: these errors contain the value.
    raise ValueError("a value that JSON lacks, or half of a surrogate pair")


def dump_text(value: str) -> str:
    """Encode *value* as a JSON string with its quotes."""
    return _encode(value)


def _check_depth(raw: bytes) -> None:
    """Raise `ValueError` for nesting deeper than `MAX_DEPTH`, before the recursive parser runs."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for octet in _STRING.sub(b"", raw):
        if octet in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError("nested too deeply")
        elif octet in b"}]":
            depth -= 1


def _has_surrogate(value: dict[str, Any]) -> bool:
    """Return whether an escape sequence made a lone surrogate, which has no UTF-8 form."""
    try:
        _encode(value).encode()
    except UnicodeEncodeError:
        return True
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


# `JSONDecoder.decode` calls `scan_once` between two searches for blanks. Without these, HS256 takes 7 % less time.
_NUMBERS: Final[dict[str, Any]] = {"parse_constant": _refuse_constant, "parse_float": _finite}
_pairwise: Any = json.JSONDecoder(object_pairs_hook=_unique, **_NUMBERS)
_plain: Any = json.JSONDecoder(**_NUMBERS)
_scan: Callable[[str, int], tuple[Any, int]] = _pairwise.scan_once
_scan_flat: Callable[[str, int], tuple[Any, int]] = _plain.scan_once
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

"""One token out of the `Cookie` field (RFC 6265 section 4.2), read strictly.

Of all cookies one is looked at, by its exact name; what the others hold is not our business. Refused: the name twice,
whoever put the second one there; a value with quotes or with a character that no token has; more than a browser keeps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gatepass.errors import MalformedCookie, MultipleTokens

__all__ = ["LONGEST_COOKIE", "cookie_token"]

LONGEST_COOKIE: Final = 4_096
"""Octets of name and value together: what browsers keep. They drop a longer cookie and say nothing."""

_LONGEST_FIELD: Final = 65_536
_TOKEN: Final = re.compile(r"[A-Za-z0-9._-]+")
_COMMA: Final = re.compile(r",[ \t]*")


def cookie_token(lines: Sequence[str], name: str) -> str | None:
    """The value of the cookie *name* in the `Cookie` lines of one request, given as they came; None without one.

    An empty value counts as absent. Raises `MultipleTokens` and `MalformedCookie`.

    >>> cookie_token(["theme=dark; __Host-access=abc.def.ghi"], "__Host-access")
    'abc.def.ghi'
    """
    field = ";".join(lines)  # HTTP/2 may send each cookie in a line of its own (RFC 9113 section 8.2.3)
    if len(field) > _LONGEST_FIELD:
        raise MalformedCookie("the field is too long")
    if name not in field:
        return None
    pairs = [pair.lstrip(" \t").partition("=") for pair in field.split(";")]
    values = [value for own, equals, value in pairs if own == name and equals]
    # Some servers join two lines by a comma, and a page of a neighbour host can write one into a cookie of its own.
    after_commas = _COMMA.sub(",", field).count(f",{name}=")
    if len(values) + after_commas > 1:
        raise MultipleTokens("a repeated cookie")
    if after_commas:
        raise MalformedCookie("the cookie stands after a comma")
    if not values or not values[0]:
        return None
    if len(name) + len(values[0]) > LONGEST_COOKIE or not _TOKEN.fullmatch(values[0]):
        raise MalformedCookie("the value is no token")
    return values[0]

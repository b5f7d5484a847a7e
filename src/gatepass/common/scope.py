"""Scope tokens (RFC 6749 section 3.3): unordered, case-sensitive, never split otherwise than at a single blank."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gatepass.common.texts import listed, plain

__all__ = ["BLANKS_OR_LIST", "SCOPES", "SCOPE_TOKEN", "has_commas", "scope_tokens", "split_scope"]

SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
SCOPES: Final = re.compile(rf"{SCOPE_TOKEN.pattern}(?: {SCOPE_TOKEN.pattern})*")
"""One or several of them, as a claim and a parameter say it."""
BLANKS_OR_LIST: Final = "a text with blanks between the scopes, and no commas, or a list of strings"
"""What a caller gives that means several."""


def scope_tokens(scope: str | Iterable[str]) -> tuple[str, ...]:
    """The tokens in *scope*, a list of them or their blank-separated text. Raises `ValueError`.

    >>> scope_tokens("orders:read orders:write")
    ('orders:read', 'orders:write')
    """
    tokens = split_scope(plain(scope)) if isinstance(scope, str) else listed(scope)
    if tokens is None or has_commas(scope):
        raise ValueError(f"scope= takes {BLANKS_OR_LIST}")
    found = [token for token in tokens if isinstance(token, str) and SCOPE_TOKEN.fullmatch(token)]
    if len(found) != len(tokens):
        raise ValueError("a scope is a non-empty string of printable ASCII without spaces, quotes or backslashes")
    return tuple(dict.fromkeys(found))


def has_commas(scope: object) -> bool:
    """Whether *scope* is a text with a comma, which RFC 6749 allows in a scope, and a caller means for a blank."""
    return isinstance(scope, str) and "," in scope


def split_scope(text: str) -> tuple[str, ...]:
    """The tokens in a *text* that others wrote, commas and all."""
    return tuple(text.split(" ")) if text else ()

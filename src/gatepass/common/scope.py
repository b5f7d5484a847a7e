"""Scope tokens (RFC 6749 section 3.3): unordered, case-sensitive, separated by a single blank."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gatepass.common.texts import listed, plain

__all__ = ["BLANKS_OR_LIST", "SCOPES", "SCOPE_TOKEN", "has_commas", "scope_tokens", "split_scope"]

SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
SCOPES: Final = re.compile(rf"{SCOPE_TOKEN.pattern}(?: {SCOPE_TOKEN.pattern})*")
"""One or several scope tokens with a blank between them, as in a claim or a parameter."""
BLANKS_OR_LIST: Final = "a string with blanks between the scopes, without commas, or a list of strings"
"""The two forms in which a caller gives several scopes, for error texts."""


def scope_tokens(scope: str | Iterable[str]) -> tuple[str, ...]:
    """Return the tokens of *scope*, a list of tokens or a blank-separated string. Raises `ValueError`.

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
    """Return whether *scope* is a string with a comma. RFC 6749 allows it in a scope; callers mean a separator."""
    return isinstance(scope, str) and "," in scope


def split_scope(text: str) -> tuple[str, ...]:
    """Split *text* that another party wrote. A comma is part of a token."""
    return tuple(text.split(" ")) if text else ()

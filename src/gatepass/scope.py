"""Scope tokens (RFC 6749 section 3.3): unordered, case-sensitive, never split otherwise than at a single blank."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["SCOPES", "SCOPE_TOKEN", "scope_tokens"]

SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
SCOPES: Final = re.compile(rf"{SCOPE_TOKEN.pattern}(?: {SCOPE_TOKEN.pattern})*")
"""One or several of them, as a claim and a parameter say it."""


def scope_tokens(scope: str | Iterable[str]) -> tuple[str, ...]:
    """The tokens in *scope*, a list of them or their blank-separated text. Raises `ValueError`.

    >>> scope_tokens("orders:read orders:write")
    ('orders:read', 'orders:write')
    """
    listed = isinstance(scope, Iterable)  # pyright: ignore[reportUnnecessaryIsInstance]
    tokens: list[object] = list(scope.split(" ") if isinstance(scope, str) and scope else scope) if listed else []
    found = [token for token in tokens if isinstance(token, str) and SCOPE_TOKEN.fullmatch(token)]
    if not listed or len(found) != len(tokens):
        raise ValueError("a scope is a non-empty string of printable ASCII without spaces, quotes or backslashes")
    return tuple(dict.fromkeys(found))

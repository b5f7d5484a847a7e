"""A key server's text becomes a `KeySet`, or one error that says why not.

Foreign, malformed, secret and private entries are left out one by one; a set without a single usable key replaces
nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.strict_json import parse_object
from gatepass.jwks.http import FetchError
from gatepass.keys import KeySet
from gatepass.keys.jwk import is_private_jwk

__all__ = ["Fingerprint", "fingerprint", "read_key_set"]

Fingerprint = frozenset[tuple[str | None, str, str]]
_logger = logging.getLogger("gatepass.jwks")


def read_key_set(body: bytes, *, algorithms: Iterable[str] | None, max_keys: int) -> KeySet:
    """The usable keys in *body* (RFC 7517 section 5). Raises `FetchError`."""
    try:
        document = parse_object(body)
    except MalformedToken:
        raise FetchError("not_json") from None
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise FetchError("not_a_key_set")
    if len(entries) > max_keys:  # pyright: ignore[reportUnknownArgumentType]
        raise FetchError("too_many_keys")
    leaked = sum(isinstance(entry, dict) and is_private_jwk(entry) for entry in entries)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if leaked:
        _logger.error("a key server publishes %d private or secret keys, which are left out: tell who runs it", leaked)
    try:
        return KeySet.from_jwks(document, algorithms=algorithms)
    except ConfigurationError:
        raise FetchError("no_usable_key") from None


def fingerprint(keys: KeySet | None) -> Fingerprint:
    """What tells one key set from another: each key's kid, algorithm and RFC 7638 thumbprint."""
    return frozenset((key.kid, key.algorithm, key.thumbprint()) for key in keys or ())

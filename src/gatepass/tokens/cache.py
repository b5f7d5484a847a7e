"""The cache of verified tokens, for `cache_ttl=`. Tokens are stored under a digest, never as text.

A cache belongs to the keys of one `KeySnapshot`: when the keys change, both are replaced, so no entry outlives its key.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple, final

from gatepass.tokens.access_token import AccessToken

__all__ = ["VerifiedTokenCache", "digest_of"]

_SAFETY_MARGIN: Final = 1.0
"""Seconds before a token's end in which the cache is not used, because the checks round differently."""


@final
class VerifiedTokenCache:
    """At most *size* tokens, each for *ttl* seconds at most.

    There are two dictionaries. The older one is dropped when the newer one contains half of *size*, so that no lock and
    no order is needed.
    """

    __slots__ = ("_new", "_old", "_size", "_ttl")

    def __init__(self, *, ttl: float, size: int) -> None:
        self._ttl = ttl
        self._size = size
        self._new: dict[bytes, _Entry] = {}
        self._old: dict[bytes, _Entry] = {}

    def empty_copy(self) -> VerifiedTokenCache:
        """Return an empty cache with the same limits, for other keys."""
        return VerifiedTokenCache(ttl=self._ttl, size=self._size)

    def find(self, digest: bytes, now: float) -> AccessToken | None:
        """Return the token with this *digest*, if it is still valid at *now*."""
        entry = self._new.get(digest) or self._old.get(digest)
        if entry is None:
            return None
        since, until, token = entry
        return token if since <= now < until else None  # now < since: the clock was set back

    def add(self, digest: bytes, token: AccessToken, *, now: float, ends: float) -> None:
        """Cache *token*, which passed every check at *now* and fails the first of them at *ends*."""
        if len(self._new) >= self._size // 2:
            self._old, self._new = self._new, {}
        self._new[digest] = _Entry(now, min(now + self._ttl, ends - _SAFETY_MARGIN), token)


def digest_of(octets: bytes) -> bytes:
    """Return the cache key of a token. It is a digest, so that a memory dump shows no usable token."""
    return sha256(octets).digest()


class _Entry(NamedTuple):
    since: float
    until: float
    token: AccessToken

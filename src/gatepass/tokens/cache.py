"""The caches of a verifier: the current keys, the headers that select them, and with `cache_ttl=` whole tokens.

When the keys change, a new `KeySnapshot` replaces the old one with all its entries, so no entry outlives its key.
Tokens are stored under a digest, never as text.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple, final

from gatepass.errors import DisallowedAlgorithm, UnknownKey
from gatepass.keys import Key, KeySet
from gatepass.tokens.access_token import AccessToken

__all__ = ["KeySnapshot", "VerifiedTokenCache", "digest_of"]

_MAX_HEADERS: Final = 128
_SAFETY_MARGIN: Final = 1.0
"""Seconds before a token's end in which the cache is not used, because the checks round differently."""


@final
class KeySnapshot:
    """The keys at one moment, and the results of verifying with them.

    `keys_by_header` maps the exact header segments of tokens with a valid signature to the keys that they select.
    *tokens* caches the tokens that were verified with these keys. With *any_kid* there is a single key whose `kid` was
    not given, and every `kid` of a token selects it.
    """

    __slots__ = ("any_kid", "keys", "keys_by_header", "tokens")

    def __init__(self, keys: KeySet | None, tokens: VerifiedTokenCache, *, any_kid: bool = False) -> None:
        self.any_kid: bool = any_kid
        self.keys: KeySet | None = keys
        self.keys_by_header: dict[bytes, tuple[Key, ...]] = {}
        self.tokens: VerifiedTokenCache = tokens

    def candidates(self, kid: str | None, algorithm: str, *, limit: int) -> tuple[Key, ...]:
        """Return the keys that may have signed: the key named *kid*, or for None all keys that fit, at most *limit*."""
        if self.keys is None:
            raise UnknownKey("no keys are available")
        if kid is not None:
            found = self.keys.get(kid, algorithm)
            if found:
                return found
            if self.keys.has_kid(kid):
                raise DisallowedAlgorithm("alg is not the key's")
            if not self.any_kid:
                raise UnknownKey("kid")
        fitting = self.keys.for_algorithm(algorithm)
        if not 0 < len(fitting) <= limit:
            raise UnknownKey("no kid, and no key or too many keys to try")
        return fitting

    def remember(self, segment: bytes, keys: tuple[Key, ...]) -> None:
        """Map a header *segment* to its *keys*, only after a valid signature: attackers must not fill the table."""
        if len(self.keys_by_header) >= _MAX_HEADERS:
            self.keys_by_header.clear()
        self.keys_by_header[segment] = keys


@final
class VerifiedTokenCache:
    """At most *size* tokens, each for *ttl* seconds at most.

    There are two dictionaries. The older one is dropped when the newer one holds half of *size*, so that no lock and no
    order is needed.
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

    def keep(self, digest: bytes, token: AccessToken, *, now: float, ends: float) -> None:
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

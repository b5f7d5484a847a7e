"""What a verifier caches: the keys of one instant, the headers that led to them, and with `cache_ttl=` whole tokens.

When the keys change, a new `KeySnapshot` replaces the old one with all its entries, so none outlives its key. Tokens
are stored under a digest, never as text.
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
"""Seconds before a token's end from which the checks themselves decide: their arithmetic rounds in its own way."""


@final
class KeySnapshot:
    """The keys of one instant, and what was verified with them.

    `keys_by_header` maps the exact header segments of tokens with a good signature to the keys that they led to.
    *tokens* caches the tokens that were verified with these keys. With *any_kid* there is a single key without a name
    of its own, and any `kid` of a token leads to it.
    """

    __slots__ = ("any_kid", "keys", "keys_by_header", "tokens")

    def __init__(self, keys: KeySet | None, tokens: VerifiedTokenCache, *, any_kid: bool = False) -> None:
        self.any_kid: bool = any_kid
        self.keys: KeySet | None = keys
        self.keys_by_header: dict[bytes, tuple[Key, ...]] = {}
        self.tokens: VerifiedTokenCache = tokens

    def candidates(self, kid: str | None, algorithm: str, *, limit: int) -> tuple[Key, ...]:
        """The keys that may have signed: the one named *kid*, or without a name all that fit, at most *limit*."""
        if self.keys is None:
            raise UnknownKey("no keys are held")
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
        """Map a header *segment* to its *keys*. Only after a good signature, so that no attacker can fill the table."""
        if len(self.keys_by_header) >= _MAX_HEADERS:
            self.keys_by_header.clear()
        self.keys_by_header[segment] = keys


@final
class VerifiedTokenCache:
    """At most *size* tokens, each for *ttl* seconds at most.

    Two dictionaries, of which the older is dropped when the younger holds half of *size*: no lock, no order to keep.
    """

    __slots__ = ("_new", "_old", "_size", "_ttl")

    def __init__(self, *, ttl: float, size: int) -> None:
        self._ttl = ttl
        self._size = size
        self._new: dict[bytes, _Entry] = {}
        self._old: dict[bytes, _Entry] = {}

    def empty_copy(self) -> VerifiedTokenCache:
        """A cache with the same limits, for other keys."""
        return VerifiedTokenCache(ttl=self._ttl, size=self._size)

    def find(self, digest: bytes, now: float) -> AccessToken | None:
        """The token with this *digest*, if it is still good at *now*."""
        entry = self._new.get(digest) or self._old.get(digest)
        if entry is None:
            return None
        since, until, token = entry
        return token if since <= now < until else None  # before `since`, the clock was set back

    def keep(self, digest: bytes, token: AccessToken, *, now: float, ends: float) -> None:
        """Cache *token*, which passed every check at *now* and fails the first of them at *ends*."""
        if len(self._new) >= self._size // 2:
            self._old, self._new = self._new, {}
        self._new[digest] = _Entry(now, min(now + self._ttl, ends - _SAFETY_MARGIN), token)


def digest_of(octets: bytes) -> bytes:
    """The key of a token in the cache: a memory dump shows no token that could be sent again."""
    return sha256(octets).digest()


class _Entry(NamedTuple):
    since: float
    until: float
    token: AccessToken

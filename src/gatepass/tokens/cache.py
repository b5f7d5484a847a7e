"""The keys that a verifier holds at one instant, and what it has seen signed by them: headers, perhaps whole tokens.

When the keys change, a new value takes the old one's place whole: what was remembered of a key that is gone goes too.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple, final

from gatepass.errors import DisallowedAlgorithm, UnknownKey
from gatepass.keys import Key, KeySet
from gatepass.tokens.access_token import AccessToken

__all__ = ["HeldKeys", "KnownTokens", "digest_of"]

_MAX_REMEMBERED: Final = 128


@final
class HeldKeys:
    """*known* maps the exact header segments of tokens with a good signature to the keys that they led to.

    *tokens* are those that were proved with these keys, where a verifier remembers any. With *any_kid* the keys are a
    single one without a name of its own, and the `kid` of a token is a hint that leads to it too.
    """

    __slots__ = ("any_kid", "keys", "known", "tokens")

    def __init__(self, keys: KeySet | None, tokens: KnownTokens, *, any_kid: bool = False) -> None:
        self.any_kid: bool = any_kid
        self.keys: KeySet | None = keys
        self.known: dict[bytes, tuple[Key, ...]] = {}
        self.tokens: KnownTokens = tokens

    def candidates(self, kid: str | None, algorithm: str, *, most: int) -> tuple[Key, ...]:
        """The keys that may have signed: the one named *kid*, or without a name at most *most* that fit."""
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
        if not 0 < len(fitting) <= most:
            raise UnknownKey("no kid, and no key or too many keys to try")
        return fitting

    def remember(self, segment: bytes, keys: tuple[Key, ...]) -> None:
        """Only headers of good signatures come here, so strangers cannot fill the table."""
        if len(self.known) >= _MAX_REMEMBERED:
            self.known.clear()
        self.known[segment] = keys


_EARLY: Final = 1.0


class _Entry(NamedTuple):
    since: float
    until: float
    token: AccessToken


@final
class KnownTokens:
    """At most *size* tokens, each for *ttl* seconds at most; with a *ttl* of 0, none.

    Two dictionaries, of which the older is dropped whole when the younger is half of *size*: no lock, no order to keep.
    """

    __slots__ = ("_old", "_size", "_ttl", "_young")

    def __init__(self, *, ttl: float, size: int) -> None:
        self._ttl = ttl
        self._size = size
        self._young: dict[bytes, _Entry] = {}
        self._old: dict[bytes, _Entry] = {}

    def emptied(self) -> KnownTokens:
        """A memory of the same kind, for other keys."""
        return KnownTokens(ttl=self._ttl, size=self._size)

    def find(self, digest: bytes, now: float) -> AccessToken | None:
        """The token with this *digest*, if it was proved so recently that it is good at *now* too."""
        entry = self._young.get(digest) or self._old.get(digest)
        if entry is None:
            return None
        since, until, token = entry
        return token if since <= now < until else None  # a clock that was set back knows nothing

    def keep(self, digest: bytes, token: AccessToken, *, now: float, ends: float) -> None:
        """Remember *token*, which passed every check at *now* and fails the first of them at *ends*."""
        # The last second is left to the checks themselves: their arithmetic rounds in its own way.
        until = min(now + self._ttl, ends - _EARLY)
        if len(self._young) >= self._size // 2:
            self._old, self._young = self._young, {}
        self._young[digest] = _Entry(now, until, token)


def digest_of(octets: bytes) -> bytes:
    """What a token is remembered by: a dump of the memory holds nothing that anybody could send."""
    return sha256(octets).digest()

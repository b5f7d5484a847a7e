"""Tokens that were proved a moment ago, so that the same one need not be proved again. Off unless asked for.

Only a success is remembered: for a bounded time, and never to the end of the token's own. The memory belongs to one
verifier and to the keys of one instant; the application's hooks stand behind it, and are asked about every request.
What it keeps of a token's text is a digest.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple, final

from gatepass.tokens.access_token import AccessToken

__all__ = ["KnownTokens", "digest_of"]

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

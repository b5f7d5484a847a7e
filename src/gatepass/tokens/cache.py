"""The keys that a verifier holds at one instant, and what it has seen signed by them: headers, perhaps whole tokens.

When the keys change, a new value takes the old one's place whole: what was remembered of a key that is gone goes too.
"""

from __future__ import annotations

from typing import Final, final

from gatepass.errors import DisallowedAlgorithm, UnknownKey
from gatepass.keys import Key, KeySet
from gatepass.tokens.known_tokens import KnownTokens

__all__ = ["HeldKeys"]

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
            found = self.keys.named(kid, algorithm)
            if found:
                return found
            if self.keys.knows(kid):
                raise DisallowedAlgorithm("alg is not the key's")
            if not self.any_kid:
                raise UnknownKey("kid")
        fitting = self.keys.fitting(algorithm)
        if not 0 < len(fitting) <= most:
            raise UnknownKey("no kid, and no key or too many keys to try")
        return fitting

    def remember(self, segment: bytes, keys: tuple[Key, ...]) -> None:
        """Only headers of good signatures come here, so strangers cannot fill the table."""
        if len(self.known) >= _MAX_REMEMBERED:
            self.known.clear()
        self.known[segment] = keys

"""The issuers whose tokens a service accepts: one, or several with different `iss`.

The unverified `iss` only selects one of the configured verifiers. That verifier then makes every check, and uses only
its own keys (RFC 8725 section 3.8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

from gatepass.common.event_loop import RunBlocking
from gatepass.errors import ConfigurationError, InvalidClaim, InvalidIssuer, MissingClaim
from gatepass.jose.compact import CompactParts, split_compact
from gatepass.tokens.access_token import AccessToken
from gatepass.tokens.hooks import Hook
from gatepass.tokens.profile import AnyIssuer
from gatepass.tokens.verifier import TokenVerifier

__all__ = ["Verifiers"]


@final
class Verifiers:
    """One `TokenVerifier`, or several with different issuers. Raises `ConfigurationError` for other values."""

    __slots__ = ("_by_issuer", "_single", "hooks", "may_wait")

    def __init__(self, verifiers: TokenVerifier | Iterable[TokenVerifier]) -> None:
        several = verifiers if isinstance(verifiers, Iterable) else (verifiers,)
        members = tuple(several)
        if not members or not all(isinstance(verifier, TokenVerifier) for verifier in members):
            raise ConfigurationError(
                "a ResourceServer takes a TokenVerifier(issuer=..., audience=..., keys=...), or a list of several"
            )
        named = {verifier.issuer: verifier for verifier in members if not isinstance(verifier.issuer, AnyIssuer)}
        if len(members) > 1 and len(named) != len(members):
            raise ConfigurationError("several verifiers need different issuers, and none may have ANY_ISSUER")
        self._by_issuer = named
        self._single = members[0] if len(members) == 1 else None
        self.hooks: tuple[Hook, ...] = tuple(hook for verifier in members for hook in verifier.hooks)
        self.may_wait: bool = any(verifier.may_wait for verifier in members)
        """True if the verification of a token may wait for a fetch of keys."""

    def verify(self, token: str) -> AccessToken:
        if self._single is not None:
            return self._single.verify(token)
        parts = split_compact(token)
        return self._select(parts).verify_parsed(parts)

    async def verify_async(self, token: str, run_blocking: RunBlocking) -> AccessToken:
        if self._single is not None:
            return await self._single.verify_async(token, run_blocking=run_blocking)
        parts = split_compact(token)
        return await self._select(parts).verify_parsed_async(parts, run_blocking)

    def seconds_left(self, token: AccessToken) -> float:
        """Return `TokenVerifier.seconds_left`. Of several verifiers, raises `LookupError` for another issuer."""
        verifier = self._single or self._by_issuer[token.issuer or ""]
        return verifier.seconds_left(token)

    def _select(self, parts: CompactParts) -> TokenVerifier:
        claims: Mapping[str, object] = parts[-1]
        issuer = claims.get("iss")
        if not isinstance(issuer, str):
            raise InvalidClaim("iss is not a string") if "iss" in claims else MissingClaim("iss")
        verifier = self._by_issuer.get(issuer)
        if verifier is None:
            raise InvalidIssuer("iss")
        return verifier

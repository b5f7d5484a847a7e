"""Refusals of a token that came and is bad: 401 `invalid_token`, each with its own text and reason."""

from __future__ import annotations

from typing import ClassVar

from gatepass.errors.base import AuthError

__all__ = [
    "BindingError",
    "DisallowedAlgorithm",
    "ExpiredToken",
    "ImmatureToken",
    "InvalidAudience",
    "InvalidClaim",
    "InvalidIssuer",
    "InvalidSignature",
    "InvalidSubject",
    "InvalidToken",
    "MalformedToken",
    "MissingClaim",
    "RevokedToken",
    "UnknownKey",
    "UnsupportedToken",
    "WrongTokenType",
]


class InvalidToken(AuthError):
    """A token came and is not accepted. The parent of every such refusal."""

    error: ClassVar[str | None] = "invalid_token"
    description: ClassVar[str | None] = "The access token is invalid"
    reason = "invalid_token"


class MalformedToken(InvalidToken):
    """Not a JWS in compact serialization with strict base64url and JSON, or too long."""

    description: ClassVar[str | None] = "The access token is malformed"
    reason = "malformed_token"


class UnsupportedToken(InvalidToken):
    """Encrypted, nested, or with critical header extensions: kinds that are never taken."""

    description: ClassVar[str | None] = "The access token is malformed"
    reason = "unsupported_token"


class DisallowedAlgorithm(InvalidToken):
    """`alg` is missing, not allowed, or not the one that the key is bound to."""

    description: ClassVar[str | None] = "The access token algorithm is not accepted"
    reason = "disallowed_algorithm"


class WrongTokenType(InvalidToken):
    """Another kind of JWT: an ID token, a refresh token, a DPoP proof."""

    description: ClassVar[str | None] = "The access token type is not accepted"
    reason = "wrong_token_type"


class UnknownKey(InvalidToken):
    """No key of this issuer has the token's `kid`."""

    description: ClassVar[str | None] = "The access token was signed with an unknown key"
    reason = "unknown_key"


class InvalidSignature(InvalidToken):
    """The signature is not the key's."""

    description: ClassVar[str | None] = "The access token signature is invalid"
    reason = "invalid_signature"


class ExpiredToken(InvalidToken):
    """`exp` has come (RFC 7519 section 4.1.4), or the token is older than the policy allows."""

    description: ClassVar[str | None] = "The access token expired"
    reason = "expired_token"


class ImmatureToken(InvalidToken):
    """`nbf` or `iat` lies in the future (RFC 7519 sections 4.1.5, 4.1.6)."""

    description: ClassVar[str | None] = "The access token is not yet valid"
    reason = "immature_token"


class InvalidIssuer(InvalidToken):
    """`iss` is not, character for character, an issuer that we trust."""

    description: ClassVar[str | None] = "The access token issuer is not accepted"
    reason = "invalid_issuer"


class InvalidAudience(InvalidToken):
    """`aud` is absent or names somebody else."""

    description: ClassVar[str | None] = "The access token is not intended for this resource"
    reason = "invalid_audience"


class MissingClaim(InvalidToken):
    """A claim that the profile requires is absent."""

    description: ClassVar[str | None] = "A required claim is missing"
    reason = "missing_claim"


class InvalidClaim(InvalidToken):
    """A claim has the wrong JSON type or an impossible value."""

    description: ClassVar[str | None] = "A claim has an invalid value"
    reason = "invalid_claim"


class InvalidSubject(InvalidToken):
    """The application's `check_subject` does not know the subject, or has disabled it."""

    description: ClassVar[str | None] = "The access token subject is not accepted"
    reason = "invalid_subject"


class RevokedToken(InvalidToken):
    """The application's `is_revoked` said so."""

    description: ClassVar[str | None] = "The access token was revoked"
    reason = "revoked_token"


class BindingError(InvalidToken):
    """The token is bound to a key or a certificate (`cnf`, RFC 7800) and came as a mere bearer token."""

    description: ClassVar[str | None] = "The access token is sender-constrained"
    reason = "binding_required"

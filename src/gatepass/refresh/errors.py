"""How a token endpoint refuses (RFC 6749 section 5.2): a family of errors of its own, never mixed with `AuthError`.

On the wire every refresh token that does not work gets the same `invalid_grant`; the log tells why by `reason`.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "HookUnavailable", "InsecureTokenRequest", "InvalidClient", "InvalidClientCredentials", "InvalidGrant",
    "InvalidMediaType", "InvalidScope", "InvalidTarget", "InvalidTokenRequest", "RefreshTokenReused",
    "ServiceUnavailable", "StoreUnavailable", "TokenEndpointError", "UnauthorizedClient", "UnsupportedGrantType",
    "UnsupportedTokenType", "UntrustedTokenRequest",
]  # fmt: skip


class TokenEndpointError(Exception):
    """A request to the token or revocation endpoint is refused. `str(error)` is constant for each class."""

    status: ClassVar[int] = 400
    error: ClassVar[str] = "invalid_request"
    description: ClassVar[str] = "The request is malformed"

    def __init__(self, reason: str = "") -> None:
        super().__init__(self.description)
        self.reason: str = reason or self.error
        """A stable slug for logs and metrics; never sent."""


class InvalidTokenRequest(TokenEndpointError):
    """Not a form, a parameter is missing or repeated, or the client authenticates in two ways."""


class InvalidMediaType(InvalidTokenRequest):
    """The body is no form, such as JSON, which clients send that never read RFC 6749."""

    description = "The body must be application/x-www-form-urlencoded"


class InsecureTokenRequest(InvalidTokenRequest):
    """The request came over plain http to endpoints with `https="require"` (RFC 6749 section 3.2)."""

    description = "The request was not sent over https"


class UntrustedTokenRequest(TokenEndpointError):
    """A refresh cookie came, and not from a page of ours (`Origin`)."""

    status = 403
    description = "The request does not come from an allowed origin"


class InvalidClient(TokenEndpointError):
    """The client is unknown, or its secret is wrong."""

    error = "invalid_client"
    description = "Client authentication failed"


class InvalidClientCredentials(InvalidClient):
    """The same for a client that used `Authorization`: 401 with a challenge (RFC 6749 section 5.2)."""

    status = 401


class InvalidGrant(TokenEndpointError):
    """The refresh token is unknown, expired, revoked, spent or another client's: one text for all."""

    error = "invalid_grant"
    description = "The refresh token is not valid"


class RefreshTokenReused(InvalidGrant):
    """A spent token came again: it was copied, and the family is revoked (RFC 9700 section 4.14.2)."""


class InvalidScope(TokenEndpointError):
    """The scope goes beyond the grant, or is no scope."""

    error = "invalid_scope"
    description = "The requested scope exceeds the grant"


class InvalidTarget(TokenEndpointError):
    """The resource is not the grant's (RFC 8707 section 2)."""

    error = "invalid_target"
    description = "The requested resource is not allowed"


class UnauthorizedClient(TokenEndpointError):
    """The client may not do this."""

    error = "unauthorized_client"
    description = "The client is not authorized for this request"


class UnsupportedGrantType(TokenEndpointError):
    """Another grant than `refresh_token`: those are the application's own routes."""

    error = "unsupported_grant_type"
    description = "The grant type is not supported"


class UnsupportedTokenType(TokenEndpointError):
    """Tokens of this kind cannot be revoked here (RFC 7009 section 2.2.1)."""

    error = "unsupported_token_type"
    description = "Tokens of this type cannot be revoked here"


class ServiceUnavailable(TokenEndpointError):
    """We cannot tell. Nothing is known against the token, and it is not spent: try again."""

    status = 503
    error = "temporarily_unavailable"
    description = "The authorization service is temporarily unavailable"
    retry_after: ClassVar[int] = 5
    """Seconds, sent as `Retry-After`."""


class StoreUnavailable(ServiceUnavailable):
    """The store cannot be asked."""


class HookUnavailable(ServiceUnavailable):
    """A function of the application raised, or gave an answer that means nothing."""

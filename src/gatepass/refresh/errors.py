"""The errors of the token endpoint (RFC 6749 section 5.2), a hierarchy of its own, separate from `AuthError`.

Every invalid refresh token gets the same `invalid_grant` response; only `reason`, in the log, tells the cases apart.
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
    """The base of all refusals of the token and revocation endpoints. `str(error)` is constant for each class."""

    status: ClassVar[int] = 400
    error: ClassVar[str] = "invalid_request"
    description: ClassVar[str] = "The request is malformed"

    def __init__(self, reason: str = "") -> None:
        super().__init__(self.description)
        self.reason: str = reason or self.error
        """A stable identifier for logs and metrics; never sent."""


class InvalidTokenRequest(TokenEndpointError):
    """The body is not a form, a parameter is missing or repeated, or the client uses two authentication methods."""


class InvalidMediaType(InvalidTokenRequest):
    """The body is not a form. Clients that do not follow RFC 6749 send JSON."""

    description = "The body must be application/x-www-form-urlencoded"


class InsecureTokenRequest(InvalidTokenRequest):
    """The request was sent over plain http to endpoints with `https="require"` (RFC 6749 section 3.2)."""

    description = "The request was not sent over https"


class UntrustedTokenRequest(TokenEndpointError):
    """The request has a cookie and no allowed `Origin`."""

    status = 403
    description = "The request does not come from an allowed origin"


class InvalidClient(TokenEndpointError):
    """The client is unknown, or its secret is wrong."""

    error = "invalid_client"
    description = "Client authentication failed"


class InvalidClientCredentials(InvalidClient):
    """The client is unknown or its secret is wrong, in `Authorization`: 401 with a challenge (RFC 6749 section 5.2)."""

    status = 401


class InvalidGrant(TokenEndpointError):
    """The token is unknown, expired, revoked, spent or another client's. All cases have one description."""

    error = "invalid_grant"
    description = "The refresh token is not valid"


class RefreshTokenReused(InvalidGrant):
    """A spent token was used again: it was copied, and the family is revoked (RFC 9700 section 4.14.2)."""


class InvalidScope(TokenEndpointError):
    """The scope exceeds the grant, or is malformed."""

    error = "invalid_scope"
    description = "The requested scope exceeds the grant"


class InvalidTarget(TokenEndpointError):
    """The requested resource is not the grant's (RFC 8707 section 2)."""

    error = "invalid_target"
    description = "The requested resource is not allowed"


class UnauthorizedClient(TokenEndpointError):
    """The client may not make this request. An `authenticate_client` function may raise it."""

    error = "unauthorized_client"
    description = "The client is not authorized for this request"


class UnsupportedGrantType(TokenEndpointError):
    """The grant type is not `refresh_token`. Other grants are the application's own routes."""

    error = "unsupported_grant_type"
    description = "The grant type is not supported"


class UnsupportedTokenType(TokenEndpointError):
    """Tokens of this kind cannot be revoked here (RFC 7009 section 2.2.1)."""

    error = "unsupported_token_type"
    description = "Tokens of this type cannot be revoked here"


class ServiceUnavailable(TokenEndpointError):
    """The service could not decide. The client may retry with the same token.

    A retry succeeds even if the store failed after it had rotated the token, in the process that rotated it or within
    the grace window.
    """

    status = 503
    error = "temporarily_unavailable"
    description = "The authorization service is temporarily unavailable"
    retry_after: ClassVar[int] = 5
    """Seconds, sent as `Retry-After`."""


class StoreUnavailable(ServiceUnavailable):
    """The store raised an error."""


class HookUnavailable(ServiceUnavailable):
    """A function of the application raised, or returned an invalid value."""

"""Refusals for how the credentials came, before any token is looked at."""

from __future__ import annotations

from typing import ClassVar

from gatepass.errors.base import AuthError

__all__ = [
    "InsecureTransport",
    "InvalidRequest",
    "MalformedCookie",
    "MalformedCredentials",
    "MissingCredentials",
    "MultipleTokens",
    "UnsupportedScheme",
    "UntrustedOrigin",
]


# No usable credentials: RFC 6750 section 3.1 wants no error code.


class MissingCredentials(AuthError):
    """The request brings no credentials."""

    reason = "missing_credentials"


class UnsupportedScheme(MissingCredentials):
    """The request authenticates in a way that this server does not take, such as Basic."""

    reason = "unsupported_scheme"


# The request itself is wrong.


class InvalidRequest(AuthError):
    """The credentials are sent in a way that the standards forbid."""

    status = 400
    error: ClassVar[str | None] = "invalid_request"
    description: ClassVar[str | None] = "The request is malformed"
    reason = "invalid_request"


class MalformedCredentials(InvalidRequest):
    """`Authorization: Bearer` is not followed by one b64token (RFC 6750 section 2.1)."""

    description: ClassVar[str | None] = "The Authorization header is malformed"
    reason = "malformed_credentials"


class MalformedCookie(InvalidRequest):
    """The cookie that should hold the access token holds none, or the `Cookie` field cannot be read in one way."""

    description: ClassVar[str | None] = "The Cookie header is malformed"
    reason = "malformed_cookie"


class MultipleTokens(InvalidRequest):
    """More than one token, `Authorization` line, or cookie of the name."""

    description: ClassVar[str | None] = "More than one access token was sent"
    reason = "multiple_tokens"


class InsecureTransport(InvalidRequest):
    """The token came over plain http to a server with `https="require"`."""

    description: ClassVar[str | None] = "The access token was not sent over https"
    reason = "insecure_transport"


class UntrustedOrigin(InvalidRequest):
    """A cookie came with a request that may change something, and not from a page of ours (`Origin`): 403."""

    status = 403
    description: ClassVar[str | None] = "The request does not come from an allowed origin"
    reason = "untrusted_origin"

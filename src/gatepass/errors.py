"""The two separate families of errors.

* `ConfigurationError`: a mistake of the application, raised when objects are made, or by the first request that meets
  it.
* `AuthError`: a refused request. Each leaf has a status, a code of RFC 6750 section 3.1 and a constant
  description where the response has them, and a stable `reason` for logs and metrics. Its branches, in the
  order of this module: the request (400, 401, 403), the token (401), its rights (403, or 404 if concealed), and an
  outage that prevents a decision (503).

No error contains text from a token or a request.
"""

from __future__ import annotations

import traceback
from typing import ClassVar, Final, cast

__all__ = [
    "AuthError",
    "AuthUnavailable",
    "BindingError",
    "ConcealedResource",
    "ConfigurationError",
    "DisallowedAlgorithm",
    "ExpiredToken",
    "Forbidden",
    "ImmatureToken",
    "InsecureTransport",
    "InsufficientScope",
    "InvalidAudience",
    "InvalidClaim",
    "InvalidIssuer",
    "InvalidRequest",
    "InvalidSignature",
    "InvalidSubject",
    "InvalidToken",
    "KeysUnavailable",
    "MalformedCookie",
    "MalformedCredentials",
    "MalformedToken",
    "MissingClaim",
    "MissingCredentials",
    "MultipleTokens",
    "RevocationUnavailable",
    "RevokedToken",
    "SubjectUnavailable",
    "UnknownKey",
    "UnsupportedScheme",
    "UnsupportedToken",
    "UntrustedOrigin",
    "WrongTokenType",
    "refusal_in",
]

_MAX_FRAMES: Final = 12
_MAX_CAUSES: Final = 4


class ConfigurationError(ValueError):
    """A setting is missing, weak or contradictory. The text says what to change."""


class AuthError(Exception):
    """A refused request. Safe to show: `str(error)` is constant for each class.

    `status` is the HTTP status, `error` the code of RFC 6750 section 3.1 (`temporarily_unavailable` of RFC 6749 for an
    outage, None where no code is defined),
    `description` its text, `reason` a stable identifier for logs and metrics.
    `log_detail` may name the failed check or claim; it goes to the log only.
    """

    status: ClassVar[int] = 401
    error: ClassVar[str | None] = None
    description: ClassVar[str | None] = None
    reason: ClassVar[str] = "refused"
    has_challenge: ClassVar[bool] = True
    """Whether the response has `WWW-Authenticate` (RFC 6750 section 3)."""

    def __init__(self, log_detail: str = "") -> None:
        super().__init__(self.description or self.reason)
        self.log_detail: str = log_detail

    @property
    def required_scopes(self) -> tuple[str, ...]:
        """The scopes that the challenge names, so that the client can request them."""
        return ()


# The request has no usable credentials: no error code (RFC 6750 section 3.1).


class MissingCredentials(AuthError):
    """The request has no credentials."""

    reason = "missing_credentials"


class UnsupportedScheme(MissingCredentials):
    """The request uses an authentication scheme that this server does not accept, such as Basic."""

    reason = "unsupported_scheme"


# The request is malformed: its token is not verified.


class InvalidRequest(AuthError):
    """The request sends credentials in a way that the standards forbid."""

    status = 400
    error: ClassVar[str | None] = "invalid_request"
    description: ClassVar[str | None] = "The request is malformed"
    reason = "invalid_request"


class MalformedCredentials(InvalidRequest):
    """`Authorization: Bearer` is not followed by one b64token (RFC 6750 section 2.1)."""

    description: ClassVar[str | None] = "The Authorization header is malformed"
    reason = "malformed_credentials"


class MalformedCookie(InvalidRequest):
    """The cookie holds no access token, or the `Cookie` field is ambiguous."""

    description: ClassVar[str | None] = "The Cookie header is malformed"
    reason = "malformed_cookie"


class MultipleTokens(InvalidRequest):
    """The request has more than one token, `Authorization` line or access cookie."""

    description: ClassVar[str | None] = "More than one access token was sent"
    reason = "multiple_tokens"


class InsecureTransport(InvalidRequest):
    """The token was sent over plain http to a server with `https="require"`."""

    description: ClassVar[str | None] = "The access token was not sent over https"
    reason = "insecure_transport"


class UntrustedOrigin(InvalidRequest):
    """An unsafe request (RFC 9110 section 9.2.1) has an access cookie, and its `Origin` is not allowed: 403."""

    status = 403
    description: ClassVar[str | None] = "The request does not come from an allowed origin"
    reason = "untrusted_origin"


# The token is not valid: 401 `invalid_token`.


class InvalidToken(AuthError):
    """The token is not accepted. The base class of the errors of this branch."""

    error: ClassVar[str | None] = "invalid_token"
    description: ClassVar[str | None] = "The access token is invalid"
    reason = "invalid_token"


class MalformedToken(InvalidToken):
    """The token is not a JWS in compact serialization with strict base64url and JSON, or is too long."""

    description: ClassVar[str | None] = "The access token is malformed"
    reason = "malformed_token"


class UnsupportedToken(InvalidToken):
    """The token is encrypted, nested, or has critical header extensions. Such tokens are never accepted."""

    description: ClassVar[str | None] = "The access token is malformed"
    reason = "unsupported_token"


class DisallowedAlgorithm(InvalidToken):
    """`alg` is missing, not allowed, or not the one that the key is bound to."""

    description: ClassVar[str | None] = "The access token algorithm is not accepted"
    reason = "disallowed_algorithm"


class WrongTokenType(InvalidToken):
    """The token is another kind of JWT, such as an ID token, a refresh token or a DPoP proof."""

    description: ClassVar[str | None] = "The access token type is not accepted"
    reason = "wrong_token_type"


class UnknownKey(InvalidToken):
    """No key has the token's `kid`; or the token has none, and no key or too many keys could be tried.

    A verifier that fetches keys raises it only after a fetch, or if it fetched for an unknown `kid` recently.
    """

    description: ClassVar[str | None] = "The access token was signed with an unknown key"
    reason = "unknown_key"


class InvalidSignature(InvalidToken):
    """The signature does not verify with the key."""

    description: ClassVar[str | None] = "The access token signature is invalid"
    reason = "invalid_signature"


class ExpiredToken(InvalidToken):
    """`exp` is reached (RFC 7519 section 4.1.4), or the token is older than the policy allows."""

    description: ClassVar[str | None] = "The access token expired"
    reason = "expired_token"


class ImmatureToken(InvalidToken):
    """`nbf` or `iat` is in the future (RFC 7519 sections 4.1.5, 4.1.6)."""

    description: ClassVar[str | None] = "The access token is not yet valid"
    reason = "immature_token"


class InvalidIssuer(InvalidToken):
    """`iss` does not equal a trusted issuer, character for character."""

    description: ClassVar[str | None] = "The access token issuer is not accepted"
    reason = "invalid_issuer"


class InvalidAudience(InvalidToken):
    """`aud` is absent or names only other services."""

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
    """The application's `check_subject` returned False."""

    description: ClassVar[str | None] = "The access token subject is not accepted"
    reason = "invalid_subject"


class RevokedToken(InvalidToken):
    """The application's `is_revoked` returned True."""

    description: ClassVar[str | None] = "The access token was revoked"
    reason = "revoked_token"


class BindingError(InvalidToken):
    """The token is bound to a key or a certificate (`cnf`, RFC 7800), and no proof of it was checked."""

    description: ClassVar[str | None] = "The access token is sender-constrained"
    reason = "binding_required"


# The token is valid but lacks the rights that the operation needs.


class Forbidden(AuthError):
    """A role, group or entitlement is missing. The challenge names no scope, because no scope would help."""

    status = 403
    reason = "forbidden"


class InsufficientScope(Forbidden):
    """A scope is missing. The challenge names all scopes that the operation needs."""

    error: ClassVar[str | None] = "insufficient_scope"
    description: ClassVar[str | None] = "The access token lacks a required scope"
    reason = "insufficient_scope"

    def __init__(self, required: tuple[str, ...], log_detail: str = "") -> None:
        super().__init__(log_detail)
        self._required = required

    @property
    def required_scopes(self) -> tuple[str, ...]:
        """All scopes that the operation needs, in the order of the rule."""
        return self._required


class ConcealedResource(Forbidden):
    """404 in place of 403, for a rule with `denial="not_found"`. The body differs from the framework's own 404 page."""

    status = 404
    reason = "concealed"
    has_challenge = False


# An outage prevents a decision: 503, never 401, and never treated as an anonymous request.


class AuthUnavailable(AuthError):
    """The token cannot be verified now. The client may retry later."""

    status = 503
    error: ClassVar[str | None] = "temporarily_unavailable"
    description: ClassVar[str | None] = "The authorization service is temporarily unavailable"
    reason = "unavailable"
    has_challenge = False

    def __init__(self, log_detail: str = "", *, retry_after: int = 5) -> None:
        super().__init__(log_detail)
        self.retry_after: int = retry_after
        """Seconds until the client may retry, sent as `Retry-After`."""


class KeysUnavailable(AuthUnavailable):
    """The issuer's keys cannot be fetched or read."""

    reason = "keys_unavailable"


class RevocationUnavailable(AuthUnavailable):
    """`is_revoked` raised, or returned neither True nor False."""

    reason = "revocation_unavailable"


class SubjectUnavailable(AuthUnavailable):
    """`check_subject` raised, or returned neither True nor False."""

    reason = "subject_unavailable"


def refusal_in(error: BaseException | None) -> AuthError | None:
    """Return the `AuthError` that *error* is, or one from an exception group that contains no other errors; else None.

    From a group, nested or not, return the first outage, or else the first error.
    """
    if isinstance(error, AuthError):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    found: list[AuthError] = []
    waiting: list[BaseException] = [error]
    while waiting:
        member = waiting.pop()
        if isinstance(member, BaseExceptionGroup):
            waiting += reversed(cast("BaseExceptionGroup[BaseException]", member).exceptions)
        elif isinstance(member, AuthError):
            found.append(member)
        else:
            return None
    return next((refusal for refusal in found if isinstance(refusal, AuthUnavailable)), found[0])


def traced(error: BaseException) -> str:
    """Return the type of *error* and its frames, the innermost first, followed by those of its causes, for the log.

    The message is left out, because it may contain a token or a password.

    >>> def load():
    ...     return missing
    >>> try:
    ...     load()
    ... except NameError as error:
    ...     print(traced(error).partition(" < ")[0])
    NameError at <doctest gatepass.errors.traced[0]>:2 in load
    """
    chain: list[str] = []
    current: BaseException | None = error
    while current is not None and len(chain) < _MAX_CAUSES:
        chain.append(_frames_of(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return ", from ".join(chain)


def _frames_of(error: BaseException) -> str:
    frames = [
        f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    shown = " < ".join(reversed(frames[-_MAX_FRAMES:]))
    return f"{type(error).__qualname__} at {shown}" if shown else type(error).__qualname__

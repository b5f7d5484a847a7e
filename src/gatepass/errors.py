"""Everything that can be said about a request that is refused, and the one error of our own side.

Two families that never mix:

* `AuthError`: the request's fault, or an outage while judging it. Each leaf fixes the status, the
  RFC 6750 code, a constant description and a stable `reason` for logs and metrics.
* `ConfigurationError`: the application's fault, raised when objects are made.

No text that came from a token or a request is ever put into one of these.
"""

from __future__ import annotations

from typing import ClassVar, cast

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


class ConfigurationError(ValueError):
    """A setting is missing, weak or contradictory. The text says what to change."""


class AuthError(Exception):
    """A request is refused. Safe to show: `str(error)` is constant for each class.

    `status` is the HTTP status, `error` the code of RFC 6750 section 3.1 (or None where the RFC wants
    none), `description` its text, `reason` a stable slug for logs and metrics.
    `log_detail` may name the check or the claim, in our own words, for the log alone.
    """

    status: ClassVar[int] = 401
    error: ClassVar[str | None] = None
    description: ClassVar[str | None] = None
    reason: ClassVar[str] = "refused"
    has_challenge: ClassVar[bool] = True
    """Whether the answer carries `WWW-Authenticate` (RFC 6750 section 3)."""

    def __init__(self, log_detail: str = "") -> None:
        super().__init__(self.description or self.reason)
        self.log_detail: str = log_detail

    @property
    def required_scopes(self) -> tuple[str, ...]:
        """The scopes that the challenge names so that the client can ask for them."""
        return ()


# Refusals for how the credentials came, before any token is looked at.


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


# Refusals of a token that came and is bad: 401 `invalid_token`, each with its own text and reason.


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


# Refusals of a good token that does not hold what the operation needs.


class Forbidden(AuthError):
    """A role, group or entitlement is missing: no other scope would help, so none is named."""

    status = 403
    reason = "forbidden"


class InsufficientScope(Forbidden):
    """Scopes are missing. The challenge names all that the operation needs."""

    error: ClassVar[str | None] = "insufficient_scope"
    description: ClassVar[str | None] = "The access token lacks a required scope"
    reason = "insufficient_scope"

    def __init__(self, required: tuple[str, ...], log_detail: str = "") -> None:
        super().__init__(log_detail)
        self._required = required

    @property
    def required_scopes(self) -> tuple[str, ...]:
        """Every scope that the operation needs, in the order of the rule."""
        return self._required


class ConcealedResource(Forbidden):
    """Refused with `denial="not_found"`: 404 in place of 403. Its body tells it from the framework's own 404."""

    status = 404
    reason = "concealed"
    has_challenge = False


# We cannot tell: nothing is known against the token, so it is 503, never 401 and never anonymous.


class AuthUnavailable(AuthError):
    """Nothing is known against the token, but it cannot be judged now. Ask again later."""

    status = 503
    error: ClassVar[str | None] = "temporarily_unavailable"
    description: ClassVar[str | None] = "The authorization service is temporarily unavailable"
    reason = "unavailable"
    has_challenge = False

    def __init__(self, log_detail: str = "", *, retry_after: int = 5) -> None:
        super().__init__(log_detail)
        self.retry_after: int = retry_after
        """Seconds, sent as `Retry-After`."""


class KeysUnavailable(AuthUnavailable):
    """The issuer's keys cannot be had."""

    reason = "keys_unavailable"


class RevocationUnavailable(AuthUnavailable):
    """`is_revoked` raised, or answered neither True nor False."""

    reason = "revocation_unavailable"


class SubjectUnavailable(AuthUnavailable):
    """`check_subject` raised, or answered neither True nor False."""

    reason = "subject_unavailable"


def refusal_in(error: BaseException | None) -> AuthError | None:
    """*error* if it is a refusal, or the refusal that stands for a group of nothing else, nested or not.

    An outage comes first, then the order of the group.
    """
    if isinstance(error, AuthError):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    found: list[AuthError] = []
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseExceptionGroup):
            waiting += reversed(cast("BaseExceptionGroup[BaseException]", one).exceptions)
        elif isinstance(one, AuthError):
            found.append(one)
        else:
            return None
    return next((one for one in found if isinstance(one, AuthUnavailable)), found[0])

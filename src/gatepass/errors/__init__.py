"""Everything that can be said about a request that is refused, and the one error of our own side.

Two families that never mix:

* `AuthError`: the request's fault, or an outage while judging it. Each leaf fixes the status, the
  RFC 6750 code, a constant description and a stable `reason` for logs and metrics.
* `ConfigurationError`: the application's fault, raised when objects are made.

No text that came from a token or a request is ever put into one of these.
"""

from gatepass.common.extras import extra_hint as extra_hint  # for adapters, as no name of users'
from gatepass.common.extras import stranger as stranger
from gatepass.errors.base import (
    AuthError,
    ConfigurationError,
)
from gatepass.errors.credentials import (
    InsecureTransport,
    InvalidRequest,
    MalformedCookie,
    MalformedCredentials,
    MissingCredentials,
    MultipleTokens,
    UnsupportedScheme,
    UntrustedOrigin,
)
from gatepass.errors.groups import refusal_in as refusal_in  # for adapters too
from gatepass.errors.outage import (
    AuthUnavailable,
    KeysUnavailable,
    RevocationUnavailable,
    SubjectUnavailable,
)
from gatepass.errors.permission import (
    ConcealedResource,
    Forbidden,
    InsufficientScope,
)
from gatepass.errors.token import (
    BindingError,
    DisallowedAlgorithm,
    ExpiredToken,
    ImmatureToken,
    InvalidAudience,
    InvalidClaim,
    InvalidIssuer,
    InvalidSignature,
    InvalidSubject,
    InvalidToken,
    MalformedToken,
    MissingClaim,
    RevokedToken,
    UnknownKey,
    UnsupportedToken,
    WrongTokenType,
)

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
]

# A traceback names the module that people import from.
for _name in __all__:
    globals()[_name].__module__ = __name__

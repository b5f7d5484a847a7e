"""The path of a request, of a refresh token and of an unknown key through the code, step by step.

docs/architecture.md shows them as tables and drawings. Each step names the file below src/gatepass, or adapters, and
the function or class that does it; `tests/packaging/test_architecture.py` checks that both exist.
"""

from typing import Any, NamedTuple

from tests.support.generated import table

from gatepass.errors import (
    AuthUnavailable,
    ConcealedResource,
    DisallowedAlgorithm,
    ExpiredToken,
    Forbidden,
    InsecureTransport,
    InsufficientScope,
    InvalidAudience,
    InvalidClaim,
    InvalidIssuer,
    InvalidRequest,
    InvalidSignature,
    InvalidSubject,
    KeysUnavailable,
    MalformedToken,
    MissingCredentials,
    RevokedToken,
    UnknownKey,
    UntrustedOrigin,
    WrongTokenType,
)
from gatepass.refresh.errors import (
    HookUnavailable,
    InvalidClient,
    InvalidClientCredentials,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    InvalidTokenRequest,
    RefreshTokenReused,
    ServiceUnavailable,
    StoreUnavailable,
)


class Step(NamedTuple):
    """*where* is `path: name`; *errors* are the classes, or the roots of those, that the step raises."""

    title: str
    where: str
    what: str
    errors: tuple[Any, ...] = ()

    @property
    def refused_with(self):
        """The status of the response, or several."""
        return " or ".join(map(str, sorted({error.status for error in self.errors})))


REQUEST = [
    Step(
        "The middleware",
        "gatepass_flask/middleware.py: AccessTokenMiddleware",
        "Collects the Authorization and Cookie lines, the scheme and the peer, and the access level of the route.",
    ),
    Step("Access level", "http/resource_server.py: ResourceServer.admit", "A public route needs no token."),
    Step(
        "One token",
        "http/extractor.py: TokenExtractor",
        "Takes the token from the header, or from a cookie with its Origin.",
        (MissingCredentials, InvalidRequest, UntrustedOrigin),
    ),
    Step("HTTPS", "http/https.py: HTTPSRule", "Rejects a token that came over plain http.", (InsecureTransport,)),
    Step(
        "Choose the verifier",
        "tokens/verifiers.py: Verifiers",
        "Splits the token once and selects the verifier of its issuer, by equality.",
        (InvalidIssuer,),
    ),
    Step(
        "Structure",
        "jose/compact.py: split_compact",
        "Three parts, strict base64url; strict JSON in jose/strict_json.py.",
        (MalformedToken,),
    ),
    Step(
        "Header",
        "tokens/header.py: accepted_algorithm",
        "crit, typ and alg may only agree with the settings.",
        (DisallowedAlgorithm, WrongTokenType),
    ),
    Step("Key", "tokens/key_selection.py: KeySnapshot", "The key with this kid and this algorithm.", (UnknownKey,)),
    Step(
        "Signature",
        "keys/algorithms.py: bind_verify",
        "PyJWT or cryptography checks the signature.",
        (InvalidSignature,),
    ),
    Step(
        "Claims",
        "tokens/claims.py: compile_checks",
        "exp, nbf, iat, aud, sub and the kind of token; a fast path for common tokens decides the same.",
        (ExpiredToken, InvalidAudience, InvalidClaim),
    ),
    Step(
        "Hooks",
        "tokens/hooks.py: Hook",
        "Calls is_revoked and check_subject.",
        (RevokedToken, InvalidSubject, AuthUnavailable),
    ),
    Step(
        "The view",
        "http/requirement.py: Requirement",
        "The request carries the AccessToken; require_auth checks scopes, roles and groups.",
        (InsufficientScope, Forbidden, ConcealedResource),
    ),
    Step(
        "Every refusal",
        "http/response.py: ResponseTable.answer",
        "Builds status, challenge and body of an AuthError. The adapter only writes them.",
    ),
]

REFRESH = [
    Step(
        "The form",
        "token_endpoint/form.py: Form.parse",
        "Reads one grant_type, one refresh_token.",
        (InvalidTokenRequest,),
    ),
    Step(
        "The client",
        "token_endpoint/client_auth.py: ClientAuthentication",
        "Authenticates the client, where the service has clients.",
        (InvalidClient, InvalidClientCredentials),
    ),
    Step("The service", "refresh/service.py: TokenService.refresh", "Reads the clock once and passes the token on."),
    Step(
        "The family",
        "refresh/rotation.py: RefreshTokenRotation.find",
        "Loads the family by the id in the token and compares a hash.",
        (InvalidGrant, StoreUnavailable),
    ),
    Step(
        "Active",
        "refresh/rotation.py: RefreshTokenRotation._load_active",
        "Rejects a family that is revoked, expired or of another audience.",
        (InvalidGrant,),
    ),
    Step(
        "Presented",
        "refresh/rotation.py: RefreshTokenRotation.present",
        "A token spent before ends the family, unless it may have its successor again.",
        (RefreshTokenReused, InvalidScope, InvalidTarget),
    ),
    Step(
        "The application",
        "refresh/hooks.py: ServiceHooks.decide",
        "Calls check_subject, claims_for and scopes_for. False revokes the family.",
        (InvalidGrant, HookUnavailable),
    ),
    Step(
        "The next pair",
        "refresh/pair.py: TokenPairIssuer.issue",
        "Signs the access token before the old token is spent.",
        (ServiceUnavailable,),
    ),
    Step(
        "Spend",
        "refresh/store.py: RefreshStore.rotate",
        "One conditional write replaces the current hash. This is the statement that spends the token.",
        (StoreUnavailable,),
    ),
    Step(
        "If it was spent before, or meanwhile",
        "refresh/rotation.py: RefreshTokenRotation._repeat",
        "The same successor within grace or after a lost response. Otherwise the family ends.",
        (RefreshTokenReused,),
    ),
    Step(
        "The response",
        "token_endpoint/responses.py: TokenResponses",
        "Writes the pair as JSON or as cookies.",
    ),
]

UNKNOWN_KEY = [
    Step(
        "No key for the kid",
        "tokens/key_selection.py: KeySnapshot.candidates",
        "Raises UnknownKey. A kid under another algorithm is refused at once.",
    ),
    Step(
        "Keys of a KeySet",
        "tokens/verifier.py: TokenVerifier._attempt",
        "Local keys have no source to fetch from: the error stands.",
        (UnknownKey,),
    ),
    Step(
        "Worth a fetch?",
        "tokens/verifier.py: TokenVerifier._fetch_and_verify",
        "Checks all claims first; an expired or foreign token causes no fetch.",
        (ExpiredToken, InvalidAudience, InvalidClaim),
    ),
    Step(
        "Which fetch?",
        "jwks/client.py: JWKSClient._fetch_for",
        "Joins a running fetch, or begins one unless the kid was searched for recently.",
    ),
    Step(
        "Limit",
        "jwks/unknown_kids.py: UnknownKidLimiter",
        "A token bucket for all unknown kids together.",
        (UnknownKey, KeysUnavailable),
    ),
    Step(
        "Fetch",
        "jwks/fetcher.py: Fetcher",
        "One fetch at a time with a deadline; https, the known origin, no redirect.",
        (KeysUnavailable,),
    ),
    Step(
        "New keys",
        "jwks/single_flight.py: SingleFlight",
        "A success replaces the snapshot whole; a failure leaves it and delays the next try.",
        (KeysUnavailable,),
    ),
    Step(
        "Verify again",
        "tokens/verifier.py: TokenVerifier._verify_with",
        "With the new keys: accepted, or the kid is remembered as unknown.",
        (UnknownKey, InvalidSignature),
    ),
]


def flow_table(steps):
    """Return the *steps* as a Markdown table."""
    rows = []
    for number, step in enumerate(steps, 1):
        path, _, name = step.where.partition(": ")
        errors = ", ".join(f"`{error.__name__}`" for error in step.errors)
        refused = f"{step.refused_with}: {errors}" if errors else ""
        rows.append([str(number), step.title, step.what, f"`{path}` `{name}`", refused])
    return table(["", "step", "what happens", "where", "refused with"], rows)

"""The public names, spelled out: a new one, or one that goes, is a decision that is made here."""

import ast

import pytest

PUBLIC = {
    "gatepass": {
        "ANY_AUDIENCE",
        "ANY_ISSUER",
        "HTTP_ON_LOOPBACK",
        "NON_HTTPS_ISSUER",
        "AccessToken",
        "AccessTokenRevocation",
        "AuthError",
        "Challenge",
        "ConfigurationError",
        "JWKSClient",
        "CookieTransport",
        "Key",
        "KeyRing",
        "KeySet",
        "Profile",
        "Requirement",
        "ResourceServer",
        "TokenEndpointError",
        "TokenEndpoints",
        "TokenIssuer",
        "TokenPair",
        "TokenService",
        "TokenVerifier",
        "optional_auth",
        "public",
    },
    "gatepass.adapter": {
        "AccessLevel",
        "BrowserRequest",
        "Caching",
        "JWKSEndpoint",
        "Response",
        "Rules",
        "TokenRequest",
        "access_level",
        "application_below",
        "check_guards",
        "extra_hint",
        "held_below",
        "public_paths",
        "mark_guard",
    },
    "gatepass.jwks": {
        "FetchEnded",
        "FetchFailed",
        "IssuerMetadata",
        "JWKSClient",
        "KeyEvent",
        "KeysChanged",
        "StaleKeysUsed",
        "UnknownKid",
    },
    "gatepass.keys.source": {"Fetch", "KeySource", "RunBlocking", "run", "run_async"},
    "gatepass.errors": {
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
    },
    "gatepass.keyring": {"EMERGENCY", "Emergency", "KeyRing", "RingKey"},
    "gatepass.refresh": {
        "Family",
        "PurgeResult",
        "RefreshStore",
        "RefreshToken",
        "Rotation",
        "TokenPair",
        "TokenService",
        "purge_store",
    },
    "gatepass.revocation": {"AccessTokenRevocation", "RevocationStore"},
    "gatepass.stores.memory": {"MemoryStore"},
    "gatepass.stores.redis": {"RedisStore"},
    "gatepass.stores.sql": {"SQLStore"},
    "gatepass.stores.sqlite": {"SQLiteStore"},
    "gatepass.testing": {"RefreshStoreContract", "RevocationStoreContract"},
    "gatepass.tokens.explain": {"Finding", "Outcome", "explain"},
    "gatepass.refresh.errors": {
        "HookUnavailable",
        "InvalidClient",
        "InvalidClientCredentials",
        "InvalidGrant",
        "InvalidMediaType",
        "InvalidScope",
        "InvalidTarget",
        "InsecureTokenRequest",
        "InvalidTokenRequest",
        "RefreshTokenReused",
        "ServiceUnavailable",
        "StoreUnavailable",
        "TokenEndpointError",
        "UnauthorizedClient",
        "UnsupportedGrantType",
        "UnsupportedTokenType",
        "UntrustedTokenRequest",
    },
    "gatepass_django": {
        "AccessTokenMiddleware",
        "AccessTokenRequest",
        "jwks_endpoint",
        "optional_auth",
        "public",
        "require_auth",
        "to_response",
        "token_endpoints",
    },
    "gatepass_django.refresh": {"DjangoStore"},
    "gatepass_django.rest_framework": {
        "AccessTokenAuthentication",
        "AccessTokenUser",
        "requires",
    },
    "gatepass_fastapi": {
        "AccessTokenBearer",
        "OptionalAccessTokenBearer",
        "jwks_endpoint",
        "to_response",
        "token_endpoints",
    },
    "gatepass_flask": {
        "AccessTokenMiddleware",
        "access_token",
        "current_access_token",
        "jwks_endpoint",
        "optional_auth",
        "public",
        "require_auth",
        "to_response",
        "token_endpoints",
    },
    "gatepass_starlette": {
        "AccessTokenMiddleware",
        "AccessTokenUser",
        "Identity",
        "admit",
        "check_routes",
        "closed_at_expiry",
        "identify",
        "identity_of",
        "jwks_endpoint",
        "optional_auth",
        "public",
        "refuse_websocket",
        "require_auth",
        "serve_jwks_request",
        "serve_token_request",
        "tell_caches",
        "to_response",
        "token_endpoints",
    },
}


def declared(module, repository):
    """`__all__` as it is written, so that no framework need be installed to read it."""
    inner = module.replace(".", "/")
    candidates = [
        repository / root / f"{inner}{ending}" for root in ("src", "adapters") for ending in ("/__init__.py", ".py")
    ]
    (path,) = [path for path in candidates if path.exists()]
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return ast.literal_eval(statement.value)
    return None


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_a_public_module_offers_these_names_and_no_others(module, repository):
    names = declared(module, repository)

    assert names is not None
    assert len(names) == len(set(names))
    assert set(names) == PUBLIC[module]


def test_every_package_declares_its_names(repository):
    packages = {path.parent.name for root in ("src", "adapters") for path in (repository / root).glob("*/__init__.py")}

    assert packages <= set(PUBLIC)

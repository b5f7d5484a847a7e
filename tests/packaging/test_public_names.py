"""The public names, written out: adding or removing one is a decision that is made here.

The tables of docs/frameworks.md are generated from the code. To update them:

    GATEPASS_WRITE_TABLES=1 pytest tests/packaging/test_public_names.py
"""

import ast

import pytest
from tests.support.generated import assert_generated, table

MAX_NAMES = 28  # of gatepass itself
VERBS = {
    "AccessTokenMiddleware",
    "current_access_token",
    "jwks_endpoint",
    "optional_auth",
    "public",
    "require_auth",
    "to_response",
    "token_endpoints",
}
ADAPTERS = {
    "Flask": "gatepass_flask",
    "Starlette": "gatepass_starlette",
    "FastAPI": "gatepass_fastapi",
    "Django": "gatepass_django",
}

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
        "Identity",
        "JWKSEndpoint",
        "Response",
        "Rules",
        "TokenRequest",
        "access_level",
        "application_below",
        "check_guards",
        "extra_hint",
        "layer_below",
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
        "Session",
        "SessionPage",
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
    "gatepass_django": VERBS | {"AccessTokenRequest"},
    "gatepass_django.refresh": {"DjangoStore"},
    "gatepass_django.rest_framework": {
        "AccessTokenAuthentication",
        "AccessTokenUser",
        "requires",
    },
    "gatepass_fastapi": VERBS | {"AccessTokenBearer", "OptionalAccessTokenBearer", "closed_at_expiry"},
    "gatepass_flask": VERBS | {"access_token"},
    "gatepass_starlette": VERBS | {"AccessTokenUser", "closed_at_expiry"},
}


def declared(module, repository):
    """Return `__all__` as written in the source, so that no framework needs to be installed."""
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
def test_a_public_module_exports_exactly_these_names(module, repository):
    names = declared(module, repository)

    assert names is not None
    assert len(names) == len(set(names))
    assert set(names) == PUBLIC[module]


def test_every_package_declares_its_names(repository):
    packages = {path.parent.name for root in ("src", "adapters") for path in (repository / root).glob("*/__init__.py")}

    assert packages <= set(PUBLIC)


def test_the_number_of_names_of_gatepass_is_limited():
    assert len(PUBLIC["gatepass"]) <= MAX_NAMES


def test_the_documented_tables_match_the_code(repository):
    modules = ["gatepass", "gatepass.adapter", "gatepass_django.rest_framework", "gatepass_django.refresh"]
    names = {module: sorted(declared(module, repository), key=str.lower) for module in [*modules, *ADAPTERS.values()]}
    listed = [[f"`{module}`", ", ".join(f"`{name}`" for name in names[module])] for module in modules]
    verbs = sorted({name for module in ADAPTERS.values() for name in names[module]}, key=str.lower)
    verbs.sort(key=lambda verb: verb not in VERBS)
    marked = [
        [f"`{verb}`", *("yes" if verb in names[module] else "" for module in ADAPTERS.values())] for verb in verbs
    ]
    tables = table(["name", *ADAPTERS], marked) + table(["module", "names"], listed).lstrip("\n")

    assert_generated(repository / "docs/frameworks.md", "public names", "tests/packaging/test_public_names.py", tables)

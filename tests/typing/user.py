"""A typed program that uses every public name, checked by mypy --strict against the installed wheel.

Type checkers read it; it never runs. `assert_type` pins the types that an editor shows.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, assert_type

from gatepass import (
    ANY_AUDIENCE,
    ANY_ISSUER,
    HTTP_ON_LOOPBACK,
    NON_HTTPS_ISSUER,
    AccessToken,
    AuthError,
    Challenge,
    ConfigurationError,
    Key,
    KeySet,
    Profile,
    Requirement,
    ResourceServer,
    TokenIssuer,
    TokenVerifier,
    optional_auth,
    public,
)
from gatepass.adapter import Response, access_level, application_below, check_guards, mark_guard, public_paths
from gatepass.errors import ExpiredToken, InsufficientScope, InvalidToken


def keys() -> KeySet:
    secret = Key.from_secret("8d0c1ab2e8f64d2f9a0b5f6c7d1e3a48", algorithm="HS256", kid="2026")
    assert_type(Key.from_secret(b"bytes will do as well, if they are enough"), Key)
    assert_type(Key.from_env("JWT_SECRET_KEY"), Key)
    assert_type(Key.from_env("JWT_PRIVATE_KEY", algorithm="ES256", kid="ec", password="open sesame").is_named, bool)
    assert_type(Key.from_pem("-----BEGIN PUBLIC KEY-----", algorithm="RS256", kid="rsa", password=None), Key)
    assert_type(Key.from_jwk({"kty": "OKP"}, algorithm="EdDSA"), Key)
    private = Key.generate("ES256")
    assert_type(private.public(), Key)
    assert_type(private.kid, str | None)
    assert_type(private.algorithm, str)
    assert_type(private.thumbprint(), str)
    assert_type(private.to_jwk(), dict[str, str])
    assert_type(KeySet.from_jwks({"keys": [private.to_jwk()]}), KeySet)
    assert_type(KeySet([secret]), KeySet)
    assert_type(KeySet([private], signing=private).to_jwks(), dict[str, list[dict[str, str]]])
    return KeySet([private, Key.generate("EdDSA")], signing=private)


def issuer() -> TokenIssuer:
    made = TokenIssuer(
        issuer="https://auth.example",
        audience="https://api.example",
        keys=keys(),
        client_id="web",
        access_ttl=timedelta(minutes=5),
    )
    assert_type(made.issue("anna"), str)
    assert_type(made.issue("anna", scope="orders:read orders:write"), str)
    assert_type(made.issue("anna", scope=["orders:read"], client_id="app", audience="https://api.example", tier=2), str)
    return made


def verifier() -> TokenVerifier:
    def is_revoked(token: AccessToken) -> bool:
        return token.token_id is None

    async def check_subject(token: AccessToken) -> bool:
        return token.subject != "mallory"

    TokenVerifier(issuer=ANY_ISSUER, audience=ANY_AUDIENCE, keys=Key.generate(), profile=Profile.GENERIC)
    assert_type(Profile.KEYCLOAK.roles_at(("realm_access", "roles"), ("app", "roles")), Profile)
    assert_type(Profile.AUTH0.scopes_in("permissions"), Profile)
    assert_type(Profile.named("entra-id"), Profile)
    return TokenVerifier(
        issuer="https://auth.example",
        audience=["https://api.example", "urn:api"],
        keys=keys(),
        algorithms=["ES256"],
        profile=Profile.RFC9068.allow_missing("jti"),
        leeway=timedelta(seconds=10),
        clock=lambda: 0.0,
        is_revoked=is_revoked,
        check_subject=check_subject,
    )


def read(token: AccessToken) -> None:
    assert_type(token.subject, str)
    assert_type(token.issuer, str | None)
    assert_type(token.audience, tuple[str, ...])
    assert_type(token.client_id, str | None)
    assert_type(token.scopes, frozenset[str])
    assert_type(token.roles, frozenset[str])
    assert_type(token.groups, frozenset[str])
    assert_type(token.token_id, str | None)
    assert_type(token.expires_at, datetime)
    assert_type(token.issued_at, datetime | None)
    assert_type(token.claims, Mapping[str, Any])
    assert_type(token.to_dict(), dict[str, Any])


def verify(token: str) -> str:
    try:
        return verifier().verify(token).subject
    except ExpiredToken as error:
        assert_type(error.error, str | None)
        return error.reason
    except InvalidToken as error:
        return error.reason
    except InsufficientScope as error:
        assert_type(error.required_scopes, tuple[str, ...])
        return error.reason
    except AuthError as error:
        assert_type(error.status, int)
        assert_type(error.description, str | None)
        return error.reason


def server() -> ResourceServer:
    assert_type(ResourceServer([verifier()]), ResourceServer)
    return ResourceServer(
        verifier(),
        realm="orders",
        resource_metadata="https://api.example/.well-known/oauth-protected-resource",
        challenge_scopes="orders:read",
        extra_challenges=[Challenge("Basic", realm="orders")],
        https="require",
        implies={"orders:write": "orders:read"},
        error_format="oauth",
        malformed_status=401,
    )


def answer(authorization: list[str]) -> Response | AccessToken:
    resource_server = server()
    try:
        token = resource_server.authenticate(authorization, url_scheme="https", peer="192.0.2.1")
        resource_server.authorize(token, scopes=["orders:read"], any_roles="clerk", denial="not_found")
        assert_type(resource_server.enforce(token, Requirement(any_scopes=["a", "b"])), AccessToken)
        assert_type(resource_server.admit("optional", authorization), AccessToken | None)
    except AuthError as error:
        response = resource_server.respond(error, method="HEAD")
        assert_type(response.status, int)
        assert_type(response.headers, tuple[tuple[str, str], ...])
        assert_type(response.body, bytes)
        return response
    return token


async def answer_in_a_loop(
    authorization: list[str], thread: Callable[[Callable[[], Any]], Awaitable[Any]]
) -> AccessToken:
    return await server().authenticate_async(authorization, run_blocking=thread)


@public
def healthz() -> str:
    return "well"


@optional_auth
def greet(name: str) -> str:
    return f"hello {name}"


def routes() -> None:
    assert_type(healthz(), str)
    assert_type(greet("anna"), str)
    assert_type(public_paths(["/healthz"]), frozenset[str])
    assert_type(application_below(healthz, callable), Any)
    check_guards([mark_guard(healthz, healthz)])
    if access_level(healthz) == "public":
        greet("all")


def development() -> tuple[TokenIssuer, TokenVerifier]:
    here, keys = "http://localhost:8080", Key.generate("ES256")
    return (
        TokenIssuer(issuer=here, audience="api", keys=keys, allow=HTTP_ON_LOOPBACK),
        TokenVerifier(issuer="urn:example:auth", audience="api", keys=keys, allow=(HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER)),
    )


def settings() -> str:
    try:
        issuer()
    except ConfigurationError as error:
        return str(error)
    return ""

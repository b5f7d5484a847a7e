"""Constructors accept any value or raise a `ConfigurationError`, and no other exception."""

import inspect
import math

import pytest
from tests.support.keys import SECRET

from gatepass import (
    AccessTokenRevocation,
    Challenge,
    ConfigurationError,
    CookieTransport,
    JWKSClient,
    Key,
    KeyRing,
    KeySet,
    Profile,
    Requirement,
    ResourceServer,
    TokenEndpoints,
    TokenIssuer,
    TokenService,
    TokenVerifier,
)
from gatepass.adapter import JWKSEndpoint, Rules, public_paths
from gatepass.jwks import IssuerMetadata
from gatepass.stores.memory import MemoryStore
from gatepass.stores.sqlite import SQLiteStore

ISSUER, AUDIENCE = "https://auth.example", "https://api.example"
KEY = Key.from_secret(SECRET)
ELLIPTIC = Key.generate("ES256")
TOKENS = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=KEY, client_id="web")
VERIFIER = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=KEY)
STORE = MemoryStore()


def welcome(_subject):
    return True


SERVICE = TokenService(TOKENS, STORE, check_subject=welcome)
REVOKING = TokenService(
    TOKENS, STORE, check_subject=welcome, revocation=AccessTokenRevocation(STORE, access_ttl=86_400)
)

# Valid arguments of each class. Each argument in turn is replaced by an invalid value.
MADE = {
    AccessTokenRevocation: {"store": STORE, "access_ttl": 900},
    Challenge: {"realm": "api"},
    CookieTransport: {"origins": "https://app.example"},
    IssuerMetadata: {"issuer": ISSUER},
    JWKSClient: {"jwks_uri": f"{ISSUER}/jwks"},
    JWKSEndpoint: {"keys": ELLIPTIC},
    Key: {"material": b"0f3c5a" * 8, "algorithm": "HS256"},
    Key.from_env: {"name": "GATEPASS_NO_SUCH_KEY"},
    Key.from_jwk: {"jwk": KEY.to_private_jwk()},
    Key.from_pem: {"pem": ELLIPTIC.to_pem()},
    Key.from_secret: {"secret": SECRET},
    Key.generate: {"algorithm": "ES256"},
    KeyRing: {"directory": "ring"},
    KeyRing.mounted: {"path": "ring"},
    KeyRing.open: {"directory": "ring"},
    KeySet: {"keys": [KEY]},
    KeySet.from_jwks: {"document": KeySet([ELLIPTIC]).to_jwks()},
    Profile.GENERIC.scopes_in: {"claim": "scp"},
    Profile.named: {"name": "okta"},
    Requirement: {},
    ResourceServer: {"verifiers": VERIFIER},
    SQLiteStore: {"path": "tokens.db"},
    TokenEndpoints: {"service": REVOKING},
    TokenIssuer: {"issuer": ISSUER, "audience": AUDIENCE, "keys": KEY},
    TokenService: {"issuer": TOKENS, "store": STORE, "check_subject": welcome},
    TokenVerifier: {"issuer": ISSUER, "audience": AUDIENCE, "keys": KEY},
    public_paths: {"paths": ["/healthz"]},
}
FOLDED = {Requirement: tuple(Rules.__annotations__)}

NONSENSE = [
    None, True, 0, -1, 5, 1.5, math.nan, math.inf, 10**400, "", "x", "\0", "\ud800", b"", b"x", object(), len, [], [None], [5], ["a"],
    [b"a"], [["a"]], {}, {"a": 1}, {"a": None}, {"a": [5]}, {5: "a"}, {"a": "b"}, KEY, ELLIPTIC, VERIFIER, TOKENS, SERVICE, STORE,
    Challenge("Basic", realm="api"),
]  # fmt: skip

ARGUMENTS = [
    pytest.param(make, name, id=f"{make.__qualname__}-{name}")
    for make in MADE
    for name in (
        *(
            name
            for name, parameter in inspect.signature(make).parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD
        ),
        *FOLDED.get(make, ()),
    )
]


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch):
    """Run in a temporary folder, because a ring or a store may be created at an arbitrary path."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("make", "name"), ARGUMENTS)
def test_a_constructor_raises_configuration_errors_only(make, name):
    others = []
    for value in NONSENSE:
        if name == "clock" and callable(value):  # any function is accepted, and called
            continue
        try:
            make(**(MADE[make] | {name: value}))
        except ConfigurationError:
            pass
        except Exception as error:  # noqa: BLE001 - which one is the question
            others.append(f"{value!r:.40}: {error!r:.90}")

    assert others == []


@pytest.mark.parametrize(
    ("make", "wrong", "named"),
    [
        (TokenService, {"issuer": VERIFIER}, "TokenIssuer"),
        (TokenService, {"issuer": "https://auth.example"}, "TokenIssuer"),
        (TokenService, {"revocation": STORE}, "revocation="),
        (TokenEndpoints, {"verifier": KEY}, "verifier="),
        (ResourceServer, {"extra_challenges": Challenge("Basic", realm="api")}, "extra_challenges="),
        (ResourceServer, {"extra_challenges": "Basic"}, "extra_challenges="),
        (ResourceServer, {"implies": ["orders:read"]}, "implies="),
        (ResourceServer, {"implies": ""}, "implies="),
        (ResourceServer, {"realm": 5}, "realm"),
        (Challenge, {"scope": None}, "scope"),
        (Challenge, {"parameters": ["a"]}, "parameters="),
        (CookieTransport, {"access_cookie": 5}, "access_cookie="),
        (CookieTransport, {"same_site": ["lax"]}, "same_site="),
        (public_paths, {"paths": None}, "public="),
        (KeyRing, {"directory": None}, "directory="),
        (SQLiteStore, {"path": None}, "path="),
        *(
            (make, {"clock": 5}, "clock=")
            for make in (
                AccessTokenRevocation,
                JWKSClient,
                KeyRing,
                KeyRing.mounted,
                KeyRing.open,
                TokenIssuer,
                TokenService,
                TokenVerifier,
            )
        ),
    ],
)
def test_the_error_names_the_argument(make, wrong, named):
    with pytest.raises(ConfigurationError, match=named):
        make(**(MADE[make] | wrong))

"""Enumerations and other subclasses of `str` are treated as the text that they contain."""

import asyncio
import enum
import json

import pytest
from tests.support.keys import SECRET
from tests.support.tokens import Clock, claims_for, header_for, make_verifier, signed

from gatepass import (
    AccessTokenRevocation,
    Challenge,
    ConfigurationError,
    CookieTransport,
    Key,
    Profile,
    Requirement,
    ResourceServer,
    TokenIssuer,
    TokenService,
    TokenVerifier,
)
from gatepass.adapter import public_paths
from gatepass.errors import InvalidIssuer, RevokedToken
from gatepass.stores.memory import MemoryStore

KEY = Key.from_secret(SECRET, kid="one")


class Name(enum.StrEnum):
    ISSUER = "https://auth.example"
    AUDIENCE = "https://api.example"
    WEB = "web"
    ANNA = "anna"
    READ = "orders:read"
    WRITE = "orders:write"
    ALGORITHM = "HS256"
    COOKIE = "__Host-own"
    REALM = "shop"
    PATH = "/healthz"


class Mixed(str, enum.Enum):  # noqa: UP042 - it formats as its name, which a StrEnum does not
    ISSUER = "https://auth.example"
    AUDIENCE = "https://api.example"
    WEB = "web"
    ANNA = "anna"
    READ = "orders:read"
    WRITE = "orders:write"
    ALGORITHM = "HS256"
    COOKIE = "__Host-own"
    REALM = "shop"
    PATH = "/healthz"


class Loud(str):
    """A `str` subclass that overrides every method that could return different text."""

    __slots__ = ()

    def __str__(self):
        return "loud"

    def __format__(self, _spec):
        return "loud"

    def __eq__(self, other):
        return str.lower(self) == str.lower(other)

    def __hash__(self):
        return hash(str.lower(self))

    def __len__(self):
        return 3

    def encode(self, *_):
        return b"loud"


class Louds:
    ISSUER, AUDIENCE, WEB, ANNA = Loud(Name.ISSUER), Loud(Name.AUDIENCE), Loud("web"), Loud("anna")
    READ, WRITE, ALGORITHM, COOKIE = Loud("orders:read"), Loud("orders:write"), Loud("HS256"), Loud("__Host-own")
    REALM, PATH = Loud("shop"), Loud("/healthz")


every_class = pytest.mark.parametrize("names", [Name, Mixed, Louds], ids=["StrEnum", "str and Enum", "another class"])


def settings(names):
    return {"issuer": names.ISSUER, "audience": [names.AUDIENCE], "keys": KEY}


def plain_verifier(**changes):
    return TokenVerifier(issuer=str(Name.ISSUER), audience=str(Name.AUDIENCE), keys=KEY, **changes)


def exact(value):
    """Return whether all the text in *value* is of type `str` itself."""
    if isinstance(value, str):
        return type(value) is str
    if isinstance(value, dict):
        return all(exact(name) and exact(member) for name, member in value.items())
    return all(map(exact, value)) if isinstance(value, (tuple, list, frozenset)) else True


@every_class
@pytest.mark.parametrize("many", [False, True])
def test_an_issuer_accepts_it_for_every_argument(names, many):
    made = TokenIssuer(**settings(names), client_id=names.WEB)
    scope = [names.READ, names.WRITE] if many else names.READ
    token = made.issue(
        names.ANNA, scope=scope, client_id=names.WEB, audience=names.AUDIENCE, roles=[names.READ], tier=names.REALM
    )
    claims = plain_verifier().verify(token).claims

    assert (claims["iss"], claims["aud"], claims["sub"]) == ("https://auth.example", "https://api.example", "anna")
    assert (claims["client_id"], claims["roles"], claims["tier"]) == ("web", ("orders:read",), "shop")
    assert claims["scope"] == ("orders:read orders:write" if many else "orders:read")
    assert exact((made.issuer, made.audience, made.client_id))
    assert plain_verifier().verify(made.issue_to_client(names.WEB)).is_client
    with pytest.raises(ValueError, match="issue_to_client"):
        made.issue(names.WEB)


@every_class
def test_earlier_tokens_do_not_change_the_result(names):
    cold = TokenIssuer(**settings(Name), client_id="web")
    warm = TokenIssuer(**settings(Name), client_id="web")
    for scope in ("orders:read", ["orders:read"], ["orders:read", "orders:write"], ()):
        warm.issue("anna", scope=scope, audience="https://api.example")
    for scope in (
        names.READ,
        [names.READ],
        (names.READ, names.WRITE),
        {names.READ: 1},
        names.READ.encode(),
        5,
        [5],
        None,
    ):
        told = [outcome(made, names, scope) for made in (cold, warm)]
        assert told[0] == told[1]


def test_a_class_with_its_own_equality_does_not_match_a_cached_grant():
    warm = TokenIssuer(**settings(Name), client_id="web")
    warm.issue("anna", scope=["admin"])
    warm.issue("anna", scope="admin")

    for scope in ([Loud("ADMIN")], Loud("ADMIN"), (Loud("ADMIN"),), {Loud("ADMIN")}):
        assert plain_verifier().verify(warm.issue("anna", scope=scope)).scopes == {"ADMIN"}
    assert plain_verifier().verify(warm.issue("anna", client_id=Loud("WEB"))).client_id == "WEB"
    with pytest.raises(ValueError, match="audience"):
        warm.issue("anna", audience=Loud("HTTPS://API.EXAMPLE"))


@pytest.mark.parametrize(
    ("warm", "cold"), [(["a", "b"], ["a\0b"]), (["a"], ["a", ""]), ((), [""]), (["a", "b"], ["a b"]), ("a b", ["a b"])]
)
def test_a_list_with_an_equal_repr_does_not_match_a_cached_grant(warm, cold):
    made = TokenIssuer(**settings(Name), client_id="web")
    made.issue("anna", scope=warm)

    with pytest.raises(ValueError, match="scope"):
        made.issue("anna", scope=cold)


def outcome(made, names, scope):
    try:
        return sorted(
            plain_verifier()
            .verify(made.issue("anna", scope=scope, client_id=names.WEB, audience=names.AUDIENCE))
            .scopes
        )
    except ValueError as error:
        return str(error)


@every_class
@pytest.mark.parametrize("cache_ttl", [0, 60])
def test_a_verifier_accepts_it_for_every_argument_and_for_the_token(names, cache_ttl):
    made = TokenVerifier(**settings(names), algorithms=[names.ALGORITHM], cache_ttl=cache_ttl)
    token = TokenIssuer(**settings(Name), client_id="web").issue("anna")
    wrapped = Loud(token) if names is Louds else token

    for text in (wrapped, token, wrapped):
        assert made.verify(text).subject == "anna"
    assert asyncio.run(made.verify_async(wrapped, run_blocking=None)).subject == "anna"
    assert exact((made.issuer, made.algorithms))
    with pytest.raises(InvalidIssuer):
        made.verify(TokenIssuer(**settings(Name) | {"issuer": "https://else.example"}, client_id="web").issue("anna"))


@every_class
def test_rules_accept_it(names):
    token = make_verifier().verify(signed(claims=claims_for(scope="orders:read", roles=["web"])))
    server = ResourceServer(
        make_verifier(), realm=names.REALM, implies={names.WRITE: [names.READ]}, challenge_scopes=names.READ
    )

    for rules in (
        {"scopes": names.READ},
        {"scopes": [names.READ]},
        {"any_scopes": [names.WRITE, names.READ]},
        {"any_roles": names.WEB},
    ):
        made = Requirement(**rules)
        server.enforce(token, made)
        assert exact(made.scopes + made.any_scopes + tuple(values for _, values in made.any_of))
    for challenge in (
        Challenge(names.REALM, realm=names.REALM),
        Challenge("shop", parameters={names.REALM: names.WEB}),
    ):
        assert str(challenge) in ('shop realm="shop"', 'shop shop="web"')
    assert public_paths([names.PATH]) == {"/healthz"}
    assert exact(public_paths([names.PATH]))


@every_class
def test_cookies_accept_it(names):
    made = CookieTransport(origins=Loud("https://app.example"), access_cookie=names.COOKIE)

    assert exact(made.access_cookie)
    assert made.access_cookie == "__Host-own"
    assert made.trusts("https://app.example")


@every_class
def test_profiles_accept_it(names):
    profile = Profile.RFC9068.scopes_in(names.READ).roles_at((names.WEB, names.REALM)).allow_missing(Loud("jti"))

    assert exact((profile.names.scope, profile.names.roles, profile.required))
    token = signed(header_for(), claims_for(**{"orders:read": "a", "web": {"shop": ["b"]}, "jti": ...}))
    assert make_verifier(profile=profile).verify(token).roles == {"b"}


@every_class
def test_grants_and_revocations_accept_it(names):
    store = MemoryStore()
    made = TokenIssuer(**settings(names))
    revocation = AccessTokenRevocation(store, access_ttl=900)
    service = TokenService(made, store, check_subject=lambda _: True, revocation=revocation)
    verifier = plain_verifier(is_revoked=revocation)

    def granted():
        return service.grant(
            names.ANNA,
            scope=[names.READ],
            client_id=names.WEB,
            audience=names.AUDIENCE,
            acr=names.REALM,
            amr=[names.WEB],
        )

    for end in (
        lambda token: service.revoke_subject(names.ANNA),
        lambda token: service.revoke_client(names.WEB),
        lambda token: service.revoke_family(Loud(token.family_id)),
        lambda token: revocation.revoke_subject(names.ANNA),
        lambda token: revocation.revoke_client(names.WEB),
        lambda token: revocation.revoke_family(Loud(token.family_id)),
    ):
        store.__init__()
        pair = granted()
        token = verifier.verify(pair.access_token)
        assert (token.subject, token.client_id, token.scopes) == ("anna", "web", {"orders:read"})
        assert exact(store.get(token.family_id).scope)
        assert service.refresh(Loud(pair.refresh_token), client_id=names.WEB, scope=names.READ).scope == "orders:read"
        end(token)
        with pytest.raises(RevokedToken):
            verifier.verify(pair.access_token)


AS_LISTS = {
    "an issuer's audience": lambda value: TokenIssuer(**settings(Name) | {"audience": value}),
    "a verifier's audience": lambda value: TokenVerifier(**settings(Name) | {"audience": value}),
    "algorithms": lambda value: TokenVerifier(**settings(Name), algorithms=value),
    "scopes": lambda value: Requirement(scopes=value),
    "any scopes": lambda value: Requirement(any_scopes=value),
    "roles": lambda value: Requirement(any_roles=value),
    "groups": lambda value: Requirement(any_groups=value),
    "entitlements": lambda value: Requirement(any_entitlements=value),
    "a challenge": lambda value: ResourceServer(make_verifier(), challenge_scopes=value),
    "a challenge of one's own": lambda value: Challenge(scope=value),
    "what a scope implies": lambda value: ResourceServer(make_verifier(), implies={"b": value}),
    "origins": lambda value: CookieTransport(origins=value),
    "public paths": public_paths,
    "an issued scope": lambda value: TokenIssuer(**settings(Name), client_id="web").issue("anna", scope=value),
    "a granted scope": lambda value: granting().grant("anna", scope=value),
    "a granted method": lambda value: granting().grant("anna", amr=value),
}


def granting():
    return TokenService(TokenIssuer(**settings(Name), client_id="web"), MemoryStore(), check_subject=lambda _: True)


@pytest.mark.parametrize("make", AS_LISTS.values(), ids=list(AS_LISTS))
@pytest.mark.parametrize("word", ["HS256", "header", "https://app.example", "/a"])
def test_a_dict_and_bytes_are_refused_as_lists(make, word):
    for value in ({word: 1}, {word: None}, word.encode(), bytearray(word, "ascii"), memoryview(word.encode())):
        with pytest.raises(ValueError, match=r"[a-z]+"):
            make(value)


@pytest.mark.parametrize(
    "make", [lambda value: Requirement(any_scopes=value).any_scopes, lambda value: Requirement(scopes=value).scopes]
)
def test_a_set_is_sorted(make):
    words = [f"orders:{number}" for number in range(100, 200)]

    assert make(set(words)) == make(frozenset(words)) == tuple(words)


COMMAS = [
    lambda text: Requirement(scopes=text),
    lambda text: Requirement(any_scopes=text),
    lambda text: ResourceServer(make_verifier(), challenge_scopes=text),
    lambda text: ResourceServer(make_verifier(), implies={"b": text}),
    lambda text: TokenIssuer(**settings(Name), client_id="web").issue("anna", scope=text),
    lambda text: TokenIssuer(**settings(Name), client_id="web").issue_to_client("web", scope=text),
    lambda text: granting().grant("anna", scope=text),
]


@pytest.mark.parametrize("make", COMMAS)
@pytest.mark.parametrize("text", ["orders:read,orders:write", "a, b", "a,", ",", Loud("a,b")])
def test_comma_separated_scopes_are_refused_with_the_correct_form(make, text):
    with pytest.raises(ValueError, match="blanks between the scopes, without commas, or a list"):
        make(text)


def test_a_scope_in_a_list_may_contain_a_comma():
    service = granting()
    pair = service.grant("anna", scope=["a,b", "c"])

    assert plain_verifier().verify(pair.access_token).scopes == {"a,b", "c"}
    again = service.refresh(pair.refresh_token, scope="a,b")
    assert again.scope == "a,b"
    assert plain_verifier().verify(again.access_token).scopes == {"a,b"}
    assert Requirement(scopes=["a,b"]).scopes == ("a,b",)
    assert make_verifier().verify(signed(claims=claims_for(scope="a,b c"))).scopes == {"a,b", "c"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"profile": "keycloak"}, "profile= must be a Profile, such as Profile.KEYCLOAK"),
        ({"profile": "entra-id"}, "profile= must be a Profile, such as Profile.ENTRA_ID"),
        ({"profile": "KeyCloak"}, "profile= must be a Profile, such as Profile.KEYCLOAK"),
        ({"profile": "strict"}, "profile= must be a Profile, such as Profile.RFC9068 or Profile.GENERIC"),
        ({"keys": "https://auth.example/jwks"}, "JWKSClient(address)"),
        ({"keys": "http://localhost/jwks"}, "JWKSClient(address)"),
        ({"keys": ["https://auth.example/jwks"]}, "JWKSClient(address)"),
        ({"keys": b"https://auth.example/jwks"}, "JWKSClient(address)"),
        ({"keys": [b"https://auth.example/jwks"]}, "JWKSClient(address)"),
        ({"keys": {"https://auth.example/jwks": 1}}, "keys= takes a Key or a KeySet"),
        ({"audience": {"https://api.example": 1}}, "audience= takes a string or a list of strings, not a dict"),
    ],
)
def test_a_misplaced_setting_is_refused_with_its_correct_place(changes, sentence):
    with pytest.raises(ConfigurationError) as caught:
        make_verifier(**changes, clock=Clock())

    assert sentence in str(caught.value)
    assert "auth.example" not in str(caught.value)


def test_json_contains_the_value_of_an_enumeration():
    assert json.loads(json.dumps({"role": Mixed.READ})) == {"role": "orders:read"}

"""What a login fixes: claims, a label and lifetimes within the bounds of the service."""

import enum
import inspect
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest
from tests.support.breaking_store import family_of, make_service, make_verifier

from gatepass import TokenIssuer
from gatepass.refresh.login import check_claim_names

DAY = 86_400


def claims_of(clock, pair):
    return make_verifier(clock).verify(pair.access_token).to_dict()


# Claims


@pytest.mark.parametrize(
    "claims",
    [
        {"tenant": "north"},
        {"tenant": None, "level": 1.5, "plans": ["a", {"b": [True]}], "é": "😀\0", "large": 2**70, "zero": -0.0},
        {"roles": ["clerk"], "groups": [], "amount": 10**300},
    ],
)
def test_claims_of_the_login_are_in_every_access_token(service, clock, claims):
    pairs = [service.grant("anna", claims=claims)]
    for _ in range(2):
        pairs.append(service.refresh(pairs[-1].refresh_token))

    for pair in pairs:
        found = claims_of(clock, pair)
        assert {name: found[name] for name in claims} == claims


@pytest.mark.parametrize("claims", [None, {}])
def test_no_claims_are_none(service, store, claims):
    service.grant("anna", claims=claims)

    assert service.sessions("anna").sessions[0].claims == {}
    assert [family.claims for family in store.inner._families.values()] == [None]


def test_any_mapping_and_tuples_are_stored_as_json(service, clock):
    claims = MappingProxyType(ChainMap({"tenant": ("north", 1)}))

    first = service.grant("anna", claims=claims)
    second = service.refresh(first.refresh_token)

    assert claims_of(clock, first)["tenant"] == claims_of(clock, second)["tenant"] == ["north", 1]
    assert service.sessions("anna").sessions[0].claims == {"tenant": ("north", 1)}


def test_the_store_is_not_given_a_reference_to_the_claims(service, clock):
    tenants = ["north"]
    pair = service.grant("anna", claims={"tenants": tenants})
    tenants.append("south")

    assert claims_of(clock, service.refresh(pair.refresh_token))["tenants"] == ["north"]


def test_names_and_values_of_an_enumeration_become_text(service, clock):
    class Claim(enum.StrEnum):
        TENANT = "tenant"
        NORTH = "north"

    pair = service.grant("anna", claims={Claim.TENANT: Claim.NORTH})

    assert claims_of(clock, service.refresh(pair.refresh_token))["tenant"] == "north"


@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_claims_may_have_2048_bytes_as_json(service, clock, character):
    size = len(character.encode())
    fitting = "-" * ((2_048 - len('{"a":""}')) % size) + character * ((2_048 - len('{"a":""}')) // size)

    pair = service.grant("anna", claims={"a": fitting})
    assert claims_of(clock, service.refresh(pair.refresh_token))["a"] == fitting

    with pytest.raises(ValueError, match="more than 2048 bytes"):
        service.grant("anna", claims={"a": fitting + "x"})


@pytest.mark.parametrize(
    "claims",
    [
        *({name: "sentinel"} for name in ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "cnf")),
        *({name: "sentinel"} for name in ("auth_time", "acr", "amr", "family_id", "subject", "audience", "not_after")),
        *({name: "sentinel"} for name in ("typ", "alg", "nonce", "events", "scopes", "claims")),
        {"roles": "sentinel"}, {"groups": [1]}, {7: "seven"}, {None: 1}, {"when": timedelta(1)}, {"set": {1}},
        {"bytes": b"x"}, {"nan": float("nan")}, {"infinite": float("inf")}, {"half": "\ud800"}, {"\ud800": 1},
        {"deep": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}, {"object": {1: 2}},
        [("tenant", "sentinel")], "sentinel", 5, b"{}", {"huge": 10**5_000},
    ],
)  # fmt: skip
def test_claims_that_cannot_be_in_a_token_are_refused_and_nothing_is_stored(service, store, claims):
    with pytest.raises(ValueError, match=r".") as caught:
        service.grant("anna", claims=claims)

    assert "sentinel" not in str(caught.value)
    assert store.calls == []


def test_claims_that_contain_themselves_are_refused(service):
    claims = {}
    claims["self"] = claims

    with pytest.raises(ValueError, match="nested deeper"):
        service.grant("anna", claims=claims)


def test_a_name_that_would_appear_twice_is_refused(service, store):
    class Unequal(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other):
            return False

    class Colliding(str):
        __slots__ = ()

        def __hash__(self):
            return 5

    for kind in (Unequal, Colliding):
        for claims in ({"tenant": {"id": 1, kind("id"): 2}}, {kind("exp"): 1}, {kind("tenant"): 1}):
            with pytest.raises(ValueError, match="plain strings"):
                service.grant("anna", claims=claims)
            with pytest.raises(ValueError, match="plain strings"):
                make_service(store, service._clock, claims_for=lambda session, claims=claims: claims).grant("anna")
    assert store.calls == []


class Raising(Mapping):
    def __iter__(self):
        raise LookupError("sentinel")

    def __len__(self):
        return 1

    def __getitem__(self, name):
        raise LookupError("sentinel")


class Lying(dict):
    """A dict whose items are not its values."""

    def items(self):
        return [("tenant", object())]


@pytest.mark.parametrize("claims", [Raising(), Lying(tenant=1), {"tenant": Lying(tenant=1)}], ids=["a", "b", "c"])
def test_a_mapping_that_raises_or_lies_is_refused(service, store, claims):
    with pytest.raises(ValueError, match=r"^(claims= is|a claim holds|a value that)"):
        service.grant("anna", claims=claims)

    assert store.calls == []


def test_a_claim_may_have_the_name_of_any_parameter_that_is_not_reserved(service, clock):
    pair = service.grant("anna", claims={"self": 1, "claims_for": 2, "now": 3})

    assert claims_of(clock, service.refresh(pair.refresh_token))["self"] == 1


def test_each_parameter_of_the_issuer_is_reserved():
    for name in inspect.signature(TokenIssuer.issue).parameters.keys() - {"self", "claims"}:
        with pytest.raises(ValueError, match="must not set"):
            check_claim_names({name: 1}, "claims=")


def test_claims_of_now_win_over_those_of_the_login_name_by_name(store, clock):
    now = {}
    service = make_service(store, clock, claims_for=lambda session: {**now, "seen": session.claims.get("tenant")})
    first = service.grant("anna", claims={"tenant": "north", "plan": "gold"})
    now["tenant"] = "moved"
    second = service.refresh(first.refresh_token)
    del now["tenant"]
    third = service.refresh(second.refresh_token)

    found = [claims_of(clock, pair) for pair in (first, second, third)]
    assert [(one["tenant"], one["plan"], one["seen"]) for one in found] == [
        ("north", "gold", "north"), ("moved", "gold", "north"), ("north", "gold", "north"),
    ]  # fmt: skip


# The label


@pytest.mark.parametrize("label", ["Anna’s phone", "📱" * 64, "Firefox on Linux", "電話", " "])
def test_a_label_is_listed_unchanged(service, label):
    service.grant("anna", label=label)

    assert service.sessions("anna").sessions[0].label == label


@pytest.mark.parametrize("label", [None, ""])
def test_an_empty_label_is_none(service, label):
    service.grant("anna", label=label)

    assert service.sessions("anna").sessions[0].label is None


@pytest.mark.parametrize(
    "label",
    [
        "x" * 65, "a\nb", "a\tb", "\x00", "\x1b[31m", "a\x7fb", "\u202ehcaeb", "\u2028", "\ud800", "a\u200bb", "\x85",
        5, b"phone", ["phone"],
    ],
)  # fmt: skip
def test_other_labels_are_refused_and_nothing_is_stored(service, store, label):
    with pytest.raises(ValueError, match=r"^label= "):
        service.grant("anna", label=label)

    assert store.calls == []


# Lifetimes


def lifetimes(service, store, **login):
    """Return how long the refresh token may be unused, and how long the family lives."""
    pair = service.grant("anna", **login)
    (family,) = store.inner._families.values()
    return pair.refresh_expires_in, family.expires_at - family.created_at


@pytest.mark.parametrize(
    ("login", "found"),
    [
        ({}, (14 * DAY, 90 * DAY)),
        ({"refresh_ttl": 3_600}, (3_600, 90 * DAY)),
        ({"refresh_ttl": timedelta(hours=1), "absolute_ttl": timedelta(days=1)}, (3_600, DAY)),
        ({"absolute_ttl": DAY}, (DAY, DAY)),
        ({"refresh_ttl": 14 * DAY, "absolute_ttl": 90 * DAY}, (14 * DAY, 90 * DAY)),
        ({"refresh_ttl": 1, "absolute_ttl": 1}, (1, 1)),
        ({"refresh_ttl": 1.9}, (1, 90 * DAY)),
    ],
)
def test_a_login_lives_as_long_as_it_asks_for(service, store, login, found):
    assert lifetimes(service, store, **login) == found


@pytest.mark.parametrize(
    "login",
    [
        {"refresh_ttl": 14 * DAY + 1}, {"absolute_ttl": 90 * DAY + 1}, {"refresh_ttl": timedelta(days=15)},
        {"refresh_ttl": 0}, {"absolute_ttl": 0}, {"refresh_ttl": -1}, {"refresh_ttl": 0.5}, {"refresh_ttl": True},
        {"refresh_ttl": float("nan")}, {"refresh_ttl": float("inf")}, {"absolute_ttl": "1 day"},
        {"refresh_ttl": 3_600, "absolute_ttl": 3_599},
    ],
)  # fmt: skip
def test_a_lifetime_beyond_the_service_is_refused_not_cut(service, store, login):
    with pytest.raises(
        ValueError, match=r"_ttl= must .*(of the TokenService, which is (14|90) days|than refresh_ttl=)"
    ):
        service.grant("anna", **login)

    assert store.calls == []


def test_every_refresh_keeps_the_lifetime_of_the_login(service, clock):
    pair = service.grant("anna", refresh_ttl=1_000, absolute_ttl=2_500)
    found = []
    for _ in range(3):
        clock.now += 800
        pair = service.refresh(pair.refresh_token)
        found.append(pair.refresh_expires_in)

    assert found == [1_000, 900, 100]


@pytest.mark.parametrize("login", [{}, {"refresh_ttl": 10_000}])
@pytest.mark.parametrize("passing", [0, 1, 9_000])
def test_a_service_with_shorter_lifetimes_shortens_the_next_refresh(store, clock, login, passing):
    pair = make_service(store, clock).grant("anna", **login)
    clock.now += passing

    pair = make_service(store, clock, refresh_ttl=5_000).refresh(pair.refresh_token)

    assert pair.refresh_expires_in == 5_000


@pytest.mark.parametrize("login", [{}, {"refresh_ttl": 1_000}])
def test_a_service_with_longer_lifetimes_lengthens_no_login(store, clock, login):
    pair = make_service(store, clock, refresh_ttl=1_000).grant("anna", **login)

    pair = make_service(store, clock, refresh_ttl=5_000).refresh(pair.refresh_token)

    assert pair.refresh_expires_in == 1_000


def test_a_login_of_schema_version_1_follows_the_service(store, clock):
    pair = make_service(store, clock, refresh_ttl=1_000).grant("anna")
    family = family_of(store, pair)
    store.inner._families[family.family_id] = replace(family, refresh_ttl=None)

    pair = make_service(store, clock, refresh_ttl=5_000).refresh(pair.refresh_token)

    assert pair.refresh_expires_in == 5_000


@pytest.mark.parametrize("back", [0, 1, 500])
def test_a_clock_that_is_set_back_does_not_shorten_a_login(store, clock, back):
    service = make_service(store, clock)
    pair = service.grant("anna", refresh_ttl=1_000)
    for _ in range(3):
        clock.now -= back
        pair = service.refresh(pair.refresh_token)

    assert pair.refresh_expires_in == 1_000 + 3 * back

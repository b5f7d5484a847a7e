"""Grants and refreshes: single use, the bounds of the grant, times and subject."""

import logging
from datetime import datetime, timedelta

import pytest
from tests.support.breaking_store import (
    AUDIENCE,
    BreakingStore,
    Clock,
    family_of,
    make_issuer,
    make_revocation,
    make_service,
    make_verifier,
    reason_of,
    run_in_threads,
)

from gatepass import ConfigurationError
from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import InvalidGrant, InvalidScope, InvalidTarget, RefreshTokenReused
from gatepass.stores.memory import MemoryStore

DAY = 86_400


# Single use


def test_a_grant_returns_a_pair_that_a_verifier_accepts(service, clock):
    pair = service.grant("anna", scope=["orders:read", "orders:write"])

    token = make_verifier(clock).verify(pair.access_token)

    assert (token.subject, token.client_id, token.audience) == ("anna", "web", (AUDIENCE,))
    assert token.scopes == {"orders:read", "orders:write"}
    assert (pair.expires_in, pair.scope, pair.token_type) == (900, "orders:read orders:write", "Bearer")


def test_each_refresh_returns_a_new_token_of_the_same_family(service, store):
    pairs = [service.grant("anna")]
    for _ in range(3):
        pairs.append(service.refresh(pairs[-1].refresh_token))

    assert len({pair.refresh_token for pair in pairs}) == 4
    assert len({pair.access_token for pair in pairs}) == 4
    assert len({RefreshToken.parse(pair.refresh_token).family_id for pair in pairs}) == 1


def test_a_spent_token_revokes_the_family(service):
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)

    with pytest.raises(RefreshTokenReused):
        service.refresh(first.refresh_token)

    assert reason_of(service.refresh, second.refresh_token) == "refresh_revoked"


def test_every_invalid_token_gets_the_same_description(service, clock):
    spent = service.grant("anna")
    service.refresh(spent.refresh_token)
    foreign = service.grant("anna", client_id="mobile")
    old = service.grant("anna")
    reasons = {}
    for name, text in {
        "unknown": RefreshToken.fresh().text(),
        "garbage": "x",
        "empty": "",
        "accents": "é" * 86,
        "spent": spent.refresh_token,
        "revoked": spent.refresh_token,
        "foreign": foreign.refresh_token,
    }.items():
        with pytest.raises(InvalidGrant) as caught:
            service.refresh(text)
        reasons[name] = (str(caught.value), caught.value.error, caught.value.status, caught.value.reason)
    clock.now += 14 * DAY
    with pytest.raises(InvalidGrant) as caught:
        service.refresh(old.refresh_token)
    reasons["expired"] = (str(caught.value), caught.value.error, caught.value.status, caught.value.reason)

    assert {reason[:3] for reason in reasons.values()} == {("The refresh token is not valid", "invalid_grant", 400)}
    assert {name: reason[3] for name, reason in reasons.items()} == {
        "unknown": "refresh_unknown",
        "garbage": "refresh_unknown",
        "empty": "refresh_unknown",
        "accents": "refresh_unknown",
        "spent": "refresh_reused",
        "revoked": "refresh_revoked",
        "foreign": "refresh_client_mismatch",
        "expired": "refresh_expired",
    }


@pytest.mark.parametrize("spoilt", ["proof", "name"])
def test_a_forged_token_cannot_revoke_a_family(service, spoilt):
    pair = service.grant("anna")
    token = RefreshToken.parse(pair.refresh_token)
    parts = {"name": token.name, "proof": token.proof, "secret": bytes(32), spoilt: bytes(16)}

    assert reason_of(service.refresh, RefreshToken(**parts).text()) == "refresh_unknown"
    service.revoke(RefreshToken(**parts).text())

    assert service.refresh(pair.refresh_token)


def test_an_invented_secret_with_a_valid_proof_counts_as_a_spent_token(service):
    pair = service.grant("anna")
    token = RefreshToken.parse(pair.refresh_token)

    assert reason_of(service.refresh, RefreshToken(token.name, token.proof, bytes(32)).text()) == "refresh_reused"


def test_another_client_can_neither_spend_nor_revoke_nor_probe_a_token(service):
    first = service.grant("anna", client_id="mobile")
    second = service.refresh(first.refresh_token, client_id="mobile")
    answers = set()
    for text in (second.refresh_token, first.refresh_token, RefreshToken.fresh().text()):
        with pytest.raises(InvalidGrant) as caught:
            service.refresh(text, client_id="web")
        answers.add((type(caught.value), str(caught.value)))

    assert answers == {(InvalidGrant, "The refresh token is not valid")}
    assert service.refresh(second.refresh_token, client_id="mobile")


def test_another_client_cannot_sign_out(service):
    pair = service.grant("anna", client_id="mobile")

    assert reason_of(service.revoke, pair.refresh_token) == "refresh_client_mismatch"
    assert service.refresh(pair.refresh_token, client_id="mobile")


def test_of_fifty_threads_with_one_token_exactly_one_succeeds(clock):
    for _ in range(20):
        service = make_service(MemoryStore(), clock)
        token = service.grant("anna").refresh_token
        outcomes = run_in_threads(50, lambda service=service, token=token: service.refresh(token))

        assert len([one for one in outcomes if not isinstance(one, Exception)]) == 1
        assert all(isinstance(one, InvalidGrant) for one in outcomes if isinstance(one, Exception))


def test_of_fifty_threads_within_the_grace_window_all_get_the_same_successor(clock):
    heard = []
    service = make_service(MemoryStore(), clock, grace=10, on_reuse=heard.append)
    token = service.grant("anna").refresh_token

    pairs = run_in_threads(50, lambda: service.refresh(token))

    assert len({pair.refresh_token for pair in pairs}) == 1
    assert heard == []
    assert service.refresh(pairs[0].refresh_token)


@pytest.mark.parametrize("text", ["an\0na", "a\ud800", "\udfffa", 1, b"anna", ["anna"]])
@pytest.mark.parametrize("member", ["subject", "client_id", "audience", "acr", "amr"])
def test_text_that_one_store_cannot_keep_is_refused_for_all(service, store, member, text):
    wishes = {"subject": "anna", member: [text] if member == "amr" else text}

    with pytest.raises(ValueError, match=r"must be a string|contains NUL or half") as caught:
        service.grant(wishes.pop("subject"), **wishes)

    assert "anna" not in str(caught.value)
    assert store.calls == []


@pytest.mark.parametrize("end", ["revoke_subject", "revoke_client"])
@pytest.mark.parametrize("text", ["an\0na", "a\ud800", 1])
def test_revocation_refuses_an_invalid_subject_or_client(service, end, text):
    with pytest.raises(ValueError, match=r"must be a string|contains NUL or half"):
        getattr(service, end)(text)


# Reuse


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_reuse_is_reported_even_if_the_response_to_the_revocation_was_lost(store, clock, moment):
    heard = []
    service = make_service(store, clock, on_reuse=heard.append)
    first = service.grant("anna")
    service.refresh(first.refresh_token)
    getattr(store, moment).add("revoke")
    assert reason_of(service.refresh, first.refresh_token) == "store_unavailable"
    store.before.clear()
    store.after.clear()

    assert reason_of(service.refresh, first.refresh_token) == (
        "refresh_reused" if moment == "before" else "refresh_revoked"
    )
    assert {family.subject for family in heard} == {"anna"}


def test_one_reuse_by_fifty_threads_is_reported_once(clock):
    heard = []
    service = make_service(MemoryStore(), clock, on_reuse=heard.append)
    token = service.grant("anna").refresh_token

    run_in_threads(50, lambda: service.refresh(token))

    assert len(heard) == 1


def test_two_concurrent_reuses_are_reported_once(store, clock):
    heard = []
    service = make_service(store, clock, on_reuse=heard.append)
    first = service.grant("anna")
    service.refresh(first.refresh_token)
    store.in_between["revoke"] = lambda: reason_of(service.refresh, first.refresh_token)

    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"
    assert len(heard) == 1


@pytest.mark.parametrize("beyond", [{"scope": "admin"}, {"scope": '"'}, {"audience": "https://other.example"}])
def test_a_spent_token_revokes_the_family_regardless_of_other_parameters(service, beyond):
    first = service.grant("anna")
    service.refresh(first.refresh_token)

    assert reason_of(service.refresh, first.refresh_token, **beyond) == "refresh_reused"


# Bounds of the grant


def test_a_narrower_scope_narrows_the_access_token_only(service, clock):
    first = service.grant("anna", scope="a b c")

    second = service.refresh(first.refresh_token, scope="c a")
    third = service.refresh(second.refresh_token)

    assert second.scope == "a c"
    assert make_verifier(clock).verify(second.access_token).scopes == {"a", "c"}
    assert third.scope == "a b c"


@pytest.mark.parametrize("scope", ["a d", "d", '"', "a  b", " a"])
def test_a_scope_beyond_the_grant_is_refused_and_spends_nothing(service, scope):
    first = service.grant("anna", scope="a b")

    with pytest.raises(InvalidScope):
        service.refresh(first.refresh_token, scope=scope)

    assert service.refresh(first.refresh_token).scope == "a b"


def test_a_grant_without_scope_grants_none(service):
    first = service.grant("anna")

    with pytest.raises(InvalidScope):
        service.refresh(first.refresh_token, scope="a")


def test_another_audience_is_refused_and_spends_nothing(store, clock):
    issuer = make_issuer(clock, audience=["https://one.example", "https://two.example"])
    service = make_service(store, clock, issuer=issuer)
    first = service.grant("anna", audience="https://two.example")

    with pytest.raises(InvalidTarget):
        service.refresh(first.refresh_token, audience="https://one.example")
    second = service.refresh(first.refresh_token, audience="https://two.example")

    assert make_verifier(clock, audience="https://two.example").verify(second.access_token)


@pytest.mark.parametrize("audience", [{AUDIENCE: 1}, AUDIENCE.encode(), 5, {}, b""])
def test_an_invalid_list_of_audiences_is_refused_and_spends_nothing(service, audience):
    first = service.grant("anna")
    with pytest.raises(InvalidTarget):
        service.refresh(first.refresh_token, audience=audience)
    assert service.refresh(first.refresh_token, audience=[AUDIENCE])


def test_an_audience_that_the_issuer_removed_requires_a_new_sign_in(store, clock):
    token = make_service(store, clock).grant("anna").refresh_token
    moved = make_service(store, clock, issuer=make_issuer(clock, audience="https://new.example"))

    assert reason_of(moved.refresh, token) == "refresh_audience"


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": ""},
        {"subject": 7},
        {"subject": "web"},
        {"scope": 'a"'},
        {"client_id": ""},
        {"audience": "https://other.example"},
        {"auth_time": datetime(2026, 1, 1)},  # noqa: DTZ001 - naive is what is wrong with it
        {"auth_time": 1_800_000_000},
        {"auth_time": "2026-01-01T00:00:00Z"},
        {"scope": 5},
        {"scope": None},
        {"acr": 5},
        {"amr": [1]},
        {"amr": None},
        {"amr": 5},
    ],
)
def test_a_claim_that_cannot_be_encoded_is_an_error_and_creates_no_family(service, store, wrong):
    arguments = {"subject": "anna", **wrong}

    with pytest.raises(ValueError, match=r"."):
        service.grant(arguments.pop("subject"), **arguments)

    assert "create" not in store.calls


def test_a_grant_requires_an_audience_if_the_issuer_has_several(store, clock):
    issuer = make_issuer(clock, audience=["https://one.example", "https://two.example"])

    with pytest.raises(ValueError, match="audience="):
        make_service(store, clock, issuer=issuer).grant("anna")


# Time


def test_a_token_may_be_unused_until_its_last_second(store, clock):
    service = make_service(store, clock, refresh_ttl=100, absolute_ttl=1_000)
    one, other = service.grant("anna"), service.grant("anna")

    clock.now += 99.9
    assert service.refresh(one.refresh_token)
    clock.now += 0.1
    assert reason_of(service.refresh, other.refresh_token) == "refresh_expired"


def test_a_rotation_renews_the_idle_time_and_never_the_absolute_end(store, clock):
    service = make_service(store, clock, refresh_ttl=100, absolute_ttl=250)
    pair = service.grant("anna")
    for _ in range(3):
        clock.now += 80
        pair = service.refresh(pair.refresh_token)

    family = family_of(store, pair)
    assert family.idle_expires_at == family.expires_at
    clock.now += 9
    pair = service.refresh(pair.refresh_token)
    clock.now += 1
    assert reason_of(service.refresh, pair.refresh_token) == "refresh_expired"


def test_a_spent_token_of_an_expired_family_neither_revokes_it_nor_reports_a_reuse(store, clock):
    heard = []
    service = make_service(store, clock, on_reuse=heard.append)
    first = service.grant("anna")
    service.refresh(first.refresh_token)
    clock.now += 15 * DAY

    assert reason_of(service.refresh, first.refresh_token) == "refresh_expired"
    assert heard == []


# Settings


@pytest.mark.parametrize(
    "settings",
    [
        {"check_subject": None},
        {"claims_for": {"tenant": "north"}},
        {"scopes_for": "orders:read"},
        {"check_subject": lambda: True},
        {"claims_for": lambda subject, claims: {}},
        {"scopes_for": lambda *, session: ""},
        {"on_reuse": lambda: None},
        {"on_reuse": "log"},
        {"refresh_ttl": 0},
        {"refresh_ttl": timedelta(days=30), "absolute_ttl": timedelta(days=29)},
        {"absolute_ttl": timedelta(days=400)},
        {"grace": 61},
        {"grace": -1},
        {"grace": True},
        {"revocation": make_revocation(MemoryStore(), Clock(), access_ttl=899)},
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(store, clock, settings):
    with pytest.raises(ConfigurationError):
        make_service(store, clock, **settings)


@pytest.mark.parametrize("store", [object(), None, "sessions.db", BreakingStore])
def test_an_invalid_store_is_refused_at_once(clock, store):
    with pytest.raises(ConfigurationError, match="must be a RefreshStore, such as"):
        make_service(store, clock)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"contract_version": None, "live_families": None},
            "version 1 .*, and version 2 is needed: add live_families,",
        ),
        ({"contract_version": None}, "version 1 .*, and version 2 is needed: store all members of a Family, test"),
        ({"contract_version": 1}, "version 1 .*, and version 2 is needed: .* set contract_version = 2"),
        ({"contract_version": 3}, "version 3 of RefreshStore: upgrade gatepass"),
        ({"revoke_client": None}, "^store= lacks revoke_client of"),
    ],
)
def test_a_store_of_another_version_of_the_protocol_is_refused_at_once(clock, changes, sentence):
    members = {**vars(BreakingStore), **changes}
    old = type("Old", (), {name: value for name, value in members.items() if value is not None})

    with pytest.raises(ConfigurationError, match=sentence):
        make_service(old(), clock)


def test_no_token_reaches_the_log(service, caplog):
    caplog.set_level(logging.DEBUG)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)
    reason_of(service.refresh, first.refresh_token)

    for text in (first.refresh_token, second.refresh_token, first.access_token, "anna"):
        assert text not in caplog.text


def test_a_configuration_error_of_the_store_is_raised_unchanged():
    class Bare:
        def create(self, _family):
            raise ConfigurationError("call create_schema()")

        contract_version = 2
        get = rotate = revoke = revoke_subject = revoke_client = purge = live_families = create

    with pytest.raises(ConfigurationError, match="create_schema"):
        make_service(Bare(), Clock()).grant("anna")

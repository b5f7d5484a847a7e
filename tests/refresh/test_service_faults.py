"""Failures during a rotation: a token is never spent without a response that the client can use."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.support.breaking_store import BreakingStore, Outage, family_of, make_service, reason_of, run_in_threads

from gatepass.refresh import rotation
from gatepass.refresh.errors import (
    InvalidGrant,
    InvalidScope,
    RefreshTokenReused,
    ServiceUnavailable,
    StoreUnavailable,
)


@pytest.mark.parametrize("operation", ["get", "rotate"])
def test_a_store_that_fails_before_the_rotation_spends_no_token(service, store, operation, caplog):
    pair = service.grant("anna")
    store.before.add(operation)

    with pytest.raises(StoreUnavailable):
        service.refresh(pair.refresh_token)
    store.before.clear()

    assert service.refresh(pair.refresh_token)
    assert "the store raised Outage" in caplog.text
    assert "secret text" not in caplog.text


class Raising(Mapping):
    """A mapping whose members cannot be read, such as a row of a closed database session."""

    def __iter__(self):
        return iter(["tenant"])

    def __len__(self):
        return 1

    def __getitem__(self, name):
        raise Outage


async def coroutine():
    return {}


def raising_scopes():
    yield "orders:read"
    raise Outage


@pytest.mark.parametrize(
    "claims_for",
    [
        lambda subject: {}["missing"],
        lambda subject: None,
        lambda subject: {"iss": "https://evil.example"},
        lambda subject: {"family_id": "mine"},
        lambda subject: {"scope": "admin"},
        lambda subject: {"roles": "admin"},
        lambda subject: {"huge": "x" * 20_000},
        lambda subject: {"odd": object()},
        lambda subject: {7: "seven"},
        lambda subject: [("tenant", "north")],
        lambda subject: Raising(),
        lambda subject: coroutine(),
    ],
)
def test_claims_that_cannot_be_loaded_spend_no_token(store, clock, claims_for):
    token = make_service(store, clock).grant("anna").refresh_token

    with pytest.raises(ServiceUnavailable):
        make_service(store, clock, claims_for=claims_for).refresh(token)

    assert make_service(store, clock).refresh(token)


@pytest.mark.parametrize(
    "scopes_for",
    [
        lambda session: {}["missing"],
        lambda session: None,
        lambda session: 5,
        lambda session: ["orders:read", None],
        lambda session: b"orders:read",
        lambda session: {"orders:read": True},
        lambda session: "orders:read,orders:write",
        lambda session: ['"'],
        lambda session: raising_scopes(),
        lambda session: coroutine(),
    ],
)
def test_scopes_that_cannot_be_loaded_spend_no_token_and_are_no_login(store, clock, caplog, scopes_for):
    token = make_service(store, clock).grant("anna", scope="orders:read").refresh_token
    service = make_service(store, clock, scopes_for=scopes_for)

    assert reason_of(service.refresh, token) == "scopes_for_unavailable"
    assert reason_of(service.grant, "bert", scope="orders:read") == "scopes_for_unavailable"

    assert make_service(store, clock).refresh(token).scope == "orders:read"
    assert service.sessions("bert").sessions == ()
    assert "secret text" not in caplog.text


def test_a_store_whose_list_fails_is_an_outage(service, store):
    store.before.add("live_families")

    assert reason_of(service.sessions, "anna") == "store_unavailable"


@pytest.mark.parametrize("claims", ["{", "[]", '{"a":NaN}', '{"a":1,"a":2}'])
def test_claims_that_the_store_changed_are_an_outage(service, store, clock, claims):
    pair = service.grant("anna", claims={"tenant": "north"})
    family = family_of(store, pair)
    store.inner._families[family.family_id] = replace(family, claims=claims)

    assert reason_of(service.sessions, "anna") == "store_unavailable"
    assert reason_of(service.refresh, pair.refresh_token) == "access_token_unavailable"
    asking = make_service(store, clock, scopes_for=lambda session: session.scope)
    assert reason_of(asking.refresh, pair.refresh_token) == "store_unavailable"

    store.inner._families[family.family_id] = family
    assert service.refresh(pair.refresh_token)


def test_a_rotation_whose_confirmation_was_lost_is_answered(service, store):
    first = service.grant("anna")
    store.after_once.add("rotate")

    second = service.refresh(first.refresh_token)

    assert service.refresh(second.refresh_token)


def test_a_retry_after_an_outage_is_no_reuse(store, clock):
    heard = []
    service = make_service(store, clock, on_reuse=heard.append)
    first = service.grant("anna", scope="a")
    store.after.add("rotate")
    store.in_between["rotate"] = lambda: store.before.add("get")
    with pytest.raises(StoreUnavailable):
        service.refresh(first.refresh_token)
    store.after.clear()
    store.before.clear()

    with pytest.raises(InvalidScope):  # a rejected request in between does not change that
        service.refresh(first.refresh_token, scope="b")
    second = service.refresh(first.refresh_token)

    assert heard == []
    third = service.refresh(second.refresh_token)
    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"
    assert reason_of(service.refresh, third.refresh_token) == "refresh_revoked"


def test_repeated_failures_of_one_client_do_not_turn_retries_of_others_into_reuse(store, clock, monkeypatch):
    monkeypatch.setattr(rotation, "_MAX_IN_DOUBT", 1_000)
    service = make_service(store, clock)
    first, restless = service.grant("anna"), service.grant("mallory")
    store.after.add("rotate")
    store.in_between["rotate"] = lambda: store.before.add("get")
    assert reason_of(service.refresh, first.refresh_token) == "store_unavailable"
    store.after.clear()
    store.before.clear()
    store.before.add("rotate")
    for _ in range(1_001):
        assert reason_of(service.refresh, restless.refresh_token) == "store_unavailable"
    store.before.clear()

    assert service.refresh(first.refresh_token)
    assert service.refresh(restless.refresh_token)


class Late(BreakingStore):
    """A server that continues with a rotation after its client has disconnected."""

    late = None

    def rotate(self, family_id, rotation):
        if self.late is None:
            self.late = family_id, rotation
            raise Outage
        return super().rotate(family_id, rotation)


def test_a_rotation_that_was_applied_late_is_found_by_a_retry(clock):
    store = Late()
    service = make_service(store, clock)
    first = service.grant("anna")
    with pytest.raises(StoreUnavailable):
        service.refresh(first.refresh_token)
    assert store.inner.rotate(*store.late)

    assert service.refresh(first.refresh_token)
    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"


def test_one_of_two_retries_that_find_an_applied_rotation_gets_the_successor(service, store):
    first = service.grant("anna")
    found = []
    store.after_once.add("rotate")

    def meanwhile():
        """Runs when the first of the two queries whether the rotation was applied."""
        store.in_between["rotate"] = lambda: found.append(service.refresh(first.refresh_token))

    store.in_between["rotate"] = meanwhile
    with pytest.raises(StoreUnavailable):
        service.refresh(first.refresh_token)

    assert service.refresh(found[0].refresh_token)


def test_after_an_outage_one_of_fifty_threads_gets_the_successor(clock):
    for _ in range(10):
        store = BreakingStore()
        service = make_service(store, clock)
        first = service.grant("anna")
        store.after.add("rotate")
        store.in_between["rotate"] = lambda store=store: store.before.add("get")
        with pytest.raises(StoreUnavailable):
            service.refresh(first.refresh_token)
        store.after.clear()
        store.before.clear()

        outcomes = run_in_threads(50, lambda service=service, first=first: service.refresh(first.refresh_token))

        assert len([one for one in outcomes if not isinstance(one, Exception)]) == 1
        assert all(isinstance(one, InvalidGrant) for one in outcomes if isinstance(one, Exception))


def test_another_process_treats_a_retry_after_a_lost_response_as_reuse_unless_there_is_a_window(store, clock):
    for grace, outcome in ((0, RefreshTokenReused), (10, None)):
        first = make_service(store, clock, grace=grace).grant("anna")
        store.after.add("rotate")
        store.in_between["rotate"] = lambda: store.before.add("get")
        with pytest.raises(StoreUnavailable):
            make_service(store, clock, grace=grace).refresh(first.refresh_token)
        store.after.clear()
        store.before.clear()
        other = make_service(store, clock, grace=grace)
        if outcome is None:
            assert other.refresh(first.refresh_token)
        else:
            with pytest.raises(outcome):
                other.refresh(first.refresh_token)


def test_a_store_that_contradicts_itself_revokes_no_family(clock):
    class Refusing(BreakingStore):
        def rotate(self, family_id, rotation):
            return False

    store = Refusing()
    service = make_service(store, clock)
    pair = service.grant("anna")

    assert reason_of(service.refresh, pair.refresh_token) == "store_contradiction"
    assert family_of(store, pair).revoked_at is None


def test_a_reuse_that_cannot_be_written_is_detected_again(store, clock):
    heard = []
    service = make_service(store, clock, on_reuse=heard.append)
    first = service.grant("anna")
    service.refresh(first.refresh_token)
    store.before.add("revoke")
    assert reason_of(service.refresh, first.refresh_token) == "store_unavailable"
    store.before.clear()

    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"
    assert len(heard) == 2, "the first alarm may not wait for a store that might have done its work unheard"


def test_a_grant_that_cannot_be_stored_returns_no_token(service, store):
    store.before.add("create")

    with pytest.raises(StoreUnavailable):
        service.grant("anna")

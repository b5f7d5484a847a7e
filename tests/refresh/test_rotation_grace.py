"""The grace window: a client that lost a response gets the same successor again, and no other client gets a token."""

from dataclasses import astuple, replace

import pytest
from tests.support.breaking_store import BreakingStore, family_of, make_service, reason_of

from gatepass import ConfigurationError
from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import InvalidScope
from gatepass.refresh.family import seed_of


@pytest.mark.parametrize(
    ("grace", "waited", "outcome"), [(10, 9, "same"), (10, 10, "reused"), (60, 59, "same"), (0, 0, "reused")]
)
def test_the_predecessor_gets_the_same_successor_within_the_window(store, clock, grace, waited, outcome):
    service = make_service(store, clock, grace=grace)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)
    clock.now += waited

    if outcome == "same":
        again = service.refresh(first.refresh_token)
        assert again.refresh_token == second.refresh_token
        assert service.refresh(again.refresh_token)
    else:
        assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"


def test_the_window_applies_to_the_immediate_predecessor_only(store, clock):
    service = make_service(store, clock, grace=60)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)
    service.refresh(second.refresh_token)

    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"


@pytest.mark.parametrize("beyond", [{"scope": "admin"}, {"audience": "https://other.example"}])
def test_an_older_token_revokes_the_family_within_the_window_regardless_of_other_parameters(store, clock, beyond):
    service = make_service(store, clock, grace=60)
    first = service.grant("anna")
    service.refresh(service.refresh(first.refresh_token).refresh_token)

    assert reason_of(service.refresh, first.refresh_token, **beyond) == "refresh_reused"


def test_the_window_applies_to_the_same_client_only(store, clock):
    service = make_service(store, clock, grace=60)
    first = service.grant("anna")
    service.refresh(first.refresh_token)

    assert reason_of(service.refresh, first.refresh_token, client_id="mobile") == "refresh_client_mismatch"
    assert service.refresh(first.refresh_token)


def test_a_repetition_does_not_renew_the_window_or_the_idle_time(store, clock):
    service = make_service(store, clock, grace=10)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)
    before = family_of(store, second)
    clock.now += 6
    service.refresh(first.refresh_token)

    after = family_of(store, second)
    assert (after.rotated_at, after.idle_expires_at) == (before.rotated_at, before.idle_expires_at)
    assert after == replace(before, previous_hash=after.previous_hash, salt=after.salt)
    clock.now += 6
    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"


def test_a_repetition_and_a_concurrent_rotation_do_not_undo_each_other(store, clock):
    service = make_service(store, clock, grace=10)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)
    third = []
    store.in_between["rotate"] = lambda: third.append(service.refresh(second.refresh_token))

    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused", "too late: its successor is spent"
    assert reason_of(service.refresh, third[0].refresh_token) == "refresh_revoked"


@pytest.mark.parametrize("broken", ["before", "after"])
def test_a_repetition_that_cannot_be_written_is_503_and_keeps_the_session(store, clock, broken):
    service = make_service(store, clock, grace=10)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)
    getattr(store, broken).add("rotate")
    assert reason_of(service.refresh, first.refresh_token) == "store_unavailable"
    getattr(store, broken).clear()

    assert service.refresh(first.refresh_token).refresh_token == second.refresh_token


def test_a_store_that_refuses_to_rewrite_the_current_hash_does_not_revoke_the_family(clock):
    class Particular(BreakingStore):
        def rotate(self, family_id, rotation):
            return rotation.current_hash != rotation.previous_hash and super().rotate(family_id, rotation)

    store = Particular()
    service = make_service(store, clock, grace=10)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)

    assert reason_of(service.refresh, first.refresh_token) == "store_contradiction"
    assert service.refresh(second.refresh_token)


def test_a_clock_that_was_set_back_does_not_widen_the_window(store, clock):
    service = make_service(store, clock, grace=10)
    first = service.grant("anna")
    clock.now += 1_000
    service.refresh(first.refresh_token)
    clock.now -= 500

    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"


def test_the_window_keeps_to_the_scope_and_the_subject(store, clock):
    welcome = {"anna"}
    service = make_service(store, clock, grace=10, check_subject=welcome.__contains__)
    first = service.grant("anna", scope="a")
    second = service.refresh(first.refresh_token)

    with pytest.raises(InvalidScope):
        service.refresh(first.refresh_token, scope="b")
    welcome.clear()
    assert reason_of(service.refresh, first.refresh_token) == "refresh_subject"
    assert reason_of(service.refresh, second.refresh_token) == "refresh_revoked"


def test_a_repetition_may_ask_for_a_narrower_scope(store, clock):
    service = make_service(store, clock, grace=10)
    first = service.grant("anna", scope="a b")
    service.refresh(first.refresh_token)

    assert service.refresh(first.refresh_token, scope="b").scope == "b"
    assert service.refresh(first.refresh_token).scope == "a b"


def test_a_repetition_fails_if_the_family_is_revoked_meanwhile(store, clock):
    service = make_service(store, clock, grace=10)
    first = service.grant("anna")
    service.refresh(first.refresh_token)
    ending = make_service(store, clock, grace=10, check_subject=lambda subject: service.revoke_subject(subject) == 1)

    assert reason_of(ending.refresh, first.refresh_token) == "refresh_revoked"


@pytest.mark.parametrize("touch", ["another's refresh", "a purge"])
def test_after_the_window_the_store_deletes_the_salt(store, clock, touch):
    service = make_service(store, clock, grace=10)
    other = service.grant("bert")
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)
    before = family_of(store, second)

    def go_on():
        nonlocal other
        if touch == "a purge":
            service.purge()
        else:
            other = service.refresh(other.refresh_token)

    clock.now += 9
    go_on()
    assert family_of(store, second) == before, "the window is open"
    clock.now += 1
    go_on()

    after = family_of(store, second)
    assert after == replace(before, previous_hash=before.current_hash, salt=b"")
    clock.now -= 5
    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused", "it cannot be derived any more"


def test_rotations_continue_after_the_salt_was_deleted(store, clock):
    service = make_service(store, clock, grace=10)
    pair = service.refresh(service.grant("anna").refresh_token)
    clock.now += 10
    service.purge()

    for _ in range(3):
        pair, spent = service.refresh(pair.refresh_token), pair
        assert service.refresh(spent.refresh_token).refresh_token == pair.refresh_token
        clock.now += 11


def test_a_purge_keeps_the_salt_of_a_later_rotation(store, clock):
    service = make_service(store, clock, grace=10)
    second = service.refresh(service.grant("anna").refresh_token)
    clock.now += 9
    third = service.refresh(second.refresh_token)
    kept = family_of(store, third)
    clock.now += 1
    service.purge()

    assert family_of(store, third) == kept


@pytest.mark.parametrize("raised", [None, ConfigurationError("the tables are gone")])
def test_a_store_that_fails_to_delete_a_salt_does_not_fail_the_request(store, clock, raised):
    service = make_service(store, clock, grace=10)
    other = service.grant("bert")
    service.refresh(service.grant("anna").refresh_token)
    clock.now += 10
    rotates = []

    def second_time():
        rotates.append(1)
        store.in_between["rotate"] = second_time
        if len(rotates) == 2 and raised is not None:
            raise raised
        if len(rotates) == 2:
            store.before.add("rotate")

    store.in_between["rotate"] = second_time
    assert service.refresh(other.refresh_token)
    assert len(rotates) == 2


def test_without_a_window_no_salt_is_deleted(store, clock):
    service = make_service(store, clock)
    pair = service.refresh(service.grant("anna").refresh_token)
    clock.now += 100
    store.calls.clear()
    service.refresh(pair.refresh_token)
    service.purge()

    assert store.calls == ["get", "rotate", "purge"]


def test_without_a_window_the_store_contains_no_salt(service, store):
    assert family_of(store, service.refresh(service.grant("anna").refresh_token)).salt == b""


def test_without_a_window_the_store_contains_no_salt_after_a_lost_response(service, store):
    first = service.grant("anna")
    store.after_once.add("rotate")
    second = service.refresh(first.refresh_token)

    assert seed_of(family_of(store, second).salt) == b""


def test_no_part_of_a_token_is_in_the_store(store, clock):
    service = make_service(store, clock, grace=60)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)

    kept = repr(astuple(family_of(store, second)))
    for token in map(RefreshToken.parse, (first.refresh_token, second.refresh_token)):
        assert repr(token.secret)[2:-1] not in kept
        assert repr(token.proof)[2:-1] not in kept

"""Revocation of families by token, subject and client, and of the access tokens of these families."""

import asyncio
import threading

import pytest
from tests.support.breaking_store import (
    BreakingStore,
    family_of,
    make_revocation,
    make_service,
    make_verifier,
    reason_of,
)

from gatepass import ConfigurationError
from gatepass.errors import RevokedToken
from gatepass.refresh import RefreshToken


def test_any_token_of_a_family_can_revoke_it(service):
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)

    service.revoke(first.refresh_token)

    assert reason_of(service.refresh, second.refresh_token) == "refresh_revoked"


@pytest.mark.parametrize(
    "text",
    ["", "x", "é", "a" * 86, RefreshToken.fresh().text(), None],
    ids=["empty", "short", "not ASCII", "no token of ours", "another's token", "no text"],
)
def test_revoking_an_unknown_token_succeeds(service, text):
    service.revoke(text)


def test_a_refresh_during_the_revocation_of_its_family_fails(store, clock):
    service = make_service(store, clock)
    pair = service.grant("anna")
    store.in_between["rotate"] = lambda: service.revoke_subject("anna")

    assert reason_of(service.refresh, pair.refresh_token) == "refresh_revoked"


def test_revocation_by_subject_or_client_affects_no_others(service):
    anna, bert, mobile = service.grant("anna"), service.grant("bert"), service.grant("anna", client_id="mobile")

    assert service.revoke_client("mobile") == 1
    assert reason_of(service.refresh, mobile.refresh_token, client_id="mobile") == "refresh_revoked"
    anna = service.refresh(anna.refresh_token)
    assert service.revoke_subject("anna") == 1
    assert service.revoke_subject("anna") == 0
    assert reason_of(service.refresh, anna.refresh_token) == "refresh_revoked"
    assert service.refresh(bert.refresh_token)


def test_a_family_is_revoked_once(service, store):
    pair = service.grant("anna")
    family_id = family_of(store, pair).family_id

    assert service.revoke_family(family_id) is True
    assert service.revoke_family(family_id) is False
    assert service.revoke_family("unknown") is False


def test_a_purge_keeps_families_that_may_still_be_presented(service, store, clock):
    ended, alive = service.grant("anna"), service.grant("bert")
    service.revoke(ended.refresh_token)
    clock.now += 900 + 60
    assert service.purge().deleted == 0
    clock.now += 1
    assert service.purge().deleted == 1

    assert reason_of(service.refresh, ended.refresh_token) == "refresh_unknown"
    assert service.refresh(alive.refresh_token)


# The access tokens of a family


@pytest.fixture
def guarded(store, clock):
    revocation = make_revocation(store, clock)
    return make_service(store, clock, revocation=revocation), make_verifier(clock, is_revoked=revocation)


def test_the_access_tokens_of_a_family_are_revoked_with_it(guarded, clock):
    service, verifier = guarded
    first = service.grant("anna")
    other = service.grant("anna")
    second = service.refresh(first.refresh_token)
    clock.now += 10

    service.revoke(second.refresh_token)

    for pair in (first, second):
        with pytest.raises(RevokedToken):
            verifier.verify(pair.access_token)
    assert verifier.verify(other.access_token)


def test_a_reuse_revokes_the_access_tokens(guarded):
    service, verifier = guarded
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)
    reason_of(service.refresh, first.refresh_token)

    with pytest.raises(RevokedToken):
        verifier.verify(second.access_token)


@pytest.mark.parametrize(("end", "name"), [("revoke_subject", "anna"), ("revoke_client", "web")])
def test_revoking_many_families_revokes_their_access_tokens(guarded, clock, end, name):
    service, verifier = guarded
    before = service.grant("anna")
    clock.now += 1
    getattr(service, end)(name)
    clock.now += 1
    after = service.grant("anna")

    with pytest.raises(RevokedToken):
        verifier.verify(before.access_token)
    assert verifier.verify(after.access_token).subject == "anna"


@pytest.mark.parametrize("end", ["revoke_subject", "revoke_client"])
def test_an_access_token_issued_while_the_subject_is_revoked_is_revoked_too(guarded, store, clock, end):
    """The family is revoked first, the cutoff follows: it covers tokens issued in between."""
    service, verifier = guarded
    first = service.grant("anna")
    made = []

    def meanwhile():
        clock.now += 5
        made.append(service.refresh(first.refresh_token))

    store.in_between[end] = meanwhile
    getattr(service, end)("anna" if end == "revoke_subject" else "web")

    with pytest.raises(RevokedToken):
        verifier.verify(made[0].access_token)
    assert reason_of(service.refresh, made[0].refresh_token) == "refresh_revoked"


@pytest.mark.parametrize("broken", ["revoke", "put_revocation"])
def test_a_partial_failure_revokes_what_it_can_and_is_reported(guarded, store, broken):
    service, verifier = guarded
    pair = service.grant("anna")
    store.before.add(broken)
    assert reason_of(service.revoke, pair.refresh_token) == "store_unavailable"
    store.before.clear()

    if broken == "revoke":
        with pytest.raises(RevokedToken):
            verifier.verify(pair.access_token)
    else:
        assert family_of(store, pair).revoked_at is not None
    service.revoke(pair.refresh_token)
    with pytest.raises(RevokedToken):
        verifier.verify(pair.access_token)
    assert reason_of(service.refresh, pair.refresh_token) == "refresh_revoked"


ENDS = pytest.mark.parametrize(("end", "name"), [("revoke_subject", "anna"), ("revoke_client", "web")])


@ENDS
@pytest.mark.parametrize("method", ["grant", "grant_async"])
def test_a_revocation_of_all_while_a_hook_decides_about_a_login_ends_the_login_too(store, clock, end, name, method):
    service = make_service(
        store,
        clock,
        revocation=make_revocation(store, clock),
        claims_for=lambda session: {"revoked": getattr(service, end)(name)},
    )

    def log_in():
        return service.grant("anna") if method == "grant" else asyncio.run(service.grant_async("anna"))

    for _ in range(2):  # within one second
        assert reason_of(log_in) == "ended_meanwhile"
        assert service.sessions("anna").sessions == ()
    other = {"revoke_subject": ("revoke_client", "web"), "revoke_client": ("revoke_subject", "anna")}[end]
    clock.now += 30
    getattr(service, other[0])(other[1])  # by a server whose clock is ahead
    clock.now -= 30
    assert reason_of(log_in) == "ended_meanwhile"


@ENDS
def test_a_grant_during_a_revocation_of_all_is_revoked_too(store, clock, end, name):
    """A user who proved an old password just before it changed is not signed in afterwards."""
    service = make_service(store, clock, revocation=make_revocation(store, clock))
    store.in_between["create"] = lambda: getattr(service, end)(name)

    assert reason_of(service.grant, "anna") == "ended_meanwhile"
    (family,) = store.inner._families.values()
    assert family.revoked_at is not None
    assert service.grant("anna"), "a new session right after the old ones ended"


@ENDS
def test_a_grant_stored_after_the_families_were_revoked_finds_the_cutoff(store, clock, end, name):
    """In either order, one of the two sees the change of the other."""
    revocation = make_revocation(store, clock)
    service, ending = (make_service(one, clock, revocation=revocation) for one in (store, BreakingStore(store.inner)))
    halfway, granted = threading.Event(), threading.Event()
    revoke = getattr(store.inner, end)

    def in_two_steps(*args, **kwargs):
        count = revoke(*args, **kwargs)
        halfway.set()
        assert granted.wait(120)
        return count

    setattr(ending._store, end, in_two_steps)
    signing_out = threading.Thread(target=getattr(ending, end), args=(name,))

    def sign_out_halfway():
        signing_out.start()
        assert halfway.wait(120)

    store.in_between["create"] = sign_out_halfway
    try:
        assert reason_of(service.grant, "anna") == "ended_meanwhile"
    finally:
        granted.set()
        signing_out.join()


def test_without_a_revocation_list_a_grant_queries_none(service, store):
    service.grant("anna")

    assert store.calls == ["create"]


@pytest.mark.parametrize("why", ["reuse", "subject"])
def test_access_tokens_that_could_not_be_revoked_are_revoked_by_the_retry(store, clock, why):
    welcome = {"anna"}
    revocation = make_revocation(store, clock)
    service = make_service(store, clock, revocation=revocation, check_subject=welcome.__contains__)
    verifier = make_verifier(clock, is_revoked=revocation)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)
    brought = first.refresh_token if why == "reuse" else second.refresh_token
    if why == "subject":
        welcome.clear()
    store.before.add("put_revocation")
    assert reason_of(service.refresh, brought) == "store_unavailable"
    assert reason_of(service.refresh, brought) == "store_unavailable"
    assert family_of(store, second).revoked_at is not None
    store.before.clear()

    assert reason_of(service.refresh, brought) == "refresh_revoked"
    for pair in (first, second):
        with pytest.raises(RevokedToken):
            verifier.verify(pair.access_token)


def test_repeated_use_of_a_revoked_token_writes_nothing(guarded, store, clock):
    service, _ = guarded
    pair = service.grant("anna")
    service.revoke(pair.refresh_token)
    store.calls.clear()

    for _ in range(3):
        assert reason_of(service.refresh, pair.refresh_token) == "refresh_revoked"
    assert store.calls == ["get", "revoked_until"] * 3
    clock.now += 900 + 2 * 300 + 2
    store.calls.clear()
    assert reason_of(service.refresh, pair.refresh_token) == "refresh_revoked"
    assert store.calls == ["get"], "no access token of it is alive"


def test_a_single_access_token_can_be_revoked(guarded):
    service, verifier = guarded
    pair, other = service.grant("anna"), service.grant("anna")
    token = verifier.verify(pair.access_token)

    assert reason_of(service.revoke_access_token, token, client_id="mobile") == "access_token_client_mismatch"
    assert verifier.verify(pair.access_token)
    service.revoke_access_token(token)

    with pytest.raises(RevokedToken):
        verifier.verify(pair.access_token)
    assert verifier.verify(other.access_token)


def test_without_a_revocation_list_no_access_token_can_be_revoked(service, clock):
    token = make_verifier(clock).verify(service.grant("anna").access_token)

    with pytest.raises(ConfigurationError):
        service.revoke_access_token(token)

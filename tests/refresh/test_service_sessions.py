"""A user's sessions: what is listed, in pages, how one ends, and which scopes each may have now."""

import pytest
from tests.support.breaking_store import family_of, make_revocation, make_service, make_verifier, reason_of

from gatepass import TokenIssuer
from gatepass.errors import KeysUnavailable
from gatepass.refresh.errors import InvalidScope
from gatepass.refresh.session import position_of

DAY = 86_400


def scopes_of(clock, pair):
    token = make_verifier(clock).verify(pair.access_token)
    assert set(pair.scope.split()) == token.scopes
    return token.scopes


def ids_of(page):
    return [session.family_id for session in page.sessions]


# Listing


def test_the_newest_session_is_first_and_ended_ones_are_not_listed(service, store, clock):
    logins = {}
    for name in ("oldest", "revoked", "logged out", "idle", "newest"):
        clock.now += 10
        ttl = 5 if name == "idle" else None
        logins[name] = service.grant("anna", label=name, refresh_ttl=ttl)
    service.revoke_family(family_of(store, logins["revoked"]).family_id)
    service.revoke(logins["logged out"].refresh_token)

    page = service.sessions("anna")

    assert [session.label for session in page.sessions] == ["newest", "oldest"]
    assert page.next is None
    clock.now += 14 * DAY
    assert service.sessions("anna").sessions == ()


def test_a_subject_without_sessions_has_an_empty_page(service):
    service.grant("bert")

    page = service.sessions("anna")

    assert (page.sessions, page.next) == ((), None)


def test_the_last_use_is_that_of_the_last_rotation_and_no_repeat_within_the_grace_window(store, clock):
    service = make_service(store, clock, grace=10)
    began = clock.now
    first = service.grant("anna")
    clock.now += 100
    service.refresh(first.refresh_token)
    clock.now += 5
    service.refresh(first.refresh_token)

    (session,) = service.sessions("anna").sessions
    assert session.created_at.timestamp() == began
    assert session.last_used_at.timestamp() == began + 100


def test_pages_survive_the_end_of_a_session_logins_meanwhile_and_logins_within_one_second(service, clock):
    for age in range(12):
        clock.now += age % 3 == 0
        service.grant("anna", label=str(age))
    everything = ids_of(service.sessions("anna"))

    first = service.sessions("anna", limit=5)
    service.revoke_family(first.sessions[-1].family_id)
    clock.now += 1
    service.grant("anna", label="meanwhile")
    second = service.sessions("anna", limit=5, after=first.next)
    third = service.sessions("anna", limit=5, after=second.next)

    assert ids_of(first) + ids_of(second) + ids_of(third) == everything
    assert third.next is None
    assert service.sessions("anna", limit=1).sessions[0].label == "meanwhile"


def test_a_page_that_ends_with_the_last_session_has_no_next(service):
    for _ in range(3):
        service.grant("anna")

    assert service.sessions("anna", limit=3).next is None
    assert service.sessions("anna", limit=2).next is not None


def test_a_cursor_of_another_subject_shows_none_of_its_sessions(service, clock):
    service.grant("bert")
    service.grant("bert")
    mine = service.grant("anna")
    cursor = service.sessions("bert", limit=1).next

    found = service.sessions("anna", after=cursor).sessions

    assert {session.subject for session in found} <= {"anna"}
    assert mine.refresh_token not in repr(found)
    assert position_of(cursor)[0] == clock.now


@pytest.mark.parametrize("limit", [0, 201, True, "5", None])
def test_a_limit_out_of_range_is_refused(service, limit):
    with pytest.raises(ValueError, match="limit="):
        service.sessions("anna", limit=limit)


@pytest.mark.parametrize("after", ["", "x", "1.x", 5])
def test_an_invalid_cursor_is_refused_before_the_store_is_asked(service, store, after):
    with pytest.raises(ValueError, match="after="):
        service.sessions("anna", after=after)

    assert store.calls == []


@pytest.mark.parametrize("subject", ["a\0b", "\ud800", 5, None])
def test_a_subject_that_no_store_can_keep_is_refused(service, subject):
    with pytest.raises(ValueError, match="subject="):
        service.sessions(subject)


# Ending one


def test_a_session_is_ended_by_its_id(service):
    pair = service.grant("anna")
    (session,) = service.sessions("anna").sessions

    assert service.revoke_family(session.family_id, subject="anna") is True
    assert service.revoke_family(session.family_id, subject="anna") is False
    assert service.sessions("anna").sessions == ()
    assert reason_of(service.refresh, pair.refresh_token) == "refresh_revoked"


class Anyone(str):
    """A name that claims to be equal to every other."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


@pytest.mark.parametrize("subject", ["bert", "Anna", "anna ", "", Anyone("bert")])
def test_a_session_of_another_subject_is_not_ended(service, subject):
    pair = service.grant("anna")
    (session,) = service.sessions("anna").sessions

    assert service.revoke_family(session.family_id, subject=subject) is False
    assert service.refresh(pair.refresh_token)


@pytest.mark.parametrize("family_id", ["", "x", "\0" * 22, "é" * 22, "\ud800" * 22, "a" * 10_000])
def test_an_id_of_another_form_ends_no_session_and_is_not_looked_up(service, store, family_id):
    assert service.revoke_family(family_id) is False
    assert service.revoke_family(family_id, subject="anna") is False
    assert store.calls == []


@pytest.mark.parametrize("family_id", [None, 5, b"a" * 22, object()])
def test_a_value_that_is_no_text_is_refused(service, family_id):
    with pytest.raises(ValueError, match="takes the `family_id` of a session"):
        service.revoke_family(family_id)


@pytest.mark.parametrize("subject", [None, 5, b"anna", "\0"])
def test_a_missing_identity_ends_no_session(service, store, subject):
    pair = service.grant("anna")
    (session,) = service.sessions("anna").sessions

    with pytest.raises(ValueError, match="subject="):
        service.revoke_family(session.family_id, subject=subject)
    assert service.refresh(pair.refresh_token)


def test_an_unknown_id_ends_no_session(service):
    assert service.revoke_family("AbCdEfGhIjKlMnOpQrStUv") is False
    assert service.revoke_family("AbCdEfGhIjKlMnOpQrStUv", subject="anna") is False


# Scopes of now


def test_a_demotion_narrows_the_next_access_token_and_a_promotion_restores_it(store, clock):
    rights = {"anna": "admin read"}
    service = make_service(store, clock, scopes_for=lambda session: rights[session.subject])
    pair = service.grant("anna", scope="admin read write")
    assert scopes_of(clock, pair) == {"admin", "read"}
    assert pair.narrowed

    for right, found in (("read", {"read"}), ("", set()), ("delete", set()), ("admin read write delete", None)):
        rights["anna"] = right
        pair = service.refresh(pair.refresh_token)
        assert scopes_of(clock, pair) == ({"admin", "read", "write"} if found is None else found)
        assert pair.narrowed is (found is not None)


def test_a_requested_scope_that_was_narrowed_is_dropped_and_one_outside_the_grant_is_refused(store, clock):
    rights = ["read"]
    service = make_service(store, clock, scopes_for=lambda session: rights)
    pair = service.grant("anna", scope="admin read")

    pair = service.refresh(pair.refresh_token, scope="admin")
    assert (pair.scope, pair.narrowed) == ("", True)
    with pytest.raises(InvalidScope):
        service.refresh(pair.refresh_token, scope="read delete")
    pair = service.refresh(pair.refresh_token, scope="admin read")
    assert (pair.scope, pair.narrowed) == ("read", True)
    pair = service.refresh(pair.refresh_token, scope="read")
    assert (pair.scope, pair.narrowed) == ("read", False)


def test_the_whole_grant_is_shown_to_the_hooks_at_login_and_at_every_refresh(store, clock):
    shown = []

    def scopes_for(session):
        shown.append(session)
        return "read"

    service = make_service(store, clock, scopes_for=scopes_for, claims_for=lambda session: shown.append(session) or {})
    first = service.grant("anna", scope="admin read", claims={"tenant": "north"}, label="phone", client_id="mobile")
    clock.now += 60
    second = service.refresh(first.refresh_token, scope="read", client_id="mobile")
    clock.now += 60
    service.refresh(second.refresh_token, client_id="mobile")

    facts = {(one.family_id, one.subject, one.client_id, one.scope, one.label, one.created_at) for one in shown}
    assert len(facts) == 1
    assert {(one.scope, one.claims["tenant"]) for one in shown} == {("admin read", "north")}
    uses = [one.last_used_at.timestamp() - one.created_at.timestamp() for one in shown]
    assert uses == [0, 0, 0, 0, 60, 60]


def test_scopes_are_asked_for_once_in_a_refresh_that_is_repeated_within_the_grace_window(store, clock):
    rights = ["admin read"]
    service = make_service(store, clock, grace=10, scopes_for=lambda session: rights[0])
    first = service.grant("anna", scope="admin read")
    second = service.refresh(first.refresh_token)
    rights[0] = "read"

    repeated = service.refresh(first.refresh_token)

    assert repeated.refresh_token == second.refresh_token
    assert scopes_of(clock, repeated) == {"read"}


def test_a_login_without_scopes_stays_without_scopes(store, clock):
    service = make_service(store, clock, scopes_for=lambda session: "admin")
    pair = service.refresh(service.grant("anna").refresh_token)

    assert scopes_of(clock, pair) == set()
    assert not pair.narrowed


@pytest.mark.parametrize("hook", ["claims_for", "scopes_for"])
def test_a_hook_that_returns_nothing_at_login_creates_no_session(store, clock, hook):
    service = make_service(store, clock, **{hook: lambda session: None})

    assert reason_of(service.grant, "anna") == f"{hook}_unavailable"
    assert store.inner._families == {}


def test_a_login_whose_revocations_cannot_be_read_afterwards_leaves_no_session(store, clock):
    service = make_service(store, clock, revocation=make_revocation(store, clock))
    store.in_between["create"] = lambda: store.before.add("revoked_until")

    assert reason_of(service.grant, "anna") == "store_unavailable"
    assert service.sessions("anna").sessions == ()


def test_a_login_while_the_keys_cannot_be_read_is_an_outage(service, store, monkeypatch):
    def fail(*_, **__):
        raise KeysUnavailable

    monkeypatch.setattr(TokenIssuer, "issue", fail)

    assert reason_of(service.grant, "anna") == "access_token_unavailable"
    assert store.calls == []


def test_a_reserved_claim_is_an_error_at_login_and_an_outage_at_refresh(store, clock):
    token = make_service(store, clock).grant("anna").refresh_token
    service = make_service(store, clock, claims_for=lambda session: {"scope": "admin"})

    with pytest.raises(ValueError, match="claims_for= must not set these claims: scope"):
        service.grant("anna")
    assert reason_of(service.refresh, token) == "access_token_unavailable"
    assert make_service(store, clock).refresh(token)

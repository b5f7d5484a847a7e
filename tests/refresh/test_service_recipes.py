"""The recipes of docs/sessions.md: change of password, demotion, deletion of a user, and the end of one session."""

import pytest
from tests.support.breaking_store import make_revocation, make_service, make_verifier, reason_of

from gatepass.errors import RevokedToken
from gatepass.refresh.errors import StoreUnavailable


class Shop:
    """An application with users, their rights, and a verifier that shares the list of revoked tokens."""

    def __init__(self, store, clock):
        self.rights = {"anna": "read write", "bert": "read write"}
        revocation = make_revocation(store, clock)
        self.revocation = revocation
        self.service = make_service(
            store,
            clock,
            check_subject=self.rights.__contains__,
            scopes_for=lambda session: self.rights[session.subject],
            revocation=revocation,
        )
        self.verifier = make_verifier(clock, is_revoked=revocation)

    def log_in(self, subject, label=None):
        return self.service.grant(subject, scope="read write", label=label)

    def change_password(self, subject):
        self.service.revoke_subject(subject)
        return self.log_in(subject, label="this device")

    def delete_user(self, subject):
        del self.rights[subject]
        self.service.revoke_subject(subject)

    def labels(self, subject):
        return [session.label for session in self.service.sessions(subject).sessions]

    def scopes(self, pair):
        return self.verifier.verify(pair.access_token).scopes

    def is_refused(self, pair):
        """Return whether both tokens of *pair* are refused because they were revoked."""
        with pytest.raises(RevokedToken):
            self.verifier.verify(pair.access_token)
        return reason_of(self.service.refresh, pair.refresh_token) == "refresh_revoked"


@pytest.fixture
def shop(store, clock):
    return Shop(store, clock)


# Change of password


def test_a_change_of_password_ends_every_session_and_refuses_their_access_tokens(shop, clock):
    logins = [shop.log_in("anna", label="phone"), shop.log_in("anna", label="thief")]
    logins.append(shop.service.refresh(shop.log_in("anna").refresh_token))
    clock.now += 60

    shop.change_password("anna")

    assert all(shop.is_refused(pair) for pair in logins)
    assert shop.labels("anna") == ["this device"]


def test_the_caller_of_a_change_of_password_has_a_new_login_that_works_from_the_next_second_on(shop, clock):
    shop.log_in("anna")
    new = shop.change_password("anna")

    with pytest.raises(RevokedToken):
        shop.verifier.verify(new.access_token)
    clock.now += 1
    renewed = shop.service.refresh(new.refresh_token)

    assert shop.scopes(renewed) == {"read", "write"}


def test_a_change_of_password_concerns_no_other_user(shop):
    other = shop.log_in("bert", label="tablet")

    shop.change_password("anna")

    assert shop.labels("bert") == ["tablet"]
    assert shop.scopes(other) == {"read", "write"}
    assert shop.service.refresh(other.refresh_token)


def test_a_change_of_password_that_the_store_interrupts_can_be_repeated(shop, store, clock):
    old = shop.log_in("anna")
    clock.now += 60
    store.before = {"revoke_subject"}
    with pytest.raises(StoreUnavailable):
        shop.change_password("anna")
    store.before = set()

    shop.change_password("anna")

    assert shop.is_refused(old)
    assert shop.labels("anna") == ["this device"]


# Demotion


def test_a_demotion_takes_effect_at_once_if_the_access_tokens_are_revoked_too(shop, clock):
    pair = shop.log_in("anna", label="phone")
    shop.rights["anna"] = "read"
    assert shop.scopes(pair) == {"read", "write"}

    shop.revocation.revoke_subject("anna")

    with pytest.raises(RevokedToken):
        shop.verifier.verify(pair.access_token)
    assert shop.labels("anna") == ["phone"]
    clock.now += 1
    assert shop.scopes(shop.service.refresh(pair.refresh_token)) == {"read"}


# Deletion of a user


def test_a_deleted_user_has_no_session_and_no_access_token(shop):
    logins = [shop.log_in("anna"), shop.log_in("anna")]

    shop.delete_user("anna")

    assert all(shop.is_refused(pair) for pair in logins)
    assert shop.labels("anna") == []


def test_the_check_of_the_subject_alone_ends_each_session_of_a_deleted_user_at_its_next_refresh(shop):
    pair = shop.log_in("anna", label="phone")
    del shop.rights["anna"]

    assert shop.labels("anna") == ["phone"]
    assert reason_of(shop.service.refresh, pair.refresh_token) == "refresh_subject"
    assert shop.labels("anna") == []
    with pytest.raises(RevokedToken):
        shop.verifier.verify(pair.access_token)


# One lost device


def test_the_access_tokens_of_an_ended_session_are_refused_and_those_of_the_others_are_not(shop):
    phone, laptop = shop.log_in("anna", label="phone"), shop.log_in("anna", label="laptop")
    [lost] = [one.family_id for one in shop.service.sessions("anna").sessions if one.label == "phone"]

    assert not shop.service.revoke_family(lost, subject="bert")
    assert shop.scopes(phone) == {"read", "write"}
    assert shop.service.revoke_family(lost, subject="anna")

    assert shop.is_refused(phone)
    assert shop.scopes(laptop) == {"read", "write"}
    assert shop.labels("anna") == ["laptop"]

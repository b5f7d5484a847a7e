"""The configured alternative to 503: the revocation check fails open for a short while, and only during an outage."""

import logging

import pytest
from tests.revocation.test_access_tokens import spelled
from tests.support.breaking_store import (
    AUDIENCE,
    ISSUER,
    KEY,
    Outage,
    make_issuer,
    make_revocation,
    make_service,
    make_verifier,
    reason_of,
)

from gatepass import ConfigurationError, Profile
from gatepass.errors import RevocationUnavailable, RevokedToken
from gatepass.revocation.store import FailOpen, LastAnswer, RevocationCache


@pytest.fixture
def check(store, clock):
    answers = LastAnswer(store, clock=clock)
    return FailOpen(answers, answers, limit=60, clock=clock)


def test_during_an_outage_all_tokens_are_accepted_for_a_while_after_the_last_response(check, store, clock):
    check.put_revocation("subject:anna", issued_until=5, keep_until=clock.now + 900)
    assert check.revoked_until(["subject:anna"], now=clock.now) == 5
    store.before.add("revoked_until")

    for moment in (clock.now, clock.now + 59):
        clock.now = moment
        assert check.revoked_until(["subject:anna"], now=clock.now) is None
    clock.now += 1
    with pytest.raises(Outage):
        check.revoked_until(["subject:anna"], now=clock.now)
    store.before.clear()
    assert check.revoked_until(["subject:anna"], now=clock.now) == 5


def test_a_store_that_never_responded_does_not_fail_open(check, store, clock):
    store.before.add("revoked_until")

    with pytest.raises(Outage):
        check.revoked_until(["subject:anna"], now=clock.now)


def test_a_revocation_that_cannot_be_stored_raises(check, store, clock):
    check.revoked_until(["subject:anna"], now=clock.now)
    store.before.add("put_revocation")

    with pytest.raises(Outage):
        check.put_revocation("subject:anna", issued_until=5, keep_until=9)


def test_failing_open_is_logged_every_ten_seconds_without_values(check, store, clock, caplog):
    caplog.set_level(logging.INFO)
    check.revoked_until(["subject:anna"], now=clock.now)
    store.before.add("revoked_until")
    for _ in range(21):
        check.revoked_until(["subject:anna"], now=clock.now)
        clock.now += 1

    assert [record.getMessage() for record in caplog.records] == [
        "the check of revocations fails open: the store raised Outage"
    ] * 3
    assert {record.levelname for record in caplog.records} == {"ERROR"}


@pytest.mark.parametrize("cache_ttl", [0, 30])
def test_a_verifier_accepts_unchecked_tokens_only_where_configured(store, clock, cache_ttl):
    chosen = make_revocation(store, clock, fail_open_for=60, cache_ttl=cache_ttl)
    verifier, strict = (make_verifier(clock, is_revoked=one) for one in (chosen, make_revocation(store, clock)))
    issuer = make_issuer(clock)
    anna, bert = issuer.issue("anna"), issuer.issue("bert")
    assert verifier.verify(bert)
    chosen.revoke_subject("anna")
    with pytest.raises(RevokedToken):
        verifier.verify(anna)
    store.before.add("revoked_until")

    assert verifier.verify(issuer.issue("carl"))
    with pytest.raises(RevocationUnavailable):
        strict.verify(bert)


def test_refresh_tokens_and_revocations_never_fail_open(store, clock):
    service = make_service(store, clock, revocation=make_revocation(store, clock, fail_open_for=60))
    pair = service.grant("anna")
    store.before.update(("get", "revoked_until"))

    assert reason_of(service.refresh, pair.refresh_token) == "store_unavailable"
    assert reason_of(service.grant, "anna") == "store_unavailable"


@pytest.mark.parametrize("wrong", [-1, 301, True, "1"])
def test_an_invalid_or_too_long_duration_is_refused_at_once(store, clock, wrong):
    with pytest.raises(ConfigurationError, match="fail_open_for"):
        make_revocation(store, clock, fail_open_for=wrong)


def test_a_cached_result_does_not_count_as_a_response_of_the_store(store, clock):
    answers = LastAnswer(store, clock=clock)
    check = FailOpen(RevocationCache(answers, ttl=50, size=10, clock=clock), answers, limit=60, clock=clock)
    check.revoked_until(["subject:anna"], now=clock.now)
    store.before.add("revoked_until")

    clock.now += 49
    assert check.revoked_until(["subject:anna"], now=clock.now) is None, "from memory"
    clock.now += 11
    with pytest.raises(Outage):
        check.revoked_until(["subject:bert"], now=clock.now)


def test_a_token_that_cannot_be_revoked_neither_queries_the_store_nor_prolongs_the_period(store, clock):
    revocation = make_revocation(store, clock, fail_open_for=60)
    lenient = make_verifier(clock, profile=Profile.GENERIC, is_revoked=revocation)
    nameless = spelled(KEY, {"iss": ISSUER, "aud": AUDIENCE, "exp": clock.now + 60}, typ="JWT")
    store.before.add("revoked_until")

    assert lenient.verify(nameless)
    assert revocation._store._last_answer.at is None

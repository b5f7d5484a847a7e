"""Forged key ids cause few requests to the key server, and do not delay a new key for long."""

import random

import pytest
from tests.support.issuers import AUDIENCE, ISSUER, NEW, OLD, RSA, client, forged, jwks, token, verifier
from tests.support.key_server import document, refuse, until
from tests.support.runtimes import ACCEPTED, CANNOT_TELL, RUNTIMES, UNKNOWN_KEY, in_a_thread

from gatepass import AuthError
from gatepass.errors import KeysUnavailable, UnknownKey
from gatepass.jwks import FetchFailed, UnknownKid
from gatepass.jwks.unknown_kids import UnknownKidLimiter


def refused(check, raw):
    with pytest.raises(AuthError) as caught:
        check.verify(raw)
    return type(caught.value)


def test_ten_thousand_forged_kids_cost_five_fetches_and_a_new_key_is_accepted_within_ten_seconds(server, keys, clock):
    check = verifier(keys)
    accepted_after = None
    for number in range(10_000):
        clock.now += 0.003  # thirty seconds in all
        if number == 5_000:
            server.answer, published = document(jwks(OLD, NEW)), clock.now
        assert refused(check, forged(f"forged-{number}")) is UnknownKey
        if (
            number >= 5_000
            and number % 100 == 0
            and accepted_after is None
            and in_a_thread(check, token(NEW)) == ACCEPTED
        ):
            accepted_after = clock.now - published
        if number % 1_000 == 0:
            assert in_a_thread(check, token(OLD)) == ACCEPTED

    assert accepted_after is not None
    assert accepted_after <= 10
    assert len(server.requests) - 1 <= 5


def test_a_new_key_is_accepted_within_the_interval_and_one_fetch_of_a_slow_server(serve, clock):
    def slow(exchange):
        found = jwks(OLD, NEW) if clock.now >= published else jwks(OLD)
        clock.now += 4
        document(found)(exchange)

    published = 10_000.0
    check = verifier(client(serve(slow).url, clock=clock))
    assert in_a_thread(check, token(OLD)) == ACCEPTED
    clock.now = published - 0.5  # the fetch that starts now does not contain it yet
    while in_a_thread(check, token(NEW)) != ACCEPTED:
        clock.now += 0.1

    assert clock.now - published <= 10 + 4


def test_forged_kids_before_the_first_fetch_cost_no_more(serve, clock):
    server = serve(document(jwks(OLD)))
    check = verifier(client(server.url, clock=clock))
    for number in range(500):
        assert refused(check, forged(f"forged-{number}")) is UnknownKey

    assert len(server.requests) == 3
    assert in_a_thread(check, token(OLD)) == ACCEPTED


def test_one_repeated_forged_kid_costs_one_fetch_per_interval(server, keys, clock, recorder):
    check = verifier(keys)
    for _ in range(100):
        clock.now += 0.2
        assert refused(check, forged("forged")) is UnknownKey

    assert len(server.requests) == 3
    assert [event.outcome for event in recorder.of(UnknownKid)].count("fetched") == 2
    assert [event.outcome for event in recorder.of(UnknownKid)].count("remembered") == 98


def test_a_recently_unknown_kid_is_known_after_any_fetch_that_contains_it(server, keys):
    check = verifier(keys)
    assert in_a_thread(check, token(NEW)) == UNKNOWN_KEY
    server.answer = document(jwks(OLD, NEW))
    keys.refresh()

    assert in_a_thread(check, token(NEW)) == ACCEPTED


def test_a_formerly_unknown_kid_is_searched_for_once_the_keys_are_dead(server, clock):
    server.answer = document(jwks(OLD))
    keys = client(server.url, clock=clock, usable_for=60, unknown_kid_interval=300)
    check = verifier(keys)
    assert in_a_thread(check, token(NEW)) == UNKNOWN_KEY
    server.answer = document(jwks(OLD, NEW))
    keys.refresh()
    assert in_a_thread(check, token(NEW)) == ACCEPTED
    clock.now += 61
    server.answer = refuse
    assert in_a_thread(check, token(NEW)) == CANNOT_TELL

    server.answer = document(jwks(OLD, NEW))
    clock.now += 1
    assert in_a_thread(check, token(NEW)) == ACCEPTED


def test_a_limited_kid_is_rejected_and_reported(server, keys, clock, recorder):
    check = verifier(keys)
    answers = [in_a_thread(check, forged(name)) for name in "abc"]

    assert answers == [UNKNOWN_KEY] * 3
    assert [event.outcome for event in recorder.of(UnknownKid)] == ["fetched", "fetched", "limited"]


def test_the_burst_refills_over_time_up_to_its_size(server, keys, clock):
    check = verifier(keys)
    for pause, fetches in ((0, 2), (9.9, 0), (0.2, 1), (1_000, 2)):
        server.answer = document(jwks(OLD))
        clock.now += pause if pause < 100 else 0
        if pause >= 100:
            clock.now += pause
            keys.refresh()
        before = len(server.requests)
        for number in range(5):
            refused(check, forged(f"{pause}-{number}"))
        assert len(server.requests) - before == fetches


def test_a_bounded_number_of_kids_is_remembered_and_the_oldest_is_dropped_first():
    limiter = UnknownKidLimiter(interval=10)
    for number in range(3_000):
        limiter.remember(str(number), since=0)
    limiter.remember("2500", since=1)  # which it has, so there is no fetch for it

    assert sum(limiter.remembers(str(number), now=5) for number in range(3_000)) == 1_000
    assert limiter.remembers("2500", now=10)
    assert not limiter.remembers("2501", now=10)


def test_a_reached_limit_does_not_affect_known_keys(server, keys, clock):
    check = verifier(keys)
    for number in range(100):
        refused(check, forged(f"forged-{number}"))
        assert in_a_thread(check, token(OLD)) == ACCEPTED


@pytest.mark.parametrize("way", RUNTIMES)
def test_row_7_unknown_after_a_successful_fetch_is_a_refusal(server, keys, way):
    assert way(verifier(keys), forged("forged")) == UNKNOWN_KEY
    assert len(server.requests) == 2


@pytest.mark.parametrize("way", RUNTIMES)
def test_row_7b_unknown_after_a_failed_fetch_is_an_outage(server, keys, way):
    server.answer = refuse

    assert way(verifier(keys), forged("forged")) == CANNOT_TELL
    assert way(verifier(keys), token(OLD)) == ACCEPTED


def test_row_7b_applies_during_an_outage_also_when_the_limit_is_reached(server, keys, clock, recorder):
    """No response has shown that the key does not exist: it may be the new one."""
    check = verifier(keys)
    server.answer = refuse
    for _ in range(60):
        clock.now += 0.5
        assert in_a_thread(check, token(NEW))[0] == 503
    assert len(server.requests) - 1 <= 5

    server.answer = document(jwks(OLD, NEW))
    clock.now += 61
    assert in_a_thread(check, token(NEW)) == ACCEPTED


def test_row_7b_returns_the_time_until_the_next_fetch(server, keys, clock, recorder):
    server.answer = refuse
    for _ in range(6):
        with pytest.raises(KeysUnavailable):
            keys.refresh()

    assert in_a_thread(verifier(keys), token(NEW)) == (503, "32")


def test_stale_keys_and_a_forged_kid_are_an_outage_not_a_refusal(server, keys, clock, recorder):
    server.answer = refuse
    clock.now += 2_000
    check = verifier(keys)
    check.verify(token(OLD))
    recorder.wait_for(FetchFailed)

    assert in_a_thread(check, forged("forged")) == CANNOT_TELL


FAR = 4_000_000_000
JUNK = [
    ("expired", token(NEW, iat=1, exp=2)),
    ("not yet valid", token(NEW, nbf=FAR)),
    ("issued in the future", token(NEW, iat=FAR, exp=FAR + 1)),
    ("without exp", token(NEW, exp=None)),
    ("exp as text", token(NEW, exp="never")),
    ("exp true", token(NEW, exp=True)),
    ("without jti", token(NEW, jti=None)),
    ("without client_id", token(NEW, client_id=None)),
    ("another issuer", token(NEW, iss=ISSUER + "/")),
    ("no issuer", token(NEW, iss=None)),
    ("another audience", token(NEW, aud="https://other.example")),
    ("no audience", token(NEW, aud=None)),
    ("another type", token(NEW, header={"typ": "JWT"})),
    ("no type", token(NEW, header={"typ": None})),
    ("alg none", token(NEW, header={"alg": "none"})),
    ("alg HS256", token(NEW, header={"alg": "HS256"})),
    ("alg in lower case", token(NEW, header={"alg": "es256"})),
    ("alg ES256K", token(NEW, header={"alg": "ES256K"})),
    ("no alg", token(NEW, header={"alg": None})),
    ("alg as a list", token(NEW, header={"alg": ["ES256"]})),
    ("a critical extension", token(NEW, header={"crit": ["exp"]})),
    ("b64", token(NEW, header={"b64": True})),
    ("nested", token(NEW, header={"cty": "JWT"})),
    ("a number for a kid", token(NEW, header={"kid": 7})),
    ("a kid of 1,025 signs", token(NEW, header={"kid": "k" * 1_025})),
    ("two segments", token(NEW).rpartition(".")[0]),
    ("four segments", token(NEW) + ".x"),
    ("padding", token(NEW) + "="),
    ("a header that is no JSON", "AAAA" + token(NEW).partition(".")[1] + token(NEW).partition(".")[2]),
    ("bound to a key", token(NEW, cnf={"jkt": "x"})),
    ("too long", forged("x" * 20_000)),
]


@pytest.mark.parametrize("way", RUNTIMES)
@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in JUNK])
def test_malformed_tokens_cause_no_fetch_even_before_the_first_one(serve, way, raw):
    server = serve(document(jwks(OLD)))

    status, _ = way(verifier(client(server.url), algorithms=["ES256"]), raw)

    assert status == 401
    assert server.requests == []


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in JUNK])
def test_malformed_tokens_are_rejected_as_malformed_during_an_outage(serve, raw):
    check = verifier(client(serve(refuse).url))
    assert in_a_thread(check, token()) == CANNOT_TELL

    assert in_a_thread(check, raw)[0] == 401


def test_a_wrong_algorithm_for_a_known_key_causes_no_fetch(server, keys):
    assert in_a_thread(verifier(keys), token(RSA, header={"kid": OLD.kid})) == (401, None)
    assert len(server.requests) == 1


def test_header_members_with_a_key_or_a_url_are_never_read(serve, server, keys):
    trap = serve(document(jwks(NEW)))
    header = {
        "jku": trap.url, "x5u": trap.url, "jwk": jwks(NEW)["keys"][0], "iss": trap.origin, "kid": f"{trap.url}#{NEW.kid}",
    }  # fmt: skip

    assert in_a_thread(verifier(keys), token(NEW, header=header)) == UNKNOWN_KEY
    assert trap.requests == []
    assert set(server.paths) == {"/jwks.json"}


class TestWithoutKid:
    def test_the_fitting_keys_are_tried(self, serve):
        keys = client(serve(document(jwks(OLD, NEW, RSA))).url)

        for key in (OLD, NEW, RSA):
            assert in_a_thread(verifier(keys), token(key, header={"kid": None})) == ACCEPTED

    def test_a_bad_signature_is_rejected_without_a_fetch(self, server, keys):
        assert in_a_thread(verifier(keys), token(NEW, header={"kid": None})) == (401, None)
        assert len(server.requests) == 1

    def test_more_keys_than_are_tried_cost_one_fetch_per_interval(self, server, keys, clock):
        check = verifier(keys, trial_keys=0)
        for _ in range(20):
            assert in_a_thread(check, token(header={"kid": None})) == UNKNOWN_KEY

        assert len(server.requests) == 2


def test_any_token_raises_auth_errors_only(server, keys, clock):
    check = verifier(keys)
    chance = random.Random(2026)  # noqa: S311 - the same cases in every run
    good = [token(OLD), token(NEW), forged("forged")]
    for number in range(2_000):
        raw = chance.choice(good)
        at = chance.randrange(len(raw))
        bent = (
            raw[:at] + chance.choice(["", ".", "=", "\0", "é", "\ud800", "A", "e30"]) + raw[at + chance.randrange(3) :]
        )
        server.answer = chance.choice([document(jwks(OLD)), refuse])
        clock.now += chance.random()
        try:
            check.verify(bent)
        except AuthError:
            continue
        assert bent == raw, number
    assert until(lambda: keys._flight.under_way is None)


def test_the_audience_is_checked_after_the_key_too(server, keys):
    assert in_a_thread(verifier(keys), token(OLD, aud="x")) == (401, None)
    assert in_a_thread(verifier(keys), token(OLD, aud=[AUDIENCE, "x"])) == ACCEPTED

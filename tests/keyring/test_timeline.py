"""A day of rotation on a clock that moves: several processes that issue, and consumers with old copies.

Every token is valid wherever it is presented, from the second it was issued until it expires, also for a consumer that
fetched the keys at any time and kept them for as long as it may. Clocks differ by as much as `leeway` and `margin`
allow. No request fails at any time.
"""

import itertools
import random
from dataclasses import replace

import pytest
from tests.support.rings import AHEAD, HOUR, KEEP, NOW, Clock, active, make_issuer, make_ring, make_verifier

from gatepass import KeySet
from gatepass.adapter import JWKSEndpoint
from gatepass.errors import AuthError, UnknownKey
from gatepass.keyring import EMERGENCY, changes
from gatepass.keyring.timeline import Timeline

TTL, CACHE, STEP = 900, 300, 30


class Offset:
    """A clock with a constant offset from the true one."""

    def __init__(self, true, by):
        self._true = true
        self._by = by

    def __call__(self):
        return self._true.now + self._by


class Process:
    """A process of the service that issues tokens, rotates keys when due, and serves the public keys."""

    def __init__(self, place, true, *, by, **numbers):
        self.clock = Offset(true, by)
        self.ring = make_ring(place, self.clock, **numbers)
        self.issuer = make_issuer(self.ring, self.clock)
        self.endpoint = JWKSEndpoint(self.ring)
        self.verifier = make_verifier(self.ring, self.clock)


class Consumer:
    """A consumer that keeps the fetched keys for as long as `max-age` says and fetches none in between."""

    def __init__(self, true, *, by, phase):
        self._true = true
        self._clock = Offset(true, by)
        self._fetch_at = NOW + phase
        self._verifier = None
        self.failures = []

    def step(self, endpoint):
        if self._verifier is None or self._true.now >= self._fetch_at:
            answer = endpoint.answer("GET")
            max_age = int(dict(answer.headers)["Cache-Control"].rpartition("=")[2])
            self._verifier = make_verifier(KeySet.from_jwks(answer.body), self._clock)
            self._fetch_at = self._true.now + max_age

    def check(self, token):
        try:
            self._verifier.verify(token)
        except AuthError as error:
            self.failures.append((self._true.now - NOW, type(error).__name__))


def live(place, *, hours, skews=(0, 12, -12), seed=1, **numbers):
    """Run the day and return all failures, the consumers, and how many keys have signed."""
    chance = random.Random(seed)  # noqa: S311 - the same day each time
    true = Clock()
    processes = [Process(place, true, by=by, **numbers) for by in skews]
    consumers = [Consumer(true, by=by, phase=phase) for by, phase in ((0, 0), (9, 100), (-9, 217), (0, 299))]
    alive, checked, signers = [], 0, set()
    for tick in range(hours * HOUR // STEP):
        true.now = NOW + tick * STEP + chance.random()
        for process in chance.sample(processes, len(processes)):
            process.ring.rotate_if_due()
        for consumer in consumers:
            consumer.step(chance.choice(processes).endpoint)
        issuing = chance.choice(processes)
        token = issuing.issuer.issue("anna")
        signers.add(issuing.ring.current().signing_key.kid)
        alive = [(end, other) for end, other in alive if end > true.now] + [(true.now + TTL - 13, token)]
        for _, shown in (alive[0], alive[-1]):  # the ends of windows
            for verifying in (*consumers, *(Local(process, consumers[0]) for process in processes)):
                verifying.check(shown)
                checked += 1
    return list(itertools.chain.from_iterable(consumer.failures for consumer in consumers)), checked, signers


class Local:
    """The service itself, which verifies with the ring. Its failures count as those of a consumer."""

    def __init__(self, process, told):
        self._process = process
        self._told = told

    def check(self, token):
        try:
            self._process.verifier.verify(token)
        except AuthError as error:
            self._told.failures.append(("local", type(error).__name__))


def test_no_request_fails_during_a_day_of_rotation(place):
    failures, checked, signers = live(place, hours=24)

    assert failures == []
    assert checked > 40_000
    assert len(signers) == 6


@pytest.mark.parametrize("seed", [2, 3])
def test_no_request_fails_with_a_spare_key_and_frequent_rotation(place, seed):
    failures, _, signers = live(place, hours=4, seed=seed, rotate_every=1_800, publish_ahead=1_800)

    assert failures == []
    assert len(signers) >= 7


def test_the_simulation_detects_keys_that_are_published_too_late(place, monkeypatch):
    rotate = changes.rotate

    def hasty(line, now, schedule, *, ahead=None):
        none = replace(schedule, cache_ttl=0, margin=0)
        return replace(rotate(replace(line, announced=0), now, none, ahead=60), schedule=schedule)

    monkeypatch.setattr(changes, "rotate", hasty)

    assert {name for _, name in live(place, hours=9)[0]} == {"UnknownKey"}


def test_the_simulation_detects_keys_that_are_removed_too_early(place, monkeypatch):
    monkeypatch.setattr(
        Timeline, "ends_at", lambda line, entry: line.retires_at(entry) and line.retires_at(entry) + CACHE
    )

    assert {name for _, name in live(place, hours=9)[0]} == {"UnknownKey"}


def test_a_removed_key_is_refused_within_max_age_and_the_others_still_work(place):
    true = Clock()
    process, other = (Process(place, true, by=by, publish_ahead=4 * HOUR) for by in (0, 5))
    process.ring.rotate_if_due()  # a spare key, which all consumers have when it is needed
    true.now += AHEAD
    consumers = [Consumer(true, by=0, phase=phase) for phase in (0, 100, 299)]
    for consumer in consumers:
        consumer.step(other.endpoint)
    stolen, gone = process.issuer.issue("anna"), active(process.ring)

    process.ring.remove(gone, EMERGENCY)

    removed_at = true.now
    with pytest.raises(UnknownKey):
        process.verifier.verify(stolen)
    for _ in range(CACHE // STEP + 2):
        fresh = other.issuer.issue("anna") if true.now - removed_at >= 2 else process.issuer.issue("anna")
        for consumer in consumers:
            consumer.step(other.endpoint if true.now - removed_at >= 2 else process.endpoint)
            consumer.check(fresh)
            assert consumer.failures == []  # no consumer failed
        true.now += STEP
    assert true.now - removed_at <= CACHE + 2 * STEP
    for consumer in consumers:
        consumer.check(stolen)
        assert [name for _, name in consumer.failures] == ["UnknownKey"]
    with pytest.raises(UnknownKey):
        other.verifier.verify(stolen)


def test_the_windows_are_no_longer_than_necessary(place):
    """In the first second after each window, the key is in its next state."""
    true = Clock()
    keys = Process(place, true, by=0).ring
    first = active(keys)
    keys.rotate()
    true.now = NOW + AHEAD
    assert active(keys) != first
    true.now = NOW + AHEAD + KEEP
    assert not any(jwk["kid"] == first for jwk in keys.to_jwks()["keys"])

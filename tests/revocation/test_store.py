"""Results cached for some seconds: which revocations are seen at once, which are seen late, and the longest delay."""

import threading
from datetime import timedelta

import pytest
from redis import Redis
from tests.support.breaking_store import (
    BreakingStore,
    Clock,
    Outage,
    make_issuer,
    make_revocation,
    make_verifier,
    run_in_threads,
)
from tests.support.databases.redis_servers import RedisServer

from gatepass import ConfigurationError
from gatepass.errors import RevokedToken
from gatepass.revocation import AccessTokenRevocation, RevocationStore
from gatepass.revocation.store import RevocationCache
from gatepass.stores.memory import MemoryStore
from gatepass.stores.redis import RedisStore
from gatepass.testing import RevocationStoreContract

TTL = 2
KEYS = ["subject:anna", "client:web", "jti:a 1"]
FOR_EVER = {"issued_until": 2**40, "keep_until": 2**40}


@pytest.fixture
def clock():
    return Clock(100.0)


@pytest.fixture
def store():
    return BreakingStore()


@pytest.fixture
def remembering(store, clock):
    return RevocationCache(store, ttl=TTL, size=3, clock=clock)


def asked(store):
    return store.calls.count("revoked_until")


class TestRevocationCache(RevocationStoreContract):
    @pytest.fixture
    def store(self):
        return RevocationCache(MemoryStore(), ttl=60, size=100)


def test_the_store_is_queried_once_per_period(store, remembering, clock):
    assert isinstance(remembering, RevocationStore)
    for moment in (0, 0.5, 1.9):
        clock.now = 100 + moment
        assert remembering.revoked_until(KEYS, now=5) is None
    assert asked(store) == 1

    clock.now = 100 + TTL
    remembering.revoked_until(KEYS, now=5)

    assert asked(store) == 2


def test_a_revocation_by_another_process_is_seen_within_the_configured_seconds(store, remembering, clock):
    remembering.revoked_until(KEYS, now=5)
    store.inner.put_revocation("jti:a 1", **FOR_EVER)

    clock.now += TTL - 0.001
    assert remembering.revoked_until(KEYS, now=5) is None
    clock.now += 0.001
    assert remembering.revoked_until(KEYS, now=5) == 2**40


def test_the_seconds_count_from_the_query_and_not_from_the_response(store, remembering, clock):
    def slowly():
        clock.now += 1.5

    store.in_between["revoked_until"] = slowly
    remembering.revoked_until(KEYS, now=5)
    store.inner.put_revocation("jti:a 1", **FOR_EVER)
    clock.now = 100 + TTL

    assert remembering.revoked_until(KEYS, now=5) == 2**40


@pytest.mark.parametrize("key", KEYS)
def test_a_revocation_by_this_process_is_seen_at_once(remembering, key):
    remembering.revoked_until(KEYS, now=5)

    remembering.put_revocation(key, **FOR_EVER)

    assert remembering.revoked_until(KEYS, now=5) == 2**40


def test_a_revocation_during_a_query_is_not_lost(store, clock):
    """The store reads no entry, then the token is revoked, then the response arrives: it is outdated and not cached."""

    class Late:
        def revoked_until(self, keys, *, now):
            answer = store.revoked_until(keys, now=now)
            if asked(store) == 1:
                remembering.put_revocation("jti:a 1", **FOR_EVER)
            return answer

        def put_revocation(self, key, **times):
            store.put_revocation(key, **times)

    remembering = RevocationCache(Late(), ttl=TTL, size=3, clock=clock)
    remembering.revoked_until(KEYS, now=5)

    assert remembering.revoked_until(KEYS, now=5) == 2**40


def test_after_a_revocation_of_unknown_outcome_the_store_is_queried_again(store, remembering):
    remembering.revoked_until(KEYS, now=5)
    store.after.add("put_revocation")
    with pytest.raises(Outage):
        remembering.put_revocation("jti:a 1", **FOR_EVER)

    assert remembering.revoked_until(KEYS, now=5) == 2**40


def test_only_negative_results_are_cached(store, remembering):
    store.inner.put_revocation("subject:anna", issued_until=4, keep_until=2**40)

    assert [remembering.revoked_until(KEYS, now=5) for _ in range(3)] == [4, 4, 4]
    assert asked(store) == 3


def test_an_outage_is_not_cached(store, remembering, clock):
    store.before.add("revoked_until")
    for _ in range(2):
        with pytest.raises(Outage):
            remembering.revoked_until(KEYS, now=5)
    store.before.clear()
    assert remembering.revoked_until(KEYS, now=5) is None
    store.before.add("revoked_until")
    assert remembering.revoked_until(KEYS, now=5) is None
    clock.now += TTL

    with pytest.raises(Outage):
        remembering.revoked_until(KEYS, now=5)


@pytest.mark.parametrize("other", [["subject:anna", "client:web"], ["subject:anna", "client:web", "jti:a 2"], []])
def test_a_result_is_cached_for_the_same_names_only(store, remembering, other):
    remembering.revoked_until(KEYS, now=5)
    remembering.revoked_until(other, now=5)

    assert asked(store) == 2


def test_the_cache_never_exceeds_its_size(store, remembering):
    for number in (1, 2, 3, 1, 2, 3):
        remembering.revoked_until([f"jti:a {number}"], now=5)
    assert asked(store) == 3

    remembering.revoked_until(["jti:a 4"], now=5)
    remembering.revoked_until(["jti:a 1"], now=5)

    assert asked(store) == 5
    assert len(remembering._known) == 2


def test_the_cache_never_exceeds_its_size_with_threads(remembering):
    numbers = iter(range(10_000))
    lock = threading.Lock()

    def ask():
        for _ in range(100):
            with lock:
                number = next(numbers)
            remembering.revoked_until([f"jti:a {number}"], now=5)
            assert len(remembering._known) <= 3

    assert run_in_threads(8, ask) == [None] * 8


@pytest.fixture
def wall():
    return Clock()


def test_a_verifier_queries_the_store_every_time_by_default(store, wall):
    verifier = make_verifier(wall, is_revoked=make_revocation(store, wall))
    token = make_issuer(wall).issue("anna")
    for _ in range(3):
        verifier.verify(token)

    assert asked(store) == 3


@pytest.mark.parametrize("ttl", [60, timedelta(seconds=30), 0.5])
def test_a_verifier_caches_results_and_sees_its_own_revocations_at_once(store, wall, ttl):
    revocation = make_revocation(store, wall, cache_ttl=ttl)
    verifier = make_verifier(wall, is_revoked=revocation)
    token = make_issuer(wall).issue("anna")
    for _ in range(3):
        verifier.verify(token)
    assert asked(store) == 1

    revocation.revoke_subject("anna")

    with pytest.raises(RevokedToken):
        verifier.verify(token)


@pytest.mark.parametrize(
    "settings",
    [
        {"cache_ttl": 61},
        {"cache_ttl": -1},
        {"cache_ttl": True},
        {"cache_size": 0},
        {"cache_size": 1_000_001},
        {"cache_size": 10.0},
        {"cache_size": True},
    ],
)
def test_invalid_bounds_are_refused_at_once(settings):
    with pytest.raises(ConfigurationError):
        AccessTokenRevocation(MemoryStore(), access_ttl=900, **settings)


@pytest.mark.parametrize("revoked", [(), ("f1",)])
def test_a_check_takes_one_round_trip_to_redis(tmp_path, wall, revoked):
    server = RedisServer(tmp_path)
    try:
        with server.client() as admin:
            assert counted(admin, wall, RedisStore(server.url), revoked) == {"mget": 10}
            assert counted(admin, wall, RedisStore(Redis.from_url(server.url)), revoked) == {"mget": 10}
    finally:
        server.kill()


def counted(admin, wall, store, revoked):
    """Return the commands that the server executed for ten checks of a token with all four names."""
    revocation = make_revocation(store, wall)
    for family in revoked:
        revocation.revoke_family(family)
    token = make_verifier(wall).verify(make_issuer(wall).issue("anna", family_id="f1"))
    revocation(token)  # the connection is open now
    admin.config_resetstat()
    assert [revocation(token) for _ in range(10)] == [bool(revoked)] * 10
    calls = {name.removeprefix("cmdstat_"): each["calls"] for name, each in admin.info("commandstats").items()}
    store.close()
    return {name: count for name, count in calls.items() if name not in {"config|resetstat", "info"}}

"""The Redis store fulfils the contract, on one server and in a cluster, and when servers or connections fail."""

import secrets
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from redis import Redis, RedisCluster
from redis import asyncio as redis_asyncio
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as AnswerOverdue
from tests.support.databases.lossy_proxy import LossyProxy
from tests.support.databases.redis_servers import RedisServer, cluster
from tests.support.databases.services import PATIENCE, patient, running
from tests.support.ports import free_port
from tests.support.sessions import wait_until

from gatepass import ConfigurationError, Key, TokenIssuer
from gatepass.refresh import Rotation, TokenService
from gatepass.refresh.errors import StoreUnavailable
from gatepass.revocation import AccessTokenRevocation
from gatepass.stores.redis import MARGIN, RedisStore
from gatepass.stores.redis_scripts import PUT_REVOCATION
from gatepass.testing import RefreshStoreContract, RevocationStoreContract
from gatepass.testing.base import make_family, seconds_from_now


def values_of(client, prefix):
    """Return every key and value under *prefix* as stored, and hexadecimal values also decoded."""
    for key in client.scan_iter(f"{prefix}:*"):
        yield key
        kind = client.type(key)
        if kind == b"hash":
            texts = [text for pair in client.hgetall(key).items() for text in pair]
        elif kind == b"zset":
            texts = client.zrange(key, 0, -1)
        else:
            texts = [client.get(key)]
        for text in texts:
            yield text
            try:
                yield bytes.fromhex(text.decode())
            except ValueError:
                continue


def forget(client, prefix):
    for key in client.scan_iter(f"{prefix}:*", count=1_000):
        client.unlink(key)


@pytest.fixture
def prefix():
    return f"test-{secrets.token_hex(6)}"


class RedisContract(RefreshStoreContract, RevocationStoreContract):
    purges = False
    purges_revocations = False


class TestRedis(RedisContract):
    @pytest.fixture
    def reopen(self, prefix):
        return partial(RedisStore, patient(running("REDIS")), prefix=prefix)

    @pytest.fixture
    def store(self, reopen, prefix):
        store = reopen()
        yield store
        forget(store._client, prefix)
        store.close()

    @pytest.fixture
    def dump(self, store, prefix):
        return lambda: values_of(store._client, prefix)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    servers = cluster(tmp_path_factory.mktemp("cluster"))
    yield servers[0].port
    for server in servers:
        server.kill()


def of_cluster(port, prefix):
    return RedisStore(RedisCluster(host="127.0.0.1", port=port, socket_timeout=PATIENCE), prefix=prefix)


class TestRedisCluster(RedisContract):
    """Three nodes, which refuse commands on keys of different slots."""

    @pytest.fixture
    def reopen(self, port, prefix):
        return partial(of_cluster, port, prefix)

    @pytest.fixture
    def store(self, reopen):
        store = reopen()
        yield store
        store._client.close()

    @pytest.fixture
    def dump(self, store, prefix):
        return lambda: values_of(store._client, prefix)

    def test_the_families_of_a_client_are_revoked_on_every_node(self, store):
        families = [make_family(client_id="web").family for _ in range(603)]
        for family in families:
            store.create(family)

        assert store.revoke_client("web", at=seconds_from_now(0)) == 603
        assert all(store.get(family.family_id).revoked_at for family in families)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis") / "data")
    yield server
    server.kill()


@pytest.fixture
def store(own, prefix):
    store = RedisStore(own.url, prefix=prefix)
    yield store
    store.close()


@pytest.fixture
def raw(own):
    with own.client() as client:
        yield client


class Client(threading.Thread):
    """Rotates its token repeatedly. After a missing response, it reads the result from the store."""

    def __init__(self, store):
        super().__init__()
        self.store = store
        self.held = make_family()
        self.exchanged = 0
        self.failures = 0
        self.surprises = []
        self.done = threading.Event()
        store.create(self.held.family)

    def run(self):
        while not self.done.is_set():
            after, rotation = self.held.next()
            try:
                rotated = self.store.rotate(after.family.family_id, rotation)
            except RedisError:
                self.failures += 1
                rotated = self.settle(after)
            else:
                if not rotated:
                    self.surprises.append("refused")
            if rotated:
                self.held = after
                self.exchanged += 1

    def settle(self, after):
        while True:
            try:
                kept = self.store.get(after.family.family_id)
            except RedisError:
                time.sleep(0.01)
            else:
                if kept not in (after.family, self.held.family):
                    self.surprises.append(kept)
                return kept == after.family


def exchanged_some_more(clients):
    """Wait until each client has rotated its token a few times."""
    goals = [client.exchanged + 5 for client in clients]
    wait_until(lambda: all(client.exchanged >= goal for client, goal in zip(clients, goals, strict=True)))


def impatient(server, prefix):
    """Return a connected store that waits half a second for a response."""
    store = RedisStore(f"{server.address}?socket_timeout=0.5", prefix=prefix)

    def connected():
        try:
            return store._client.ping()
        except AnswerOverdue:
            return False

    wait_until(connected)
    return store


class TestFaults:
    def test_acknowledged_rotations_survive_a_killed_server(self, own, store):
        clients = [Client(store) for _ in range(8)]
        for client in clients:
            client.start()
        for _ in range(3):
            exchanged_some_more(clients)
            disturbed = sum(client.failures for client in clients)
            own.kill()
            wait_until(lambda disturbed=disturbed: sum(client.failures for client in clients) > disturbed)
            own.start()
        exchanged_some_more(clients)
        for client in clients:
            client.done.set()
            client.join(120)
            assert not client.is_alive()

        assert [client.surprises for client in clients] == [[]] * 8
        assert [store.get(client.held.family.family_id) for client in clients] == [
            client.held.family for client in clients
        ]

    def test_connections_that_were_killed_while_idle_cause_no_error(self, own, prefix, raw):
        store = RedisStore(f"{own.url}&client_name={prefix}")
        one = make_family()
        store.create(one.family)
        for _ in range(3):
            victims = [client["id"] for client in raw.client_list() if client["name"] == prefix]
            assert victims
            for victim in victims:
                raw.client_kill_filter(_id=victim)
            one, rotation = one.next()

            assert store.rotate(one.family.family_id, rotation) is True
        store.close()

    def test_a_rotation_whose_response_was_lost_is_found_applied(self, own, prefix):
        proxy = LossyProxy("127.0.0.1", own.port)
        store = RedisStore(patient(f"redis://127.0.0.1:{proxy.port}/0"), prefix=prefix)
        one = make_family()
        store.create(one.family)
        first, rotation = one.next()
        store.rotate(one.family.family_id, rotation)  # the server has the script now
        second, rotation = first.next()
        proxy.drop_next_response()

        assert store.rotate(first.family.family_id, rotation) is True
        assert proxy.dropped == 1
        assert store.get(first.family.family_id) == second.family
        assert store.rotate(first.family.family_id, rotation) is False
        store.close()
        proxy.close()

    def test_a_creation_whose_response_was_lost_is_found_applied(self, own, prefix, monkeypatch):
        proxy = LossyProxy("127.0.0.1", own.port)
        store = RedisStore(patient(f"redis://127.0.0.1:{proxy.port}/0"), prefix=prefix)
        store.create(make_family().family)  # to load the scripts
        family = make_family().family
        whole, keys = RedisStore._run, []

        def watched(self, script, key, *values):
            keys.append(key)
            if key == f"{prefix}:family:{family.family_id}":
                proxy.drop_next_response()
            return whole(self, script, key, *values)

        monkeypatch.setattr(RedisStore, "_run", watched)
        store.create(family)

        assert keys[-1] == f"{prefix}:family:{family.family_id}"
        assert proxy.dropped == 1
        assert store.get(family.family_id) == family
        store.close()
        proxy.close()

    def test_flushed_scripts_are_sent_again(self, store, raw):
        one = make_family()
        raw.script_flush()
        store.create(one.family)
        raw.script_flush()
        one, rotation = one.next()

        assert store.rotate(one.family.family_id, rotation) is True
        raw.script_flush()
        assert store.revoke_subject(one.family.subject, at=seconds_from_now(0)) == 1

    def test_a_server_that_hangs_raises_within_the_timeout_and_works_again_later(self, own, store, prefix, raw):
        first = make_family()
        store.create(first.family)
        second, rotation = first.next()
        store.rotate(first.family.family_id, rotation)  # the server has the script now
        third, rotation = second.next()
        hasty = impatient(own, prefix)
        raw.config_resetstat()
        own.pause()
        try:
            with pytest.raises(AnswerOverdue):
                hasty.rotate(first.family.family_id, rotation)
            with pytest.raises(AnswerOverdue):
                hasty.revoked_until(["jti:a"], now=seconds_from_now(0))
        finally:
            own.resume()

        now = store.get(first.family.family_id)
        assert now in (second.family, third.family)  # the server may have received the command and executed it late
        current = second if now == second.family else third
        assert store.rotate(first.family.family_id, current.next()[1]) is True
        tried = raw.info("stats")["total_connections_received"]
        assert tried <= 1, "the second question needs a new one; a server that does not answer is not asked twice"
        hasty.close()

    def test_the_timeout_is_two_seconds_unless_the_url_sets_another(self, own):
        ordinary, other = RedisStore(own.address), RedisStore(f"{own.address}?socket_timeout=7")

        assert ordinary._client.get_connection_kwargs()["socket_timeout"] == 2
        assert other._client.get_connection_kwargs()["socket_timeout"] == 7

    def test_an_unreachable_server_raises_at_once(self, monkeypatch):
        naps = []
        monkeypatch.setattr("redis.retry.sleep", naps.append)
        store = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
        with pytest.raises(ConnectionLost):
            store.get("a")

        assert naps == []

    def test_a_full_server_refuses_writes_and_loses_nothing(self, own, store, raw):
        one = make_family()
        store.create(one.family)
        raw.config_set("maxmemory", 1)
        try:
            with pytest.raises(RedisError, match="maxmemory"):
                store.create(make_family().family)
            with pytest.raises(RedisError, match="maxmemory"):
                store.rotate(one.family.family_id, one.next()[1])
        finally:
            raw.config_set("maxmemory", 0)
        assert store.get(one.family.family_id) == one.family

    def test_the_service_responds_503_and_the_token_is_still_valid(self, own, store, prefix):
        issuer = TokenIssuer(
            issuer="https://a.example", audience="https://b.example", keys=Key.generate("ES256"), client_id="web"
        )
        hasty = impatient(own, prefix)
        service, cut_short = (
            TokenService(issuer, one, check_subject=lambda subject: True, grace=60) for one in (store, hasty)
        )
        pair = service.grant("anna")
        own.pause()
        try:
            with pytest.raises(StoreUnavailable):
                cut_short.refresh(pair.refresh_token)
        finally:
            own.resume()

        assert service.refresh(pair.refresh_token).access_token
        hasty.close()


@contextmanager
def lasting(raw, **lives):
    """Check that each key expires the given number of seconds after the block, also by the clock of the server."""
    began = seconds_from_now(-1)  # Redis reads its clock once for several commands
    yield
    ended = time.time()
    for key, seconds in lives.items():
        asked = time.time()
        left = raw.pttl(key) / 1_000
        assert began + seconds <= time.time() + left, key
        assert asked + left <= ended + seconds + 0.01, key  # its clock has milliseconds


class TestKeys:
    def test_a_family_expires_before_its_indexes(self, store, raw, prefix):
        now = seconds_from_now(0)
        family = make_family(created_at=now, idle_expires_at=now + 100, expires_at=now + 1_000).family
        lives = {
            f"{prefix}:family:{family.family_id}": 100 + 3_600,
            f"{prefix}:subject:{family.subject}": 1_000 + 7_200,
            f"{prefix}:client:{family.client_id}": 1_000 + 7_200,
            f"{prefix}:logins:{family.subject}": 1_000 + 7_200,
        }
        with lasting(raw, **lives):
            store.create(family)

    def test_a_rotation_extends_the_expiry_and_never_beyond_the_absolute_end(self, store, raw, prefix):
        now = seconds_from_now(0)
        one = make_family(created_at=now, idle_expires_at=now + 100, expires_at=now + 1_000)
        key = f"{prefix}:family:{one.family.family_id}"
        with lasting(raw, **{key: 1_000 + 3_600}):
            store.create(one.family)
            one, rotation = one.next(rotated_at=now, idle_expires_at=now + 500)
            with lasting(raw, **{key: 500 + 3_600}):
                store.rotate(one.family.family_id, rotation)
            one, rotation = one.next(rotated_at=now, idle_expires_at=now + 50_000)
            store.rotate(one.family.family_id, rotation)

    def test_a_revoked_family_stays_until_its_end(self, store, raw, prefix):
        now = seconds_from_now(0)
        family = make_family(created_at=now, idle_expires_at=now + 100).family
        with lasting(raw, **{f"{prefix}:family:{family.family_id}": 100 + 3_600}):
            store.create(family)
            store.revoke(family.family_id, at=now)

    def test_the_clocks_of_callers_do_not_expire_families(self, store, raw, prefix):
        """With a clock ten years behind or ahead of the server, a family lasts for as long as intended."""
        for years in (-10, 10):
            start = seconds_from_now(years * 31_557_600)
            family = make_family(created_at=start, idle_expires_at=start + 100, expires_at=start + 200).family
            with lasting(raw, **{f"{prefix}:family:{family.family_id}": 100 + 3_600}):
                store.create(family)
            assert store.revoke_subject(family.subject, at=start) == 1

    def test_a_revocation_by_a_clock_behind_the_servers_lasts_as_long(self, store, raw, prefix):
        """Two hours behind, an entry for a quarter of an hour is already past for the server."""
        until = seconds_from_now(-2 * 3_600)
        with lasting(raw, **{f"{prefix}:revoked:jti:a": 900 + MARGIN}):
            store._run(PUT_REVOCATION, store._revocation("jti:a"), until, until + 900, 900 + MARGIN)

        assert store.revoked_until(["jti:a"], now=until + 900) == until

    def test_a_revocation_expires_by_itself(self, store, raw, prefix):
        with lasting(raw, **{f"{prefix}:revoked:jti:a": 100 + 3_600}):
            store.put_revocation("jti:a", issued_until=seconds_from_now(0), keep_until=seconds_from_now(100))
            store.put_revocation("jti:a", issued_until=seconds_from_now(0), keep_until=seconds_from_now(50))

    def test_every_key_expires(self, store, raw, prefix):
        one = make_family()
        store.create(one.family)
        store.rotate(one.family.family_id, one.next()[1])
        store.revoke_client(one.family.client_id, at=seconds_from_now(0))
        store.put_revocation("a", issued_until=1, keep_until=2)
        keys = list(raw.scan_iter(f"{prefix}:*"))

        assert len(keys) == 4  # family, subject index, order and revocation; the client index is empty
        assert all(raw.ttl(key) > 0 for key in keys)

    def test_an_earlier_end_shortens_no_index(self, store, raw, prefix):
        now = seconds_from_now(0)
        keys = [f"{prefix}:{kind}:anna" for kind in ("subject", "client", "logins")]
        with lasting(raw, **dict.fromkeys(keys, 1_000 + 7_200)):
            for life in (1_000, 500):
                store.create(
                    make_family(subject="anna", client_id="anna", created_at=now, expires_at=now + life).family
                )

    def test_indexes_drop_expired_entries_as_they_grow(self, store, raw, prefix):
        index, order = f"{prefix}:subject:anna", f"{prefix}:logins:anna"
        for key in (index, order):
            raw.zadd(key, {f"dead-{number}": 1_000 + number for number in range(40)})
        sizes = []
        for _ in range(4):
            store.create(make_family(subject="anna").family)
            sizes.append((raw.zcard(index), raw.zcard(order)))

        assert sizes == [(25, 25), (10, 10), (3, 3), (4, 4)]

    def test_more_families_than_one_batch_are_all_revoked(self, store):
        families = [make_family(client_id="web").family for _ in range(1_203)]
        for family in families:
            store.create(family)

        assert store.revoke_client("web", at=seconds_from_now(0)) == 1_203
        assert store.revoke_client("web", at=seconds_from_now(0)) == 0
        assert all(store.get(family.family_id).revoked_at for family in families)

    def test_a_family_that_is_being_created_does_not_survive_the_revocation_of_its_subject(
        self, own, store, prefix, monkeypatch
    ):
        """The revocation runs when the indexes contain the family and the family itself is not stored yet."""
        other = RedisStore(own.url, prefix=prefix)
        family = make_family().family
        whole = RedisStore._run

        def interrupted(self, script, key, *values):
            if key == f"{prefix}:family:{family.family_id}" and self is store:
                assert other.revoke_subject(family.subject, at=seconds_from_now(0)) == 0
                assert other.get(family.family_id) is None
            return whole(self, script, key, *values)

        monkeypatch.setattr(RedisStore, "_run", interrupted)
        store.create(family)

        kept = other.get(family.family_id)
        assert kept is not None
        assert replace(kept, revoked_at=None) == family
        assert kept.revoked_at is not None
        other.close()

    def test_a_family_created_after_the_revocation_is_valid(self, store):
        for _ in range(3):
            family = make_family(subject="bert").family
            store.create(family)
            assert store.get(family.family_id).revoked_at is None
            assert store.revoke_subject("bert", at=seconds_from_now(0)) == 1

    def test_an_interrupted_revocation_is_completed_by_the_next_call(self, store, raw, monkeypatch):
        families = [make_family(client_id="shop").family for _ in range(700)]
        for family in families:
            store.create(family)
        raw.config_set("maxmemory", 1)
        try:
            with pytest.raises(RedisError):
                store.revoke_client("shop", at=seconds_from_now(0))
        finally:
            raw.config_set("maxmemory", 0)

        assert store.revoke_client("shop", at=seconds_from_now(0)) == 700


class TestClients:
    def test_a_client_that_decodes_responses_works_too(self, own, prefix):
        store = RedisStore(Redis(port=own.port, socket_timeout=PATIENCE, decode_responses=True), prefix=prefix)
        first = make_family(amr=("pwd", "ö"), auth_time=1)
        store.create(first.family)
        second, rotation = first.next()
        store.put_revocation("a", issued_until=1, keep_until=seconds_from_now(10))

        assert store.rotate(first.family.family_id, rotation) is True
        assert store.get(first.family.family_id) == second.family
        assert store.revoke_subject(first.family.subject, at=seconds_from_now(0)) == 1
        assert store.revoked_until(["a"], now=2) == 1
        store._client.close()

    def test_the_salt_expires_with_the_longest_grace_window(self, own, store, raw, prefix):
        first = make_family()
        store.create(first.family)
        family = f"{prefix}:family:{first.family.family_id}"
        salt = f"{prefix}:salt:{{{family}}}"
        assert raw.exists(salt) == 0
        second, rotation = first.next()
        store.rotate(first.family.family_id, rotation)

        assert 0 < raw.pttl(salt) <= 1_000 * Rotation.MAX_GRACE < raw.pttl(family)
        assert rotation.salt.hex() not in str(raw.hgetall(family))
        raw.pexpire(salt, 0)
        assert store.get(first.family.family_id) == replace(second.family, salt=b"")
        store.rotate(first.family.family_id, second.next()[1])
        store.rotate(first.family.family_id, replace(Rotation.rewriting(store.get(first.family.family_id)), salt=b""))
        assert raw.exists(salt) == 0

    def test_a_given_client_is_not_closed(self, own, prefix):
        with own.client() as client:
            client.ping()
            RedisStore(client, prefix=prefix).close()

            assert client.connection_pool._available_connections[0]._sock is not None

    def test_stores_with_different_prefixes_are_isolated(self, own, store):
        other = RedisStore(own.url, prefix="other")
        family = make_family().family
        store.create(family)
        store.put_revocation("a", issued_until=1, keep_until=seconds_from_now(10))

        assert other.get(family.family_id) is None
        assert other.revoke_subject(family.subject, at=seconds_from_now(0)) == 0
        assert other.revoked_until(["a"], now=1) is None
        other.close()

    def test_an_unusable_configuration_is_refused_when_the_store_is_created(self, own):
        for client in ("localhost:6379", "http://localhost", None, redis_asyncio.Redis(socket_timeout=1)):
            with pytest.raises(ConfigurationError):
                RedisStore(client)
        with pytest.raises(ConfigurationError, match="socket_timeout"):
            RedisStore(Redis(port=own.port, socket_timeout=None))
        with (
            Redis(port=own.port, socket_timeout=1, single_connection_client=True) as alone,
            pytest.raises(ConfigurationError, match="a fork would share it"),
        ):
            RedisStore(alone)

    @pytest.mark.parametrize("prefix", ["", "a{b", "a}b", "a\nb", None, 5])
    def test_an_ambiguous_prefix_is_refused(self, own, prefix):
        with pytest.raises(ConfigurationError, match="prefix"):
            RedisStore(own.url, prefix=prefix)


def test_access_token_revocation_queries_redis_once(own, store, raw):
    revocation = AccessTokenRevocation(store, access_ttl=900)
    revocation.revoke_subject("anna")
    store.revoked_until(["subject:anna", "jti:x y", "family:z"], now=seconds_from_now(0))
    before = raw.info("commandstats")
    store.revoked_until(["subject:anna", "jti:x y", "family:z"], now=seconds_from_now(0))
    after = raw.info("commandstats")

    def calls(stats):
        return {name: row["calls"] for name, row in stats.items() if name != "cmdstat_info"}

    assert {name for name in calls(after) if calls(after)[name] != calls(before).get(name)} == {"cmdstat_mget"}

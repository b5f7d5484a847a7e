"""The Redis store lists the logins of a subject: its round trips, its order, and what an interruption leaves behind."""

import itertools
import secrets
import threading
from dataclasses import replace

import pytest
from redis import Redis, RedisCluster
from tests.support.databases.redis_servers import Interrupted, RedisServer, Wire, cluster
from tests.support.databases.services import PATIENCE

from gatepass.stores.redis import MARGIN, RedisStore
from gatepass.testing.base import make_family, seconds_from_now
from gatepass.testing.listing import ListingTests, listed, page, pages, put_login

BRACES = ["{anna}", "{}", "}{", "an{na", "a{b}c{d}", "{a}:{b}", "{{anna}}", "}", "{"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis") / "data")
    yield server
    server.kill()


@pytest.fixture
def prefix():
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
def store(own, prefix):
    store = RedisStore(own.url, prefix=prefix)
    yield store
    store.close()


@pytest.fixture
def raw(own):
    with own.client() as client:
        yield client


@pytest.fixture
def wire(own):
    wire = Wire(own.port)
    yield wire
    wire.client.close()


@pytest.fixture
def order(raw, prefix):
    """Return a function that reads the order of Anna's logins, the latest first."""
    return lambda: [member.decode() for member in raw.zrevrange(f"{prefix}:logins:anna", 0, -1)]


class TestDecodedResponses(ListingTests):
    """A client that decodes responses."""

    @pytest.fixture
    def store(self, own, prefix):
        with Redis(port=own.port, socket_timeout=PATIENCE, decode_responses=True) as client:
            yield RedisStore(client, prefix=prefix)


class TestRoundTrips:
    def test_a_page_is_one_range_and_one_pipeline(self, store, wire, prefix):
        store.upgrade_schema()
        now = seconds_from_now(0)
        for age in range(30):
            put_login(store, "anna", now - age)
        watched = RedisStore(wire.client, prefix=prefix)
        first = page(watched, "anna", limit=10)
        wire.messages.clear()

        rest = page(watched, "anna", limit=100, after=first[-1])

        assert [names[0] for names in wire.messages] == ["ZRANGE", "EVAL"]
        assert [len(names) for names in wire.messages] == [1, 20]
        assert first + rest == listed(store, "anna")

    def test_a_process_reads_once_that_the_store_was_upgraded(self, store, wire, prefix):
        put_login(store, "anna", seconds_from_now(0))
        store.upgrade_schema()
        watched = RedisStore(wire.client, prefix=prefix)
        for subject in ("anna", "ben", "anna"):
            listed(watched, subject)

        assert wire.messages == [["GET"], ["ZRANGE"], ["EVAL"], ["ZRANGE"], ["ZRANGE"], ["EVAL"]]

    def test_a_store_that_was_not_upgraded_is_checked_in_each_call(self, store, wire, prefix):
        put_login(store, "anna", seconds_from_now(0))
        watched = RedisStore(wire.client, prefix=prefix)
        for _ in range(2):
            listed(watched, "anna")

        assert wire.messages == [["GET"], ["ZSCAN"], ["ZMSCORE"], ["ZRANGE"], ["EVAL"]] * 2

    def test_a_few_ended_logins_need_no_second_range(self, store, wire, prefix):
        store.upgrade_schema()
        now = seconds_from_now(0)
        oldest = put_login(store, "anna", now - 60).family
        for age in range(10):
            put_login(store, "anna", now - age, idle_expires_at=now)
        watched = RedisStore(wire.client, prefix=prefix)

        assert page(watched, "anna", limit=1) == [oldest]
        assert [names[0] for names in wire.messages] == ["GET", "ZRANGE", "EVAL"]


class TestOrder:
    @pytest.mark.parametrize("size", [1, 7, 100, 1_000])
    def test_logins_within_one_second_are_each_listed_once(self, store, size):
        now = seconds_from_now(0)
        ages = [*[0] * 3, *[10] * 230, *[20] * 2, 30]
        families = [put_login(store, "anna", now - age).family for age in ages]
        store.upgrade_schema()

        found = [family for page in pages(store, "anna", size) for family in page]

        assert found == sorted(families, key=lambda family: family.position, reverse=True)

    def test_ended_logins_within_one_second_hide_no_login_behind_them(self, store):
        """They stay in the order, so that each range from this second begins with them."""
        now = seconds_from_now(0)
        names = [f"{number:02}" for number in range(60)]
        for name in names[1:]:
            family = make_family(family_id=name, subject="anna", created_at=now, idle_expires_at=now + 60).family
            store.create(family)
        last = make_family(family_id=names[0], subject="anna", created_at=now).family
        store.create(last)

        for name in names[1:]:
            assert store.live_families("anna", at=now + 60, limit=1, after=(now, name)) == [last]

    def test_entries_that_are_removed_between_two_pages_shift_none(self, store, raw, prefix):
        now = seconds_from_now(0)
        families = [put_login(store, "anna", now - age).family for age in [*[0] * 230, *range(1, 40)]]
        expected = sorted(families, key=lambda family: family.position, reverse=True)
        found = []
        while part := page(store, "anna", limit=20, after=found[-1] if found else None):
            found += part
            for family in part:
                store.revoke(family.family_id, at=now)
            raw.zrem(f"{prefix}:logins:anna", *(family.family_id for family in part))

        assert found == expected

    def test_names_of_families_are_ordered_by_their_bytes(self, store):
        now = seconds_from_now(0)
        names = ["a", "B", "é", "\uffff", "😀", "-", "_", "10", "9"]
        for name in names:
            store.create(make_family(family_id=name, subject="anna", created_at=now).family)

        for size in (1, 2, 20):
            found = [family.family_id for page in pages(store, "anna", size) for family in page]
            assert found == sorted(names, key=str.encode, reverse=True)

    def test_revoked_logins_are_removed_from_the_order(self, store, order):
        now = seconds_from_now(0)
        kept, revoked = (put_login(store, "anna", now).family_id for _ in range(2))
        store.revoke(revoked, at=now)
        assert set(order()) == {kept, revoked}

        assert [family.family_id for family in listed(store, "anna")] == [kept]
        assert order() == [kept]

    def test_a_missing_family_is_removed_when_it_cannot_be_about_to_be_written(self, store, raw, prefix, order):
        now = seconds_from_now(0)
        raw.zadd(f"{prefix}:logins:anna", {"missing": now})

        store.live_families("anna", at=now + MARGIN, limit=1, after=None)
        assert order() == ["missing"]
        store.live_families("anna", at=now + MARGIN + 1, limit=1, after=None)
        assert order() == []

    def test_an_idle_family_is_not_listed_and_stays_in_the_order(self, store, order):
        now = seconds_from_now(0)
        family = put_login(store, "anna", now - 2 * MARGIN, idle_expires_at=now + 60).family

        assert store.live_families("anna", at=now + 60, limit=1, after=None) == []
        assert order() == [family.family_id]
        assert store.live_families("anna", at=now + 59, limit=1, after=None) == [family]

    def test_a_revocation_of_the_subject_removes_its_batches_from_the_order(self, store, order):
        now = seconds_from_now(0)
        for age in range(703):
            put_login(store, "anna", now - age)

        assert store.revoke_subject("anna", at=now) == 703
        assert order() == []

    def test_an_interrupted_revocation_removes_no_login_that_works(self, store, raw, wire, prefix, order):
        now = seconds_from_now(0)
        watched = RedisStore(wire.client, prefix=prefix)
        for sent in itertools.count():
            for age in range(20):
                put_login(store, "anna", now - age)
            wire.left = sent
            try:
                watched.revoke_subject("anna", at=now)
            except Interrupted:
                index = {member.decode() for member in raw.zrange(f"{prefix}:subject:anna", 0, -1)}
                works = {name for name in index if not raw.hexists(f"{prefix}:family:{name}", "revoked_at")}
                assert works <= set(order()) <= index  # the next call finds the rest in the index
                assert {family.family_id for family in listed(store, "anna")} == works
            else:
                break

        assert sent > 3
        assert order() == []

    def test_a_failed_creation_gives_no_subject_the_login_of_another(self, store, raw, prefix):
        family = put_login(store, "anna", seconds_from_now(0)).family
        with pytest.raises(KeyError):
            store.create(replace(family, subject="mallory", created_at=family.created_at - 5))
        with pytest.raises(KeyError):
            store.create(replace(family, created_at=family.created_at - 5))

        for _ in range(2):  # the first list removes the entry from the order
            assert listed(store, "mallory") == []
        assert raw.zscore(f"{prefix}:logins:anna", family.family_id) == family.created_at
        store.upgrade_schema()
        assert raw.exists(f"{prefix}:logins:mallory") == 0
        assert [family for page in pages(store, "anna", 1) for family in page] == [family]


class TestCreation:
    @pytest.mark.parametrize("expired", [0, 10], ids=["without-expired-entries", "with-expired-entries"])
    def test_an_interruption_leaves_no_family_out_of_the_index_or_the_order(self, store, raw, wire, prefix, expired):
        """It may leave entries too many, which are no logins."""
        watched = RedisStore(wire.client, prefix=prefix)
        watched.create(make_family().family)  # the server has the scripts now
        now = seconds_from_now(0)
        for sent in itertools.count():
            subject = f"subject-{sent}"
            keys = [f"{prefix}:{kind}:{subject}" for kind in ("subject", "logins")]
            earlier = put_login(store, subject, now - 60).family
            for key in keys if expired else ():
                raw.zadd(key, {f"dead-{number}": 1_000 + number for number in range(expired)})
            family = make_family(subject=subject, created_at=now).family
            wire.left = sent
            try:
                watched.create(family)
            except Interrupted:
                finished = False
            else:
                finished = True
            index, order = (set(raw.zrange(key, 0, -1)) for key in keys)
            assert index <= order
            stored = [one for one in (family, earlier) if store.get(one.family_id)]
            assert {one.family_id.encode() for one in stored} <= index
            assert listed(store, subject) == stored
            if finished:
                break
            assert stored == [earlier]

        assert sent == (5 if expired else 4)
        assert order == index == {family.family_id.encode(), earlier.family_id.encode()}

    def test_lists_contain_each_login_that_was_stored_before(self, store):
        """Without the upgrade, the index is compared with the order while other threads write both."""
        known, done = [], threading.Event()
        now, failures = seconds_from_now(0), []

        def logs_in():
            for age in range(100):
                one = put_login(store, "anna", now - age)
                known.append(one.family_id)

        def lists():
            while not done.is_set():
                before = set(known)
                try:
                    found = {family.family_id for family in listed(store, "anna")}
                except Exception as error:  # noqa: BLE001 - it is what the test judges
                    failures.append(error)
                    return
                if not before <= found:
                    failures.append(before - found)

        lister = threading.Thread(target=lists)
        clients = [threading.Thread(target=logs_in) for _ in range(4)]
        for thread in (lister, *clients):
            thread.start()
        for thread in clients:
            thread.join(PATIENCE)
        done.set()
        lister.join(PATIENCE)

        assert failures == []
        assert len(listed(store, "anna")) == len(known) == 400


def test_subjects_with_braces_have_lists_of_their_own_in_a_cluster(tmp_path_factory, prefix):
    """Braces choose the slot of a key."""
    servers = cluster(tmp_path_factory.mktemp("cluster"))
    try:
        with RedisCluster(host="127.0.0.1", port=servers[0].port, socket_timeout=PATIENCE) as client:
            store, now = RedisStore(client, prefix=prefix), seconds_from_now(0)
            families = {subject: [put_login(store, subject, now - age).family for age in (0, 5)] for subject in BRACES}
            assert {subject: listed(store, subject) for subject in BRACES} == families

            for subject in BRACES:
                client.delete(f"{prefix}:logins:{subject}")  # as version 1 stored them
            store.upgrade_schema()

            assert {subject: listed(store, subject) for subject in BRACES} == families
            for subject in BRACES:
                assert store.revoke_subject(subject, at=now) == 2
                assert client.exists(f"{prefix}:logins:{subject}") == 0
    finally:
        for server in servers:
            server.kill()

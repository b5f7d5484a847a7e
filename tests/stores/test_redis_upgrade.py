"""The upgrade of a Redis store of version 1: each login stays, and is listed afterwards."""

import itertools
import secrets
import time
from functools import partial

import pytest
from redis import Redis
from tests.support.breaking_store import NOW, Clock, make_service
from tests.support.databases.redis_servers import Interrupted, RedisServer, Wire
from tests.support.databases.services import PATIENCE
from tests.support.databases.version_1 import families, version_1_store

from gatepass import ConfigurationError
from gatepass.refresh import RefreshToken
from gatepass.stores.redis import RedisStore
from gatepass.testing.base import make_family, seconds_from_now
from gatepass.testing.listing import listed, pages, put_login
from gatepass.testing.racing import in_processes

SENTENCE = (
    "these logins were stored by version 1 of the store: call RedisStore.upgrade_schema() once, or run: "
    "gatepass upgrade-store URL"
)


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


def as_version_1(raw, prefix, subjects):
    """Remove what version 1 did not store."""
    raw.delete(f"{prefix}:schema", *(f"{prefix}:logins:{subject}" for subject in subjects))


def at_the_old_state(store, raw, prefix, *, subjects=("anna", "ben"), logins=3):
    """Store families as version 1 did. Return the live ones of each subject, the newest login first."""
    now = seconds_from_now(0)
    made = {name: [put_login(store, name, now - age).family for age in range(logins)] for name in subjects}
    for name in subjects:
        store.revoke(put_login(store, name, now).family_id, at=now)
    as_version_1(raw, prefix, subjects)
    return made


class TestVersion1:
    """A database that the code of version 1 wrote."""

    @pytest.fixture
    def database(self, tmp_path):
        with version_1_store("redis", tmp_path) as database:
            yield database

    def test_lists_are_refused_until_the_upgrade(self, database):
        store = database.open()
        for subject in {family.subject for family in families("redis")}:
            with pytest.raises(ConfigurationError) as caught:
                store.live_families(subject, at=NOW, limit=10, after=None)
            assert str(caught.value) == SENTENCE

        assert store.live_families("eve", at=NOW, limit=10, after=None) == []

    def test_logins_are_refreshed_revoked_and_added_without_the_upgrade(self, database):
        store, living = database.open(), [family for family in families("redis") if family.lives]
        service = make_service(store, Clock(), grace=60)
        for one in living:
            token = service.refresh(one.refresh_token, client_id=one.client_id).refresh_token
            service.revoke(token, client_id=one.client_id)
        ended_and_new = ["idle for too long", "past its absolute end", service.grant("anna")]

        assert store.revoke_subject("anna", at=NOW) == len(ended_and_new)
        later = RefreshToken.parse(service.grant("anna").refresh_token)
        found = store.live_families("anna", at=NOW, limit=10, after=None)
        assert [family.family_id for family in found] == [later.family_id]  # all others are revoked


class TestUpgrade:
    def test_one_login_of_version_1_among_others_is_missed(self, store, raw, prefix):
        [old, *_] = at_the_old_state(store, raw, prefix)["anna"]
        put_login(store, "anna", seconds_from_now(0))
        with pytest.raises(ConfigurationError, match="version 1 of the store"):
            listed(store, "anna")

        assert store.get(old.family_id) == old

    def test_it_can_be_repeated_and_finds_later_logins_of_version_1(self, store, raw, prefix):
        made = at_the_old_state(store, raw, prefix)
        for _ in range(2):
            store.upgrade_schema()
            assert {subject: listed(store, subject) for subject in made} == made
        late = put_login(store, "anna", seconds_from_now(60)).family
        raw.zrem(f"{prefix}:logins:anna", late.family_id)
        assert listed(store, "anna") == made["anna"]

        store.upgrade_schema()

        assert listed(store, "anna") == [late, *made["anna"]]

    def test_it_changes_nothing_but_the_order_and_the_marker(self, store, raw, prefix):
        made = at_the_old_state(store, raw, prefix)
        before = {key: raw.dump(key) for key in raw.scan_iter(f"{prefix}:*")}
        store.upgrade_schema()
        after = {key: raw.dump(key) for key in raw.scan_iter(f"{prefix}:*")}

        added = {f"{prefix}:schema", *(f"{prefix}:logins:{subject}" for subject in made)}
        assert {key.decode() for key in after.keys() - before.keys()} == added
        assert before.items() <= after.items()
        assert raw.get(f"{prefix}:schema") == b"2"
        assert raw.ttl(f"{prefix}:schema") == -1

    def test_more_subjects_and_logins_than_one_batch_are_added(self, store, raw, prefix):
        subjects = [f"subject-{number}" for number in range(230)]
        made = at_the_old_state(store, raw, prefix, subjects=subjects, logins=1)
        made |= at_the_old_state(store, raw, prefix, subjects=["anna"], logins=1_300)

        store.upgrade_schema()

        assert {subject: [one for part in pages(store, subject, 600) for one in part] for subject in made} == made

    def test_an_interrupted_upgrade_lists_exactly_or_not_at_all(self, own, store, raw, prefix):
        made = at_the_old_state(store, raw, prefix)
        for sent in itertools.count():
            as_version_1(raw, prefix, made)
            wire = Wire(own.port)
            wire.left = sent
            try:
                RedisStore(wire.client, prefix=prefix).upgrade_schema()
            except Interrupted:
                finished = False
            else:
                finished = True
            wire.client.close()
            for subject, expected in made.items():
                reader = RedisStore(own.url, prefix=prefix)  # a process that has not seen the marker
                try:
                    assert listed(reader, subject) == expected
                except ConfigurationError:
                    assert not finished
                reader.close()
            if finished:
                break

        assert sent > 4

    def test_processes_upgrade_while_others_log_in_and_refresh(self, own, store, raw, prefix):
        made = at_the_old_state(store, raw, prefix, logins=40)
        held = [put_login(store, "anna", seconds_from_now(-100)) for _ in range(2)]
        as_version_1(raw, prefix, made)
        reopen = partial(RedisStore, own.url, prefix=prefix)

        [results] = in_processes(4, 1, reopen, partial(upgrade_or_log_in, held=held))

        known = {family.family_id for family in made["anna"]} | {one.family_id for one in held}
        added = {family_id for part in results for family_id in part}
        assert len(added) == 40
        assert {family.family_id for family in listed(store, "anna")} == known | added
        assert listed(store, "ben") == made["ben"]

    def test_the_order_lives_as_long_as_the_index(self, store, raw, prefix):
        at_the_old_state(store, raw, prefix, subjects=["anna"])
        index, order = f"{prefix}:subject:anna", f"{prefix}:logins:anna"
        began = time.monotonic()
        store.upgrade_schema()
        took = 1_000 * (time.monotonic() - began)
        first, of_the_index, last = raw.pttl(order), raw.pttl(index), raw.pttl(order)

        assert of_the_index - 501 <= first  # the lifetime was read in whole seconds, rounded
        assert last <= of_the_index + 501 + took

    def test_a_longer_life_of_the_order_stays(self, store, raw, prefix):
        at_the_old_state(store, raw, prefix, subjects=["anna"])
        put_login(store, "anna", seconds_from_now(0))
        raw.expire(f"{prefix}:logins:anna", 900_000)
        store.upgrade_schema()

        assert raw.ttl(f"{prefix}:logins:anna") > raw.ttl(f"{prefix}:subject:anna") + 800_000

    def test_a_position_in_the_order_stays(self, store, raw, prefix):
        now = seconds_from_now(0)
        family = put_login(store, "anna", now).family
        store.upgrade_schema()

        assert raw.zscore(f"{prefix}:logins:anna", family.family_id) == now

    def test_a_store_of_a_newer_version_is_refused(self, store, raw, prefix):
        family = put_login(store, "anna", seconds_from_now(0)).family
        raw.set(f"{prefix}:schema", "3")
        for call in (store.upgrade_schema, partial(listed, store, "anna")):
            with pytest.raises(ConfigurationError) as caught:
                call()
            assert str(caught.value) == "the store was made by a newer version of gatepass: upgrade gatepass"

        assert raw.get(f"{prefix}:schema") == b"3"
        assert store.get(family.family_id) == family

    def test_a_newer_version_that_upgrades_meanwhile_keeps_its_marker(self, own, store, raw, prefix):
        class Overtaken(Redis):
            """A client whose scan another process overtakes."""

            def scan_iter(self, *args, **options):
                yield from super().scan_iter(*args, **options)
                raw.set(f"{prefix}:schema", "3")

        at_the_old_state(store, raw, prefix)
        with Overtaken(port=own.port, socket_timeout=PATIENCE) as client:
            RedisStore(client, prefix=prefix).upgrade_schema()

        assert raw.get(f"{prefix}:schema") == b"3"

    def test_a_prefix_with_signs_of_a_pattern_means_itself(self, own, raw):
        unique = secrets.token_hex(6)
        prefixes = [f"{unique}*?[ab]\\", f"{unique}xxxa\\", f"{unique}*?a"]
        stores = [RedisStore(own.url, prefix=prefix) for prefix in prefixes]
        made = [
            at_the_old_state(*each, subjects=["anna"])["anna"] for each in zip(stores, itertools.repeat(raw), prefixes)
        ]
        for number, store in enumerate(stores):
            assert [raw.exists(f"{prefix}:logins:anna") for prefix in prefixes[number:]] == [0] * (3 - number)
            store.upgrade_schema()
            assert listed(store, "anna") == made[number]
            store.close()

    def test_keys_of_another_store_below_the_prefix_are_no_logins(self, own, store, raw, prefix):
        inner = RedisStore(own.url, prefix=f"{prefix}:subject")
        put_login(inner, "anna", seconds_from_now(0))
        inner.put_revocation("a", issued_until=1, keep_until=seconds_from_now(10))
        before = set(raw.scan_iter(f"{prefix}:*"))
        store.upgrade_schema()

        assert set(raw.scan_iter(f"{prefix}:*")) - before == {f"{prefix}:schema".encode()}
        inner.close()

    def test_a_client_that_decodes_responses_upgrades_too(self, own, store, raw, prefix):
        made = at_the_old_state(store, raw, prefix, subjects=["anna", "ä{b}"])
        with Redis(port=own.port, socket_timeout=PATIENCE, decode_responses=True) as client:
            decoding = RedisStore(client, prefix=prefix)
            with pytest.raises(ConfigurationError, match="version 1"):
                listed(decoding, "anna")
            decoding.upgrade_schema()

            assert {subject: listed(decoding, subject) for subject in made} == made


def upgrade_or_log_in(store, run, number, *, held):
    """Upgrade in two of the processes. In the others, log Anna in and rotate a token; return her new families."""
    if number < 2:
        store.upgrade_schema()
        return []
    one, added = held[number - 2], []
    for _ in range(20):
        family = make_family(subject="anna").family
        store.create(family)
        added.append(family.family_id)
        one, rotation = one.next()
        assert store.rotate(one.family_id, rotation)
    return added

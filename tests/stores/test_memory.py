"""The memory store fulfils the contracts of both protocols."""

import pytest

from gatepass.stores.memory import MemoryStore
from gatepass.testing import RefreshStoreContract, RevocationStoreContract
from gatepass.testing.base import make_family, seconds_from_now


class TestMemoryStore(RefreshStoreContract, RevocationStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()

    @pytest.fixture
    def dump(self, store):
        return lambda: [value for family in store._families.values() for value in family_values(family)]


def test_revoking_one_family_or_subject_does_not_scan_all_others():
    """Every other request waits for a revocation. It takes as long with half a million sessions as with a few."""
    looked = []

    class Told(str):
        __slots__ = ()

        def __eq__(self, other):
            looked.append(other)
            return super().__eq__(other)

        __hash__ = str.__hash__

    store = MemoryStore()
    for number in range(1_000):
        store.create(make_family(subject=Told(f"user-{number}"), client_id=Told(f"client-{number}")).family)
    one = make_family(subject="anna", client_id="web").family
    store.create(one)
    looked.clear()

    assert store.revoke(one.family_id, at=1)
    assert store.revoke_subject("anna", at=1) == 0
    assert store.revoke_client("client-7", at=1) == 1
    assert len(looked) < 10


def test_a_purge_frees_all_memory_of_a_family():
    store = MemoryStore()
    for _ in range(3):
        store.create(make_family(subject="anna", idle_expires_at=seconds_from_now(-10)).family)
    assert store.purge(before=seconds_from_now(0), limit=2).deleted == 2
    assert store.revoke_subject("anna", at=seconds_from_now(0)) == 1
    assert store.purge(before=seconds_from_now(0), limit=2).deleted == 1

    assert not any((store._families, store._by_subject, store._by_client))


def family_values(family):
    for name in family.__slots__:
        value = getattr(family, name)
        yield value if isinstance(value, bytes) else repr(value).encode()

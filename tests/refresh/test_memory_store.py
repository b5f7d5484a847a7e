"""The memory store keeps the contract of both protocols."""

import pytest

from gatepass.stores.memory import MemoryStore
from gatepass.testing import RefreshStoreContract, RevocationStoreContract


class TestMemoryStore(RefreshStoreContract, RevocationStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()

    @pytest.fixture
    def dump(self, store):
        return lambda: [value for family in store._families.values() for value in family_values(family)]


def family_values(family):
    for name in family.__slots__:
        value = getattr(family, name)
        yield value if isinstance(value, bytes) else repr(value).encode()

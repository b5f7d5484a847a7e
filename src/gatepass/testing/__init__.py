"""Contracts for stores of your own: inherit a class, give it your store, and let pytest judge.

```python
from functools import partial

import pytest
from gatepass.testing import RefreshStoreContract, RevocationStoreContract


class TestMyStore(RefreshStoreContract, RevocationStoreContract):
    @pytest.fixture
    def store(self):
        store = MyStore("test-database")
        store.create_schema()
        yield store
        store.close()

    @pytest.fixture
    def reopen(self):  # what opens the same store in another process; it is pickled
        return partial(MyStore, "test-database")

    @pytest.fixture
    def dump(self, store):  # every value that the store keeps, for the search for tokens
        return lambda: [bytes(value) for row in store.rows() for value in row]
```

The environment's `GATEPASS_ROUNDS` says how often each race is run (default 5).
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"gatepass.testing.{name}"
        for name in ("base", "concurrency", "expiry", "persistence", "racing", "revocation_store", "rotation")
    )
)

# Imported after that, so that their asserts are rewritten.
from gatepass.testing.concurrency import ConcurrencyTests  # noqa: E402
from gatepass.testing.expiry import ExpiryTests  # noqa: E402
from gatepass.testing.persistence import PersistenceTests  # noqa: E402
from gatepass.testing.revocation_store import RevocationStoreContract  # noqa: E402
from gatepass.testing.rotation import RotationTests  # noqa: E402

__all__ = ["RefreshStoreContract", "RevocationStoreContract"]


class RefreshStoreContract(PersistenceTests, RotationTests, ExpiryTests, ConcurrencyTests):
    """Every sentence of `RefreshStore`.

    Fixtures: `store`, an empty store, or one that nobody else uses. `reopen`, what opens the same store in a fresh
    process and can be pickled; without it no race between processes is run. `dump`, what reads all that is kept;
    without it nobody looks for tokens there. Set `purges = False` where the database forgets what ended by itself.
    """

"""Contracts for stores of your own: inherit a class, supply the fixture `store`, and run pytest.

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
    def reopen(self):  # opens the same store in another process; it is pickled
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
    """The tests of `RefreshStore`, all of them.

    Fixtures: `store`, an empty store, or one that no other test uses. `reopen` opens the same store in a fresh process
    and can be pickled; without it no race between processes is run. `dump` reads all that is stored; without it there
    is no search for tokens. Set `purges = False` where the database forgets what ended by itself.
    """

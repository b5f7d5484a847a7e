"""Contract tests for your own stores: inherit a class, define the fixture `store`, and run pytest.

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
    def reopen(self):  # opens the same store in another process; must be picklable
        return partial(MyStore, "test-database")

    @pytest.fixture
    def dump(self, store):  # every stored value as bytes, to be searched for tokens
        def values():
            for row in store.rows():
                yield from (value if isinstance(value, bytes) else str(value).encode() for value in row)

        return values
```

The environment variable `GATEPASS_ROUNDS` sets how often each race is run (default 5).
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"gatepass.testing.{name}"
        for name in (
            "base",
            "concurrency",
            "expiry",
            "listing",
            "persistence",
            "racing",
            "revocation_store",
            "rotation",
        )
    )
)

# Imported after the registration, so that pytest rewrites their asserts.
from gatepass.testing.concurrency import ConcurrencyTests  # noqa: E402
from gatepass.testing.expiry import ExpiryTests  # noqa: E402
from gatepass.testing.listing import ListingTests  # noqa: E402
from gatepass.testing.persistence import PersistenceTests  # noqa: E402
from gatepass.testing.revocation_store import RevocationStoreContract  # noqa: E402
from gatepass.testing.rotation import RotationTests  # noqa: E402

__all__ = ["RefreshStoreContract", "RevocationStoreContract"]


class RefreshStoreContract(PersistenceTests, RotationTests, ExpiryTests, ListingTests, ConcurrencyTests):
    """All tests of version 2 of `RefreshStore`.

    Fixtures: `store` returns an empty store, or one that no other test uses. `reopen` returns a picklable function that
    opens the same store in a fresh process; without it, the races between processes are skipped. `dump` returns a
    function that reads all stored values; without it, the search for tokens is skipped. Set `purges = False` (and
    `purges_revocations = False` for revocations) if the database itself deletes what has ended.
    """

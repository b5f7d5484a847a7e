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
    *(f"gatepass.testing.{name}" for name in ("contending", "ending", "exchanging", "keeping", "revocation_store"))
)

from gatepass.testing.refresh_store import RefreshStoreContract  # noqa: E402 - its asserts are rewritten first
from gatepass.testing.revocation_store import RevocationStoreContract  # noqa: E402 - the same

__all__ = ["RefreshStoreContract", "RevocationStoreContract"]

"""What `RefreshStore` promises, as tests: inherit `RefreshStoreContract` and supply the fixture `store`."""

from __future__ import annotations

from gatepass.testing.concurrency import Contending
from gatepass.testing.expiry import Ending
from gatepass.testing.persistence import Keeping
from gatepass.testing.rotation import Exchanging

__all__ = ["RefreshStoreContract"]


class RefreshStoreContract(Keeping, Exchanging, Ending, Contending):
    """Every sentence of `RefreshStore`.

    Fixtures: `store`, an empty store, or one that nobody else uses. `reopen`, what opens the same store in a fresh
    process and can be pickled; without it no race between processes is run. `dump`, what reads all that is kept;
    without it nobody looks for tokens there. Set `purges = False` where the database forgets what ended by itself.
    """

"""What a store of revocations promises to `AccessTokenRevocation`, and to what stands between the two.

A store that cannot tell raises; it never answers that nothing is revoked. `gatepass.testing` holds one to its word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

__all__ = ["RevocationStore"]


@runtime_checkable
class RevocationStore(Protocol):
    """A place for revocations, shared by all processes that verify. Times are whole seconds since 1970."""

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        """Revoke what *key* names and what was issued at or before *issued_until*; forget it after *keep_until*.

        Of two entries for one key the later times win. What returned is still so after a crash, also where there was
        nothing to change.
        """
        ...

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        """The latest `issued_until` among *keys* whose `keep_until` is not yet past, or None. One round trip."""
        ...

    def purge_revocations(self, *, before: int, limit: int) -> int:
        """Delete at most *limit* entries whose `keep_until` is earlier than *before*; how many."""
        ...

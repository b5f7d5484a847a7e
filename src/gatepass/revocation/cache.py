"""What the store has just called unrevoked, remembered for some seconds: fewer round trips, for a stated delay.

Only "not revoked" is remembered, and never longer than *ttl* after the question was sent: a revocation that another
process makes is seen at most so many seconds late. One that is made through this object is seen at once. An outage of
the store is noticed as late as a revocation, and never remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from gatepass.common.clocks import steady_clock
from gatepass.common.runtime import ProcessLock
from gatepass.revocation.store import RevocationStore

__all__ = ["Unrevoked"]


@final
class Unrevoked:
    """A `RevocationStore` before another, which is asked again *ttl* seconds after it answered that nothing is known.

    At most *size* answers are remembered: whoever finds it full forgets them all.
    """

    __slots__ = ("_clock", "_known", "_lock", "_size", "_store", "_ttl")

    def __init__(
        self, store: RevocationStore, *, ttl: float, size: int, clock: Callable[[], float] = steady_clock
    ) -> None:  # not the time of day, which may be set back
        self._store = store
        self._ttl = ttl
        self._size = size
        self._clock = clock
        self._known: dict[tuple[str, ...], float] = {}
        self._lock = ProcessLock()

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        """See `RevocationStore.put_revocation`."""
        try:
            self._store.put_revocation(key, issued_until=issued_until, keep_until=keep_until)
        finally:  # whatever was raised, the store may have it
            # A new dictionary: who asked the store before this moment fills the old one, which nobody reads any more.
            self._known = {}

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        """See `RevocationStore.revoked_until`."""
        known, names, asked = self._known, tuple(keys), self._clock()
        since = known.get(names)
        if since is not None and asked - since < self._ttl:
            return None
        until = self._store.revoked_until(keys, now=now)
        if until is None:
            with self._lock:
                if len(known) >= self._size:
                    known.clear()
                known[names] = asked
        return until

    def purge_revocations(self, *, before: int, limit: int) -> int:
        """See `RevocationStore.purge_revocations`."""
        return self._store.purge_revocations(before=before, limit=limit)

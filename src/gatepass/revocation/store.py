"""The protocol of a store of revocations, and two layers in front of one: a cache, and fail open.

A store that fails raises; it never returns "not revoked" instead. Test a store of your own with
`gatepass.testing.RevocationStoreContract`. The cache saves round trips and delays revocations by other processes. With
`fail_open_for=` an unreachable store counts as "not revoked" for a while after its last answer; by default it is 503.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol, final, runtime_checkable

from gatepass.common.limits import steady_clock
from gatepass.common.runtime import ProcessLock
from gatepass.errors import ConfigurationError, traced

__all__ = ["FailOpen", "LastAnswer", "RevocationCache", "RevocationStore"]

_LOG_INTERVAL: Final = 10.0
"""Minimum seconds between two log lines."""
_logger = logging.getLogger("gatepass.revocation")


@runtime_checkable
class RevocationStore(Protocol):
    """A place for revocations, shared by all processes that verify. Times are whole seconds since 1970."""

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        """Revoke the tokens of *key* that were issued at or before *issued_until*; forget this after *keep_until*.

        Of two entries for one key, the later times win. When the call returns, the entry is durable, even if there was
        no change to write.
        """
        ...

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        """Return the latest `issued_until` of those *keys* whose `keep_until` is not past, or None. One round trip."""
        ...

    def purge_revocations(self, *, before: int, limit: int) -> int:
        """Delete at most *limit* entries whose `keep_until` is earlier than *before*. Returns how many."""
        ...


class _StoreLayer:
    """The base of a `RevocationStore` in front of another. It delegates what its subclass does not override."""

    __slots__ = ("_clock", "_store")

    def __init__(self, store: RevocationStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        self._store.put_revocation(key, issued_until=issued_until, keep_until=keep_until)

    def purge_revocations(self, *, before: int, limit: int) -> int:
        return self._store.purge_revocations(before=before, limit=limit)


@final
class RevocationCache(_StoreLayer):
    """A `RevocationStore` in front of another that caches "not revoked" for *ttl* seconds from the start of the query.

    A revocation by another process takes effect at most that much later, one made through this object at once. Errors
    are never cached. At most *size* results are kept; when the cache is full, it is emptied.
    """

    __slots__ = ("_known", "_lock", "_size", "_ttl")

    def __init__(
        self,
        store: RevocationStore,
        *,
        ttl: float,
        size: int,
        clock: Callable[[], float] = steady_clock,  # not the time of day, which may be set back
    ) -> None:
        super().__init__(store, clock)
        self._ttl = ttl
        self._size = size
        self._known: dict[tuple[str, ...], float] = {}
        self._lock = ProcessLock()

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        try:
            super().put_revocation(key, issued_until=issued_until, keep_until=keep_until)
        finally:  # also after an error: the store may have applied it
            # A new dictionary: concurrent queries that began earlier write to the old one, which is no longer read.
            self._known = {}

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        known, names, began = self._known, tuple(keys), self._clock()
        since = known.get(names)
        if since is not None and began - since < self._ttl:
            return None
        until = self._store.revoked_until(keys, now=now)
        if until is None:
            with self._lock:
                if len(known) >= self._size:
                    known.clear()
                known[names] = began
        return until


@final
class LastAnswer(_StoreLayer):
    """A `RevocationStore` that records when the real store last answered. No cache is between the two."""

    __slots__ = ("at",)

    def __init__(
        self,
        store: RevocationStore,
        *,
        clock: Callable[[], float] = steady_clock,  # not the time of day, which may be set back
    ) -> None:
        super().__init__(store, clock)
        self.at: float | None = None
        """When the last successful query began."""

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        began = self._clock()
        until = self._store.revoked_until(keys, now=now)
        self.at = began
        return until


@final
class FailOpen(_StoreLayer):
    """A `RevocationStore` in front of another. Up to *limit* seconds after *last_answer*, its errors count as "not
    revoked". Errors of a store that never answered are raised.
    """

    __slots__ = ("_last_answer", "_limit", "_warned_at")

    def __init__(
        self,
        store: RevocationStore,
        last_answer: LastAnswer,
        *,
        limit: float,
        clock: Callable[[], float] = steady_clock,
    ) -> None:
        super().__init__(store, clock)
        self._last_answer = last_answer
        self._limit = limit
        self._warned_at: float | None = None

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        try:
            return self._store.revoked_until(keys, now=now)
        except ConfigurationError:
            raise
        except Exception as error:
            failed, last = self._clock(), self._last_answer.at
            if last is None or failed - last >= self._limit:
                raise
            self._warn(error, failed)
            return None

    def _warn(self, error: Exception, now: float) -> None:
        if self._warned_at is None or now - self._warned_at >= _LOG_INTERVAL:
            self._warned_at = now
            _logger.error("the check of revocations fails open: the store raised %s", type(error).__qualname__)
            _logger.debug("what the store raised: %s", traced(error))

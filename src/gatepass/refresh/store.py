"""The protocol of a store of token families, and the loop that purges a store.

One operation must be atomic, and all others rest on it: `rotate`. Test a store of your own with
`gatepass.testing.RefreshStoreContract`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from gatepass.refresh.family import Family, Rotation

__all__ = ["PurgeResult", "PurgeableStore", "RefreshStore", "purge_store"]


@runtime_checkable
class RefreshStore(Protocol):
    """A place for families, shared by all processes that refresh.

    Any method may raise whatever its database raises; the service turns that into 503. An answer must be durable:
    what returned is still so after a crash. Times are whole seconds since 1970, given by the caller.
    """

    def create(self, family: Family) -> None:
        """Keep a new *family*. Its `family_id` is random and not yet there."""
        ...

    def get(self, family_id: str) -> Family | None:
        """The family as it is now, or None. Revoked and expired ones are families too."""
        ...

    def rotate(self, family_id: str, rotation: Rotation) -> bool:
        """Put *rotation* in place if, at that one moment, `current_hash` is `rotation.previous_hash` and the family is
        not revoked. Of any number of callers with the same `previous_hash`, exactly one gets True.

        Where `rotation.current_hash` is `previous_hash` itself, nothing is special: it is put in place like any other,
        and every such caller gets True. So a successor is written before it is handed out again, because what `get`
        shows may not be durable yet. `rotation.salt` differs each time, lest there be nothing to write; it is up to 48
        octets long.
        """
        ...

    def revoke(self, family_id: str, *, at: int) -> bool:
        """Mark the family revoked; True if it was there and not yet revoked. What is revoked stays so; its salt may go.

        False is durable too: where another call revoked it and its answer is not on the disk yet, this one waits. The
        same holds for the next two.
        """
        ...

    def revoke_subject(self, subject: str, *, at: int) -> int:
        """Revoke every family of *subject*, in steps if there are many. Returns how many were not yet revoked."""
        ...

    def revoke_client(self, client_id: str, *, at: int) -> int:
        """Revoke every family of *client_id*. Returns how many were not yet revoked."""
        ...

    def purge(self, *, before: int, limit: int) -> PurgeResult:
        """Delete at most *limit* families that expired, idled out or were revoked earlier than *before*.

        It may stop for another reason too, such as how many families it looked at; `more` says whether to call again.

        Of every family that lives on, it empties the `salt` where it was rotated more than `Rotation.MAX_GRACE`
        seconds before *before*, also if another process rotated it.
        """
        ...


class PurgeResult(NamedTuple):
    """What one call of `purge` did. *deleted* alone does not say whether to go on: families that live on count for
    nothing, and those that ended may stand behind them.
    """

    deleted: int
    """How many families the call deleted."""

    more: bool
    """Whether the call stopped at a bound: call it again until it did not."""


class PurgeableStore(Protocol):
    """A store of families and revocations, as far as `purge_store` uses it."""

    def purge(self, *, before: int, limit: int) -> PurgeResult: ...

    def purge_revocations(self, *, before: int, limit: int) -> int: ...


def purge_store(
    store: PurgeableStore, *, now: int, ended_for: int, batch: int, limit: int | None = None
) -> Iterator[tuple[int, int]]:
    """Delete families that ended more than *ended_for* seconds before *now*, then revocations that are past.

    Yields after each *batch* how many families and how many revocations were deleted so far. Stops when nothing is
    left, or after *limit* entries, families and revocations together.
    """
    families = revocations = 0
    left = sys.maxsize if limit is None else limit
    more = True
    while more and left:
        deleted, more = store.purge(before=now - ended_for, limit=min(batch, left))
        families, left = families + deleted, left - deleted
        yield families, revocations
    more = True
    while more and left:
        deleted = store.purge_revocations(before=now, limit=min(batch, left))
        revocations, left, more = revocations + deleted, left - deleted, deleted > 0
        yield families, revocations

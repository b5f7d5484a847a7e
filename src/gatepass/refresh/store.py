"""What a store of token families must do. One operation is atomic, and everything rests on it: `rotate`.

Write your own store to this protocol, and let `gatepass.testing.RefreshStoreContract` judge it.
"""

from __future__ import annotations

from typing import Protocol, final, runtime_checkable

from gatepass.refresh.family import Family, Rotation

__all__ = ["Purged", "RefreshStore"]


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
        """Revoke every family of *subject*, in steps if there are many; how many were not yet revoked."""
        ...

    def revoke_client(self, client_id: str, *, at: int) -> int:
        """Revoke every family of *client_id*; how many were not yet revoked."""
        ...

    def purge(self, *, before: int, limit: int) -> int:
        """Delete at most *limit* families that expired, idled out or were revoked earlier than *before*; how many.

        Of every family that lives on, it empties the `salt` where it was rotated more than `Rotation.MAX_GRACE`
        seconds before *before*, also if another process rotated it.

        A purge that may stop for another reason, such as how many it looked at, answers with a `Purged`.
        """
        ...


@final
class Purged(int):
    """How many families were deleted.

    >>> deleted = Purged(0, more=True)
    >>> deleted == 0, deleted.more
    (True, True)
    """

    more: bool
    """Whether the purge stopped at a bound: call it again, until it did not."""

    def __new__(cls, count: int, *, more: bool) -> Purged:
        purged = super().__new__(cls, count)
        purged.more = more
        return purged

    @classmethod
    def of(cls, count: int) -> Purged:
        """*count* as a store answered it; of a plain number, as long as something went there may be more."""
        return count if isinstance(count, cls) else cls(count, more=count > 0)

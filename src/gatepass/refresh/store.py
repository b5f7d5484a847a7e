"""The protocol of a store of token families, its version, and the loop that purges a store.

One operation must be atomic, `rotate`; all guarantees depend on it. Test a store of your own with
`gatepass.testing.RefreshStoreContract`. Version 2 of the protocol added `live_families`, and `claims`, `label` and
`refresh_ttl` of a family.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol, cast, runtime_checkable

from gatepass.errors import ConfigurationError
from gatepass.refresh.family import Family, Rotation

__all__ = ["CONTRACT_VERSION", "PurgeResult", "PurgeableStore", "RefreshStore", "purge_store", "require_store"]

CONTRACT_VERSION: Final = 2
"""The version of `RefreshStore`."""


@runtime_checkable
class RefreshStore(Protocol):
    """A place for families, shared by all processes that refresh.

    A method may raise any exception of its database; the service turns it into 503. When a method returns, its result
    must be durable, so that it survives a crash. Times are whole seconds since 1970, given by the caller.
    To revoke access tokens too, a store also implements `gatepass.revocation.RevocationStore`.
    """

    @property
    def contract_version(self) -> int:
        """The version of this protocol that the store was written for: set `contract_version = 2` in its class.

        A store of an older version would lose the members of a family that a newer one added.
        """
        ...

    def create(self, family: Family) -> None:
        """Store a new *family*. Raise any exception if its random `family_id` is in the store already."""
        ...

    def get(self, family_id: str) -> Family | None:
        """Return the family as it is now, or None. Revoked and expired families are returned too."""
        ...

    def rotate(self, family_id: str, rotation: Rotation) -> bool:
        """Spend the token whose hash is `rotation.previous_hash`: apply *rotation* if, at that one moment, this hash is
        `current_hash` and the family is not revoked. Of any number of callers with the same `previous_hash`, exactly
        one gets True, or none if the family is revoked.

        A rotation whose `current_hash` equals its `previous_hash` spends no token: apply it like any other; every such
        caller gets True. By it the service makes a row durable that `get` returned, before it returns the successor
        again, and deletes a salt. A salt that is written again differs each time, so that there is a change to write;
        it is up to 48 octets long.
        """
        ...

    def revoke(self, family_id: str, *, at: int) -> bool:
        """Revoke the family for good; its salt may be deleted. Return True if it existed and was not yet revoked.

        False must be durable too: if another call revoked the family and that is not on the disk yet, wait for it. The
        same holds for the next two methods.
        """
        ...

    def revoke_subject(self, subject: str, *, at: int) -> int:
        """Revoke every family of *subject*, in steps if there are many. Returns how many were not yet revoked."""
        ...

    def revoke_client(self, client_id: str, *, at: int) -> int:
        """Revoke every family of *client_id*. Returns how many were not yet revoked."""
        ...

    def live_families(self, subject: str, *, at: int, limit: int, after: tuple[int, str] | None) -> Sequence[Family]:
        """Return at most *limit* families of *subject* for which `Family.is_live(at)`, the newest login first.

        Families with the same `created_at` have any order that stays the same. *after* is the `position` of a family,
        which may have ended or been deleted: return the families behind it.
        """
        ...

    def purge(self, *, before: int, limit: int) -> PurgeResult:
        """Delete at most *limit* families that expired, idled out or were revoked earlier than *before*.

        It may stop earlier, after at least one batch of some hundred families that have not ended; `more` says whether
        to call again.

        It also empties the `salt` of every remaining family that was rotated more than `Rotation.MAX_GRACE` seconds
        before *before*, even if another process rotated it.
        """
        ...


def require_store(value: object) -> RefreshStore:
    """Return *value* if it is a store of this version of the protocol. Raises `ConfigurationError`."""
    if isinstance(value, type) or not all(callable(getattr(value, name, None)) for name in ("create", "get", "rotate")):
        raise ConfigurationError("store= must be a RefreshStore, such as SQLiteStore(path)")
    version: object = getattr(value, "contract_version", 1)
    missing = ", ".join(sorted(name for name in _MEMBERS if not hasattr(value, name)))
    if isinstance(version, int) and version > CONTRACT_VERSION:
        raise ConfigurationError(f"store= was written for version {version} of RefreshStore: upgrade gatepass")
    if version != CONTRACT_VERSION:
        needed = f"add {missing}" if missing else "store all members of a Family"
        raise ConfigurationError(
            f"store= was written for version {version!r} of gatepass.refresh.RefreshStore, and version "
            f"{CONTRACT_VERSION} is needed: {needed}, test it with gatepass.testing.RefreshStoreContract, and set "
            f"contract_version = {CONTRACT_VERSION}"
        )
    if missing:
        raise ConfigurationError(f"store= lacks {missing} of gatepass.refresh.RefreshStore")
    return cast("RefreshStore", value)


_MEMBERS: Final = (
    "create", "get", "live_families", "purge", "revoke", "revoke_client", "revoke_subject",
    "rotate",
)  # fmt: skip


class PurgeResult(NamedTuple):
    """The result of one call of `purge`. *deleted* alone does not say whether to continue: the call may have stopped at
    families that have not ended, with ended ones behind them.
    """

    deleted: int
    """The number of families that the call deleted."""

    more: bool
    """Whether the call stopped at a bound. Call `purge` again until this is False."""


class PurgeableStore(Protocol):
    """The part of a store of families and revocations that `purge_store` uses."""

    def purge(self, *, before: int, limit: int) -> PurgeResult: ...

    def purge_revocations(self, *, before: int, limit: int) -> int: ...


def purge_store(
    store: PurgeableStore, *, now: int, ended_for: int, batch: int, limit: int | None = None
) -> Iterator[tuple[int, int]]:
    """Delete families that ended more than *ended_for* seconds before *now*, then expired revocations.

    Yields after each *batch* how many families and how many revocations were deleted so far. Stops when none is left,
    or after *limit* entries, families and revocations together.
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

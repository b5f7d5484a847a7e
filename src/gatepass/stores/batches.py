"""A large deletion in small steps, so that it holds no lock for long and may stop anywhere."""

from __future__ import annotations

from collections.abc import Callable

from gatepass.refresh.purged import Purged

__all__ = ["in_batches"]


def in_batches(limit: int, batch: int, purge: Callable[[int], tuple[int, int]]) -> Purged:
    """How many rows went, *limit* at most. *purge* looks at a *batch* of rows, deletes so many of them at most, and
    answers how many it saw and how many it deleted; one that sees fewer than a batch has come to the end.

    It looks at *limit* rows in all, in whole batches: what is alive costs as much as what is dead.
    """
    deleted = seen = 0
    while deleted < limit and seen < limit:
        looked, gone = purge(limit - deleted)
        deleted += gone
        seen += looked
        if looked < batch and deleted < limit:
            return Purged(deleted, more=False)
    return Purged(deleted, more=True)

"""A large deletion in small steps, so that it holds no lock for long and may stop anywhere."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["in_batches"]


def in_batches(limit: int, largest: int, purge: Callable[[int], tuple[int, int]]) -> int:
    """How many rows went, *limit* at most. *purge* looks at a number of rows, *largest* at most, and answers how many
    it saw and how many of them it deleted; one that sees fewer than it was asked for has come to the end.
    """
    deleted = 0
    while deleted < limit:
        size = min(limit - deleted, largest)
        seen, gone = purge(size)
        deleted += gone
        if seen < size:
            break
    return deleted

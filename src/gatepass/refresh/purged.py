"""What a purge answers: a number, and whether there is more to do.

A purge looks at a bounded number of families. Those that live on are put off and count for nothing: by a number alone
a store without dead families would look like one where they stand behind the living.
"""

from __future__ import annotations

from typing import final

__all__ = ["Purged"]


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

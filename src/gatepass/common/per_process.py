"""A value that each process makes for itself, also where a server forks without running Python's hooks.

For locks, which a fork may copy while a thread has them that the child lacks, and for what a child must not act on
beside its parent.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar, final

__all__ = ["PerProcess"]

_T = TypeVar("_T")


@final
class PerProcess(Generic[_T]):
    """What *make* made in this process, when it was first asked for here."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: dict[int, _T] = {os.getpid(): make()}

    def get(self) -> _T:
        """The process's own. A parent's stays as it is, and is not used here."""
        process = os.getpid()
        made = self._made.get(process)
        return self._made.setdefault(process, self._make()) if made is None else made  # of several threads one counts

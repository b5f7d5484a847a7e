"""Grace windows that this process opened, so that the store forgets what they needed once they are over.

A salt and a spent token make the current one: while the salt is kept, a reader of the database who has an old token
of a client has its session. The next exchange of any client, or a purge, finds the windows that are over.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final, final

from gatepass.common.per_process import PerProcess
from gatepass.refresh.family import Family

__all__ = ["Windows"]

_MOST: Final = 10_000


class _Open:
    __slots__ = ("families", "lock")

    def __init__(self) -> None:
        self.families: deque[Family] = deque(maxlen=_MOST)  # the oldest goes: its next rotation replaces the salt too
        self.lock = threading.Lock()


@final
class Windows:
    """The families of the last rotations, whose windows are open for *grace* seconds."""

    __slots__ = ("_grace", "_open")

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._open = PerProcess(_Open)

    def opened(self, family: Family) -> None:
        """The token of *family* was exchanged a moment ago."""
        self._open.get().families.append(family)

    def over(self, now: int, *, most: int) -> list[Family]:
        """At most *most* families, each of them once, whose window is over."""
        found: list[Family] = []
        ours = self._open.get()
        with ours.lock:
            while ours.families and len(found) < most and now - ours.families[0].rotated_at >= self._grace:
                found.append(ours.families.popleft())
        return found

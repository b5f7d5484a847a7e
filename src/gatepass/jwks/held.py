"""One immutable snapshot of an issuer's keys, with the instants at which it stops being fresh and usable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from gatepass.keys import KeySet

__all__ = ["NOTHING", "Held", "KeyState"]

KeyState: TypeAlias = Literal["empty", "fresh", "stale", "dead"]

_MOMENT: Final = 60.0
"""Seconds: a thread may look at the clock, and at the keys when another has fetched them anew."""


@dataclass(frozen=True, slots=True)
class Held:
    """*digest* is that of the document. Times are seconds of the client's clock."""

    keys: KeySet | None
    address: str
    digest: bytes
    etag: str | None
    fetched_at: float
    refresh_at: float
    fresh_until: float
    usable_until: float

    def state(self, now: float) -> KeyState:
        if self.keys is None:
            return "empty"
        if self.usable(now) is None:
            return "dead"
        return "fresh" if now < self.fresh_until else "stale"

    def usable(self, now: float) -> KeySet | None:
        """The keys, while they may be used. A clock that was set back says nothing of their age."""
        return self.keys if self.fetched_at - _MOMENT <= now < self.usable_until else None


NOTHING: Final = Held(None, "", b"", None, -math.inf, -math.inf, -math.inf, -math.inf)
"""Before the first fetch."""

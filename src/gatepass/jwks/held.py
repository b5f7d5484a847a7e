"""One immutable snapshot of an issuer's keys, with the instants at which it stops being fresh and usable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from gatepass.keys import KeySet

__all__ = ["NOTHING", "Held", "KeyState"]

KeyState: TypeAlias = Literal["empty", "fresh", "stale", "dead"]


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
        if now >= self.usable_until:
            return "dead"
        return "fresh" if now < self.fresh_until else "stale"

    def usable(self, now: float) -> KeySet | None:
        return self.keys if now < self.usable_until else None


NOTHING: Final = Held(None, "", b"", None, -math.inf, -math.inf, -math.inf, -math.inf)
"""Before the first fetch."""

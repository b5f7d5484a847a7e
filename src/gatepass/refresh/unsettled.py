"""Rotations whose outcome the store did not tell: a connection may break between the commit and the answer.

The token is then spent and its successor in nobody's hand. This process remembers how it was made, so that the client
that tries again gets it, once, and is not taken for a thief. No usable token is kept: the client's own is needed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, final

from gatepass.common.per_process import PerProcess
from gatepass.refresh.family import Rotation

__all__ = ["Unsettled"]

_MOST: Final = 10_000
_MOST_OF_ONE: Final = 100


class _Kept:
    __slots__ = ("count", "lock", "salts")

    def __init__(self) -> None:
        self.salts: OrderedDict[str, dict[bytes, bytes]] = OrderedDict()
        self.count = 0
        self.lock = threading.Lock()


@final
class Unsettled:
    """The salts of such rotations, by family and by the hash of the successor; the oldest go when there are too many.

    Those of one family are few: a client that tries again and again does not push out what others need. A fork begins
    without them: its parent hands them out.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept = PerProcess(_Kept)

    def remember(self, family_id: str, rotation: Rotation, salt: bytes) -> None:
        """Nobody knows whether *rotation* took place."""
        kept = self._kept.get()
        with kept.lock:
            own = kept.salts.setdefault(family_id, {})
            own[rotation.current_hash] = salt
            kept.count += 1
            if len(own) > _MOST_OF_ONE:
                del own[next(iter(own))]
                kept.count -= 1
            if kept.count > _MOST:
                kept.count -= len(kept.salts.popitem(last=False)[1])

    def salt_of(self, family_id: str, current_hash: bytes) -> bytes:
        """The salt of the successor with *current_hash*, or nothing."""
        return self._kept.get().salts.get(family_id, {}).get(current_hash, b"")

    def settle(self, family_id: str, current_hash: bytes) -> bool:
        """Forget the rotation; True for exactly one caller, who may hand the successor out."""
        kept = self._kept.get()
        with kept.lock:
            own = kept.salts.get(family_id, {})
            if own.pop(current_hash, None) is None:
                return False
            kept.count -= 1
            if not own:
                del kept.salts[family_id]
            return True

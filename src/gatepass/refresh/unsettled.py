"""Rotations whose outcome the store did not tell: a connection may break between the commit and the answer.

The token is then spent and its successor in nobody's hand. This process remembers how it was made, so that the client
that tries again gets it, once, and is not taken for a thief. No usable token is kept: the client's own is needed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, final

from gatepass.refresh.family import Rotation

__all__ = ["Unsettled"]

_MOST: Final = 10_000
_MOST_OF_ONE: Final = 100


@final
class Unsettled:
    """The salts of such rotations, by family and by the hash of the successor; the oldest go when there are too many.

    Those of one family are few: nobody who tries again and again pushes out what others need.
    """

    __slots__ = ("_count", "_lock", "_salts")

    def __init__(self) -> None:
        self._salts: OrderedDict[str, dict[bytes, bytes]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def remember(self, family_id: str, rotation: Rotation, salt: bytes) -> None:
        """Nobody knows whether *rotation* took place."""
        with self._lock:
            own = self._salts.setdefault(family_id, {})
            own[rotation.current_hash] = salt
            self._count += 1
            if len(own) > _MOST_OF_ONE:
                del own[next(iter(own))]
                self._count -= 1
            if self._count > _MOST:
                self._count -= len(self._salts.popitem(last=False)[1])

    def salt_of(self, family_id: str, current_hash: bytes) -> bytes:
        """The salt of the successor with *current_hash*, or nothing."""
        return self._salts.get(family_id, {}).get(current_hash, b"")

    def settle(self, family_id: str, current_hash: bytes) -> bool:
        """Forget the rotation; True for exactly one caller, who may hand the successor out."""
        with self._lock:
            own = self._salts.get(family_id, {})
            if own.pop(current_hash, None) is None:
                return False
            self._count -= 1
            if not own:
                del self._salts[family_id]
            return True

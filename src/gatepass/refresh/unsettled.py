"""Rotations whose outcome the store did not tell: a connection may break between the commit and the answer.

The token is then spent and its successor in nobody's hand. This process remembers how it was made, so that the client
who tries again gets it, once, and is not taken for a thief. No usable token is kept: the client's own is needed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, final

from gatepass.refresh.family import Rotation

__all__ = ["Unsettled"]

_MOST: Final = 10_000


@final
class Unsettled:
    """The salts of such rotations, by the hash of the successor; the oldest goes when there are too many."""

    __slots__ = ("_lock", "_salts")

    def __init__(self) -> None:
        self._salts: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, rotation: Rotation, salt: bytes) -> None:
        """Nobody knows whether *rotation* took place."""
        with self._lock:
            self._salts[rotation.current_hash] = salt
            if len(self._salts) > _MOST:
                self._salts.popitem(last=False)

    def salt_of(self, current_hash: bytes) -> bytes:
        """The salt of the successor with *current_hash*, or nothing."""
        return self._salts.get(current_hash, b"")

    def settle(self, current_hash: bytes) -> bool:
        """Forget the rotation; True for exactly one caller, who may hand the successor out."""
        with self._lock:
            return self._salts.pop(current_hash, None) is not None

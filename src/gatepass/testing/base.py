"""What the classes of the contract for `RefreshStore` stand on: the fixtures that a store's author supplies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

import pytest

from gatepass.refresh.store import RefreshStore

__all__ = ["ODD_TEXTS", "Ground"]

ODD_TEXTS: Final = [
    "anna ",
    " anna",
    "Anna",
    "ANNA",
    "änna",
    "a\u0308nna",  # the same letter in two code points
    "ａｎｎａ",
    "anna\n",
    "anna\t",
    "ﬁrst",
    "ß",
    "ı",
    "𝒜𝓃𝓃𝒶",
    "👩🏽\u200d🚀",
    "عَنّا",
    "a\u200dnna",
    "a\ufeffnna",
    "'; DROP TABLE families; --",
    "%",
    "an_a",
    "anna\\",
    "{anna}",
    "*",
    "a:b/c?d#e",
]
"""Texts that a database is tempted to fold, cut or misread."""


class Ground:
    """The fixture `store` gives an empty store, or one that nobody else uses."""

    purges: ClassVar[bool] = True
    """False where the database forgets what ended by itself, and `purge` may find nothing to do."""

    @pytest.fixture
    def store(self) -> Any:
        raise NotImplementedError("supply a fixture `store`")

    @pytest.fixture
    def reopen(self) -> Callable[[], RefreshStore] | None:
        """What opens the same store in a fresh process, pickled on its way; None where processes cannot share it."""
        return None

    @pytest.fixture
    def dump(self) -> Callable[[], Iterable[bytes]] | None:
        """What reads everything that the store keeps, as raw as it can be had; None where there is no way."""
        return None

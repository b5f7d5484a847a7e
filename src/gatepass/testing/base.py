"""The base of the contract for `RefreshStore`: the fixtures that a store's author supplies, and families for its tests.

The families have real tokens, their hashes, and times around the present.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, final

import pytest

from gatepass.refresh.family import Family, RefreshToken, Rotation
from gatepass.refresh.store import RefreshStore

__all__ = ["ODD_TEXTS", "IssuedFamily", "StoreContractBase", "make_family", "put_family", "revoked", "seconds_from_now"]


class StoreContractBase:
    """The fixture `store` gives an empty store, or one that no other test uses."""

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


@final
@dataclass(frozen=True, slots=True)
class IssuedFamily:
    """A family, and the refresh token that was issued to its client."""

    family: Family
    token: RefreshToken

    @property
    def family_id(self) -> str:
        return self.family.family_id

    def next(self, *, salt: bytes | None = None, **changes: Any) -> tuple[IssuedFamily, Rotation]:
        """The exchange of the token: what the client holds after it, and the rotation that the store is given."""
        salt = secrets.token_bytes(32) if salt is None else salt
        successor = self.token.successor(salt)
        rotation = Rotation(
            current_hash=successor.secret_hash,
            previous_hash=self.token.secret_hash,
            salt=salt,
            rotated_at=self.family.created_at + 60,
            idle_expires_at=self.family.idle_expires_at + 60,
        )
        rotation = replace(rotation, **changes)
        return IssuedFamily(self.family.rotated(rotation), successor), rotation

    def again(self) -> tuple[IssuedFamily, Rotation]:
        """The token written once more, and the rotation that does it."""
        rotation = Rotation.again(self.family)
        return IssuedFamily(self.family.rotated(rotation), self.token), rotation


def make_family(**changes: Any) -> IssuedFamily:
    """A new family that lives for some hours, and its first token; *changes* are members of the family."""
    token = RefreshToken.fresh()
    now = int(time.time())
    family = Family(
        family_id=token.family_id,
        subject=f"subject-{token.family_id}",
        client_id=f"client-{token.family_id}",
        scope="orders:read orders:write",
        audience="https://api.example",
        auth_time=None,
        acr=None,
        amr=(),
        created_at=now,
        expires_at=now + 10_000,
        idle_expires_at=now + 5_000,
        proof_hash=token.proof_hash,
        current_hash=token.secret_hash,
    )
    return IssuedFamily(replace(family, **changes), token)


def put_family(store: RefreshStore, **changes: Any) -> IssuedFamily:
    """`make_family`, and *store* has the family."""
    one = make_family(**changes)
    store.create(one.family)
    return one


def revoked(family: Family | None, *, at: int | None = None) -> Family | None:
    """*family* without its salt, which may go when it is revoked; and revoked *at* that moment, if one is given."""
    if family is None:
        return None
    return replace(family, salt=b"", revoked_at=family.revoked_at if at is None else at)


def seconds_from_now(seconds: int) -> int:
    """The moment *seconds* from now."""
    return int(time.time()) + seconds

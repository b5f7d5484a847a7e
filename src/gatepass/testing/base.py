"""The base of the contract for `RefreshStore`: the fixtures that the author of a store defines, and families for tests.

The families have real tokens, the hashes of these tokens, and times near the present.
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
    """The fixtures. `store` returns an empty store, or one that no other test uses."""

    purges: ClassVar[bool] = True
    """False if the database itself deletes what has ended, so that `purge` may delete none."""

    @pytest.fixture
    def store(self) -> Any:
        raise NotImplementedError("define a fixture `store`")

    @pytest.fixture
    def reopen(self) -> Callable[[], RefreshStore] | None:
        """Return a picklable function that opens the store in a fresh process; None if processes cannot share it."""
        return None

    @pytest.fixture
    def dump(self) -> Callable[[], Iterable[bytes]] | None:
        """Return a function that reads all stored values, as raw as possible; None if that is not possible."""
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
"""Texts that databases may fold, truncate or misinterpret."""


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
        """Rotate the token: return what the client then holds, and the rotation for the store."""
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
        """Return the same token after it is written once more, and the rotation that writes it."""
        rotation = Rotation.rewriting(self.family)
        return IssuedFamily(self.family.rotated(rotation), self.token), rotation


def make_family(**changes: Any) -> IssuedFamily:
    """Return a new family that lives for some hours, and its first token. *changes* replace members of the family."""
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
    """Make a family and create it in *store*."""
    one = make_family(**changes)
    store.create(one.family)
    return one


def revoked(family: Family | None, *, at: int | None = None) -> Family | None:
    """Return *family* without its salt, which a revocation may delete, and revoked *at* that time, if given."""
    if family is None:
        return None
    return replace(family, salt=b"", revoked_at=family.revoked_at if at is None else at)


def seconds_from_now(seconds: int) -> int:
    """Return the time *seconds* from now, in seconds since 1970."""
    return int(time.time()) + seconds

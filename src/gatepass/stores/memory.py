"""A store in the memory of one process: for tests, or for a single process whose sign-ins may end with it."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import final

from gatepass.common.runtime import PerProcess
from gatepass.refresh.family import Family, Rotation
from gatepass.refresh.store import PurgeResult

__all__ = ["MemoryStore"]


@final
class MemoryStore:
    """Families in a dictionary under a lock. Thread-safe, not shared with other processes, lost when the process ends.

    A forked process has its own copy: a revocation in one process does not reach the other.
    """

    __slots__ = ("_by_client", "_by_subject", "_families", "_locks", "_revocations")

    contract_version: int = 2

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._by_subject: dict[str, set[str]] = {}
        self._by_client: dict[str, set[str]] = {}
        self._revocations: dict[str, tuple[int, int]] = {}
        self._locks = PerProcess(threading.Lock)

    @property
    def _lock(self) -> threading.Lock:
        return self._locks.get()

    def create(self, family: Family) -> None:
        with self._lock:
            if family.family_id in self._families:
                raise KeyError("this family already exists")
            self._families[family.family_id] = family
            for index, name in self._indexes(family):
                index.setdefault(name, set()).add(family.family_id)

    def get(self, family_id: str) -> Family | None:
        return self._families.get(family_id)

    def rotate(self, family_id: str, rotation: Rotation) -> bool:
        with self._lock:
            family = self._families.get(family_id)
            if family is None or family.revoked_at is not None or family.current_hash != rotation.previous_hash:
                return False
            self._families[family_id] = family.rotated(rotation)
            return True

    def revoke(self, family_id: str, *, at: int) -> bool:
        with self._lock:
            return self._revoke((family_id,), at) > 0

    def revoke_subject(self, subject: str, *, at: int) -> int:
        with self._lock:
            return self._revoke(self._by_subject.get(subject, ()), at)

    def revoke_client(self, client_id: str, *, at: int) -> int:
        with self._lock:
            return self._revoke(self._by_client.get(client_id, ()), at)

    def live_families(self, subject: str, *, at: int, limit: int, after: tuple[int, str] | None) -> Sequence[Family]:
        with self._lock:
            found = [self._families[family_id] for family_id in self._by_subject.get(subject, ())]
        live = (one for one in found if one.is_live(at) and (after is None or one.position < after))
        return heapq.nlargest(limit, live, key=attrgetter("position"))

    def purge(self, *, before: int, limit: int) -> PurgeResult:
        with self._lock:
            ended = [name for name, family in self._families.items() if family.ended_before(before)][:limit]
            for family_id in ended:
                self._forget(self._families.pop(family_id))
            expired = [family for family in self._families.values() if family.has_expired_salt(before)]
            for family in expired:
                self._families[family.family_id] = replace(family, salt=b"")
            return PurgeResult(len(ended), more=len(ended) == limit)

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        with self._lock:
            known = self._revocations.get(key, (issued_until, keep_until))
            self._revocations[key] = (max(known[0], issued_until), max(known[1], keep_until))

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        latest: int | None = None
        if self._revocations.keys().isdisjoint(keys):  # the case of most requests
            return None
        for key in keys:
            entry = self._revocations.get(key)
            if entry is not None and entry[1] >= now and (latest is None or entry[0] > latest):
                latest = entry[0]
        return latest

    def purge_revocations(self, *, before: int, limit: int) -> int:
        with self._lock:
            expired = [key for key, (_, keep_until) in self._revocations.items() if keep_until < before][:limit]
            for key in expired:
                del self._revocations[key]
            return len(expired)

    def _revoke(self, names: Iterable[str], at: int) -> int:
        found = [one for one in map(self._families.get, names) if one is not None and one.revoked_at is None]
        for family in found:
            self._families[family.family_id] = replace(family, revoked_at=at)
        return len(found)

    def _forget(self, family: Family) -> None:
        for index, name in self._indexes(family):
            index[name].discard(family.family_id)
            if not index[name]:
                del index[name]

    def _indexes(self, family: Family) -> tuple[tuple[dict[str, set[str]], str], ...]:
        return (self._by_subject, family.subject), (self._by_client, family.client_id)

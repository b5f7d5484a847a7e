"""The keys of a ring in signing order, the state of each key at a given time, and the list for operators.

Every key has one fixed time from which it signs. The other times follow from it: the key retires when the next key
signs, and is removed some time later. All processes therefore agree without messages, and a change of state writes no
file. A process with a wrong clock still finds a key to sign with, and that key is published. No function here reads a
clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, final

from gatepass.common.limits import LAST_SECOND, moment_of
from gatepass.keyring.schedule import Schedule

__all__ = ["Entry", "RingKey", "State", "Timeline", "list_keys"]

State = Literal["published", "active", "retired", "removed"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key. *signs_from* is None if the key was removed before it signed. *keep* is how long it stays retired.

    *jwk* has the private members until the key is retired. It is None once the key was removed by hand.
    """

    kid: str
    algorithm: str
    published_at: int
    signs_from: int | None
    keep: int
    removed_at: int | None = None
    jwk: Mapping[str, str] | None = field(repr=False)

    @property
    def can_sign(self) -> bool:
        return self.jwk is not None and "d" in self.jwk


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All keys of a ring, including recently removed ones. *schedule* is the last one written.

    *announced* is the largest `Schedule.announced` since the last rotation: a copy of the public keys may be that old.
    """

    entries: tuple[Entry, ...]
    schedule: Schedule
    announced: int

    def in_order(self) -> tuple[Entry, ...]:
        """Return the keys with a signing time, in order. A removed key still retires the key before it."""
        return tuple(sorted((one for one in self.entries if one.signs_from is not None), key=_signs_from))

    def signer(self, now: float) -> Entry | None:
        """Return the key that signs: the last one whose signing time has passed.

        If that key was removed, it is the next one, which is already published. Before all signing times, it is the
        first key.
        """
        ordered = self.in_order()
        place = max((index for index, one in enumerate(ordered) if _signs_from(one) <= now), default=0)
        signers = [one for one in (*ordered[place:], *reversed(ordered[:place])) if one.can_sign]
        return signers[0] if signers else None

    def published(self, now: float) -> tuple[Entry, ...]:
        """Return the keys that are not removed, in order."""
        return tuple(one for one in self.in_order() if self.state(one, now) != "removed")

    def state(self, entry: Entry, now: float) -> State:
        if entry.jwk is None or entry.signs_from is None:
            return "removed"
        if entry == self.signer(now):
            return "active"
        if now < entry.signs_from:
            return "published"
        ends = self.ends_at(entry)
        return "retired" if ends is None or now < ends else "removed"

    def retires_at(self, entry: Entry) -> int | None:
        """Return when the next key starts to sign; None while there is no next key."""
        if entry.signs_from is None:
            return None
        later = [_signs_from(one) for one in self.in_order() if _signs_from(one) > entry.signs_from]
        return later[0] if later else None

    def ends_at(self, entry: Entry) -> int | None:
        """Return when *entry* leaves the published keys; None while that is not fixed."""
        if entry.removed_at is not None:
            return entry.removed_at
        retires = self.retires_at(entry)
        return None if retires is None else retires + entry.keep

    def next_change(self, now: float) -> float:
        """Return the first time after *now* at which a key changes its state."""
        instants = [instant for one in self.entries for instant in (one.signs_from, self.ends_at(one))]
        return min((instant for instant in instants if instant is not None and instant > now), default=float("inf"))

    def is_due(self, now: float, schedule: Schedule) -> bool:
        """Return whether the next key is due to be published.

        A key that signs later than any schedule allows was created by a clock that ran ahead. It does not count as the
        next key.
        """
        ahead = max(schedule.publish_ahead, self.announced)
        horizon = now + ahead + max(schedule.rotate_every or 0, ahead)
        if any(one.can_sign and now < _signs_from(one) <= horizon for one in self.in_order()):
            return False
        signer = self.signer(now)
        if signer is None:
            return True
        return schedule.rotate_every is not None and now >= _signs_from(signer) + schedule.rotate_every - ahead


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RingKey:
    """A key and its times. A time that is not fixed yet is None."""

    kid: str
    algorithm: str
    state: State
    published_at: datetime
    signs_from: datetime | None
    retires_at: datetime | None
    removed_at: datetime | None


def list_keys(timeline: Timeline, now: float) -> tuple[RingKey, ...]:
    """Return every key of *timeline* as it is at *now*, oldest first."""
    return tuple(
        RingKey(
            kid=one.kid,
            algorithm=one.algorithm,
            state=timeline.state(one, now),
            published_at=moment_of(one.published_at),
            signs_from=_moment(one.signs_from),
            retires_at=_moment(timeline.retires_at(one)),
            removed_at=_moment(timeline.ends_at(one)),
        )
        for one in sorted(
            timeline.entries, key=lambda one: (one.published_at, one.signs_from is None, one.signs_from or 0)
        )
    )


def _signs_from(entry: Entry) -> int:
    """Return the signing time of *entry*, which comes from `in_order` and therefore has one."""
    return -1 if entry.signs_from is None else entry.signs_from


def _moment(second: int | None) -> datetime | None:
    return None if second is None else moment_of(min(second, LAST_SECOND))

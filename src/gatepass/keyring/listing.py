"""The keys of a ring as an operator wants to see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import final

from gatepass.common.limits import LAST_SECOND
from gatepass.keyring.timeline import State, Timeline

__all__ = ["RingKey", "listed"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RingKey:
    """A key and its times, which are None while they are open."""

    kid: str
    algorithm: str
    state: State
    published_at: datetime
    signs_from: datetime | None
    retires_at: datetime | None
    removed_at: datetime | None


def listed(line: Timeline, now: float) -> tuple[RingKey, ...]:
    """Every key of *line* as it is at *now*, the oldest first."""
    return tuple(
        RingKey(
            kid=one.kid,
            algorithm=one.algorithm,
            state=line.state(one, now),
            published_at=_moment(one.published_at),
            signs_from=_moment_or_none(one.signs_from),
            retires_at=_moment_or_none(line.retires(one)),
            removed_at=_moment_or_none(line.ends(one)),
        )
        for one in sorted(line.entries, key=lambda one: (one.published_at, one.signs_from is None, one.signs_from or 0))
    )


def _moment(instant: int) -> datetime:
    return datetime.fromtimestamp(min(instant, LAST_SECOND), UTC)


def _moment_or_none(instant: int | None) -> datetime | None:
    return None if instant is None else _moment(instant)

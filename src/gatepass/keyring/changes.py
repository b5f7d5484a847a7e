"""What may happen to a ring: a first key, a rotation, a removal. Each gives a new `Timeline`, or refuses.

No change takes a key away that somebody may still need, but for one: `EMERGENCY`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, final

from gatepass.errors import ConfigurationError
from gatepass.keyring.schedule import MOST_KEYS, MOST_REMOVED, Schedule
from gatepass.keyring.timeline import Entry, Timeline
from gatepass.keys import Key

__all__ = ["EMERGENCY", "Emergency", "begun", "continued", "removed", "rotated"]


@final
class Emergency:
    """The type of `EMERGENCY`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "EMERGENCY"


EMERGENCY: Final = Emergency()
"""For `KeyRing.remove`: the key is known to others. All its tokens die, though their holders did nothing wrong."""


def begun(now: float, schedule: Schedule) -> Timeline:
    """A new ring. Its first key signs at once, for nobody has a copy without it."""
    first = _fresh(now, schedule, signs_from=int(now))
    return Timeline(entries=(first,), schedule=schedule, announced=schedule.announced)


def continued(line: Timeline, now: float, schedule: Schedule) -> Timeline:
    """*line* under a *schedule* that may differ from the one before. Another algorithm means another key.

    Longer windows hold from now on, for the keys at hand too; shorter ones only for the keys to come.
    """
    kept = tuple(
        one
        if line.state(one, now) in ("retired", "removed")
        else replace(one, keep=max(one.keep, schedule.keep_retired))
        for one in line.entries
    )
    adopted = Timeline(entries=kept, schedule=schedule, announced=max(line.announced, schedule.announced))
    able = [one for one in adopted.in_order() if one.can_sign]
    if not able or able[-1].algorithm == schedule.algorithm:
        return adopted
    return rotated(adopted, now, schedule)


def rotated(line: Timeline, now: float, schedule: Schedule, *, ahead: int | None = None) -> Timeline:
    """*line* with a next key that signs *ahead* seconds from now, or as soon as every copy can have it.

    Without *ahead*, a key that is published already is brought forward instead of making another; one for another
    algorithm is dropped, for it never signed.
    """
    signer = line.signer(now)
    waiting = [one for one in line.in_order() if one.can_sign and one != signer and line.state(one, now) == "published"]
    wait = max(line.announced, schedule.announced)
    if ahead is not None:
        fresh = _fresh(now, schedule, signs_from=_free(line, math.ceil(now + max(ahead, wait))))
        return _tidied(
            replace(line, entries=(*line.entries, fresh), schedule=schedule, announced=schedule.announced), now
        )
    fitting = [one for one in waiting if one.algorithm == schedule.algorithm]
    others = [one for one in waiting if one.algorithm != schedule.algorithm]
    for one in others:
        line = _without(line, one, now)
    if fitting:
        first = fitting[0]
        at = _free(line, math.ceil(max(now, min(first.published_at, now) + wait)))
        if first.signs_from is not None and at < first.signs_from:
            line = _changed(line, replace(first, signs_from=at))
        return _tidied(replace(line, schedule=schedule), now)
    fresh = _fresh(now, schedule, signs_from=_free(line, math.ceil(now + wait)))
    return _tidied(replace(line, entries=(*line.entries, fresh), schedule=schedule, announced=schedule.announced), now)


def removed(line: Timeline, now: float, schedule: Schedule, kid: str, emergency: Emergency | None) -> Timeline:
    """*line* without the key *kid*. Without `EMERGENCY` only a key that nobody needs may go."""
    found = [one for one in line.entries if one.kid == kid and line.state(one, now) != "removed"]
    if not found:
        raise ConfigurationError("this key ring publishes no key with that kid: look at the list of its keys")
    entry, signer = found[0], line.signer(now)
    state = line.state(entry, now)
    if emergency is None and state != "published":
        reason = "it signs; rotate first" if state == "active" else "tokens that it signed are alive; wait"
        raise ConfigurationError(f"this key is needed: {reason}, or remove it as an emergency if others know it")
    line = _without(line, entry, now)
    if entry == signer:
        line = _succeeded(line, now, schedule)
    return _tidied(line, now)


def _succeeded(line: Timeline, now: float, schedule: Schedule) -> Timeline:
    """The next key at once: the one that was published the longest, or a fresh one that no copy has yet."""
    at = _free(line, int(now))
    waiting = [one for one in line.in_order() if one.can_sign and line.state(one, now) in ("published", "active")]
    later = [one for one in waiting if one.signs_from is not None and one.signs_from > now]
    if later:
        return _changed(line, replace(later[0], signs_from=at))
    return replace(line, entries=(*line.entries, _fresh(now, schedule, signs_from=at)))


def _fresh(now: float, schedule: Schedule, *, signs_from: int) -> Entry:
    jwk = Key.generate(schedule.algorithm).to_private_jwk()
    while jwk["kid"].startswith("-"):  # on a command line that would be an option
        jwk = Key.generate(schedule.algorithm).to_private_jwk()
    return Entry(
        kid=jwk["kid"],
        algorithm=jwk["alg"],
        published_at=int(now),
        signs_from=signs_from,
        keep=schedule.keep_retired,
        jwk=jwk,
    )


def _without(line: Timeline, entry: Entry, now: float) -> Timeline:
    """A key that has signed keeps its instant, at which the one before it retired."""
    signed = entry.signs_from is not None and entry.signs_from <= now
    gone = replace(entry, jwk=None, removed_at=int(now), signs_from=entry.signs_from if signed else None)
    return _changed(line, gone)


def _changed(line: Timeline, entry: Entry) -> Timeline:
    return replace(line, entries=tuple(entry if one.kid == entry.kid else one for one in line.entries))


def _free(line: Timeline, instant: int) -> int:
    """*instant*, or the first second after it at which no other key begins."""
    taken = {one.signs_from for one in line.entries}
    while instant in taken:
        instant += 1
    return instant


def _tidied(line: Timeline, now: float) -> Timeline:
    """Retired keys lose their private halves; of removed ones the last few are remembered, as long as there is room.

    Remembered keys come back if it turns out that the clock was ahead.
    """
    entries: list[Entry] = []
    past: list[Entry] = []
    for one in line.entries:
        retires, state = line.retires(one), line.state(one, now)
        spent = state in ("retired", "removed") and retires is not None and retires + line.schedule.margin <= now
        (past if state == "removed" else entries).append(_public(one) if spent else one)
    if len(entries) > MOST_KEYS:
        raise ConfigurationError(f"this key ring has {MOST_KEYS} keys that are still needed: rotate less often")
    past.sort(key=lambda one: line.ends(one) or 0)
    kept = {one.kid for one in past[-MOST_REMOVED:]}
    return replace(line, entries=(*(one for one in past if one.kid in kept), *entries))


def _public(entry: Entry) -> Entry:
    if entry.jwk is None or not entry.can_sign:
        return entry
    return replace(entry, jwk=Key.from_jwk(entry.jwk).to_jwk())

"""Changes of a ring: create, adopt another schedule, rotate, remove. Each returns a new `Timeline`.

Rejects, without `EMERGENCY`, the removal of a key that a valid token or another service's cached copy may still need.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, final

from gatepass.errors import ConfigurationError
from gatepass.keyring.schedule import MAX_KEYS, MAX_REMOVED, Schedule
from gatepass.keyring.timeline import Entry, Timeline
from gatepass.keys import Key

__all__ = ["EMERGENCY", "Emergency", "adopt", "create", "remove", "rotate"]


@final
class Emergency:
    """The type of `EMERGENCY`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "EMERGENCY"


EMERGENCY: Final = Emergency()
"""For `KeyRing.remove`: the private key is compromised. This service rejects all its tokens as soon as
its processes read the file, others when their copies of the public keys expire.
"""


def create(now: float, schedule: Schedule) -> Timeline:
    """Return a new ring. Its first key signs at once, because no copy of the public keys exists without it."""
    first = _new_entry(now, schedule, signs_from=int(now))
    return Timeline(entries=(first,), schedule=schedule, announced=schedule.announced)


def adopt(timeline: Timeline, now: float, schedule: Schedule) -> Timeline:
    """Return *timeline* under *schedule*, which may differ from its own. Another algorithm causes a rotation.

    Longer windows apply at once, also to existing keys that are not retired. Shorter ones apply to new keys only.
    """
    entries = tuple(
        one
        if timeline.state(one, now) in ("retired", "removed")
        else replace(one, keep=max(one.keep, schedule.keep_retired))
        for one in timeline.entries
    )
    adopted = Timeline(entries=entries, schedule=schedule, announced=max(timeline.announced, schedule.announced))
    signers = [one for one in adopted.in_order() if one.can_sign]
    if not signers or signers[-1].algorithm == schedule.algorithm:
        return adopted
    return rotate(adopted, now, schedule)


def rotate(timeline: Timeline, now: float, schedule: Schedule, *, ahead: int | None = None) -> Timeline:
    """Return *timeline* with a next key, which signs *ahead* seconds from now or when every cached copy can have it.

    Without *ahead*, a published key is brought forward instead of creating one, and a published key for another
    algorithm, which never signed, is removed.
    """
    waiting = [one for one in timeline.in_order() if one.can_sign and timeline.state(one, now) == "published"]
    wait = max(timeline.announced, schedule.announced)
    if ahead is None:
        for one in waiting:
            if one.algorithm != schedule.algorithm:
                timeline = _drop(timeline, one, now)
        first = next((one for one in waiting if one.algorithm == schedule.algorithm), None)
        if first is not None:
            at = _free_second(timeline, math.ceil(max(now, min(first.published_at, now) + wait)))
            if first.signs_from is not None and at < first.signs_from:
                timeline = _with_entry(timeline, replace(first, signs_from=at))
            return _prune(replace(timeline, schedule=schedule), now)
    fresh = _new_entry(now, schedule, signs_from=_free_second(timeline, math.ceil(now + max(ahead or 0, wait))))
    return _prune(
        replace(timeline, entries=(*timeline.entries, fresh), schedule=schedule, announced=schedule.announced), now
    )


def remove(timeline: Timeline, now: float, schedule: Schedule, kid: str, emergency: Emergency | None) -> Timeline:
    """Return *timeline* without the key *kid*, which must not have signed yet unless *emergency* is given."""
    found = [one for one in timeline.entries if one.kid == kid and timeline.state(one, now) != "removed"]
    if not found:
        raise ConfigurationError("this key ring publishes no key with that kid: check the list of its keys")
    entry, signer = found[0], timeline.signer(now)
    state = timeline.state(entry, now)
    if emergency is None and state != "published":
        reason = "it signs; rotate first" if state == "active" else "tokens that it signed are still valid; wait"
        raise ConfigurationError(f"this key is needed: {reason}, or remove it as an emergency if it is compromised")
    timeline = _drop(timeline, entry, now)
    if entry == signer:
        timeline = _promote_next(timeline, now, schedule)
    return _prune(timeline, now)


def _promote_next(timeline: Timeline, now: float, schedule: Schedule) -> Timeline:
    """Make the next key sign at once: the one published the longest, or a new one, which no cached copy has yet."""
    at = _free_second(timeline, int(now))
    later = [one for one in timeline.in_order() if one.can_sign and one.signs_from is not None and one.signs_from > now]
    if later:
        return _with_entry(timeline, replace(later[0], signs_from=at))
    return replace(timeline, entries=(*timeline.entries, _new_entry(now, schedule, signs_from=at)))


def _new_entry(now: float, schedule: Schedule, *, signs_from: int) -> Entry:
    jwk = Key.generate(schedule.algorithm).to_private_jwk()
    while jwk["kid"].startswith("-"):  # a command line would read it as an option
        jwk = Key.generate(schedule.algorithm).to_private_jwk()
    return Entry(
        kid=jwk["kid"],
        algorithm=jwk["alg"],
        published_at=int(now),
        signs_from=signs_from,
        keep=schedule.keep_retired,
        jwk=jwk,
    )


def _drop(timeline: Timeline, entry: Entry, now: float) -> Timeline:
    """Return *timeline* with *entry* removed. If it has signed, its signing time stays: it retires the key before."""
    signed = entry.signs_from is not None and entry.signs_from <= now
    gone = replace(entry, jwk=None, removed_at=int(now), signs_from=entry.signs_from if signed else None)
    return _with_entry(timeline, gone)


def _with_entry(timeline: Timeline, entry: Entry) -> Timeline:
    return replace(timeline, entries=tuple(entry if one.kid == entry.kid else one for one in timeline.entries))


def _free_second(timeline: Timeline, instant: int) -> int:
    """Return *instant*, or the first later second that is not the signing time of another key."""
    taken = {one.signs_from for one in timeline.entries}
    while instant in taken:
        instant += 1
    return instant


def _prune(timeline: Timeline, now: float) -> Timeline:
    """Return *timeline* without the private halves of retired keys, and with only the last few removed keys.

    Removed keys are kept because they return if the clock ran ahead and is corrected.
    """
    entries: list[Entry] = []
    removed: list[Entry] = []
    for one in timeline.entries:
        retires, state = timeline.retires_at(one), timeline.state(one, now)
        has_ended = (
            state in ("retired", "removed") and retires is not None and retires + timeline.schedule.margin <= now
        )
        (removed if state == "removed" else entries).append(_public(one) if has_ended else one)
    if len(entries) > MAX_KEYS:
        raise ConfigurationError(f"this key ring has {MAX_KEYS} keys that are still needed: rotate less often")
    removed.sort(key=lambda one: timeline.ends_at(one) or 0)
    kids = {one.kid for one in removed[-MAX_REMOVED:]}
    return replace(timeline, entries=(*(one for one in removed if one.kid in kids), *entries))


def _public(entry: Entry) -> Entry:
    if entry.jwk is None or not entry.can_sign:
        return entry
    return replace(entry, jwk=Key.from_jwk(entry.jwk).to_jwk())

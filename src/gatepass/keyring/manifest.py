"""The conversion of a ring to the text of its file and back. The parser is as strict as for untrusted input."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Final

from gatepass.common.limits import LAST_SECOND
from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.strict_json import parse_object
from gatepass.keyring.schedule import MAX_KEYS, MAX_REMOVED, Schedule
from gatepass.keyring.timeline import Entry, Timeline

__all__ = ["from_text", "to_text"]

_VERSION: Final = 1
_MAX_ENTRIES: Final = MAX_KEYS + MAX_REMOVED
"""The cost of a timeline's methods grows with the square of this number."""
_SCHEDULE: Final = tuple(each.name for each in dataclasses.fields(Schedule))
_ENTRY: Final = tuple(each.name for each in dataclasses.fields(Entry))


def to_text(timeline: Timeline) -> bytes:
    """Return *timeline* as JSON, including private keys."""
    document = {
        "version": _VERSION,
        "announced": timeline.announced,
        "schedule": {name: getattr(timeline.schedule, name) for name in _SCHEDULE},
        "keys": [
            {name: getattr(one, name) for name in _ENTRY[:-1]} | {"jwk": None if one.jwk is None else dict(one.jwk)}
            for one in timeline.entries
        ],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def from_text(text: bytes) -> Timeline:
    """Return the ring in *text*. Raises `ConfigurationError`, which shows no part of the text."""
    try:
        document = parse_object(text)
        if document["version"] != _VERSION:
            raise ConfigurationError("the file of this key ring was written by a newer gatepass: update this one")
        numbers: dict[str, Any] = {name: document["schedule"][name] for name in _SCHEDULE}
        timeline = Timeline(
            entries=tuple(_entry(each) for each in document["keys"]),
            schedule=Schedule.checked(**numbers),
            announced=_second(document["announced"]),
        )
        if len({one.kid for one in timeline.entries}) != len(timeline.entries) or len(timeline.entries) > _MAX_ENTRIES:
            raise ValueError
    except ConfigurationError:
        raise
    except (MalformedToken, LookupError, TypeError, ValueError):
        pass
    else:
        return timeline
    raise ConfigurationError("the file of this key ring is damaged: put back a copy of it")


def _entry(members: dict[str, Any]) -> Entry:
    jwk, signs_from, removed_at = members["jwk"], members["signs_from"], members["removed_at"]
    entry = Entry(
        kid=members["kid"],
        algorithm=members["algorithm"],
        published_at=_second(members["published_at"]),
        signs_from=None if signs_from is None else _second(signs_from),
        keep=_second(members["keep"]),
        removed_at=None if removed_at is None else _second(removed_at),
        jwk=jwk,
    )
    if type(entry.kid) is not str or type(entry.algorithm) is not str:
        raise TypeError
    if jwk is not None and (jwk["kid"], jwk["alg"], jwk["kty"] == "oct") != (entry.kid, entry.algorithm, False):
        raise ValueError  # the other members are checked when the key is created
    return entry


def _second(value: object) -> int:
    if type(value) is not int or not 0 <= value <= LAST_SECOND:
        raise ValueError
    return value

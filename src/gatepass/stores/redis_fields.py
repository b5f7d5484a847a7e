"""How the store in Redis keeps a family: as a hash of texts, without the members that are None.

The salt is no field of the hash, because it expires earlier. `call`, `gone_at` and `revoked_by` are fields of the
scripts, which are not read here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, Final

from gatepass.refresh.family import Family, Rotation

__all__ = ["decode_family", "encode_family", "encode_rotation", "text_of"]

_HASHES: Final = frozenset(("proof_hash", "current_hash", "previous_hash"))
_NUMBERS: Final = frozenset(
    ("auth_time", "created_at", "expires_at", "idle_expires_at", "rotated_at", "revoked_at", "refresh_ttl")
)
_MEMBERS: Final = tuple(one.name for one in fields(Family) if one.name not in ("family_id", "salt"))


def encode_family(family: Family) -> Iterator[str]:
    """Yield the names and values of the fields in turn."""
    return _encode_fields((name, getattr(family, name)) for name in _MEMBERS)


def encode_rotation(rotation: Rotation) -> Iterator[str]:
    """Yield the names and values of the fields that *rotation* changes, in turn."""
    return _encode_fields((one.name, getattr(rotation, one.name)) for one in fields(rotation) if one.name != "salt")


def decode_family(family_id: str, response: Any) -> Family | None:
    """Return the family in the *response* to the script GET; None if it is not stored, or not yet."""
    flat, salt = response
    stored = {text_of(name): text_of(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
    if "current_hash" not in stored:
        return None
    members: dict[str, Any] = {"auth_time": None, "acr": None, "salt": bytes.fromhex(text_of(salt))}
    members.update((name, _decode_field(name, stored[name])) for name in _MEMBERS if name in stored)
    return Family(family_id=family_id, **members)


def text_of(value: str | bytes) -> str:
    """Return *value* of a response as text: it is text already from a client with `decode_responses`."""
    return value.decode() if isinstance(value, bytes) else value


def _encode_fields(members: Iterable[tuple[str, Any]]) -> Iterator[str]:
    for name, value in members:
        if value is None:
            continue
        yield name
        if name in _HASHES:
            yield value.hex()
        else:
            yield json.dumps(value) if name == "amr" else str(value)


def _decode_field(name: str, text: str) -> Any:
    if name in _HASHES:
        return bytes.fromhex(text)
    if name in _NUMBERS:
        return int(text)
    return tuple(json.loads(text)) if name == "amr" else text

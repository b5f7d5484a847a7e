"""Rotations in one thread: bare compare-and-set, store `rotate`, `get` and `rotate`, and `TokenService.refresh`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from itertools import cycle

from benchmarks.interleave import Batch, Effort, Timing, interleave
from benchmarks.stores.places import Place
from gatepass import Key, TokenIssuer, TokenService
from gatepass.refresh import Rotation
from gatepass.testing.base import IssuedFamily, make_family

__all__ = ["BARE", "BOTH", "ROTATE", "WHOLE", "rotations"]

BARE = "bare compare-and-set"
ROTATE = "rotate"
BOTH = "get and rotate"
WHOLE = "TokenService.refresh"
_FAMILIES = 200


def rotations(place: Place, effort: Effort) -> dict[str, Timing]:
    """Return the time of one rotation by each contender. Each has its own families; they take turns."""
    return interleave(
        {
            BARE: _bare(place),
            ROTATE: _store(place, lambda _: True),
            BOTH: _store(place, lambda family_id: place.store.get(family_id) is not None),
            WHOLE: _service(place),
        },
        effort,
    )


def _held(place: Place) -> list[IssuedFamily]:
    made = [make_family() for _ in range(_FAMILIES)]
    for one in made:
        place.store.create(one.family)
    return made


def _bare(place: Place) -> Batch:
    exchange = place.compare_and_set
    current = {one.family.family_id: one.family.current_hash for one in _held(place)}
    names = cycle(current)

    def batch(count: int) -> None:
        for _ in range(count):
            name, new = next(names), secrets.token_bytes(32)
            _require_success(exchange(name, current[name], new))
            current[name] = new

    return batch


def _store(place: Place, look: Callable[[str], bool]) -> Batch:
    rotate = place.store.rotate
    families = {one.family.family_id: one.family for one in _held(place)}
    current = {name: family.current_hash for name, family in families.items()}
    names = cycle(families)

    def batch(count: int) -> None:
        for _ in range(count):
            name, new = next(names), secrets.token_bytes(32)
            family = families[name]
            rotation = Rotation(
                current_hash=new,
                previous_hash=current[name],
                salt=b"",
                rotated_at=family.created_at,
                idle_expires_at=family.idle_expires_at,
            )
            _require_success(look(name) and rotate(name, rotation))
            current[name] = new

    return batch


def _service(place: Place) -> Batch:
    key = Key.from_secret(secrets.token_urlsafe(32))
    issuer = TokenIssuer(
        issuer="https://auth.example.com", audience="https://api.example.com", keys=key, client_id="web"
    )
    service = TokenService(issuer, place.store, check_subject=lambda _: True)
    tokens = [service.grant(f"subject-{number}").refresh_token for number in range(_FAMILIES)]
    numbers = cycle(range(_FAMILIES))

    def batch(count: int) -> None:
        for _ in range(count):
            number = next(numbers)
            tokens[number] = service.refresh(tokens[number]).refresh_token

    return batch


def _require_success(exchanged: bool) -> None:  # noqa: FBT001 - the result of a rotation
    if not exchanged:
        raise RuntimeError("the store refused a valid rotation")

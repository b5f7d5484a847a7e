"""A page of a user's sessions among ten thousand to a million families: the subject has a hundred of them."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.interleave import Batch, Effort, Timing, interleave
from benchmarks.stores.loading import LOADERS
from benchmarks.stores.places import PLACES, Place
from gatepass import Key, TokenIssuer, TokenService
from gatepass.testing.base import make_family

__all__ = ["SESSIONS", "sessions"]

SESSIONS = 100
_SUBJECT = "8d7f3b52-6a0f-4a5b-9f57-7a1c1f0c2f11"


def sessions(kind: str, sizes: list[int], folder: Path, effort: Effort, runs: int) -> list[dict[str, Timing]]:
    """Return the time of `TokenService.sessions` for the first 50 sessions of the subject, by the number of families.

    Databases of all sizes exist at the same time and take turns.
    """
    with ExitStack() as open_places:
        contenders: dict[str, Batch] = {}
        for size in sizes:
            place = open_places.enter_context(PLACES[kind](folder))
            start = time.perf_counter()
            LOADERS[kind](place, size)
            _log_in(place)
            contenders[f"{size:,}"] = _listing(place)
            print(f"{kind}: {size:,} families in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        return [interleave(contenders, effort) for _ in range(runs)]


def _log_in(place: Place) -> None:
    for number in range(SESSIONS):
        family = make_family(subject=_SUBJECT, client_id="web", label=f"device {number}").family
        place.store.create(replace(family, created_at=family.created_at - number * 3_600))


def _listing(place: Place) -> Batch:
    issuer = TokenIssuer(
        issuer="https://auth.example.com", audience="https://api.example.com", keys=Key.generate("ES256"),
        client_id="web",
    )  # fmt: skip
    service = TokenService(issuer, place.store, check_subject=lambda _: True)

    def batch(count: int) -> None:
        for _ in range(count):
            page = service.sessions(_SUBJECT)
            if len(page.sessions) != SESSIONS // 2 or page.next is None:
                raise RuntimeError("the page lacks sessions")

    return batch

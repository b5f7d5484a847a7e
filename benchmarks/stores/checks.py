"""The cost of the revocation check in each request: microseconds, and round trips as counted by the server."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.interleave import Batch, Effort, Timing, interleave
from benchmarks.stores.places import NotRunning, own_redis
from gatepass import AccessToken, AccessTokenRevocation, Key, TokenIssuer, TokenVerifier
from gatepass.stores.memory import MemoryStore
from gatepass.stores.redis import RedisStore

__all__ = ["checks"]

_REVOKED = 10_000
_COUNTED = 100
_OWN_COMMANDS = frozenset(("info", "config|resetstat"))

Checks = dict[str, tuple[Timing, float]]
"""By store: the time of a check, and its round trips."""


def checks(folder: Path, effort: Effort) -> Checks:
    """Measure a valid token that has all four identifiers by which it could be revoked."""
    token = _token()
    memory = _revocation(MemoryStore())
    for number in range(_REVOKED):
        memory.revoke_family(f"family-{number}")
    found = {f"memory, {_REVOKED:,} entries": (memory, None)}
    try:
        with own_redis(folder) as url, Redis.from_url(url) as admin, closing(RedisStore(url)) as store:
            found["Redis"] = (_revocation(store), admin)
            found["Redis, `cache_ttl=2`"] = (_revocation(store, cache_ttl=2), admin)
            return _measured(found, token, effort)
    except NotRunning:
        return _measured(found, token, effort)


def _measured(found: dict[str, Any], token: AccessToken, effort: Effort) -> Checks:
    timings = interleave(
        {"nothing": _do_nothing, **{name: _repeat_check(ask, token) for name, (ask, _) in found.items()}}, effort
    )
    empty = timings["nothing"]
    return {
        name: (
            Timing(timings[name].minimum - empty.minimum, timings[name].median - empty.median),
            0.0 if admin is None else _round_trips(ask, token, admin),
        )
        for name, (ask, admin) in found.items()
    }


def _round_trips(ask: Callable[[AccessToken], bool], token: AccessToken, admin: Redis) -> float:
    """Return the round trips of one check. No pipelines are used, so each command is a round trip."""
    admin.config_resetstat()
    for _ in range(_COUNTED):
        ask(token)
    stats: Any = admin.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
    return sum(count for name, count in calls.items() if name not in _OWN_COMMANDS) / _COUNTED


def _repeat_check(ask: Callable[[AccessToken], bool], token: AccessToken) -> Batch:
    def batch(count: int) -> None:
        for _ in range(count):
            ask(token)

    return batch


def _do_nothing(count: int) -> None:
    for _ in range(count):
        pass


def _revocation(store: Any, *, cache_ttl: float = 0) -> AccessTokenRevocation:
    return AccessTokenRevocation(store, access_ttl=900, cache_ttl=cache_ttl)


def _token() -> AccessToken:
    key = Key.from_secret(secrets.token_urlsafe(32))
    names = {"issuer": "https://auth.example.com/realms/shop", "audience": "https://api.example.com/orders"}
    text = TokenIssuer(**names, keys=key, client_id="web").issue(
        "8d7f3b52-6a0f-4a5b-9f57-7a1c1f0c2f11", family_id="q3Zb1o0kTz2mXc9vB8nM7a"
    )
    return TokenVerifier(**names, keys=key).verify(text)

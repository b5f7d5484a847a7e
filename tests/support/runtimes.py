"""Verify a token in a thread, under asyncio and under trio."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from gatepass import AuthError, ResourceServer, TokenVerifier

ACCEPTED = (200, None)
UNKNOWN_KEY = (401, None)
CANNOT_TELL = (503, "5")

Outcome = tuple[int, str | None]
"""The status and `Retry-After`."""
Runtime = Callable[[TokenVerifier, str], Outcome]


def in_a_thread(verifier: TokenVerifier, raw: str) -> Outcome:
    server = ResourceServer(verifier, https="off")
    try:
        server.authenticate([f"Bearer {raw}"])
    except AuthError as error:
        return _outcome(server, error)
    return ACCEPTED


async def on_a_loop(verifier: TokenVerifier, raw: str, run_blocking: Any) -> Outcome:
    server = ResourceServer(verifier, https="off")
    try:
        await server.authenticate_async([f"Bearer {raw}"], run_blocking=run_blocking)
    except AuthError as error:
        return _outcome(server, error)
    return ACCEPTED


def under_asyncio(verifier: TokenVerifier, raw: str) -> Outcome:
    return asyncio.run(on_a_loop(verifier, raw, asyncio.to_thread))


def under_trio(verifier: TokenVerifier, raw: str) -> Outcome:
    import trio

    return trio.run(partial(on_a_loop, verifier, raw, trio.to_thread.run_sync))


RUNTIMES: list[Runtime] = [in_a_thread, under_asyncio, under_trio]


def _outcome(server: ResourceServer, error: AuthError) -> Outcome:
    answer = server.respond(error)
    headers = dict(answer.headers)
    assert ("WWW-Authenticate" in headers) is (answer.status == 401)
    return answer.status, headers.get("Retry-After")

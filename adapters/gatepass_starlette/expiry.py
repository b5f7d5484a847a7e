"""A socket outlives the check of its handshake: here it ends when the token does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from starlette.websockets import WebSocket

from gatepass_starlette.denial import POLICY_VIOLATION
from gatepass_starlette.identity import identity_of

__all__ = ["closed_at_expiry"]


@asynccontextmanager
async def closed_at_expiry(websocket: WebSocket) -> AsyncGenerator[None, None]:
    """Run the block until it ends or the socket's token expires; then the block is cancelled and the socket closed.

    It expires when a request with it would be refused: by the clock and the leeway of its verifier. The close code is
    1008, the reason `token expired`. A socket without a token has nothing that could expire.

        async with closed_at_expiry(websocket):
            async for text in websocket.iter_text(): ...
    """
    identity = identity_of(websocket.scope)
    remaining = None
    if identity is not None and identity.token is not None:
        remaining = identity.server.seconds_left(identity.token)
    with anyio.move_on_after(remaining) as deadline:
        yield
    if deadline.cancelled_caught:
        await websocket.close(POLICY_VIOLATION, "token expired")

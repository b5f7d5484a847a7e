"""Refusals that an application raises below the middleware: the connection's resource server responds to them.

If no other handler takes an exception, a mounted Starlette application sends a 500, or the response of its handler for
`Exception`, and then raises the exception again. So the start of such a response is buffered: a refusal that follows
replaces it. A 500 may also arrive through `BaseHTTPMiddleware`, where no exception is visible yet.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from typing import Final, final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from gatepass import ResourceServer
from gatepass.errors import refusal_in
from gatepass_starlette.internals import exception_handlers
from gatepass_starlette.responses import POLICY_VIOLATION, refuse

__all__ = ["run"]

_MAX_BUFFERED: Final = 262_144  # bytes of a 500; an error page of Starlette's debug mode is shorter


async def run(app: ASGIApp, scope: Scope, receive: Receive, send: Send, server: ResourceServer) -> None:
    """Run *app*; send *server*'s response to an `AuthError` that leaves it before its response has begun."""
    if scope["type"] == "websocket":
        await _run_socket(app, scope, receive, send, server)
        return
    sender = _Sender(send, scope)
    try:
        await app(scope, receive, sender)
    except Exception as error:
        refusal = refusal_in(error)
        if refusal is None or sender.has_begun:
            await sender.flush()
            raise
        await refuse(server.respond(refusal, method=scope["method"]), scope, receive, send)
    else:
        if sender.buffered:
            await sender.flush()


@final
class _Sender:
    """`send` of one request: records whether the response has begun, and buffers a 500."""

    __slots__ = ("_scope", "_send", "_size", "buffered", "has_begun")

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._scope = scope
        self._size = 0
        self.buffered: list[Message] = []
        self.has_begun = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if not self.has_begun:
            if self.buffered or message.get("status") == 500 or self._comes_from_general_handler():
                return self._buffer(message)
            self.has_begun = message["type"] == "http.response.start"  # not an early hint or a push
        return self._send(message)

    def _comes_from_general_handler(self) -> bool:
        """Return whether a refusal is being handled, but not by a handler of the application for its class."""
        error = sys.exc_info()[1]
        if error is None or refusal_in(error) is None:
            return False
        handlers = exception_handlers(self._scope) or {}
        return not any(kind in handlers for kind in type(error).__mro__)

    async def _buffer(self, message: Message) -> None:
        self.buffered.append(message)
        if not self._must_buffer(message):
            await self.flush()

    def _must_buffer(self, message: Message) -> bool:
        body = message.get("body", b"")
        if body and not message.get("more_body", False):
            return refusal_in(sys.exc_info()[1]) is not None  # the refusal is about to be raised again
        # Starlette's BaseHTTPMiddleware sends the parts outside the exception's context, the last one empty.
        self._size += 1 + len(body)
        return self._size <= _MAX_BUFFERED

    async def flush(self) -> None:
        """Send the buffered messages."""
        buffered, self.buffered = self.buffered, []
        self.has_begun = self.has_begun or bool(buffered)
        for message in buffered:
            await self._send(message)


async def _run_socket(app: ASGIApp, scope: Scope, receive: Receive, send: Send, server: ResourceServer) -> None:
    is_open = has_ended = False

    async def recording_send(message: Message) -> None:
        nonlocal is_open, has_ended
        is_open = is_open or message["type"] == "websocket.accept"
        has_ended = has_ended or message["type"] in ("websocket.close", "websocket.http.response.start")
        await send(message)

    async def recording_receive() -> Message:
        nonlocal has_ended
        message = await receive()
        has_ended = has_ended or message["type"] == "websocket.disconnect"
        return message

    try:
        await app(scope, recording_receive, recording_send)
    except Exception as error:
        refusal = refusal_in(error)
        if refusal is None:
            raise
        answer = server.respond(refusal, method=scope.get("method", "GET"))
        if has_ended:
            return
        if is_open:
            await WebSocketClose(POLICY_VIOLATION)(scope, receive, send)
        else:
            await refuse(answer, scope, receive, send)

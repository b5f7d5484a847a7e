"""The resource server's responses as ASGI messages, for HTTP and for WebSocket handshakes.

A refused handshake gets the same HTTP response where the ASGI server can send it (the ASGI extension
`websocket.http.response`). Elsewhere the socket is closed before it is accepted, and the ASGI server sends a 403.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketClose, WebSocketState

from gatepass.adapter import Caching
from gatepass.adapter import Response as Answer

__all__ = [
    "POLICY_VIOLATION",
    "add_cache_headers",
    "refuse",
    "refuse_websocket",
    "to_response",
    "varying",
    "without_bodies",
]

POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1

_BODIES: Final = frozenset(("http.response.body", "http.response.pathsend", "http.response.zerocopysend"))


def to_response(answer: Answer) -> Response:
    """Return *answer* as a response with the same status, header lines in their order, and body."""
    response = Response(answer.body, answer.status)
    response.raw_headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in answer.headers]
    return response


async def refuse(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send *answer* to a request, or to a handshake that is not accepted yet."""
    if scope["type"] == "http" or "websocket.http.response" in (scope.get("extensions") or {}):
        await to_response(answer)(scope, receive, send)
    else:
        await WebSocketClose(POLICY_VIOLATION)(scope, receive, send)


async def refuse_websocket(answer: Answer, websocket: WebSocket) -> None:
    """Send *answer* to a handshake; close a socket that is already accepted, unless it is closed."""
    if websocket.application_state is WebSocketState.CONNECTING:
        await refuse(answer, websocket.scope, websocket.receive, websocket.send)
    elif WebSocketState.DISCONNECTED not in (websocket.application_state, websocket.client_state):
        await websocket.close(POLICY_VIOLATION)


def add_cache_headers(headers: MutableHeaders, caching: Caching) -> None:
    """Add the header lines that *caching* requires and *headers* lack."""
    for name, value in caching.missing(headers.items()):
        headers.append(name.lower(), value)


def varying(send: Send, caching: Caching) -> Send:
    """Return a *send* that adds the headers of *caching* to responses."""

    async def send_varying(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            add_cache_headers(MutableHeaders(scope=message), caching)
        await send(message)

    return send_varying


def without_bodies(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return *receive* and *send* without bodies, for a request that carries no verified token."""

    async def receive_bare() -> Message:
        message = await receive()
        return {"type": "http.request"} if message["type"] == "http.request" else message

    async def send_bare(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope={"headers": list(message.get("headers", ()))})
            if "content-length" in headers:
                headers["content-length"] = "0"
            await send({"type": message["type"], "status": message["status"], "headers": headers.raw})
        elif message["type"] in _BODIES:
            await send({"type": "http.response.body", "more_body": message.get("more_body", False)})

    return receive_bare, send_bare

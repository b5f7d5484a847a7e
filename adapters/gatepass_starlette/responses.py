"""The resource server's answers as ASGI messages, for HTTP and for WebSocket handshakes.

A refused handshake gets the very same HTTP answer where the server can send one (the ASGI extension
`websocket.http.response`). Elsewhere the socket is closed before it was accepted, and the server answers 403.
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
    """*answer* as it is: status, header lines in order, body."""
    response = Response(answer.body, answer.status)
    response.raw_headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in answer.headers]
    return response


async def refuse(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a handshake that was not accepted yet."""
    if scope["type"] == "http" or "websocket.http.response" in (scope.get("extensions") or {}):
        await to_response(answer)(scope, receive, send)
    else:
        await WebSocketClose(POLICY_VIOLATION)(scope, receive, send)


async def refuse_websocket(answer: Answer, websocket: WebSocket) -> None:
    """`refuse` for a `WebSocket`; one that was accepted already is closed, unless it has been."""
    if websocket.application_state is WebSocketState.CONNECTING:
        await refuse(answer, websocket.scope, websocket.receive, websocket.send)
    elif WebSocketState.DISCONNECTED not in (websocket.application_state, websocket.client_state):
        await websocket.close(POLICY_VIOLATION)


def add_cache_headers(headers: MutableHeaders, caching: Caching) -> None:
    """Add the header lines that *caching* misses."""
    for name, value in caching.missing(headers.items()):
        headers.append(name.lower(), value)


def varying(send: Send, caching: Caching) -> Send:
    """*send* for an application whose responses get the headers."""

    async def send_varying(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            add_cache_headers(MutableHeaders(scope=message), caching)
        await send(message)

    return send_varying


def without_bodies(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """*receive* and *send* for an application that gets a request without a verified token."""

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

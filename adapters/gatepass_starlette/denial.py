"""The resource server's answers as ASGI messages, for HTTP and for WebSocket handshakes.

A refused handshake gets the very same HTTP answer where the server can send one (the ASGI extension
`websocket.http.response`). Elsewhere the socket is closed before it was accepted, and the server answers 403.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketClose, WebSocketState

from gatepass import Response as Answer

__all__ = ["POLICY_VIOLATION", "refuse", "refuse_websocket", "to_response"]

POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1


def to_response(answer: Answer) -> Response:
    """*answer* as it is: status, header lines in order, body."""
    response = Response(answer.body, answer.status)
    response.raw_headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in answer.headers]
    return response


async def refuse(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a handshake that nobody accepted yet."""
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

"""How a dependency's refusal becomes the resource server's exact answer, whatever handlers the application has.

Starlette keeps an application's exception handlers in the scope and asks them by class. The exception here is no
`HTTPException`, so that no handler for that, for a status or for `Exception` comes first, and it brings its own.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from gatepass import Response as Answer
from gatepass_starlette import refuse_websocket, to_response

__all__ = ["AccessRefused", "refused"]


class AccessRefused(Exception):
    """A dependency refused the connection; `answer` is what it gets."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("access refused")
        self.answer = answer


def refused(connection: HTTPConnection, answer: Answer) -> AccessRefused:
    """The exception to raise while *connection* is being handled."""
    handlers: dict[Any, Any] = connection.scope["starlette.exception_handlers"][0]
    handlers.setdefault(AccessRefused, _respond)
    return AccessRefused(answer)


async def _respond(connection: HTTPConnection, refusal: AccessRefused) -> Response | None:
    if isinstance(connection, WebSocket):
        await refuse_websocket(refusal.answer, connection)
        return None
    return to_response(refusal.answer)

"""How a refusal becomes the resource server's exact answer.

Starlette keeps an application's exception handlers in the scope and asks them by class. The dependency's own exception
is no `HTTPException`, so that no handler for that, for a status or for `Exception` comes first, and it brings its own.
What the application raises itself has one too, unless the application has a handler for its class.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket

from gatepass import AuthError
from gatepass.adapter import Response as Answer
from gatepass.errors import refusal_in
from gatepass_starlette import identity_of, refuse_websocket, to_response

__all__ = ["AccessRefused", "answer_refusals_of", "refused"]


class AccessRefused(Exception):
    """A dependency refused the connection; `answer` is what it gets."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("access refused")
        self.answer = answer


def refused(connection: HTTPConnection, answer: Answer) -> AccessRefused:
    """The exception to raise while *connection* is being handled."""
    _handlers_of(connection).setdefault(AccessRefused, _respond)
    return AccessRefused(answer)


def answer_refusals_of(connection: HTTPConnection) -> None:
    """Let the server that judged *connection* answer each `AuthError` of its application, as the middleware would."""
    _handlers_of(connection).setdefault(AuthError, _respond_to_error)
    stack: AsyncExitStack | None = connection.scope.get("fastapi_inner_astack")
    if stack is not None:  # a private part of FastAPI: without it a group of refusals stays one, and is a 500
        stack.push(_unwrap)


def _unwrap(_kind: object, error: BaseException | None, _trace: object) -> None:
    """Raise the refusal that a group of tasks ended with: handlers are asked by class, and groups have one for all."""
    refusal = refusal_in(error)
    if refusal is not None and refusal is not error:
        raise refusal from error


def _handlers_of(connection: HTTPConnection) -> dict[Any, Any]:
    """The handlers, a private part of Starlette: without it a refusal stays an exception, and is a 500."""
    handlers: dict[Any, Any] = connection.scope.get("starlette.exception_handlers", ({},))[0]
    return handlers


async def _respond(connection: HTTPConnection, refusal: AccessRefused) -> Response | None:
    return await _answered(connection, refusal.answer)


async def _respond_to_error(connection: HTTPConnection, error: AuthError) -> Response | None:
    identity = identity_of(connection.scope)
    if identity is None:  # raised where no dependency of ours has judged anything
        raise error
    return await _answered(connection, identity.server.respond(error, method=connection.scope.get("method", "GET")))


async def _answered(connection: HTTPConnection, answer: Answer) -> Response | None:
    if isinstance(connection, WebSocket):
        await refuse_websocket(answer, connection)
        return None
    return to_response(answer)

"""Every use of parts of FastAPI and Starlette that they do not document, and what happens in a release without one.

* `scope["starlette.exception_handlers"]`, the handlers of the application: a refusal leaves it as an `AuthError`,
  which the middleware answers; without the middleware it is a 500.
* `scope["fastapi_inner_astack"]`, the exit stack of a request: a group of refusals stays one, and is a 500.
* `HTTPConnection._state`, where `request.state` is kept: a state that was read before the token was verified is
  without it, and to read the token there raises `AttributeError`.

Those of routes are in `gatepass_starlette.internals`. Nothing here opens a route.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import HTTPConnection

from gatepass_starlette.internals import exception_handlers

__all__ = ["forget_state", "handle", "push_exit"]


def handle(connection: HTTPConnection, kind: type[Exception], handler: Callable[..., Any]) -> bool:
    """Let *handler* answer exceptions of *kind*, unless the application has one for it; False if none can be added."""
    handlers = exception_handlers(connection.scope)
    if handlers is None:
        return False
    handlers.setdefault(kind, handler)
    return True


def push_exit(connection: HTTPConnection, leave: Callable[..., None]) -> None:
    """Let *leave* see the exception that the handling of *connection* ends with."""
    stack: AsyncExitStack | None = connection.scope.get("fastapi_inner_astack")
    if stack is not None:
        stack.push(leave)


def forget_state(connection: HTTPConnection) -> None:
    """Let `request.state` be made anew from the scope."""
    vars(connection).pop("_state", None)

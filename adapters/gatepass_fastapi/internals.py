"""Every use of undocumented parts of FastAPI and Starlette, and what happens in a release that lacks one.

* `scope["starlette.exception_handlers"]`, the handlers of the application: a refusal leaves it as an `AuthError`,
  to which the middleware responds; without the middleware it is a 500.
* `scope["fastapi_inner_astack"]`, the exit stack of a request: a group of refusals stays a group, and is a 500.
* `HTTPConnection._state`, the cache of `request.state`: a state that was read before the token was verified does not
  contain it, and reading the token there raises `AttributeError`.

`gatepass_starlette.internals` has those of routes. None of these failures opens a route.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import HTTPConnection

from gatepass_starlette.internals import exception_handlers

__all__ = ["forget_state", "handle", "push_exit"]


def handle(connection: HTTPConnection, kind: type[Exception], handler: Callable[..., Any]) -> bool:
    """Add *handler* for exceptions of *kind*, unless the application has one. Return False if none can be added."""
    handlers = exception_handlers(connection.scope)
    if handlers is None:
        return False
    handlers.setdefault(kind, handler)
    return True


def push_exit(connection: HTTPConnection, leave: Callable[..., None]) -> None:
    """Call *leave* with the exception with which the handling of *connection* ends."""
    stack: AsyncExitStack | None = connection.scope.get("fastapi_inner_astack")
    if stack is not None:
        stack.push(leave)


def forget_state(connection: HTTPConnection) -> None:
    """Make `request.state` read the scope again."""
    vars(connection).pop("_state", None)

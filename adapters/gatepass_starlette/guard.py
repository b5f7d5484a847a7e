"""The connection's token for an endpoint: `require_auth` requires it, `current_access_token` returns it.

`closed_at_expiry` closes a WebSocket when its token expires.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Never, TypeVar, Unpack, cast

import anyio
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import HTTPConnection
from starlette.types import Scope
from starlette.websockets import WebSocket

from gatepass import AccessToken, AuthError, ConfigurationError, Requirement
from gatepass.adapter import Identity, Response, Rules, mark_guard
from gatepass_starlette.identity import identity_of
from gatepass_starlette.responses import POLICY_VIOLATION, refuse, refuse_websocket, to_response

__all__ = [
    "closed_at_expiry",
    "current_access_token",
    "guarded_class",
    "refuse_generators",
    "require_auth",
    "require_identity",
]

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


def require_auth(*misplaced: Never, **rules: Unpack[Rules]) -> Callable[[_Endpoint], _Endpoint]:
    """Return a decorator that runs an endpoint only for a token that meets *rules*, the keywords of `Requirement`.

    It decorates functions and methods with a parameter `request` or `websocket`, `async` or not, and the endpoint
    classes `HTTPEndpoint` and `WebSocketEndpoint`. `AccessTokenMiddleware` must provide the token.
    """
    requirement = Requirement(*misplaced, **rules)

    def guard(endpoint: _Endpoint) -> _Endpoint:
        if inspect.isclass(endpoint):
            return cast("_Endpoint", guarded_class(endpoint, requirement))
        return cast("_Endpoint", mark_guard(endpoint, _guarded_function(endpoint, requirement)))

    return guard


def current_access_token(connection: HTTPConnection) -> AccessToken | None:
    """Return the token of a request or WebSocket; None on a public route, or an optional one without credentials."""
    return require_identity(connection.scope).token


@asynccontextmanager
async def closed_at_expiry(websocket: WebSocket) -> AsyncGenerator[None, None]:
    """Run the block until the socket's token expires; then cancel the block and close the socket.

    The token expires when its verifier would reject a request with it: by the verifier's clock and leeway. The close
    code is 1008, the reason `token expired`. Without a token, the block runs without a limit.

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


def require_identity(scope: Scope) -> Identity:
    """Return the connection's identity; raise `ConfigurationError` if no middleware has authenticated it."""
    identity = identity_of(scope)
    if identity is None:
        raise ConfigurationError(
            "no AccessTokenMiddleware authenticated this connection: give the application "
            "middleware=[Middleware(AccessTokenMiddleware, server=...)]"
        )
    return identity


def refuse_generators(endpoint: Callable[..., Any]) -> None:
    """Raise `ConfigurationError` for a generator, which a response cannot replace."""
    if inspect.isgeneratorfunction(endpoint) or inspect.isasyncgenfunction(endpoint):
        raise ConfigurationError(
            "require_auth cannot replace a generator with a response: use a dependency, or no yield"
        )


def guarded_class(endpoint: Any, requirement: Requirement) -> Any:
    """Guard the `dispatch` of *endpoint*, an `HTTPEndpoint` or `WebSocketEndpoint`, and return *endpoint*."""
    if not issubclass(endpoint, (HTTPEndpoint, WebSocketEndpoint)):
        raise ConfigurationError("require_auth decorates functions, methods, HTTPEndpoint and WebSocketEndpoint")
    dispatch: Any = endpoint.dispatch

    @functools.wraps(dispatch)
    async def guarded(self: Any) -> None:
        refusal = _refusal(self.scope, requirement)
        if refusal is None:
            await dispatch(self)
        else:
            await refuse(refusal, self.scope, self.receive, self.send)

    setattr(endpoint, "dispatch", guarded)  # noqa: B010 - mypy forbids the assignment to a method
    return endpoint


def _refusal(scope: Scope, requirement: Requirement) -> Response | None:
    """Return the response to a connection whose token does not meet *requirement*, or None."""
    identity = require_identity(scope)
    try:
        identity.server.enforce(identity.token, requirement)
    except AuthError as error:
        return identity.server.respond(error, method=scope.get("method", "GET"))
    return None


def _guarded_function(endpoint: Callable[..., Any], requirement: Requirement) -> Callable[..., Any]:
    index, name = _connection_parameter(endpoint)
    refuse_generators(endpoint)

    def connection_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HTTPConnection:
        found: HTTPConnection = kwargs[name] if name in kwargs else args[index]
        if not isinstance(found, HTTPConnection):
            raise ConfigurationError(
                "require_auth of gatepass_starlette was called without Starlette's request: in a view of another "
                "framework, import require_auth from the adapter of that framework"
            )
        return found

    if not inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            refusal = _refusal(connection_in(args, kwargs).scope, requirement)
            return endpoint(*args, **kwargs) if refusal is None else to_response(refusal)

        return guarded

    @functools.wraps(endpoint)
    async def guarded_async(*args: Any, **kwargs: Any) -> Any:
        connection = connection_in(args, kwargs)
        refusal = _refusal(connection.scope, requirement)
        if refusal is None:
            return await endpoint(*args, **kwargs)
        if isinstance(connection, WebSocket):
            await refuse_websocket(refusal, connection)
            return None
        return to_response(refusal)

    return guarded_async


def _connection_parameter(endpoint: Callable[..., Any]) -> tuple[int, str]:
    for index, (name, parameter) in enumerate(inspect.signature(endpoint).parameters.items()):
        annotation = parameter.annotation
        if name in ("request", "websocket") or (inspect.isclass(annotation) and issubclass(annotation, HTTPConnection)):
            return index, name
    raise ConfigurationError(
        'require_auth needs a parameter named "request" or "websocket" on the endpoint, in FastAPI "request: Request"; '
        "for a Flask view, which has none, import require_auth from gatepass_flask"
    )

"""Pure ASGI middleware, for HTTP and WebSocket, in Starlette, FastAPI or any other ASGI application.

It refuses a connection before the application is called and before a socket is accepted. Every path is protected,
except those in `public=` and endpoints marked `@public` or `@optional_auth`. CORS preflights pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import EllipsisType
from typing import Final, final

from starlette.types import ASGIApp, Receive, Scope, Send

from gatepass import AuthError, ResourceServer
from gatepass.adapter import AccessLevel, Identity, public_paths
from gatepass_starlette.connection import admit, header
from gatepass_starlette.identity import identify
from gatepass_starlette.internals import path_reader
from gatepass_starlette.raised_refusals import run
from gatepass_starlette.responses import refuse, varying, without_bodies
from gatepass_starlette.routes import Routes

__all__ = ["AccessTokenMiddleware"]

_PREFLIGHT: Final = frozenset((b"origin", b"access-control-request-method"))


@final
class AccessTokenMiddleware:
    """Middleware that passes a connection to *app* only with a token that *server* has verified.

    *public*: exact decoded paths, below the mount, that need no token, such as `["/healthz"]`. The marks on the routes
    of *app* apply. *routes_of*: the Starlette or FastAPI application, where a layer hides it; None for any other ASGI
    application, which has no marks. Raises `ConfigurationError` if it finds no routes and *routes_of* is not given.
    """

    def __init__(
        self,
        app: ASGIApp,
        server: ResourceServer,
        *,
        public: Iterable[str] = (),
        routes_of: ASGIApp | EllipsisType | None = ...,
    ) -> None:
        self.app = app
        self._server = ResourceServer.expect(server)
        self._public = public_paths(public)
        self._path_of = path_reader() if self._public else None
        self._routes = Routes(app, routes_of)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and self._is_preflight(scope):
            access: AccessLevel = "public"
            receive, send = without_bodies(receive, send)
        else:
            access = self._access(scope)
        try:
            token = await admit(self._server, access, scope)
        except AuthError as error:
            answer = self._server.respond(error, method=scope.get("method", "GET"))
            await refuse(answer, scope, receive, send)
            return
        identify(scope, Identity(self._server, token))
        caching = self._server.caching[access]
        await run(self.app, scope, receive, varying(send, caching) if caching.vary else send, self._server)

    def _access(self, scope: Scope) -> AccessLevel:
        if self._path_of is not None and self._path_of(scope) in self._public:
            return "public"
        return self._routes.access(scope)

    def _is_preflight(self, scope: Scope) -> bool:
        """Return whether this is a CORS preflight that reaches no endpoint."""
        if not {name for name, _ in scope["headers"]} >= _PREFLIGHT:  # Starlette recognizes no name in capitals
            return False
        is_preflight = self._server.is_preflight(
            scope["method"],
            origin=header(scope, b"origin"),
            requested_method=header(scope, b"access-control-request-method"),
        )
        return is_preflight and self._routes.runs_no_endpoint(scope)

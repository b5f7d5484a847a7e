"""The WSGI middleware: authenticates each request before it calls the application. The core makes the decisions.

Every path is protected, unknown paths too, except exact public paths and views marked `public` or `optional_auth`. CORS
preflights that Flask itself responds to pass. The identity is stored only in the WSGI environ, under a key that no
request can set.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import EllipsisType
from typing import TYPE_CHECKING, final

from flask.app import Flask  # as in routes

from gatepass import AuthError, ConfigurationError, ResourceServer
from gatepass.adapter import AccessLevel, Identity, public_paths
from gatepass.errors import refusal_in
from gatepass_flask.http import browser_request, is_forwarded, send, without_bodies
from gatepass_flask.raised_refusals import Start, answer_refusals_of, start_body
from gatepass_flask.routes import Routes
from gatepass_flask.views import IDENTITY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["AccessTokenMiddleware"]


@final
class AccessTokenMiddleware:
    """Middleware that admits requests with a valid access token.

    *app*: `app.wsgi_app` of a Flask application, with the layers around it, or the Flask application itself: the marks
    on its views apply. *routes_of*: the Flask application, where a layer hides it; None for any other WSGI application,
    which has no marks. *public*: exact decoded paths, below the mount, that need no token. If a proxy terminates TLS,
    put Werkzeug's `ProxyFix` around this middleware, so that the scheme is the client's.

    Raises `ConfigurationError` if it finds no Flask application, or if a hook of *server* is a coroutine function: WSGI
    has no event loop.
    """

    def __init__(
        self,
        app: WSGIApplication,
        server: ResourceServer,
        *,
        public: Iterable[str] = (),
        routes_of: Flask | EllipsisType | None = ...,
    ) -> None:
        ResourceServer.expect(server).require_sync()
        self._app: WSGIApplication = app
        self._inside: WSGIApplication = app.wsgi_app if isinstance(app, Flask) else app
        self._is_new = True
        self._server = server
        self._public = public_paths(public)
        self._routes = Routes(app, routes_of)
        for flask in self._routes.flasks():
            answer_refusals_of(flask)
        self._takes_cookies = "cookie" in server.sources

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._is_new:
            self._begin()
        server = self._server
        method: str = environ["REQUEST_METHOD"]
        is_preflight = method == "OPTIONS" and self._is_preflight(environ)
        access: AccessLevel = "public" if is_preflight else self._access(environ)
        authorization = environ.get("HTTP_AUTHORIZATION")
        try:
            token = server.admit(
                access,
                () if authorization is None else (authorization,),
                url_scheme=environ["wsgi.url_scheme"],
                peer=environ.get("REMOTE_ADDR"),
                forwarded=is_forwarded(environ),
                browser=browser_request(environ) if self._takes_cookies else None,
            )
        except AuthError as error:
            return send(server.respond(error, method=method), start_response)
        environ[IDENTITY] = Identity(server, token)
        start = Start(start_response, server.caching[access])
        try:
            body = without_bodies(self._app, environ, start) if is_preflight else self._app(environ, start)
            body = start_body(body, environ)
        except Exception as error:
            refusal = refusal_in(error)
            if refusal is None or start.has_started:
                raise
            return send(server.respond(refusal, method=method), start_response)
        start.release()
        return body

    def _begin(self) -> None:
        """Finish the setup at the first request, when all extensions and layers are installed.

        If this middleware became the `wsgi_app` of the Flask application that it was given, call the former `wsgi_app`.
        """
        for flask in self._routes.flasks():
            answer_refusals_of(flask)
        if self._routes.lead_back_to(self):
            if self._inside is self._app:
                raise ConfigurationError(
                    "a layer below AccessTokenMiddleware calls the Flask app, whose wsgi_app is this middleware: give "
                    "the layer app.wsgi_app, as in app.wsgi_app = AccessTokenMiddleware(Layer(app.wsgi_app), server)"
                )
            self._app = self._inside
        self._is_new = False

    def _access(self, environ: WSGIEnvironment) -> AccessLevel:
        path = environ.get("PATH_INFO", "")
        if not path.isascii():
            path = path.encode("latin-1").decode(errors="replace")  # as Werkzeug does
        if path in self._public:
            return "public"
        return self._routes.access(environ)

    def _is_preflight(self, environ: WSGIEnvironment) -> bool:
        """Return whether this is a CORS preflight that reaches no view; False for applications other than Flask."""
        is_preflight = ResourceServer.is_preflight(
            environ["REQUEST_METHOD"],
            origin=environ.get("HTTP_ORIGIN"),
            requested_method=environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
        )
        return is_preflight and self._routes.runs_no_view(environ)

"""Cookies in WebSocket handshakes, which always have an `Origin`, and on servers, some of which join header lines."""

from typing import Annotated

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from fastapi import Depends, FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from tests.adapters.contract import EXPIRED, NO_CREDENTIALS, TWO_TOKENS
from tests.adapters.cookie_contract import (
    BAD_COOKIES,
    COOKIES,
    FOREIGN_ORIGINS,
    FROM_ELSEWHERE,
    OURS,
    PAGE,
    CookieContract,
    cookie,
)
from tests.support.adapter_tokens import AUDIENCE, ISSUER, KEY, resource_server, token
from tests.support.asgi import uvicorn_on_loopback, websocket, websocket_scope
from tests.support.clients import Request as Asked
from tests.support.clients import WSGIClient, wsgi_environ
from tests.support.django import project as django_project  # noqa: F401 - sets Django up
from tests.support.raw_http import RawServer, values, waitress_on_loopback

from gatepass import AccessToken, ConfigurationError
from gatepass_django.conf import configuration
from gatepass_fastapi import AccessTokenBearer, OptionalAccessTokenBearer
from gatepass_flask import AccessTokenMiddleware as WSGIMiddleware
from gatepass_flask import access_token
from gatepass_starlette import AccessTokenMiddleware, optional_auth


async def greet(websocket):
    await websocket.accept()
    found = websocket.state.access_token
    await websocket.send_text("anonymous" if found is None else found.subject)
    await websocket.close()


@optional_auth
async def greet_anyone(websocket):
    await greet(websocket)


async def whoami(request):
    return PlainTextResponse(request.state.access_token.subject)


def by_middleware():
    routes = [
        WebSocketRoute("/watch", greet),
        WebSocketRoute("/maybe", greet_anyone),
        Route("/protected", whoami, methods=["GET", "POST"]),
    ]
    server = resource_server(cookies=COOKIES)
    return Starlette(routes=routes, middleware=[Middleware(AccessTokenMiddleware, server=server)])


def by_dependency():
    app, server = FastAPI(), resource_server(cookies=COOKIES)

    @app.websocket("/watch")
    async def watch(websocket: WebSocket, token: Annotated[AccessToken, Depends(AccessTokenBearer(server))]) -> None:
        await greet(websocket)

    @app.websocket("/maybe")
    async def maybe(
        websocket: WebSocket, token: Annotated[AccessToken | None, Depends(OptionalAccessTokenBearer(server))]
    ) -> None:
        await greet(websocket)

    return app


@pytest.fixture(params=[by_middleware, by_dependency])
def app(request):
    return request.param()


@pytest.mark.parametrize("path", ["/watch", "/maybe"])
@pytest.mark.parametrize("case", FOREIGN_ORIGINS)
def test_a_websocket_from_another_origin_is_refused_before_it_is_accepted(app, path, case):
    session = websocket(app, websocket_scope(path, [*cookie(), *FOREIGN_ORIGINS[case]]))

    CookieContract.refused(session.denial, FROM_ELSEWHERE)


@pytest.mark.parametrize("case", FOREIGN_ORIGINS)
def test_a_method_in_the_scope_of_a_handshake_is_ignored(app, case):
    scope = websocket_scope("/watch", [*cookie(), *FOREIGN_ORIGINS[case]]) | {"method": "GET"}

    assert websocket(app, scope).texts == []


def test_a_websocket_from_an_allowed_origin_is_accepted(app):
    assert websocket(app, websocket_scope("/watch", [*cookie(), *OURS])).texts == ["anna"]
    assert websocket(app, websocket_scope("/maybe", [*cookie(), *OURS])).texts == ["anna"]


def test_a_websocket_without_a_cookie_is_anonymous_from_any_origin(app):
    CookieContract.refused(websocket(app, websocket_scope("/watch")).denial, NO_CREDENTIALS)
    assert websocket(app, websocket_scope("/maybe", [("Origin", "https://evil.example")])).texts == ["anonymous"]


def test_a_websocket_with_an_authorization_header_needs_no_origin(app):
    headers = [("Authorization", f"Bearer {token()}")]

    assert websocket(app, websocket_scope("/watch", headers)).texts == ["anna"]


@pytest.mark.parametrize("case", ["twice", "in two lines", "quoted", "expired"])
def test_the_cookie_of_a_websocket_is_parsed_strictly(app, case):
    headers, golden = BAD_COOKIES[case]

    CookieContract.refused(websocket(app, websocket_scope("/watch", [*headers(), *OURS])).denial, golden)


def test_without_the_denial_extension_a_websocket_is_closed(app):
    assert websocket(app, websocket_scope("/watch", cookie(), extensions=None)).kinds == ["websocket.close"]


# --- repeated header lines on real servers


def flask_app():
    app = Flask("cookies")
    app.add_url_rule("/protected", "protected", lambda: access_token.subject, methods=["GET", "POST"])
    app.wsgi_app = WSGIMiddleware(app.wsgi_app, resource_server(cookies=COOKIES))
    return app


@pytest.fixture(params=["waitress", "uvicorn"])
def wire(request):
    if request.param == "uvicorn":
        with uvicorn_on_loopback(by_middleware()) as port:
            yield RawServer(port)  # the socket listened before the server started
        return
    with waitress_on_loopback(flask_app()) as wire:
        yield wire


def test_repeated_header_lines_reach_the_checks_on_real_servers(wire):
    good, origin = f"Cookie: __Host-access={token()}", f"Origin: {PAGE}"

    def answered(golden, *lines, method="GET"):
        status, headers, body = wire.exchange(*lines, method=method)
        assert (status, body) == (golden[0], golden[2].encode())
        assert values(headers, "vary") == ["Authorization, Cookie"]
        assert values(headers, "cache-control") == ["no-store"]

    for method in ("GET", "POST"):
        status, headers, body = wire.exchange(good, origin, "Content-Length: 0", method=method)
        assert (status, b"anna" in body) == (200, True)
        assert values(headers, "cache-control") == ["private"]
    answered(TWO_TOKENS, good, good)
    answered(TWO_TOKENS, good, "cookie: a=b; __Host-access=x")
    answered(NO_CREDENTIALS, "Cookie: a=b", "Cookie: c=d")
    answered(EXPIRED, f"Cookie: __Host-access={token(iat=1_000, exp=2_000)}")
    for lines in ((), (origin, origin), (origin, "Origin: null"), (f"Origin: {PAGE}/",), (f"Origin_: {PAGE}",)):
        answered(FROM_ELSEWHERE, good, *lines, "Content-Length: 0", method="POST")


# --- single adapters


def test_a_response_keeps_the_vary_and_cache_control_of_the_view():
    app = Flask("cookies")

    @app.get("/own")
    def own():
        return "own", {"Vary": "Accept, Cookie", "Cache-Control": "no-cache"}

    app.wsgi_app = WSGIMiddleware(app.wsgi_app, resource_server(cookies=COOKIES))
    answer = WSGIClient(app).send("GET", "/own", cookie())

    assert answer.all("vary") == ["Accept, Cookie", "Authorization"]
    assert answer.all("cache-control") == ["no-cache"]


def test_without_cookies_in_the_settings_cookie_headers_are_not_read():
    class Watched(dict):
        def get(self, name, default=None):
            assert name not in ("HTTP_COOKIE", "HTTP_UPGRADE")
            return super().get(name, default)

    app = WSGIMiddleware(lambda environ, start: [], resource_server(), routes_of=None)
    environ = Watched(wsgi_environ(Asked("GET", "/", [*cookie(), ("Authorization", f"Bearer {token()}")])))

    assert app(environ, lambda *_: None) == []


@pytest.mark.parametrize("value", [COOKIES, "tests.adapters.cookie_contract.COOKIES"])
def test_the_django_setting_accepts_the_object_or_its_dotted_path(value):
    setting = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "KEYS": KEY, "COOKIES": value, "HTTPS": "off"}
    with override_settings(
        GATEPASS=setting,
        MIDDLEWARE=["gatepass_django.AccessTokenMiddleware"],
        ROOT_URLCONF="tests.support.django.project",
    ):
        client = WSGIClient(WSGIHandler())
        assert client.send("GET", "/protected", cookie()).body == b"anna"
        CookieContract.refused(client.send("POST", "/echo", cookie()), FROM_ELSEWHERE)


def test_the_django_setting_names_what_is_wrong_with_cookies():
    setting = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "KEYS": KEY, "COOKIES": {"ORIGINS": [PAGE]}}
    with override_settings(GATEPASS=setting), pytest.raises(ConfigurationError, match="CookieTransport"):
        configuration()

"""What protection adds to one request, in process: no protection, a check by hand with PyJWT, and gatepass.

The check by hand is as short as possible: read the header, decode with a prepared key and every claim check on, return
401 otherwise. All variants run the same view.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import wraps
from io import BytesIO
from typing import Any

import django
import flask
import jwt
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import gatepass_flask
import gatepass_starlette
from benchmarks.interleave import Batch
from benchmarks.peers import with_gatepass, with_pyjwt
from benchmarks.sample import KeyMaterial
from gatepass import ResourceServer

__all__ = ["BARE", "BY_HAND", "CACHED", "FRAMEWORKS", "OURS", "requests"]

BARE, BY_HAND, OURS, CACHED = "unprotected", "PyJWT by hand", "gatepass", "gatepass, cache_ttl="

Check = Callable[[str], dict[str, Any]]
Servers = dict[str, ResourceServer]


def requests(framework: str, material: KeyMaterial) -> dict[str, Batch]:
    """Return the applications of *framework*, each as a function that serves a number of requests."""
    check = with_pyjwt.verifying(material)
    servers = {
        OURS: ResourceServer(with_gatepass.verifier(material)),
        CACHED: ResourceServer(with_gatepass.verifier(material, cache_ttl=300)),
    }
    return FRAMEWORKS[framework](check, servers, f"Bearer {with_gatepass.sample_token(material)}")


def _claims(authorization: str, check: Check) -> dict[str, Any] | None:
    """Return the claims, or None for a 401, as many projects do in a module of their own."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        return check(token)
    except jwt.PyJWTError:
        return None


def _flask(check: Check, servers: Servers, authorization: str) -> dict[str, Batch]:
    bare, by_hand = flask.Flask("bare"), flask.Flask("by_hand")
    apps = {BARE: bare, BY_HAND: by_hand}

    def protected(view: Callable[[], str]) -> Callable[[], Any]:
        @wraps(view)
        def guarded() -> Any:
            claims = _claims(flask.request.headers.get("Authorization", ""), check)
            if claims is None:
                return "", 401, {"WWW-Authenticate": "Bearer"}
            flask.g.claims = claims
            return view()

        return guarded

    bare.add_url_rule("/orders", view_func=lambda: "anna", endpoint="orders")
    by_hand.add_url_rule("/orders", view_func=protected(lambda: flask.g.claims["sub"]), endpoint="orders")
    for name, server in servers.items():
        ours = apps[name] = flask.Flask("ours")
        ours.add_url_rule("/orders", view_func=lambda: gatepass_flask.access_token.subject, endpoint="orders")
        ours.wsgi_app = gatepass_flask.AccessTokenMiddleware(ours.wsgi_app, server)  # type: ignore[method-assign]
    return {name: _wsgi(app, authorization) for name, app in apps.items()}


def _django(check: Check, servers: Servers, authorization: str) -> dict[str, Batch]:
    if not settings.configured:
        settings.configure(ROOT_URLCONF="benchmarks.frameworks", ALLOWED_HOSTS=["*"], SECRET_KEY="benchmark")
        django.setup()
    _by_hand_check.append(check)
    apps: dict[str, Batch] = {}
    for name, middleware in (
        (BARE, []),
        (BY_HAND, ["benchmarks.frameworks.django_by_hand"]),
        *((name, ["gatepass_django.AccessTokenMiddleware"]) for name in servers),
    ):
        with override_settings(MIDDLEWARE=middleware, GATEPASS={"RESOURCE_SERVER": servers.get(name)}):
            apps[name] = _wsgi(WSGIHandler(), authorization)
    return apps


_by_hand_check: list[Check] = []


def django_by_hand(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    check = _by_hand_check[-1]

    def middleware(request: HttpRequest) -> HttpResponse:
        claims = _claims(request.headers.get("Authorization", ""), check)
        if claims is None:
            return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
        request.claims = claims  # type: ignore[attr-defined]
        return get_response(request)

    return middleware


def _django_view(request: Any) -> HttpResponse:
    if hasattr(request, "claims"):
        return HttpResponse(request.claims["sub"])
    if hasattr(request, "access_token"):
        return HttpResponse(request.access_token.subject)
    return HttpResponse("anna")


urlpatterns = [path("orders", _django_view)]


def _starlette(check: Check, servers: Servers, authorization: str) -> dict[str, Batch]:
    class ByHand:
        """Pure ASGI, the fastest form of middleware."""

        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            claims = _claims(header.decode("latin-1"), check)
            if claims is None:
                await PlainTextResponse("", 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
            scope.setdefault("state", {})["claims"] = claims
            await self.app(scope, receive, send)

    async def bare(_: Request) -> PlainTextResponse:
        return PlainTextResponse("anna")

    async def by_hand(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.claims["sub"])

    async def ours(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.access_token.subject)

    guards = {
        name: Middleware(gatepass_starlette.AccessTokenMiddleware, server=server) for name, server in servers.items()
    }
    apps = {
        BARE: Starlette(routes=[Route("/orders", bare)]),
        BY_HAND: Starlette(routes=[Route("/orders", by_hand)], middleware=[Middleware(ByHand)]),
        **{name: Starlette(routes=[Route("/orders", ours)], middleware=[guard]) for name, guard in guards.items()},
    }
    return {name: _asgi(app, authorization) for name, app in apps.items()}


FRAMEWORKS: dict[str, Callable[[Check, Servers, str], dict[str, Batch]]] = {
    "Flask": _flask,
    "Django": _django,
    "Starlette": _starlette,
}


def _wsgi(app: Any, authorization: str) -> Batch:
    base = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/orders",
        "QUERY_STRING": "",
        "SERVER_NAME": "api.example.com",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "api.example.com",
        "HTTP_AUTHORIZATION": authorization,
        "wsgi.url_scheme": "https",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    statuses: list[str] = []

    def start_response(status: str, _headers: list[tuple[str, str]], *_: object) -> None:
        statuses[:] = [status]

    def batch(count: int) -> None:
        for _ in range(count):
            answer = app(base.copy(), start_response)
            b"".join(answer)
            if hasattr(answer, "close"):
                answer.close()
        _require_ok(statuses[0])

    return batch


def _asgi(app: Any, authorization: str) -> Batch:
    base = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/orders",
        "raw_path": b"/orders",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"api.example.com"), (b"authorization", authorization.encode())],
        "client": ("192.0.2.1", 50_000),
        "server": ("api.example.com", 443),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def serve(count: int) -> None:
        for _ in range(count):
            sent.clear()
            await app(base.copy(), receive, send)

    loop = asyncio.new_event_loop()

    def batch(count: int) -> None:
        loop.run_until_complete(serve(count))
        _require_ok(str(sent[0]["status"]))

    return batch


def _require_ok(status: str) -> None:
    if not status.startswith("200"):
        raise RuntimeError(f"expected status 200 for this request, got {status}")

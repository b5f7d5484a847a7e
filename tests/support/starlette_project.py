"""The routes and the application of the contract in Starlette, and helpers that its tests share."""

import asyncio
import functools
import threading
from typing import Any

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from tests.adapters.contract import Golden, MiddlewareContract
from tests.support.adapter_tokens import bearer, resource_server
from tests.support.asgi import PATIENCE
from tests.support.clients import ASGIClient, Request
from tests.support.refusals import refuse
from tests.support.request_barrier import wait_for_all_requests_async

from gatepass import ResourceServer
from gatepass_starlette import AccessTokenMiddleware, optional_auth, public, require_auth


def subject(request: Any) -> str:
    found = request.state.access_token
    return "anonymous" if found is None else found.subject


async def whoami(request):
    return PlainTextResponse(subject(request))


def guarded(**rules):
    @require_auth(**rules)
    async def view(request):
        return PlainTextResponse(subject(request))

    return view


@public
async def open_to_all(request):
    return PlainTextResponse(subject(request))


@optional_auth
async def maybe(request):
    return PlainTextResponse(subject(request))


async def slow(request):
    before = subject(request)
    await wait_for_all_requests_async()
    return PlainTextResponse(f"{before} {subject(request)}")


async def echo(request):
    return PlainTextResponse(await request.body())


async def boom(request):
    raise RuntimeError("boom")


async def boom_by(request):
    refuse(request.path_params["kind"])


async def gone(request):
    raise HTTPException(404)


ROUTES = [
    Route("/open", open_to_all),
    Route("/healthz", whoami),
    Route("/protected", whoami),
    Route("/any", whoami, methods=["GET", "OPTIONS"]),
    Route("/orders", guarded(scopes=["orders:read"])),
    Route("/admin", guarded(any_roles=["admin"])),
    Route("/hidden", guarded(scopes=["hidden:read"], denial="not_found")),
    Route("/maybe", maybe),
    Route("/slow", slow),
    Route("/echo", echo, methods=["POST"]),
    Route("/boom", boom),
    Route("/boom/{kind}", boom_by),
    Route("/gone", gone),
]


async def hello(websocket):
    await websocket.accept()
    await websocket.send_text(subject(websocket))
    await websocket.close()


class Echo(WebSocketEndpoint):
    async def on_connect(self, websocket):
        await hello(websocket)


SOCKETS = [
    WebSocketRoute("/protected", hello),
    WebSocketRoute("/orders", require_auth(scopes=["orders:read"])(hello)),
    WebSocketRoute("/class", require_auth(scopes=["orders:read"])(type("Guarded", (Echo,), {}))),
    WebSocketRoute("/hidden", require_auth(scopes=["hidden:read"], denial="not_found")(hello)),
    WebSocketRoute("/open", public(functools.partial(hello))),
    WebSocketRoute("/open/class", public(type("Open", (Echo,), {}))),
    WebSocketRoute("/maybe", optional_auth(functools.partial(hello))),
    Route("/split", whoami),
    WebSocketRoute("/split", public(functools.partial(hello))),
]


async def replaced(request, error):
    return PlainTextResponse("replaced by the application", error.status_code)


HANDLERS = dict.fromkeys((400, 401, 403, 404, 503), replaced)


CORS = Middleware(CORSMiddleware, allow_origins=["https://shop.example"])


class PassesOn:
    """A custom layer of the application."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


def application(server: ResourceServer, routes: Any, *inner: Middleware, paths: Any = (), **settings: Any) -> Starlette:
    return Starlette(
        routes=routes,
        middleware=[Middleware(AccessTokenMiddleware, server=server, public=paths), *inner],
        exception_handlers=HANDLERS,
        **settings,
    )


def sockets(**settings: Any) -> Starlette:
    return application(resource_server(**settings), SOCKETS)


def client(routes: Any, server: ResourceServer | None = None, **settings: Any) -> ASGIClient:
    return ASGIClient(application(server or resource_server(), routes, **settings))


def same(answer: Any, golden: Golden) -> None:
    MiddlewareContract().same(answer, golden)


def call(app: Any, scope: dict[str, Any], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    waiting, sent = list(messages), []

    async def receive():
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def others_are_served_while_a_hook_blocks(make: Any) -> None:
    """Assert that /healthz responds while a hook blocks; *make* builds an application from a resource server."""
    asked, answered = threading.Event(), threading.Event()

    def is_revoked(_):
        asked.set()
        return not answered.wait(PATIENCE)

    one = ASGIClient(make(resource_server({"is_revoked": is_revoked})))

    async def race():
        checked = asyncio.create_task(one._call(Request("GET", "/protected", bearer())))
        assert await asyncio.to_thread(asked.wait, PATIENCE)
        assert (await one._call(Request("GET", "/healthz"))).status == 200
        assert not checked.done()
        answered.set()
        assert (await checked).body == b"anna"

    asyncio.run(race())

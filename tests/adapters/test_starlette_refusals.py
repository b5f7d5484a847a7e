"""A refusal raised in a view, middleware, WebSocket or mount of Starlette gets the response of the resource server."""

import asyncio

import pytest
from asgiref.wsgi import WsgiToAsgi
from fastapi import WebSocket
from flask import Flask
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from tests.adapters.contract import CANNOT_TELL, HIDDEN, SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server
from tests.support.asgi import websocket, websocket_scope
from tests.support.clients import ASGIClient
from tests.support.raised_refusals import (
    GENERAL,
    Suspended,
    flask,
    grouped,
    mixed,
    refused,
    refused_async,
    refused_in_a_task,
    same,
    socket_after,
    socket_closed,
    socket_in_a_task_after,
)
from tests.support.refusals import refuse

from gatepass.errors import AuthError, InsufficientScope
from gatepass_starlette import AccessTokenMiddleware as ASGIMiddleware


async def mixed_async(*_, **__):
    mixed()


class Endpoint(HTTPEndpoint):
    async def get(self, request):
        refuse("scope")


class PassesOn(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


class Refuses(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        refuse("scope")


def starlette(*routes, inner=(), **settings):
    guard = Middleware(ASGIMiddleware, server=resource_server())
    return Starlette(routes=routes, middleware=[guard, *inner], exception_handlers=GENERAL, **settings)


INNER = [[], [Middleware(PassesOn)]]


class TestStarlette:
    @pytest.mark.parametrize("debug", [False, True])
    @pytest.mark.parametrize("inner", INNER, ids=["bare", "wrapped"])
    @pytest.mark.parametrize(
        "route",
        [
            Route("/x", refused_async),
            Route("/x", refused),
            Route("/x", Endpoint),
            Route("/x", grouped),
            Route("/x", refused_in_a_task),
            Mount("/", Starlette(routes=[Route("/x", refused_in_a_task)], exception_handlers=GENERAL)),
            Mount("/", Starlette(routes=[Route("/x", refused_async)], exception_handlers=GENERAL)),
            Mount("/", Starlette(debug=True, routes=[Route("/x", refused_async)])),
            Mount("/", refused_async),
        ],
    )
    def test_it_gets_its_response_before_any_general_handler(self, route, inner, debug):
        app = starlette(route, inner=inner, debug=debug)

        same(ASGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)

    def test_it_gets_its_response_around_an_application_with_its_own_handlers(self):
        app = Starlette(routes=[Route("/x", refused_async)], exception_handlers=GENERAL)

        same(
            ASGIClient(ASGIMiddleware(app, server=resource_server())).send("GET", "/x", bearer()),
            SCOPE_IS_MISSING,
        )

    @pytest.mark.parametrize("status", [200, 400, 500, 503])
    @pytest.mark.parametrize("streams", [False, True])
    @pytest.mark.parametrize("view", [refused_async, refused, grouped])
    def test_a_general_handler_does_not_take_precedence_with_any_status(self, status, streams, view):
        async def parts():
            yield b"something "
            yield b"broke"

        async def theirs(request, error):
            return StreamingResponse(parts(), status) if streams else PlainTextResponse("something broke", status)

        inner = Starlette(routes=[Route("/x", view)], exception_handlers={Exception: theirs})
        for app in (ASGIMiddleware(inner, server=resource_server()), starlette(Mount("/", inner))):
            same(ASGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)

    @pytest.mark.parametrize("status", [200, 503])
    def test_a_general_handler_handles_every_other_exception(self, status):
        async def theirs(request, error):
            return PlainTextResponse("something broke", status)

        answers = []
        inner = Starlette(routes=[Route("/x", mixed_async)], exception_handlers={Exception: theirs})

        async def keeping(scope, receive, send):
            async def keep(message):
                answers.append(message)
                await send(message)

            await starlette(Mount("/", inner))(scope, receive, keep)

        assert isinstance(ASGIClient(keeping).send("GET", "/x", bearer()).crash, ExceptionGroup)
        assert (answers[0]["status"], answers[1]["body"]) == (status, b"something broke")

    def test_the_response_of_a_refusal_handler_does_not_wait_for_its_background_task(self):
        sent, seen_by_task = [], []

        async def theirs(request, error):
            task = BackgroundTask(lambda: seen_by_task.extend(sent))
            return PlainTextResponse("theirs", error.status, background=task)

        app = starlette(Route("/x", refused_async))
        app.add_exception_handler(AuthError, theirs)

        async def watching(scope, receive, send):
            async def note(message):
                sent.append(message["type"])
                await send(message)

            await app(scope, receive, note)

        assert ASGIClient(watching).send("GET", "/x", bearer()).body == b"theirs"
        assert seen_by_task == ["http.response.start", "http.response.body"]

    def test_a_response_sent_after_catching_a_refusal_is_unchanged(self):
        async def app(scope, receive, send):
            try:
                refuse("scope")
            except AuthError:
                await PlainTextResponse("caught")(scope, receive, send)

        guarded = ASGIMiddleware(app, server=resource_server(), routes_of=None)

        assert ASGIClient(guarded).send("GET", "/x", bearer()).body == b"caught"

    def test_it_gets_its_response_if_raised_by_middleware_below(self):
        app = starlette(Route("/x", refused_async), inner=[Middleware(Refuses)])

        same(ASGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)

    @pytest.mark.parametrize("kind", [Suspended, InsufficientScope, AuthError])
    @pytest.mark.parametrize("inside", [False, True])
    def test_a_refusal_handler_of_the_application_takes_precedence(self, kind, inside):
        async def theirs(request, error):
            return PlainTextResponse("theirs", error.status)

        app = starlette(Route("/x", refused_async))
        if inside:
            app = starlette(Mount("/", Starlette(routes=app.routes, exception_handlers={kind: theirs})))
        else:
            app.add_exception_handler(kind, theirs)

        answer = ASGIClient(app).send("GET", "/x", bearer())

        assert (answer.status, answer.body) == (403, b"theirs")

    def test_a_group_with_other_exceptions_stays_an_exception(self):
        answer = ASGIClient(starlette(Route("/x", mixed_async))).send("GET", "/x", bearer())

        assert isinstance(answer.crash, ExceptionGroup)

    @pytest.mark.parametrize("kind", ["early_hint", "push", "debug"])
    def test_messages_before_the_response_do_not_start_it(self, kind):
        sent = []

        async def app(scope, receive, send):
            await send({"type": f"http.response.{kind}", "links": []})
            refuse("scope")

        guarded = ASGIMiddleware(app, server=resource_server(), routes_of=None)

        async def keeping(scope, receive, send):
            async def keep(message):
                sent.append(message["type"])
                if message["type"] != f"http.response.{kind}":
                    await send(message)

            await guarded(scope, receive, keep)

        same(ASGIClient(keeping).send("GET", "/x", bearer()), SCOPE_IS_MISSING)
        assert sent[0] == f"http.response.{kind}"

    @pytest.mark.parametrize("inner", INNER, ids=["bare", "wrapped"])
    def test_a_started_stream_is_aborted(self, inner):
        async def parts():
            yield b"first"
            refuse("scope")

        async def view(request):
            return StreamingResponse(parts())

        app = starlette(Route("/x", view), inner=inner)

        assert isinstance(ASGIClient(app).send("GET", "/x", bearer()).crash, InsufficientScope)

    @pytest.mark.parametrize("inner", INNER, ids=["bare", "wrapped"])
    @pytest.mark.parametrize("size", [0, 10, 1_000_000])
    def test_a_500_of_the_application_is_unchanged(self, inner, size):
        async def parts():
            for _ in range(4):
                yield b"x" * size

        async def streamed(request):
            return StreamingResponse(parts(), 500)

        async def plain(request):
            return PlainTextResponse("x" * size, 500)

        client = ASGIClient(starlette(Route("/streamed", streamed), Route("/plain", plain), inner=inner))

        assert client.send("GET", "/streamed", bearer()).body == b"x" * size * 4
        answer = client.send("GET", "/plain", bearer())
        assert (answer.status, answer.body) == (500, b"x" * size)

    def test_a_500_does_not_wait_for_its_background_task(self):
        sent = []
        seen_by_task = []

        async def view(request):
            return PlainTextResponse("broke", 500, background=BackgroundTask(lambda: seen_by_task.extend(sent)))

        app = starlette(Route("/x", view))

        async def watching(scope, receive, send):
            async def note(message):
                sent.append(message["type"])
                await send(message)

            await app(scope, receive, note)

        ASGIClient(watching).send("GET", "/x", bearer())

        assert seen_by_task == ["http.response.start", "http.response.body"]

    @pytest.mark.parametrize("inner", INNER, ids=["bare", "wrapped"])
    def test_an_exception_of_a_mounted_application_is_left_to_it(self, inner):
        async def boom(request):
            raise RuntimeError("boom")

        mounted = Starlette(routes=[Route("/x", boom)], exception_handlers=GENERAL)
        answers = []

        async def keeping(scope, receive, send):
            async def keep(message):
                answers.append(message)
                await send(message)

            await starlette(Mount("/", mounted), inner=inner)(scope, receive, keep)

        assert isinstance(ASGIClient(keeping).send("GET", "/x", bearer()).crash, RuntimeError)
        assert (answers[0]["status"], answers[1]["body"]) == (500, b"something broke")


class Socket(WebSocketEndpoint):
    async def on_connect(self, websocket):
        refuse("hidden")


class OpenSocket(WebSocketEndpoint):
    async def on_connect(self, websocket):
        await websocket.accept()
        refuse("hidden")


async def socket_before(websocket: WebSocket):
    refuse("hidden")


async def socket_left(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive()
    refuse("hidden")


async def socket_in_a_task(websocket: WebSocket):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(socket_before(websocket))


class TestSockets:
    @pytest.mark.parametrize("endpoint", [socket_before, Socket, socket_in_a_task])
    def test_a_handshake_gets_the_response(self, endpoint):
        session = websocket(starlette(WebSocketRoute("/x", endpoint)), websocket_scope("/x", bearer()))

        same(session.denial, HIDDEN)

    @pytest.mark.parametrize("endpoint", [socket_before, Socket])
    def test_a_handshake_is_closed_if_the_server_cannot_send_a_response(self, endpoint):
        scope = websocket_scope("/x", bearer(), extensions=None)

        assert websocket(starlette(WebSocketRoute("/x", endpoint)), scope).kinds == ["websocket.close"]

    def test_a_group_with_other_exceptions_stays_an_exception(self):
        session = websocket(starlette(WebSocketRoute("/x", mixed_async)), websocket_scope("/x", bearer()))

        assert isinstance(session.crash, ExceptionGroup)

    @pytest.mark.parametrize("endpoint", [socket_after, OpenSocket, socket_in_a_task_after])
    def test_an_open_websocket_is_closed(self, endpoint):
        session = websocket(starlette(WebSocketRoute("/x", endpoint)), websocket_scope("/x", bearer()))

        assert session.kinds == ["websocket.accept", "websocket.close"]
        assert session.sent[-1]["code"] == 1008

    @pytest.mark.parametrize(("endpoint", "kinds"), [(socket_closed, ["accept", "close"]), (socket_left, ["accept"])])
    def test_a_closed_websocket_gets_no_further_message(self, endpoint, kinds):
        session = websocket(starlette(WebSocketRoute("/x", endpoint)), websocket_scope("/x", bearer()))

        assert (session.kinds, session.crash) == ([f"websocket.{kind}" for kind in kinds], None)


# --- applications of another framework


class TestMountedFlask:
    def mounted(self, app):
        return ASGIClient(starlette(Mount("/shop", WsgiToAsgi(app.wsgi_app))))

    def test_its_own_middleware_responds(self):
        app = flask()
        app.add_url_rule("/x", "x", refused)

        same(self.mounted(app).send("GET", "/shop/x", bearer()), SCOPE_IS_MISSING)

    def test_it_may_propagate_exceptions_to_the_outer_middleware(self):
        app = Flask("mounted")
        app.config["PROPAGATE_EXCEPTIONS"] = True
        app.add_url_rule("/x", "x", refused)

        same(self.mounted(app).send("GET", "/shop/x", bearer()), SCOPE_IS_MISSING)

    def test_without_propagation_it_responds_itself(self):
        app = Flask("mounted")
        app.add_url_rule("/x", "x", refused)

        assert self.mounted(app).send("GET", "/shop/x", bearer()).status == 500


def test_an_outage_raised_by_a_view_has_retry_after():
    async def view(request):
        refuse("outage")

    same(ASGIClient(starlette(Route("/x", view))).send("GET", "/x", bearer()), CANNOT_TELL)

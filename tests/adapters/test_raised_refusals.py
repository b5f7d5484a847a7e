"""A refusal that the application raises is the server's answer, wherever below the adapter it is raised.

The contract has the plain view. Here are the other places: what runs before a view and after it, classes, coroutines,
applications in applications, sockets, dependencies; and what an application may still say itself.
"""

import asyncio
import contextlib
import io
from typing import Annotated

import pytest
from asgiref.wsgi import WsgiToAsgi
from fastapi import Depends, FastAPI, Security, WebSocket
from flask import Blueprint, Flask, Response, request, session, stream_with_context
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from tests.adapters.contract import CANNOT_TELL, HIDDEN, NO_CREDENTIALS, SCOPE_IS_MISSING, AdapterContract
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.asgi import websocket, websocket_scope
from tests.support.clients import ASGIClient, WSGIClient
from tests.support.raising import refuse
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gatepass import AccessToken
from gatepass.errors import AuthError, InsufficientScope
from gatepass_fastapi import AccessTokenBearer, OptionalAccessTokenBearer
from gatepass_flask import AccessTokenMiddleware as WSGIMiddleware
from gatepass_flask import access_token, current_access_token, optional_auth
from gatepass_starlette import AccessTokenMiddleware as ASGIMiddleware


def same(answer, golden):
    AdapterContract().same(answer, golden)


def general(*_):
    """A handler for every mistake."""
    return "something broke", 500


class Suspended(InsufficientScope):
    """A refusal of the application's own kind."""

    def __init__(self):
        super().__init__(("orders:read",))


def refused(*_, **__):
    raise Suspended


async def refused_async(*_, **__):
    raise Suspended


async def refused_in_a_task(*_, **__):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(refused_async())


def grouped(*_, **__):
    raise ExceptionGroup("tasks", [ExceptionGroup("inner", [Suspended()])])


def mixed(*_, **__):
    raise ExceptionGroup("tasks", [Suspended(), RuntimeError("boom")])


async def mixed_async(*_, **__):
    mixed()


# --- Flask


class Layer:
    """As a tracer would be one."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        return self.app(environ, start_response)


def flask(layer=None, **config):
    app = Flask("raising")
    app.config.update(SECRET_KEY="of the tests alone", **config)
    app.register_error_handler(Exception, general)
    app.register_error_handler(500, general)
    app.wsgi_app = WSGIMiddleware(layer(app.wsgi_app) if layer else app.wsgi_app, resource_server())
    return app


class Orders(MethodView):
    def get(self):
        refuse("scope")


def before_the_view(app):
    app.before_request(refused)


def after_the_view(app):
    app.add_url_rule("/x", "x", lambda: "fine")
    app.after_request(refused)


def in_an_error_handler(app):
    app.register_error_handler(404, refused)


def in_a_blueprint(app):
    shop = Blueprint("shop", "shop")
    shop.add_url_rule("/x", "x", refused)
    shop.register_error_handler(Exception, general)
    app.register_blueprint(shop)


def in_a_stream_that_has_a_start_of_its_own(app):
    def view():
        server = request.environ["gatepass.identity"].server
        server.authorize(access_token, scopes=["orders:read"])
        return stream_with_context(iter(()))

    app.add_url_rule("/x", "x", view)


def in_a_stream(app):
    @app.get("/x")
    def view():
        return Response(refused() for _ in "x")


def in_a_stream_with_the_request(app):
    app.add_url_rule("/x", "x", lambda: stream_with_context(refused() for _ in "x"))


def in_a_group(app):
    app.add_url_rule("/x", "x", grouped)


def in_a_task(app):
    app.add_url_rule("/x", "x", refused_in_a_task)


class TestFlask:
    @pytest.mark.parametrize("layer", [None, Layer], ids=["bare", "below a layer"])
    @pytest.mark.parametrize("mode", [{}, {"TESTING": True}, {"DEBUG": True}, {"PROPAGATE_EXCEPTIONS": True}])
    @pytest.mark.parametrize(
        "prepare",
        [
            before_the_view,
            after_the_view,
            in_an_error_handler,
            in_a_blueprint,
            in_a_stream_that_has_a_start_of_its_own,
            in_a_stream,
            in_a_stream_with_the_request,
            in_a_group,
            in_a_task,
            lambda app: app.add_url_rule("/x", "x", refused_async),
            lambda app: app.add_url_rule("/x", "x", Orders.as_view("orders")),
        ],
    )
    def test_it_is_answered_wherever_it_is_raised_and_no_general_handler_comes_first(self, mode, layer, prepare):
        app = flask(layer, **mode)
        prepare(app)

        same(WSGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)
        assert app.test_client().get("/x", headers=bearer()).status_code == 403

    @pytest.mark.parametrize("kind", [Suspended, InsufficientScope, AuthError])
    @pytest.mark.parametrize("where", ["application", "blueprint"])
    def test_a_handler_of_the_application_for_refusals_comes_first(self, kind, where):
        app, shop = flask(), Blueprint("shop", "shop")
        shop.add_url_rule("/x", "x", refused)
        shop.register_error_handler(Exception, general)
        (app if where == "application" else shop).register_error_handler(kind, lambda error: ("theirs", error.status))
        app.register_blueprint(shop)

        app.add_url_rule("/group", "group", grouped)

        for path in ("/x", "/group") if where == "application" else ("/x",):
            answer = WSGIClient(app).send("GET", path, bearer())
            assert (answer.status, answer.body) == (403, b"theirs")

    def test_a_handler_of_the_application_for_groups_comes_first(self):
        app = flask()
        app.register_error_handler(ExceptionGroup, lambda group: (f"{len(group.exceptions)} of them", 418))
        app.add_url_rule("/x", "x", grouped)

        assert WSGIClient(app).send("GET", "/x", bearer()).body == b"1 of them"

    def test_a_group_with_something_else_in_it_stays_the_applications(self):
        app = flask()
        app.add_url_rule("/x", "x", mixed)

        assert WSGIClient(app).send("GET", "/x", bearer()).body == b"something broke"

    def test_an_extension_that_came_after_the_middleware_does_not_come_first(self):
        app = flask()
        seen = []

        def note(error):  # as the Api of Flask-RESTful and Flask-RESTX does it
            seen.append(type(error))
            return "theirs", 500

        app.handle_exception = note
        app.handle_user_exception = note
        app.add_url_rule("/x", "x", refused)
        app.add_url_rule("/broken", "broken", lambda: session["missing"])

        same(WSGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)
        assert WSGIClient(app).send("GET", "/broken", bearer()).body == b"theirs"
        assert seen == [KeyError]

    def test_what_runs_after_the_view_sees_the_answer(self):
        app = flask()
        app.add_url_rule("/x", "x", refused)

        @app.after_request
        def mark(response):
            response.headers["X-Shop"] = str(response.status_code)
            return response

        assert WSGIClient(app).send("GET", "/x", bearer()).all("x-shop") == ["403"]

    def test_a_stranger_on_an_optional_route_is_asked_for_credentials(self):
        app = flask()

        @app.get("/x")
        @optional_auth
        def view():
            resource_server().authorize(current_access_token(), scopes=["orders:read"])

        answer = WSGIClient(app).send("GET", "/x")

        assert (answer.status, answer.all("www-authenticate")) == (401, [NO_CREDENTIALS[1]])

    def test_each_mounted_application_is_answered_by_the_server_before_it(self):
        shop, app = Flask("shop"), flask()
        shop.add_url_rule("/x", "x", refused)
        both = DispatcherMiddleware(app, {"/shop": WSGIMiddleware(shop.wsgi_app, resource_server(realm="shop"))})

        answer = WSGIClient(both).send("GET", "/shop/x", bearer())

        assert answer.all("www-authenticate")[0].startswith('Bearer realm="shop", error="insufficient_scope"')

    def test_a_stream_that_has_begun_is_broken_off(self):
        app = flask()

        def parts():
            yield "first"
            refuse("scope")

        app.add_url_rule("/x", "x", parts)

        assert isinstance(WSGIClient(app).send("GET", "/x", bearer()).crash, InsufficientScope)

    def test_without_a_middleware_it_is_an_exception_as_any_other(self):
        app = Flask("alone")
        app.add_url_rule("/x", "x", refused)

        assert WSGIClient(app).send("GET", "/x").status == 500

    def test_two_middlewares_around_one_application_answer_each_for_itself(self):
        app = flask()
        app.add_url_rule("/x", "x", refused)
        other = WSGIMiddleware(app.wsgi_app._app, resource_server(realm="shop"))

        assert (
            WSGIClient(other).send("GET", "/x", bearer()).all("www-authenticate")[0].startswith('Bearer realm="shop"')
        )
        same(WSGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)

    def test_other_exceptions_stay_the_applications(self):
        app = flask()
        app.add_url_rule("/x", "x", lambda: session["missing"])

        answer = WSGIClient(app).send("GET", "/x", bearer())

        assert (answer.status, answer.body) == (500, b"something broke")


# --- other WSGI applications


def at_once(environ, start_response):
    refuse("scope")


def when_it_is_read(environ, start_response):
    refuse("scope")
    yield b"never"


def after_a_start(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b""
    refuse("scope")


class WhenItIsIterated:
    """PEP 3333 has its example of a class like this."""

    def __init__(self, environ, start_response):
        self.start_response = start_response

    def __iter__(self):
        refuse("scope")
        yield b"never"


def group_when_it_is_read(environ, start_response):
    grouped()
    yield b"never"


class TestWSGI:
    @pytest.mark.parametrize(
        "app", [at_once, when_it_is_read, after_a_start, WhenItIsIterated, grouped, group_when_it_is_read]
    )
    def test_it_is_answered_until_something_was_sent(self, app):
        same(
            WSGIClient(WSGIMiddleware(app, resource_server(), routes_of=None)).send("GET", "/x", bearer()),
            SCOPE_IS_MISSING,
        )

    @pytest.mark.parametrize("app", [mixed, lambda *_: (mixed() for _ in "x")])
    def test_a_group_with_something_else_in_it_stays_an_exception(self, app):
        client = WSGIClient(WSGIMiddleware(app, resource_server(), routes_of=None))

        assert isinstance(client.send("GET", "/x", bearer()).crash, ExceptionGroup)

    def test_what_has_begun_is_broken_off_and_closed(self):
        closed = []

        class Body:
            def __iter__(self):
                yield b"first"
                refuse("scope")

            def close(self):
                closed.append(True)

        def app(environ, start_response):
            start_response("200 OK", [])
            return Body()

        answer = WSGIClient(WSGIMiddleware(app, resource_server(), routes_of=None)).send("GET", "/x", bearer())

        assert isinstance(answer.crash, InsufficientScope)
        assert closed == [True]

    def test_what_was_written_the_old_way_is_sent_and_then_broken_off(self):
        sent = []

        def app(environ, start_response):
            write = start_response("200 OK", [])
            write(b"first ")
            write(b"second")
            refuse("scope")

        def start_response(status, _):
            sent.append(status)
            return sent.append

        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_AUTHORIZATION": bearer()[0][1]}
        with pytest.raises(InsufficientScope):
            WSGIMiddleware(app, resource_server(), routes_of=None)(environ, start_response)
        assert sent == ["200 OK", b"first ", b"second"]

    def test_the_application_may_replace_its_answer_and_once_that_has_begun_the_server_is_asked(self):
        calls = []

        def app(environ, start_response):
            start_response("200 OK", [])
            start_response("409 Conflict", [], (ValueError, ValueError(), None))
            yield b"first"
            start_response("500 Late", [], (ValueError, ValueError(), None))

        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_AUTHORIZATION": bearer()[0][1]}
        guarded = WSGIMiddleware(app, resource_server(), routes_of=None)
        list(guarded(environ, lambda status, *more: calls.append((status, len(more)))))

        assert calls == [("409 Conflict", 2), ("500 Late", 2)]

    def test_a_stream_runs_no_further_than_to_its_first_octet_before_it_is_sent(self):
        made = []

        def app(environ, start_response):
            start_response("200 OK", [])
            for part in (b"", b"first", b"second"):
                made.append(part)
                yield part

        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_AUTHORIZATION": bearer()[0][1]}
        body = WSGIMiddleware(app, resource_server(), routes_of=None)(environ, lambda *_: None)

        assert made == [b"", b"first"]
        assert list(body) == [b"", b"first", b"second"]

    def test_a_stream_that_is_refused_is_closed(self):
        closed = []

        class Body:
            def __iter__(self):
                refuse("scope")

            def close(self):
                closed.append(True)

        same(
            WSGIClient(WSGIMiddleware(lambda *_: Body(), resource_server(), routes_of=None)).send(
                "GET", "/x", bearer()
            ),
            SCOPE_IS_MISSING,
        )
        assert closed == [True]

    @pytest.mark.parametrize("kind", ["wrapped by a class", "a plain file"])
    def test_the_servers_own_kind_of_file_stays_what_it_is(self, kind):
        class FileWrapper:
            pass

        file = FileWrapper() if kind == "wrapped by a class" else io.BytesIO(b"page")
        seen = []

        def server(environ, start_response):
            environ["wsgi.file_wrapper"] = FileWrapper
            seen.append(WSGIMiddleware(lambda *_: file, resource_server(), routes_of=None)(environ, start_response))
            return []

        with contextlib.suppress(ValueError):
            WSGIClient(server).send("GET", "/x", bearer())
        assert seen == [file]


# --- Starlette


class Endpoint(HTTPEndpoint):
    async def get(self, request):
        refuse("scope")


class PassesOn(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


class Refuses(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        refuse("scope")


async def general_async(request, error):
    return PlainTextResponse("something broke", 500)


GENERAL = {Exception: general_async}


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
    def test_it_is_answered_wherever_it_is_raised_and_no_general_handler_comes_first(self, route, inner, debug):
        app = starlette(route, inner=inner, debug=debug)

        same(ASGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)

    def test_it_is_answered_around_an_application_with_handlers_of_its_own(self):
        app = Starlette(routes=[Route("/x", refused_async)], exception_handlers=GENERAL)

        same(
            ASGIClient(ASGIMiddleware(app, server=resource_server())).send("GET", "/x", bearer()),
            SCOPE_IS_MISSING,
        )

    @pytest.mark.parametrize("status", [200, 400, 500, 503])
    @pytest.mark.parametrize("streams", [False, True])
    @pytest.mark.parametrize("view", [refused_async, refused, grouped])
    def test_a_general_handler_does_not_come_first_with_whatever_status(self, status, streams, view):
        async def parts():
            yield b"something "
            yield b"broke"

        async def theirs(request, error):
            return StreamingResponse(parts(), status) if streams else PlainTextResponse("something broke", status)

        inner = Starlette(routes=[Route("/x", view)], exception_handlers={Exception: theirs})
        for app in (ASGIMiddleware(inner, server=resource_server()), starlette(Mount("/", inner))):
            same(ASGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)

    @pytest.mark.parametrize("status", [200, 503])
    def test_a_general_handler_answers_every_other_exception(self, status):
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

    def test_the_answer_of_an_own_handler_does_not_wait_for_the_task_behind_it(self):
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

    def test_an_answer_given_while_a_refusal_is_caught_is_sent_as_it_is(self):
        async def app(scope, receive, send):
            try:
                refuse("scope")
            except AuthError:
                await PlainTextResponse("caught")(scope, receive, send)

        guarded = ASGIMiddleware(app, server=resource_server(), routes_of=None)

        assert ASGIClient(guarded).send("GET", "/x", bearer()).body == b"caught"

    def test_it_is_answered_for_middleware_below(self):
        app = starlette(Route("/x", refused_async), inner=[Middleware(Refuses)])

        same(ASGIClient(app).send("GET", "/x", bearer()), SCOPE_IS_MISSING)

    @pytest.mark.parametrize("kind", [Suspended, InsufficientScope, AuthError])
    @pytest.mark.parametrize("inside", [False, True])
    def test_a_handler_of_the_application_for_refusals_comes_first(self, kind, inside):
        async def theirs(request, error):
            return PlainTextResponse("theirs", error.status)

        app = starlette(Route("/x", refused_async))
        if inside:
            app = starlette(Mount("/", Starlette(routes=app.routes, exception_handlers={kind: theirs})))
        else:
            app.add_exception_handler(kind, theirs)

        answer = ASGIClient(app).send("GET", "/x", bearer())

        assert (answer.status, answer.body) == (403, b"theirs")

    def test_a_group_with_something_else_in_it_stays_an_exception(self):
        answer = ASGIClient(starlette(Route("/x", mixed_async))).send("GET", "/x", bearer())

        assert isinstance(answer.crash, ExceptionGroup)

    @pytest.mark.parametrize("kind", ["early_hint", "push", "debug"])
    def test_what_comes_before_an_answer_does_not_begin_it(self, kind):
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
    def test_a_stream_that_has_begun_is_broken_off(self, inner):
        async def parts():
            yield b"first"
            refuse("scope")

        async def view(request):
            return StreamingResponse(parts())

        app = starlette(Route("/x", view), inner=inner)

        assert isinstance(ASGIClient(app).send("GET", "/x", bearer()).crash, InsufficientScope)

    @pytest.mark.parametrize("inner", INNER, ids=["bare", "wrapped"])
    @pytest.mark.parametrize("size", [0, 10, 1_000_000])
    def test_a_500_of_the_application_is_sent_as_it_is(self, inner, size):
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

    def test_a_500_does_not_wait_for_the_task_behind_it(self):
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
    def test_an_exception_of_a_mounted_application_stays_its_own(self, inner):
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


async def socket_after(websocket: WebSocket):
    await websocket.accept()
    refuse("hidden")


async def socket_closed(websocket: WebSocket):
    await websocket.accept()
    await websocket.close()
    refuse("hidden")


async def socket_left(websocket: WebSocket):
    await websocket.accept()
    await websocket.receive()
    refuse("hidden")


async def socket_in_a_task(websocket: WebSocket):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(socket_before(websocket))


async def socket_in_a_task_after(websocket: WebSocket):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(socket_after(websocket))


class TestSockets:
    @pytest.mark.parametrize("endpoint", [socket_before, Socket, socket_in_a_task])
    def test_a_handshake_gets_the_answer(self, endpoint):
        session = websocket(starlette(WebSocketRoute("/x", endpoint)), websocket_scope("/x", bearer()))

        same(session.denial, HIDDEN)

    @pytest.mark.parametrize("endpoint", [socket_before, Socket])
    def test_a_handshake_is_closed_where_the_server_cannot_send_one(self, endpoint):
        scope = websocket_scope("/x", bearer(), extensions=None)

        assert websocket(starlette(WebSocketRoute("/x", endpoint)), scope).kinds == ["websocket.close"]

    def test_a_group_with_something_else_in_it_stays_an_exception(self):
        session = websocket(starlette(WebSocketRoute("/x", mixed_async)), websocket_scope("/x", bearer()))

        assert isinstance(session.crash, ExceptionGroup)

    @pytest.mark.parametrize("endpoint", [socket_after, OpenSocket, socket_in_a_task_after])
    def test_an_open_socket_is_closed(self, endpoint):
        session = websocket(starlette(WebSocketRoute("/x", endpoint)), websocket_scope("/x", bearer()))

        assert session.kinds == ["websocket.accept", "websocket.close"]
        assert session.sent[-1]["code"] == 1008

    @pytest.mark.parametrize(("endpoint", "kinds"), [(socket_closed, ["accept", "close"]), (socket_left, ["accept"])])
    def test_a_socket_that_has_ended_is_left_alone(self, endpoint, kinds):
        session = websocket(starlette(WebSocketRoute("/x", endpoint)), websocket_scope("/x", bearer()))

        assert (session.kinds, session.crash) == ([f"websocket.{kind}" for kind in kinds], None)


# --- applications of another framework


class TestMountedFlask:
    def mounted(self, app):
        return ASGIClient(starlette(Mount("/shop", WsgiToAsgi(app.wsgi_app))))

    def test_its_own_middleware_answers(self):
        app = flask()
        app.add_url_rule("/x", "x", refused)

        same(self.mounted(app).send("GET", "/shop/x", bearer()), SCOPE_IS_MISSING)

    def test_it_may_hand_exceptions_on_to_the_middleware_outside(self):
        app = Flask("mounted")
        app.config["PROPAGATE_EXCEPTIONS"] = True
        app.add_url_rule("/x", "x", refused)

        same(self.mounted(app).send("GET", "/shop/x", bearer()), SCOPE_IS_MISSING)

    def test_else_it_answers_by_itself(self):
        app = Flask("mounted")
        app.add_url_rule("/x", "x", refused)

        assert self.mounted(app).send("GET", "/shop/x", bearer()).status == 500


# --- FastAPI

SERVER = resource_server()
Token = Annotated[AccessToken, Security(AccessTokenBearer(SERVER))]


def of_tenant(tenant: str, token: Token):
    SERVER.authorize(token, scopes=[f"orders:{tenant}"])
    return token


async def of_tenant_async(tenant: str, token: Token):
    return of_tenant(tenant, token)


def tenant_opened(tenant: str, token: Token):
    yield of_tenant(tenant, token)


async def tenant_opened_async(token: Token):
    try:
        yield token
    except AuthError:
        CLOSED.append(True)
        raise


CLOSED = []


def fastapi(*, middleware, mounted=False):  # noqa: C901 - one application, view by view
    app = FastAPI(exception_handlers=GENERAL)
    inner = FastAPI(exception_handlers=GENERAL) if mounted else app
    get = inner.get

    @get("/function/{tenant}")
    def by_function(tenant: str, token: Annotated[AccessToken, Depends(of_tenant)]):
        return tenant

    @get("/coroutine/{tenant}")
    async def by_coroutine(tenant: str, token: Annotated[AccessToken, Depends(of_tenant_async)]):
        return tenant

    @get("/generator/{tenant}")
    async def by_generator(tenant: str, token: Annotated[AccessToken, Depends(tenant_opened)]):
        return tenant

    @get("/view/{tenant}")
    def by_view(tenant: str, token: Annotated[AccessToken, Depends(tenant_opened_async)]):
        of_tenant(tenant, token)

    @get("/task/{tenant}")
    async def by_task(tenant: str, token: Token):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(of_tenant_async(tenant, token))

    @get("/mixed")
    async def by_mistake(token: Token):
        mixed()

    @inner.websocket("/task")
    async def socket_by_task(websocket: WebSocket, token: Token):
        await socket_in_a_task_after(websocket)

    @get("/maybe/{tenant}")
    def maybe(tenant: str, token: Annotated[AccessToken | None, Depends(OptionalAccessTokenBearer(SERVER))]):
        of_tenant(tenant, token)

    @inner.websocket("/before")
    async def before(websocket: WebSocket, token: Token):
        refuse("hidden")

    @inner.websocket("/after")
    async def after(websocket: WebSocket, token: Token):
        await websocket.accept()
        refuse("hidden")

    @inner.websocket("/closed")
    async def closed(websocket: WebSocket, token: Token):
        await socket_closed(websocket)

    if mounted:
        app.mount("/", inner)
    if middleware:
        app.add_middleware(ASGIMiddleware, server=SERVER)
    return app


@pytest.mark.parametrize("middleware", [False, True], ids=["alone", "behind the middleware"])
@pytest.mark.parametrize("mounted", [False, True], ids=["bare", "mounted"])
class TestFastAPI:
    @pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "view", "task"])
    def test_it_is_answered_wherever_it_is_raised_and_no_general_handler_comes_first(self, middleware, mounted, kind):
        app = fastapi(middleware=middleware, mounted=mounted)
        status, challenge, body = SCOPE_IS_MISSING

        answer = ASGIClient(app).send("GET", f"/{kind}/north", bearer())

        same(answer, (status, challenge.replace("orders:read", "orders:north"), body))

    def test_a_dependency_that_waits_for_the_view_sees_it(self, middleware, mounted):
        CLOSED.clear()

        ASGIClient(fastapi(middleware=middleware, mounted=mounted)).send("GET", "/view/north", bearer())

        assert CLOSED == [True]

    def test_a_stranger_on_an_optional_route_is_asked_for_credentials(self, middleware, mounted):
        answer = ASGIClient(fastapi(middleware=middleware, mounted=mounted)).send("GET", "/maybe/north")

        same(answer, NO_CREDENTIALS)

    def test_sockets_are_refused_or_closed(self, middleware, mounted):
        app = fastapi(middleware=middleware, mounted=mounted)

        same(websocket(app, websocket_scope("/before", bearer())).denial, HIDDEN)
        for path in ("/after", "/task"):
            session = websocket(app, websocket_scope(path, bearer()))
            assert (session.kinds, session.sent[-1]["code"]) == (["websocket.accept", "websocket.close"], 1008)
        closed = websocket(app, websocket_scope("/closed", bearer()))
        assert (closed.kinds, closed.crash) == (["websocket.accept", "websocket.close"], None)

    @pytest.mark.parametrize("kind", [InsufficientScope, AuthError])
    def test_a_handler_of_the_application_for_refusals_comes_first(self, middleware, mounted, kind):
        async def theirs(request, error):
            return PlainTextResponse("theirs", error.status)

        app = fastapi(middleware=middleware, mounted=mounted)
        (app.routes[-1].app if mounted else app).add_exception_handler(kind, theirs)

        answer = ASGIClient(app).send("GET", "/view/north", bearer())

        assert (answer.status, answer.body) == (403, b"theirs")

    def test_a_group_with_something_else_in_it_stays_an_exception(self, middleware, mounted):
        answer = ASGIClient(fastapi(middleware=middleware, mounted=mounted)).send("GET", "/mixed", bearer())

        assert isinstance(answer.crash, ExceptionGroup)


def test_in_fastapi_a_refusal_where_nothing_was_judged_is_an_exception_as_any_other():
    app = fastapi(middleware=False)
    app.get("/open")(lambda: refuse("scope"))
    client = ASGIClient(app)

    assert client.send("GET", "/view/north", bearer()).status == 403
    assert isinstance(client.send("GET", "/open", bearer()).crash, InsufficientScope)


def test_in_fastapi_without_the_private_part_of_starlette_strangers_stay_out_and_friends_get_in():
    app = fastapi(middleware=False)

    class Hides(dict):
        def __setitem__(self, name, value):
            if name != "starlette.exception_handlers":
                super().__setitem__(name, value)

    async def hiding(scope, receive, send):
        await app(Hides(scope), receive, send)

    client = ASGIClient(hiding)

    assert client.send("GET", "/function/north", bearer(token(scope="orders:north"))).body == b'"north"'
    for headers in ([], bearer()):
        answer = client.send("GET", "/function/north", headers)
        assert (answer.status, answer.body) == (500, b"")


def test_in_fastapi_the_server_of_the_dependency_answers():
    app = FastAPI()
    for realm in ("one", "two"):
        dependency = Depends(AccessTokenBearer(resource_server(realm=realm)))
        app.get(f"/{realm}", dependencies=[dependency])(lambda: refuse("scope"))
    client = ASGIClient(app)

    for realm in ("one", "two", "one"):
        assert (
            client.send("GET", f"/{realm}", bearer()).all("www-authenticate")[0].startswith(f'Bearer realm="{realm}"')
        )


def test_an_outage_that_a_view_meets_says_when_to_come_again():
    async def view(request):
        refuse("outage")

    same(ASGIClient(starlette(Route("/x", view))).send("GET", "/x", bearer()), CANNOT_TELL)

"""Guards on the path functions of FastAPI: signatures, threads, dependencies and WebSockets."""

import asyncio
import threading
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import Depends, FastAPI, Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.requests import Request as HTTPRequest
from starlette.routing import Route, Router
from starlette.websockets import WebSocket
from tests.adapters.contract import NO_CREDENTIALS
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.asgi import websocket, websocket_scope
from tests.support.clients import ASGIClient
from tests.support.fastapi_project import app_with, plain, same

from gatepass import ConfigurationError
from gatepass_fastapi import AccessTokenBearer, AccessTokenMiddleware, current_access_token, require_auth


def behind_the_middleware(**settings: Any) -> FastAPI:
    return FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server())], **settings)


class Order(BaseModel):
    number: int


def quantity(number: int = 1) -> int:
    return number * 2


def guarded_views(app: FastAPI, guard: Any) -> None:
    """Add guarded views with many signatures at /1, /2, ... for the query `number=4`."""

    def add(view: Any, **options: Any) -> None:
        app.get(f"/{len(app.routes)}", **options)(guard(view))

    async def bare() -> dict[str, str]:
        return {"number": "4"}

    def plain(number: int) -> dict[str, int]:
        return {"number": number}

    async def filtered() -> Any:
        return {"number": 4, "hidden": True}

    async def parsed(number: "int", more: "Annotated[int, Depends(quantity)]") -> "dict[str, int]":
        return {"number": number, "more": more}

    async def with_request(number: int, req: HTTPRequest) -> dict[str, str]:
        return {"path": req.url.path}

    async def with_connection(conn: Annotated[HTTPConnection, "any"], number: int = 0) -> dict[str, int]:
        return {"headers": len(conn.headers), "number": number}

    def with_namesake(request: Annotated[str, Query(alias="number")]) -> str:
        return request

    def with_response(response: fastapi.Response) -> PlainTextResponse:
        response.headers["X-Lost"] = "in a response of its own"
        return PlainTextResponse("own", 201)

    add(bare)
    add(plain)
    add(filtered, response_model=Order)
    add(parsed)
    add(with_request)
    add(with_connection)
    add(with_namesake)
    add(with_response)
    add(with_connection, status_code=202)
    add(guard(bare))


def test_a_guarded_path_function_behaves_like_the_plain_one():
    plain, guarded = FastAPI(docs_url=None, redoc_url=None), FastAPI(docs_url=None, redoc_url=None)
    guarded.add_middleware(AccessTokenMiddleware, server=resource_server())
    guarded_views(plain, lambda view: view)
    guarded_views(guarded, require_auth(scopes=["a"]))
    clients = ASGIClient(plain), ASGIClient(guarded)

    assert guarded.openapi() == plain.openapi()
    for route in plain.routes[1:]:
        target = f"{route.path}?number=4"
        headers = bearer(token(scope="a"))
        expected, answer = (client.send("GET", target, headers) for client in clients)
        assert expected.status < 300
        assert (answer.status, answer.body) == (expected.status, expected.body)
        refused = clients[1].send("GET", target, bearer(token(scope="b")))
        assert refused.status == 403
        assert 'error="insufficient_scope"' in refused.all("www-authenticate")[0]


def test_a_guarded_plain_function_still_runs_in_a_thread():
    app, threads = behind_the_middleware(), []

    @app.get("/plain")
    @require_auth()
    def plain() -> None:
        threads.append(threading.current_thread())

    @app.get("/native")
    @require_auth()
    async def native() -> None:
        threads.append(threading.current_thread())

    for target in ("/plain", "/native"):
        assert ASGIClient(app).send("GET", target, bearer()).status == 200
    assert [thread is threading.current_thread() for thread in threads] == [False, True]


def test_a_guarded_dependency_stops_the_request():
    app = behind_the_middleware()

    @require_auth(scopes=["a"])
    def dependency() -> str:
        return "let in"

    @app.get("/")
    async def view(found: Annotated[str, Depends(dependency)]) -> str:
        return found

    assert ASGIClient(app).send("GET", "/", bearer(token(scope="a"))).body == b'"let in"'
    assert ASGIClient(app).send("GET", "/", bearer()).status == 403


def test_guards_work_on_starlette_routes_in_fastapi():
    app = behind_the_middleware()

    @require_auth(scopes=["a"])
    async def route(request: HTTPRequest) -> PlainTextResponse:
        return PlainTextResponse("in")

    @require_auth(scopes=["a"])
    class Endpoint(HTTPEndpoint):
        async def get(self, request: HTTPRequest) -> PlainTextResponse:
            return PlainTextResponse("in")

    class Method(HTTPEndpoint):
        @require_auth(scopes=["a"])
        def get(self, request: HTTPRequest) -> PlainTextResponse:
            return PlainTextResponse("in")

    app.router.routes += [Route("/route", route), Route("/class", Endpoint), Route("/method", Method)]
    app.mount("/router", Router([Route("/", route)]))

    for target in ("/route", "/class", "/method", "/router/"):
        assert ASGIClient(app).send("GET", target, bearer(token(scope="a"))).body == b"in"
        assert ASGIClient(app).send("GET", target, bearer()).status == 403


def test_a_guarded_websocket_route_refuses_the_handshake():
    app = behind_the_middleware()

    @app.websocket("/")
    @require_auth(scopes=["a"])
    async def watch(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(current_access_token(websocket).subject)

    headers = bearer(token(scope="a"))
    assert websocket(app, websocket_scope("/", headers)).texts == ["anna"]
    assert websocket(app, websocket_scope("/", bearer())).denial.status == 403
    assert websocket(app, websocket_scope("/", bearer(), extensions=None)).kinds == ["websocket.close"]


def test_a_guard_without_a_resource_server_does_not_run_the_view():
    app = FastAPI()

    @app.get("/")
    @require_auth()
    async def view() -> str:
        return "in"

    answer = ASGIClient(app).send("GET", "/", bearer())

    assert answer.status == 500
    assert "Middleware(AccessTokenMiddleware, server=...)" in str(answer.crash)
    with pytest.raises(ConfigurationError, match="called without a request"):
        asyncio.run(view())


class Peer(HTTPConnection):
    """A subclass of the connection, as an application may define it."""


def test_a_guarded_view_may_have_a_connection_parameter():
    app = behind_the_middleware()

    @app.get("/base")
    @require_auth()
    async def of_the_base(connection: HTTPConnection) -> str:
        return connection.url.path

    @app.get("/derived")
    @require_auth()
    async def of_a_class_of_ones_own(connection: Peer) -> str:
        return connection.url.path

    async def written(connection: "HTTPConnection", other: "NotThere" = None) -> str:  # noqa: F821
        return connection.url.path

    app.add_api_route("/written", require_auth()(written), response_model=None)

    for path in ("/base", "/derived", "/written"):
        assert ASGIClient(app).send("GET", path, bearer()).body == f'"{path}"'.encode()


def test_a_parameter_with_the_reserved_name_of_the_guard_is_refused():
    with pytest.raises(ConfigurationError, match="rename the parameter gatepass_connection"):

        @require_auth()
        async def view(gatepass_connection: int) -> str:
            return "in"


def test_a_guard_refuses_generators():
    with pytest.raises(ConfigurationError, match="replace a generator"):

        @require_auth()
        async def view():
            yield "in"


def test_a_public_mark_does_not_silence_the_dependency():
    server = resource_server()

    same(ASGIClient(app_with(server, of_middleware=server)).send("GET", "/open"), NO_CREDENTIALS)


def test_the_dependency_sets_the_identity_of_the_request():
    app = plain()

    @app.get("/", dependencies=[Depends(AccessTokenBearer(resource_server()))])
    def view(request: HTTPRequest) -> str:
        return f"{request.user.identity} {request.state.access_token.subject}"

    assert ASGIClient(app).send("GET", "/", bearer()).body == b"anna anna"

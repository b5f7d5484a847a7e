"""FastAPI: the contract by dependency and by middleware, and what FastAPI adds: OpenAPI, WebSocket routes, overrides."""

import asyncio
import functools
import json
import threading
import time
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Security, WebSocketException
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer, OAuth2PasswordBearer
from pydantic import BaseModel
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.requests import Request as HTTPRequest
from starlette.routing import Match, Route, Router
from starlette.websockets import WebSocket
from tests.adapters.contract import (
    EXPIRED,
    NO_CREDENTIALS,
    PREFLIGHT,
    ROLE_IS_MISSING,
    ROWS,
    SCOPE_IS_MISSING,
    AdapterContract,
    MiddlewareContract,
)
from tests.adapters.cookie_contract import CookieContract
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.asgi import exchange, handshake, uvicorn_on_loopback, websocket, websocket_scope
from tests.support.clients import ASGIClient
from tests.support.meeting import meet_on_the_loop
from tests.support.raising import refuse
from tests.support.starlette_project import CORS, HANDLERS, others_are_served_while_a_hook_blocks

from gatepass import AccessToken, ConfigurationError, ResourceServer
from gatepass_fastapi import (
    AccessTokenBearer,
    AccessTokenMiddleware,
    OptionalAccessTokenBearer,
    current_access_token,
    optional_auth,
    public,
    require_auth,
)


def handlers() -> dict[Any, Any]:
    async def replaced(request: Any, error: Any) -> PlainTextResponse:
        return PlainTextResponse("replaced by the application", getattr(error, "status_code", 500))

    return {**HANDLERS, HTTPException: replaced, Exception: replaced}


def by_dependency(server: ResourceServer) -> FastAPI:  # noqa: C901 - one application, view by view
    app = FastAPI(exception_handlers=handlers(), default_response_class=PlainTextResponse)
    token = AccessTokenBearer(server)
    get = functools.partial(app.api_route, methods=["GET", "HEAD"])
    Anybody = Annotated[AccessToken, Depends(token)]  # noqa: N806 - types

    @get("/open")
    @get("/healthz")
    async def open_to_all() -> str:
        return "nobody"

    @get("/protected")
    async def protected(token: Anybody) -> str:
        return token.subject

    @get("/orders")
    async def orders(token: Annotated[AccessToken, Security(token, scopes=["orders:read"])]) -> str:
        return token.subject

    @get("/admin")
    async def admin(token: Annotated[AccessToken, Depends(AccessTokenBearer(server, any_roles=["admin"]))]) -> str:
        return token.subject

    hidden_bearer = AccessTokenBearer(server, scopes=["hidden:read"], denial="not_found")

    @get("/hidden")
    async def hidden(token: Annotated[AccessToken, Depends(hidden_bearer)]) -> str:
        return token.subject

    @get("/maybe")
    async def maybe(token: Annotated[AccessToken | None, Depends(OptionalAccessTokenBearer(server))]) -> str:
        return "nobody" if token is None else token.subject

    @get("/slow")
    async def slow(token: Anybody) -> str:
        before = token.subject
        await meet_on_the_loop()
        return f"{before} {token.subject}"

    @app.post("/echo")
    async def echo(request: HTTPRequest, token: Anybody) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    @get("/boom")
    async def boom(token: Anybody) -> None:
        raise RuntimeError("boom")

    @get("/boom/{kind}")
    async def boom_by(kind: str, token: Anybody) -> None:
        refuse(kind)

    @get("/gone")
    async def gone(token: Anybody) -> None:
        raise HTTPException(404)

    return app


class TestFastAPIByDependency(CookieContract, AdapterContract):
    awaits_hooks = True
    asked_last = True

    def build(self, server, *, cors=False):
        return ASGIClient(by_dependency(server))


def subject(request: HTTPRequest) -> str:
    found = current_access_token(request)
    return "nobody" if found is None else found.subject


def router() -> APIRouter:  # noqa: C901 - the same views
    routes = APIRouter(default_response_class=PlainTextResponse)
    get = functools.partial(routes.api_route, methods=["GET", "HEAD"])

    @get("/open")
    @public
    async def open_to_all(request: HTTPRequest) -> str:
        return subject(request)

    @get("/healthz")
    @get("/protected")
    @routes.api_route("/any", methods=["GET", "OPTIONS"])
    async def whoami(request: HTTPRequest) -> str:
        return subject(request)

    @get("/orders")
    @require_auth(scopes=["orders:read"])
    async def orders(request: HTTPRequest) -> str:
        return subject(request)

    @get("/admin")
    @require_auth(any_roles=["admin"])
    def admin(request: HTTPRequest) -> str:
        return subject(request)

    @get("/hidden")
    @require_auth(scopes=["hidden:read"], denial="not_found")
    async def hidden(request: HTTPRequest) -> str:
        return subject(request)

    @get("/maybe")
    @optional_auth
    def maybe(request: HTTPRequest) -> str:
        return subject(request)

    @get("/slow")
    async def slow(request: HTTPRequest) -> str:
        before = subject(request)
        await meet_on_the_loop()
        return f"{before} {subject(request)}"

    @routes.post("/echo")
    async def echo(request: HTTPRequest) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    @get("/boom")
    async def boom() -> None:
        raise RuntimeError("boom")

    @get("/boom/{kind}")
    async def boom_by(kind: str) -> None:
        refuse(kind)

    @get("/gone")
    async def gone() -> None:
        raise HTTPException(404)

    return routes


def by_middleware(server: ResourceServer, *inner: Middleware, paths: Any = ("/healthz",)) -> FastAPI:
    app = FastAPI(
        middleware=[Middleware(AccessTokenMiddleware, server=server, public=paths), *inner],
        exception_handlers=HANDLERS,
    )
    outer = APIRouter()
    outer.include_router(router())  # two steps, as large applications do
    app.include_router(outer)
    return app


class TestFastAPIByMiddleware(CookieContract, MiddlewareContract):
    awaits_hooks = True

    def build(self, server, *, cors=False):
        return ASGIClient(by_middleware(server, *([CORS] if cors else [])))

    def build_without_middleware(self):
        app = FastAPI()
        app.include_router(router())
        return ASGIClient(app)

    def build_public(self, server, paths):
        return AccessTokenMiddleware(FastAPI(), server=server, public=paths)


@pytest.mark.filterwarnings("ignore:The `root_path` parameter is deprecated")
@pytest.mark.parametrize("target", ["/api/thing", "/api/sub/thing", "/api/raw/thing"])
def test_a_preflight_reaches_no_endpoint_below_a_root_path_of_fastapis_own(target: str) -> None:
    ran: list[str] = []

    async def thing(request: HTTPRequest) -> PlainTextResponse:
        ran.append(request.url.path)
        return PlainTextResponse("it ran")

    async def raw(scope: Any, receive: Any, send: Any) -> None:
        ran.append("raw")
        await PlainTextResponse("it ran")(scope, receive, send)

    sub = FastAPI()
    sub.add_api_route("/thing", thing, methods=["OPTIONS"])
    app = FastAPI(root_path="/api")
    app.add_api_route("/thing", thing, methods=["OPTIONS", "GET"])
    app.mount("/sub", sub)
    app.mount("/raw", raw)
    answer = ASGIClient(AccessTokenMiddleware(app, server=resource_server())).send("OPTIONS", target, PREFLIGHT)

    assert (answer.status, ran) == (401, [])


def same(answer: Any, golden: Any) -> None:
    AdapterContract().same(answer, golden)


def plain(**settings: Any) -> FastAPI:
    return FastAPI(default_response_class=PlainTextResponse, **settings)


# --- refusals keep their form


def every_handler() -> dict[Any, Any]:
    async def replaced(request: Any, error: Any) -> PlainTextResponse:
        return PlainTextResponse("replaced", 418)

    return dict.fromkeys([400, 401, 403, 404, 500, 503, HTTPException, WebSocketException, Exception], replaced)


@pytest.mark.parametrize("path", ["/", "/sub/", "/included"])
@pytest.mark.parametrize("row", ["1 no credentials", "4b two lines", "8 expired"])
def test_no_handler_of_the_application_comes_between(path, row):
    headers, golden = ROWS[row]
    bearer_token = AccessTokenBearer(resource_server())
    app, sub, routes = FastAPI(exception_handlers=every_handler()), FastAPI(), APIRouter()
    for place, at in ((app, "/"), (sub, "/"), (routes, "/included")):
        place.get(at, dependencies=[Depends(bearer_token)])(lambda: "in")
    app.include_router(routes)
    app.mount("/sub", sub)

    same(ASGIClient(app).send("GET", path, headers()), golden)


def test_a_refusal_passes_dependencies_that_clean_up_behind_it():
    cleaned = []

    async def session() -> Any:
        try:
            yield "session"
        finally:
            cleaned.append("session")

    app = FastAPI()

    @app.get("/")
    async def view(
        session: Annotated[str, Depends(session)],
        token: Annotated[AccessToken, Depends(AccessTokenBearer(resource_server()))],
    ) -> None: ...

    same(ASGIClient(app).send("GET", "/"), NO_CREDENTIALS)
    assert cleaned == ["session"]


def test_a_stranger_learns_nothing_of_the_parameters():
    app = FastAPI()

    @app.get("/{number}", dependencies=[Depends(AccessTokenBearer(resource_server()))])
    async def view(number: int, needed: str) -> None: ...

    same(ASGIClient(app).send("GET", "/x"), NO_CREDENTIALS)
    assert ASGIClient(app).send("GET", "/x", bearer()).status == 422


# --- rules


def test_scopes_add_up_along_the_dependencies():
    bearer_token = AccessTokenBearer(resource_server(), scopes="base")
    app = plain()

    def customer(token: Annotated[AccessToken, Security(bearer_token, scopes=["inner"])]) -> str:
        return token.subject

    @app.get("/")
    async def view(customer: Annotated[str, Security(customer, scopes=["outer"])]) -> str:
        return customer

    made = ASGIClient(app)
    answer = made.send("GET", "/", bearer(token(scope="base outer")))

    assert answer.status == 403
    assert answer.all("www-authenticate")[0].endswith('scope="base outer inner"')
    assert made.send("GET", "/", bearer(token(scope="base inner outer"))).body == b"anna"


def test_a_rule_that_can_be_read_once_holds_at_every_request():
    app = plain()
    bearer_token = AccessTokenBearer(resource_server(), any_roles=(role for role in ["admin"]))

    @app.get("/a", dependencies=[Security(bearer_token, scopes=["a"])])
    @app.get("/b", dependencies=[Security(bearer_token, scopes=["b"])])
    async def view() -> str:
        return "in"

    made = ASGIClient(app)
    for path in ("/a", "/b", "/a", "/b"):
        same(made.send("GET", path, bearer(token(scope="a b"))), ROLE_IS_MISSING)
        assert made.send("GET", path, bearer(token(scope="a b", roles=["admin"]))).body == b"in"


def test_a_rule_that_cannot_be_is_refused_where_it_is_written():
    with pytest.raises(ConfigurationError):
        AccessTokenBearer(resource_server(), any_scopes=['a"b'])
    with pytest.raises(ConfigurationError):
        AccessTokenBearer(resource_server(), denial="hide")  # type: ignore[arg-type]


def test_an_optional_route_may_still_demand_of_those_who_come_with_a_token():
    app = plain()
    optional = OptionalAccessTokenBearer(resource_server())

    @app.get("/")
    async def view(token: Annotated[AccessToken | None, Security(optional, scopes=["orders:read"])]) -> str:
        return "nobody" if token is None else token.subject

    made = ASGIClient(app)
    assert made.send("GET", "/").body == b"nobody"
    same(made.send("GET", "/", bearer()), SCOPE_IS_MISSING)


def test_a_test_may_override_the_dependency():
    server = resource_server()
    bearer_token = AccessTokenBearer(server)
    app = plain()

    @app.get("/")
    async def view(found: Annotated[AccessToken, Security(bearer_token, scopes=["orders:read"])]) -> str:
        return found.subject

    app.dependency_overrides[bearer_token] = lambda: server.authenticate([f"Bearer {token('berta')}"])

    assert ASGIClient(app).send("GET", "/").body == b"berta"


# --- with the middleware


def counted(server_settings: dict[str, Any] | None = None) -> tuple[ResourceServer, list[str]]:
    asked: list[str] = []

    def is_revoked(token: AccessToken) -> bool:
        asked.append(token.subject)
        return False

    return resource_server({"is_revoked": is_revoked}, **(server_settings or {})), asked


def app_with(server: ResourceServer, *, of_middleware: ResourceServer | None = None) -> FastAPI:
    app = plain()
    if of_middleware is not None:
        app.add_middleware(AccessTokenMiddleware, server=of_middleware)
    bearer_token = AccessTokenBearer(server)
    first, second = (Security(bearer_token, scopes=[scope]) for scope in ("a", "b"))

    @app.get("/", dependencies=[first])
    async def view(token: Annotated[AccessToken, second]) -> str:
        return token.subject

    @app.get("/open", dependencies=[Depends(bearer_token)])
    @public
    async def marked() -> str:
        return "in"

    return app


def test_a_token_is_verified_once_for_a_request():
    server, asked = counted()
    made = ASGIClient(app_with(server))

    assert made.send("GET", "/", bearer(token(scope="a b"))).body == b"anna"
    assert made.send("GET", "/", bearer(token("berta", scope="a b"))).body == b"berta"
    assert asked == ["anna", "berta"]


def test_what_the_middleware_verified_is_not_verified_again():
    server, asked = counted()

    assert ASGIClient(app_with(server, of_middleware=server)).send("GET", "/", bearer(token(scope="a b"))).status == 200
    assert asked == ["anna"]


def test_a_token_that_another_server_verified_counts_for_nothing():
    lenient, strict = resource_server(), resource_server({"is_revoked": lambda _: True}, realm="strict")
    made = ASGIClient(app_with(strict, of_middleware=lenient))

    answer = made.send("GET", "/", bearer(token(scope="a b")))

    assert answer.status == 401
    assert answer.all("www-authenticate")[0].startswith('Bearer realm="strict", error="invalid_token"')


def test_a_guard_asks_the_server_of_the_middleware_and_not_that_of_a_dependency():
    strict, lenient = resource_server(), resource_server(implies={"a": ["b"]})
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=strict)])

    @app.get("/", dependencies=[Security(AccessTokenBearer(lenient), scopes=["b"])])
    @require_auth(scopes=["b"])
    async def view(request: HTTPRequest) -> str:
        return "in"

    assert ASGIClient(app).send("GET", "/", bearer(token(scope="a"))).status == 403


# --- guards on FastAPI's path functions


def behind_the_middleware(**settings: Any) -> FastAPI:
    return FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server())], **settings)


class Order(BaseModel):
    number: int


def quantity(number: int = 1) -> int:
    return number * 2


def guarded_views(app: FastAPI, guard: Any) -> None:
    """Views of many shapes, each guarded, at /1, /2, ... with the query `number=4`."""

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


def test_a_guarded_path_function_is_to_fastapi_what_it_was():
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


def test_a_guarded_plain_function_stays_in_a_thread():
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


def test_guards_hold_on_what_starlette_calls_in_a_fastapi():
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


def test_a_guard_without_a_judge_lets_nothing_run():
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
    """A connection of the application's own class."""


def test_a_guarded_view_may_ask_for_the_connection_itself():
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


def test_a_guard_says_that_its_parameter_has_a_name_of_its_own():
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


def test_the_dependency_tells_the_request_who_it_is():
    app = plain()

    @app.get("/", dependencies=[Depends(AccessTokenBearer(resource_server()))])
    def view(request: HTTPRequest) -> str:
        return f"{request.user.identity} {request.state.access_token.subject}"

    assert ASGIClient(app).send("GET", "/", bearer()).body == b"anna anna"


# --- marks and guards on FastAPI's endpoints


def marked_router() -> APIRouter:
    routes = APIRouter(prefix="/p", default_response_class=PlainTextResponse)

    @routes.get("/open/{number:int}")
    @public
    def open_to_all(number: int) -> str:
        return "open"

    @routes.get("/shut")
    async def shut() -> str:
        return "shut"

    return routes


def test_marks_hold_in_routers_included_and_applications_mounted():
    deep, sub = APIRouter(), FastAPI()
    deep.include_router(marked_router(), prefix="/deep")
    sub.include_router(marked_router())
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server())])
    app.include_router(marked_router())
    app.include_router(deep, prefix="/v1")
    app.include_router(deep, prefix="/v2")
    app.mount("/sub", sub)
    made = ASGIClient(app)

    for place in ("", "/v1/deep", "/v2/deep", "/sub"):
        assert made.send("GET", f"{place}/p/open/1").body == b"open", place
        same(made.send("GET", f"{place}/p/open/x"), NO_CREDENTIALS)
        same(made.send("GET", f"{place}/p/shut"), NO_CREDENTIALS)
        assert made.send("GET", f"{place}/p/shut", bearer()).body == b"shut"


class ForBeta(APIRoute):
    """A route for those who ask for it by a header."""

    def matches(self, scope: Any) -> Any:
        found, child = super().matches(scope)
        return (found, child) if (b"x-beta", b"1") in scope["headers"] else (Match.NONE, {})


def test_a_class_of_routes_that_matches_in_its_own_way_opens_nothing_by_mistake():
    beta, stable = APIRouter(route_class=ForBeta), APIRouter()
    beta.get("/report")(public(lambda: "beta"))
    stable.get("/report")(lambda: "stable")
    stable.get("/open")(public(lambda: "open"))
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server())])
    app.include_router(stable, prefix="/first")
    app.include_router(beta, prefix="/v")
    app.include_router(stable, prefix="/v")
    made = ASGIClient(app)

    assert made.send("GET", "/v/report", bearer()).body == b'"stable"'
    same(made.send("GET", "/v/report"), NO_CREDENTIALS)
    assert made.send("GET", "/first/open").body == b'"open"'


def rooted(root_path: str) -> FastAPI:
    app = FastAPI()
    app.root_path = root_path  # new versions warn of the parameter, and obey the attribute all the same
    return app


@pytest.mark.parametrize("around", [True, False])
def test_an_application_that_sets_its_own_root_path_keeps_its_marks(around):
    app = rooted("/api")
    app.include_router(marked_router())
    if around:
        made = ASGIClient(AccessTokenMiddleware(app, server=resource_server()))
    else:
        app.add_middleware(AccessTokenMiddleware, server=resource_server())
        made = ASGIClient(app)

    for target in ("/p/open/1", "/api/p/open/1"):
        assert made.send("GET", target).body == b"open"
    for target in ("/p/shut", "/api/p/shut", "/apip/open/1", "/api/api/p/open/1"):
        same(made.send("GET", target), NO_CREDENTIALS)


def test_a_mounted_application_with_a_root_path_of_its_own_is_read_as_it_reads_itself():
    sub = rooted("/elsewhere")

    @sub.get("/secret")
    async def first() -> str:
        return "the one that / would be"

    @sub.get("/sub/secret")
    @public
    async def second() -> str:
        return "open"

    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server())])
    app.mount("/sub", sub)
    stranger, friend = (ASGIClient(app).send("GET", "/sub/secret", headers) for headers in ([], bearer()))

    # Which of the two routes the framework takes has changed between its versions; the mark goes with it.
    if friend.body == b'"open"':
        assert stranger.body == b'"open"'
    else:
        same(stranger, NO_CREDENTIALS)


def test_the_documentation_is_protected_by_the_middleware_like_all_else():
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server(), public=["/docs"])])

    assert ASGIClient(app).send("GET", "/docs").status == 200
    same(ASGIClient(app).send("GET", "/openapi.json"), NO_CREDENTIALS)


# --- OpenAPI


def shown() -> list[str]:
    """The scopes as FastAPI shows them for its own `HTTPBearer`: its older versions show them for OAuth2 alone."""
    operation = documented(HTTPBearer())["paths"]["/0"]["get"]
    scopes: list[str] = operation["security"][0]["HTTPBearer"]
    assert scopes == ["orders:read"] or tuple(map(int, fastapi.__version__.split(".")[:2])) < (0, 135)
    return scopes


def documented(*bearers: Any) -> dict[str, Any]:
    app = FastAPI()
    for number, bearer_token in enumerate(bearers):
        app.get(f"/{number}", dependencies=[Security(bearer_token, scopes=["orders:read"])])(lambda: None)
    return app.openapi()


def test_openapi_shows_a_bearer_of_jwt_and_the_scopes():
    schema = documented(AccessTokenBearer(resource_server()))

    assert schema["components"]["securitySchemes"] == {
        "AccessTokenBearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert schema["paths"]["/0"]["get"]["security"] == [{"AccessTokenBearer": shown()}]
    assert "parameters" not in schema["paths"]["/0"]["get"]


def test_openapi_shows_the_scheme_that_is_given_so_that_the_authorize_button_works():
    scheme = OAuth2PasswordBearer(tokenUrl="token", scopes={"orders:read": "Read orders"})

    schema = documented(AccessTokenBearer(resource_server(), openapi=scheme))

    assert schema["components"]["securitySchemes"] == {
        "OAuth2PasswordBearer": {
            "type": "oauth2",
            "flows": {"password": {"scopes": {"orders:read": "Read orders"}, "tokenUrl": "token"}},
        }
    }
    assert schema["paths"]["/0"]["get"]["security"] == [{"OAuth2PasswordBearer": shown()}]


@pytest.mark.parametrize("given", ["token", "", 5, OAuth2PasswordBearer, HTTPBearer().model])
def test_what_is_no_scheme_is_refused_where_it_is_written(given):
    with pytest.raises(ConfigurationError, match=r"fastapi\.security, such as OAuth2PasswordBearer"):
        AccessTokenBearer(resource_server(), openapi=given)


@pytest.mark.parametrize("given", [5, 5.0, True])
def test_a_rule_that_is_no_list_is_refused_in_words(given):
    with pytest.raises(ConfigurationError, match="scopes= takes"):
        AccessTokenBearer(resource_server(), scopes=given)


@pytest.mark.parametrize(
    ("error_format", "types"),
    [("problem", ["application/problem+json"]), ("oauth", ["application/json"]), ("empty", [])],
)
def test_a_router_may_list_the_refusals_in_openapi(error_format, types):
    bearer_token = AccessTokenBearer(resource_server(error_format=error_format), any_roles=["admin"])
    router = APIRouter(responses=bearer_token.responses)

    @router.get("/orders", responses={404: {"description": "theirs"}})
    async def orders(token: Annotated[AccessToken, Security(bearer_token)]) -> str:
        return token.subject

    app = plain()
    app.include_router(router)
    made, listed = ASGIClient(app), app.openapi()["paths"]["/orders"]["get"]["responses"]

    assert set(listed) == {"200", "400", "401", "403", "404", "503"}
    for headers in ([], bearer("a b"), bearer()):
        answer = made.send("GET", "/orders", headers)
        described = listed[str(answer.status)]
        assert list(described.get("content", {})) == answer.all("content-type") == types
        assert [name.lower() for name in described["headers"]] == ["www-authenticate"]
        if types:
            schema = described["content"][types[0]]["schema"]
            assert set(schema.get("required", ())) <= set(json.loads(answer.body)) <= set(schema["properties"])
    assert list(listed["503"]["headers"]) == ["Retry-After"]


def test_openapi_shows_name_and_description():
    server = resource_server()

    schema = documented(
        AccessTokenBearer(server, scheme_name="Staff", description="From the staff's issuer"),
        OptionalAccessTokenBearer(server, any_roles=["admin"]),
    )

    assert schema["components"]["securitySchemes"] == {
        "Staff": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From the staff's issuer"},
        "AccessTokenBearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }


# --- WebSocket routes


def socket_app(**settings: Any) -> FastAPI:
    app = FastAPI(exception_handlers=every_handler())
    bearer_token = AccessTokenBearer(resource_server(**settings))
    optional = OptionalAccessTokenBearer(resource_server(**settings))

    @app.websocket("/orders")
    async def orders(
        websocket: WebSocket, token: Annotated[AccessToken, Security(bearer_token, scopes=["orders:read"])]
    ) -> None:
        await websocket.accept()
        await websocket.send_text(token.subject)
        await websocket.close()

    @app.websocket("/maybe")
    async def maybe(websocket: WebSocket, token: Annotated[AccessToken | None, Depends(optional)]) -> None:
        await websocket.accept()
        await websocket.send_text("nobody" if token is None else token.subject)
        await websocket.close()

    async def accepted(websocket: WebSocket) -> None:
        await websocket.accept()

    @app.websocket("/late", dependencies=[Depends(accepted), Depends(bearer_token)])
    async def late(websocket: WebSocket) -> None: ...

    return app


@pytest.mark.parametrize("row", ROWS)
def test_a_socket_is_refused_before_it_is_accepted_with_the_very_answer_of_http(row):
    headers, golden = ROWS[row]
    session = websocket(socket_app(), websocket_scope("/orders", headers()))

    same(session.denial, golden)
    assert session.crash is None


def test_without_the_extension_a_refused_socket_is_closed_before_it_is_accepted():
    assert websocket(socket_app(), websocket_scope("/orders", extensions=None)).kinds == ["websocket.close"]


def test_a_socket_with_a_good_token_opens():
    scope = websocket_scope("/orders", bearer(token(scope="orders:read")))

    assert websocket(socket_app(), scope).texts == ["anna"]
    same(websocket(socket_app(), websocket_scope("/orders", bearer())).denial, SCOPE_IS_MISSING)


def test_a_socket_may_be_optional():
    assert websocket(socket_app(), websocket_scope("/maybe")).texts == ["nobody"]
    assert websocket(socket_app(), websocket_scope("/maybe", bearer())).texts == ["anna"]
    same(websocket(socket_app(), websocket_scope("/maybe", bearer(token(iat=1_000, exp=2_000)))).denial, EXPIRED)


def test_a_socket_that_another_dependency_accepted_is_closed():
    session = websocket(socket_app(), websocket_scope("/late"))

    assert session.kinds == ["websocket.accept", "websocket.close"]
    assert session.sent[-1]["code"] == 1008


def test_over_a_real_socket_the_handshake_gets_the_answer():
    pytest.importorskip("uvicorn")
    pytest.importorskip("wsproto")
    status, challenge, body = SCOPE_IS_MISSING

    with uvicorn_on_loopback(socket_app()) as port:
        refused = exchange(port, handshake("/orders", f"Authorization: Bearer {token()}"))
        opened = exchange(port, handshake("/orders", f"Authorization: Bearer {token(scope='orders:read')}"))

    assert (refused.status, refused.all("www-authenticate"), refused.body) == (status, [challenge], body.encode())
    assert opened.status == 101


# --- the event loop


def test_the_dependency_takes_no_thread_where_nothing_blocks():
    app = plain()

    verified_on = []

    def clock() -> float:
        verified_on.append(threading.current_thread())
        return time.time()

    app.get("/", dependencies=[Depends(AccessTokenBearer(resource_server({"clock": clock})))])(lambda: "in")

    assert ASGIClient(app).send("GET", "/", bearer()).status == 200
    assert set(verified_on) == {threading.current_thread()}


def test_a_slow_hook_keeps_nobody_else_waiting():
    others_are_served_while_a_hook_blocks(by_dependency)


@pytest.mark.parametrize("included", [False, True], ids=["the application", "a router"])
def test_without_the_middleware_the_first_dependency_tells_of_a_guard_above_the_route(included):
    app, router = FastAPI(), APIRouter()

    @require_auth(scopes=["orders:read"])
    @(router if included else app).get("/orders")
    async def orders(request: HTTPRequest):
        return "secret"

    @app.get("/me")
    async def me(token: Annotated[AccessToken, Depends(AccessTokenBearer(resource_server()))]):
        return token.subject

    app.include_router(router)

    for _ in range(2):
        crash = ASGIClient(app).send("GET", "/me", bearer()).crash
        assert isinstance(crash, ConfigurationError)
        assert "orders was registered without it" in str(crash)


def test_a_flask_with_marks_of_its_own_may_be_mounted_where_dependencies_alone_protect():
    flask = pytest.importorskip("flask")
    inner = flask.Flask("inner")
    inner.add_url_rule("/", "open", public(lambda: "open"))
    app = FastAPI()
    app.mount("/flask", functools.partial(inner))

    @app.get("/me")
    async def me(token: Annotated[AccessToken, Depends(AccessTokenBearer(resource_server()))]):
        return token.subject

    assert ASGIClient(app).send("GET", "/me", bearer()).body == b'"anna"'


@pytest.mark.parametrize("depend", [Depends, functools.partial(Security, scopes=["a"])])
@pytest.mark.parametrize("kind", [AccessTokenBearer, OptionalAccessTokenBearer])
def test_the_class_in_place_of_a_bearer_says_what_to_write(depend, kind):
    app = FastAPI()

    with pytest.raises(ConfigurationError, match=r"bearer = AccessTokenBearer\(server\)"):

        @app.get("/")
        async def view(token: Annotated[AccessToken, depend(kind)]): ...


@pytest.mark.parametrize("scopes", ["orders", "ab"])
def test_scopes_given_as_a_text_are_refused_with_a_sentence(scopes):
    app = FastAPI()

    @app.get("/")
    async def view(token: Annotated[AccessToken, Security(AccessTokenBearer(resource_server()), scopes=scopes)]): ...

    crash = ASGIClient(app).send("GET", "/", bearer(token(scope=scopes))).crash
    assert isinstance(crash, ConfigurationError)
    assert 'scopes=["orders:read"]' in str(crash)


def test_a_state_that_was_read_before_the_dependency_has_the_token_after_it():
    shared: dict[str, Any] = {"pool": 5}
    app = plain()

    def early(request: HTTPRequest) -> int:
        return request.state.pool

    @app.get("/", dependencies=[Depends(early), Depends(AccessTokenBearer(resource_server()))])
    async def view(request: HTTPRequest) -> str:
        return f"{request.state.access_token.subject} {request.state.pool}"

    async def with_shared_state(scope, receive, send):
        await app({**scope, "state": shared}, receive, send)

    for name in ("anna", "bob"):
        assert ASGIClient(with_shared_state).send("GET", "/", bearer(token(name))).body == f"{name} 5".encode()
    assert shared == {"pool": 5}


def test_middleware_outside_that_has_touched_the_state_sees_what_a_view_behind_a_dependency_writes():
    app = plain()

    @app.middleware("http")
    async def outside(request, call_next):
        request.state.started = 1
        response = await call_next(request)
        response.headers["X-Seen"] = f"{request.state.written} {hasattr(request.state, 'access_token')}"
        return response

    @app.get("/", dependencies=[Depends(AccessTokenBearer(resource_server()))])
    async def view(request: HTTPRequest) -> str:
        request.state.written = request.state.started + 1
        return request.state.access_token.subject

    answer = ASGIClient(app).send("GET", "/", bearer())
    assert (answer.body, answer.all("x-seen")) == (b"anna", ["2 False"])


@pytest.mark.parametrize("included", [False, True], ids=["the application", "a router"])
def test_a_guard_above_the_decorator_of_the_route_is_told_before_it_lets_anybody_in(included):
    app, router = FastAPI(), APIRouter()

    @require_auth(scopes=["orders:read"])
    @(router if included else app).get("/orders")
    async def orders(request: HTTPRequest):
        return "secret"

    app.include_router(router)
    app.add_middleware(AccessTokenMiddleware, server=resource_server())

    assert isinstance(ASGIClient(app).send("GET", "/orders", bearer()).crash, ConfigurationError)

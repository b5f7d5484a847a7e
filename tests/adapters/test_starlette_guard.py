"""The guard of a view in Starlette: functions, classes, preflights, and misplaced guards."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as HTTPRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from tests.adapters.contract import NO_CREDENTIALS, PREFLIGHT, SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.clients import ASGIClient, Request, asgi_scope
from tests.support.starlette_project import (
    CORS,
    ROUTES,
    PassesOn,
    application,
    call,
    client,
    guarded,
    same,
    subject,
    whoami,
)

from gatepass import ConfigurationError
from gatepass_starlette import AccessTokenMiddleware, optional_auth, public, require_auth
from gatepass_starlette.responses import without_bodies


def test_a_guarded_plain_function_runs_in_a_thread():
    @require_auth(scopes=["orders:read"])
    def view(request):
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return PlainTextResponse(subject(request))

    guarded_client = client([Route("/", view)])

    assert guarded_client.send("GET", "/", bearer(token(scope="orders:read"))).body == b"anna"
    same(guarded_client.send("GET", "/", bearer()), SCOPE_IS_MISSING)


class Orders(HTTPEndpoint):
    async def get(self, request):
        return PlainTextResponse("read")

    @require_auth(scopes=["orders:write"])
    async def post(self, request):
        return PlainTextResponse("written")

    @require_auth(scopes=["orders:write"])
    def delete(self, request):
        return PlainTextResponse("deleted")

    @public
    async def put(self, request):
        return PlainTextResponse(subject(request))


def test_the_methods_of_a_class_are_guarded_one_by_one():
    orders = client([Route("/", Orders)])

    assert orders.send("GET", "/", bearer()).body == b"read"
    for method, done in (("POST", b"written"), ("DELETE", b"deleted")):
        assert orders.send(method, "/", bearer(token(scope="orders:write"))).body == done
        assert orders.send(method, "/", bearer()).status == 403
        same(orders.send(method, "/"), NO_CREDENTIALS)


def test_the_methods_of_a_class_are_marked_one_by_one():
    orders = client([Route("/", Orders)])

    assert orders.send("PUT", "/").body == b"anonymous"
    for method in ("GET", "POST", "PATCH", "__INIT__", "__CLASS__"):
        same(orders.send(method, "/"), NO_CREDENTIALS)
    assert orders.send("HEAD", "/").status == 401


def test_head_uses_the_handler_that_the_class_selects():
    @public
    async def handler(self, request):
        return PlainTextResponse(subject(request))

    async def protected(self, request):
        return PlainTextResponse(subject(request))

    by_get = client([Route("/", type("ByGet", (HTTPEndpoint,), {"get": handler}))])
    by_head = client([Route("/", type("ByHead", (HTTPEndpoint,), {"get": handler, "head": protected}))])

    assert by_get.send("HEAD", "/").status == 200
    assert by_head.send("HEAD", "/").status == 401


def test_a_marked_method_is_marked_in_subclasses_that_inherit_it():
    heir = client([Route("/", type("Heir", (Orders,), {}))])

    assert heir.send("PUT", "/").body == b"anonymous"
    same(heir.send("GET", "/"), NO_CREDENTIALS)


def test_the_middleware_accepts_its_server_as_a_positional_argument():
    app = Starlette(routes=[Route("/", whoami)])
    inside = Starlette(routes=[Route("/", whoami)], middleware=[Middleware(AccessTokenMiddleware, resource_server())])

    for one in (AccessTokenMiddleware(app, resource_server()), inside):
        assert ASGIClient(one).send("GET", "/", bearer()).body == b"anna"
        same(ASGIClient(one).send("GET", "/"), NO_CREDENTIALS)


def test_a_guarded_class_and_its_subclasses_are_guarded_completely():
    @require_auth(scopes=["orders:read"])
    class Guarded(HTTPEndpoint):
        async def get(self, request):
            return PlainTextResponse(subject(request))

    class Heir(Guarded):
        async def post(self, request):
            return PlainTextResponse("posted")

    both = client([Route("/", Guarded), Route("/heir", Heir)])

    assert both.send("GET", "/", bearer(token(scope="orders:read"))).body == b"anna"
    same(both.send("GET", "/", bearer()), SCOPE_IS_MISSING)
    same(both.send("POST", "/heir", bearer()), SCOPE_IS_MISSING)


def test_a_guard_on_a_public_route_still_requires_a_token():
    view = public(guarded(scopes=["orders:read"]))

    same(client([Route("/", view)]).send("GET", "/", bearer(token(scope="orders:read"))), NO_CREDENTIALS)


def test_a_guard_on_an_optional_route_requires_a_token():
    view = optional_auth(guarded())

    same_but_vary = client([Route("/", view)]).send("GET", "/")
    assert same_but_vary.status == 401
    assert same_but_vary.all("vary") == ["Authorization"]


def test_a_preflight_that_reaches_a_guard_is_refused():
    @require_auth()
    async def view(request):
        return PlainTextResponse("ran")

    answer = client([Route("/", view, methods=["OPTIONS"])]).send("OPTIONS", "/", PREFLIGHT)

    assert (answer.status, answer.all("www-authenticate")) == (401, ['Bearer realm="api"'])


class _AnyApplication:
    async def __call__(self, scope, receive, send):
        await PlainTextResponse("it ran")(scope, receive, send)


class _Thing(HTTPEndpoint):
    async def options(self, request):
        return PlainTextResponse("it ran")


@pytest.mark.parametrize(
    "app",
    [
        _AnyApplication(),
        Starlette(routes=[Mount("/", _AnyApplication())]),
        Starlette(routes=[Route("/thing", _AnyApplication())]),
        Starlette(routes=[Route("/thing", _Thing)]),
        Starlette(routes=[Mount("/", Router([Route("/thing", whoami, methods=["OPTIONS"])]))]),
        Starlette(routes=[Host("{any}", Router([Route("/thing", whoami, methods=["OPTIONS"])]))]),
        Router(default=_AnyApplication()),
        Starlette(routes=[Route("/thing", whoami), Route("/thing", whoami, methods=["OPTIONS"])]),
    ],
)
def test_a_preflight_reaches_only_cors_middleware_and_the_router(app):
    marks = {"routes_of": None} if isinstance(app, _AnyApplication) else {}
    guarded_app = ASGIClient(AccessTokenMiddleware(app, server=resource_server(), **marks))

    assert guarded_app.send("OPTIONS", "/thing", PREFLIGHT).status == 401


@pytest.mark.parametrize("where", ["below the middleware", "in an application that is wrapped", "in a mounted one"])
def test_the_cors_middleware_of_starlette_handles_preflights_for_any_inner_application(where):
    cors = Middleware(CORSMiddleware, allow_origins=["https://shop.example"])
    routes = [Route("/thing", whoami, methods=["OPTIONS", "GET"])]
    if where == "below the middleware":
        app = application(resource_server(), routes, cors)
    elif where == "in an application that is wrapped":
        app = AccessTokenMiddleware(Starlette(routes=routes, middleware=[cors]), server=resource_server())
    else:
        inner = Starlette(routes=routes, middleware=[cors])
        app = application(resource_server(), [Mount("/", inner)])
    answer = ASGIClient(app).send("OPTIONS", "/thing", PREFLIGHT)

    assert (answer.status, answer.all("access-control-allow-origin")) == (200, ["https://shop.example"])
    assert answer.body == b""


class Overriding(PassesOn):
    """A layer that overrides methods, and would turn an anonymous OPTIONS into another method."""

    async def __call__(self, scope, receive, send):
        override = dict(scope.get("headers", ())).get(b"x-http-method-override")
        await self.app({**scope, "method": override.decode()} if override else scope, receive, send)


class Rerouting(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        request.scope["method"] = request.headers.get("x-http-method-override", request.method)
        return await call_next(request)


class Answering(Route):
    async def handle(self, scope, receive, send):
        await PlainTextResponse("it ran")(scope, receive, send)


@pytest.mark.parametrize(
    "app",
    [
        Starlette(routes=[Route("/thing", whoami, methods=["DELETE"])], middleware=[Middleware(Overriding)]),
        Starlette(routes=[Route("/thing", whoami, methods=["DELETE"])], middleware=[Middleware(Overriding), CORS]),
        Starlette(routes=[Route("/thing", whoami, methods=["DELETE"])], middleware=[Middleware(Rerouting), CORS]),
        Overriding(Router([Route("/thing", whoami, methods=["DELETE"])])),
        Starlette(routes=[Answering("/thing", whoami)]),
    ],
)
def test_a_preflight_does_not_pass_if_a_custom_layer_may_change_its_method(app):
    guarded_app = ASGIClient(AccessTokenMiddleware(app, server=resource_server()))
    headers = [*PREFLIGHT, ("X-HTTP-Method-Override", "DELETE")]

    assert guarded_app.send("OPTIONS", "/thing", headers).status == 401


def test_preflight_headers_in_capitals_are_no_preflight():
    scope = asgi_scope(Request("OPTIONS", "/thing"))
    scope["headers"] = [(name.encode(), value.encode()) for name, value in PREFLIGHT]
    app = application(resource_server(), [Route("/thing", whoami, methods=["OPTIONS"])], CORS)

    start, *_ = call(app, scope)

    assert start["status"] == 401


def test_responses_of_the_router_to_a_preflight_pass():
    app = client([Route("/thing", whoami), Mount("/below", Router([Route("/thing/", whoami)]))])

    assert app.send("OPTIONS", "/thing", PREFLIGHT).status == 405
    assert app.send("OPTIONS", "/below/thing/", PREFLIGHT).status == 405
    assert app.send("OPTIONS", "/below/thing", PREFLIGHT).status == 307
    assert app.send("OPTIONS", "/nothing", PREFLIGHT).status == 404


def test_a_handshake_is_no_preflight_with_any_method_in_its_scope():
    async def socket(websocket):
        await websocket.accept()
        await websocket.close()

    app = application(resource_server(), [WebSocketRoute("/ws", socket)])
    sent = []

    async def send(message):
        sent.append(message["type"])

    async def receive():
        return {"type": "websocket.connect"}

    headers = [(name.lower().encode(), value.encode()) for name, value in PREFLIGHT]
    scope = {"type": "websocket", "method": "OPTIONS", "path": "/ws", "headers": headers, "query_string": b""}
    asyncio.run(app(scope, receive, send))

    assert sent == ["websocket.close"]


def test_an_exception_of_a_converter_lets_no_request_in():
    app = client([Route("/n/{n:int}", whoami), Route("/open", public(lambda request: PlainTextResponse("open")))])

    assert app.send("GET", "/n/" + "9" * 5_000).status == 401
    assert app.send("OPTIONS", "/n/" + "9" * 5_000, PREFLIGHT).status == 401
    assert app.send("GET", "/n/9", bearer()).body == b"anna"


def test_an_application_may_be_mounted_in_itself():
    app = Starlette(routes=[Route("/who", whoami)])
    app.mount("/v1", app)
    guarded_app = ASGIClient(AccessTokenMiddleware(app, server=resource_server()))

    assert guarded_app.send("GET", "/v1/v1/who", bearer()).body == b"anna"
    assert guarded_app.send("GET", "/v1/v1/who").status == 401


@pytest.mark.parametrize("kind", ["http.response.body", "http.response.pathsend", "http.response.zerocopysend"])
def test_a_preflight_passes_no_body_in_either_direction(kind):
    received = []

    async def report(scope, receive, send):
        received.append(await receive())
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"13"), (b"a", b"b")]}
        )
        await send({"type": "http.response.debug", "info": {"secret": "secret"}})
        await send({"type": kind, "body": b"secret", "path": "/secret", "more_body": True})
        await send({"type": kind, "body": b"secret", "path": "/secret"})

    async def app(scope, receive, send):
        receive, send = without_bodies(receive, send)
        await report(scope, receive, send)

    answer = ASGIClient(app).send("OPTIONS", "/protected", PREFLIGHT, b"do it")

    assert (answer.status, answer.headers, answer.body) == (200, [("content-length", "0"), ("a", "b")], b"")
    assert "body" not in received[0]


def test_the_connection_parameter_is_found_by_type_or_name():
    @require_auth(scopes=["a"])
    async def view(first: HTTPRequest):
        return PlainTextResponse("typed")

    assert client([Route("/", view)]).send("GET", "/", bearer(token(scope="a"))).body == b"typed"
    with pytest.raises(ConfigurationError, match='named "request" or "websocket"'):
        require_auth()(lambda first: None)


def test_the_error_for_a_guard_without_parentheses_names_the_syntax():
    with pytest.raises(ConfigurationError, match=r"@require_auth\(\)"):
        require_auth(whoami)


def test_a_guard_on_a_view_of_another_framework_is_refused():
    with pytest.raises(ConfigurationError, match="gatepass_flask"):
        require_auth()(lambda: "a view of Flask")
    with pytest.raises(ConfigurationError, match="another framework"):
        require_auth()(lambda request: "a view of Django")(object())


def test_a_generator_cannot_be_guarded():
    async def events(request):
        yield "an event"

    def lines(request):
        yield "a line"

    for view in (events, lines):
        with pytest.raises(ConfigurationError, match="generator"):
            require_auth()(view)


def test_only_endpoint_classes_can_be_guarded():
    with pytest.raises(ConfigurationError, match="HTTPEndpoint"):
        require_auth()(dict)


def test_an_invalid_rule_is_refused_at_definition():
    with pytest.raises(ConfigurationError):
        require_auth(scopes=['a"b'])


def test_the_error_for_missing_middleware_names_it():
    answer = ASGIClient(Starlette(routes=ROUTES)).send("GET", "/orders", bearer(token(scope="orders:read")))

    assert isinstance(answer.crash, ConfigurationError)
    assert "Middleware(AccessTokenMiddleware, server=...)" in str(answer.crash)


@pytest.mark.parametrize("mounted", [False, True], ids=["a route", "a mount"])
def test_a_route_with_the_unguarded_function_is_detected_before_it_serves_a_request(mounted):
    async def orders(request):
        return PlainTextResponse("secret")

    require_auth(scopes=["orders:read"])(orders)
    routes = [Route("/orders", orders)]
    protection = Middleware(AccessTokenMiddleware, server=resource_server())
    app = Starlette(routes=[Mount("/shop", routes=routes)] if mounted else routes, middleware=[protection])

    answer = ASGIClient(app).send("GET", "/shop/orders" if mounted else "/orders", bearer())
    assert isinstance(answer.crash, ConfigurationError)
    assert "orders was registered without it" in str(answer.crash)


def test_a_guarded_route_runs_the_guard_if_another_route_has_the_function():
    async def orders(request):
        return PlainTextResponse("orders")

    guard = require_auth(scopes=["orders:read"])(orders)
    protection = Middleware(AccessTokenMiddleware, server=resource_server())
    client = ASGIClient(Starlette(routes=[Route("/orders", guard), Route("/all", orders)], middleware=[protection]))

    assert client.send("GET", "/orders", bearer()).status == 403
    assert client.send("GET", "/all", bearer()).body == b"orders"

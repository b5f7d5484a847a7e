"""Starlette: the contract, and what ASGI adds to it: WebSockets, marks found below mounts, the event loop."""

import asyncio
import contextlib
import copy
import functools
import threading
import time
import types
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.datastructures import State
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as HTTPRequest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from tests.adapters.contract import (
    CANNOT_TELL,
    EXPIRED,
    HIDDEN,
    MALFORMED_HEADER,
    NO_CREDENTIALS,
    PLAIN_HTTP,
    PREFLIGHT,
    REVOKED,
    ROWS,
    SCOPE_IS_MISSING,
    SENTINEL,
    TWO_TOKENS,
    Golden,
    MiddlewareContract,
)
from tests.adapters.cookie_contract import CookieContract
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.asgi import (
    PATIENCE,
    exchange,
    exchange_together,
    handshake,
    hypercorn_on_loopback,
    uvicorn_on_loopback,
    websocket,
    websocket_scope,
)
from tests.support.clients import ASGIClient, Request, asgi_scope
from tests.support.event_loop import LeapingLoop
from tests.support.meeting import meet_on_the_loop
from tests.support.raising import refuse

from gatepass import ConfigurationError, ResourceServer
from gatepass_starlette import (
    AccessTokenMiddleware,
    AccessTokenUser,
    closed_at_expiry,
    current_access_token,
    optional_auth,
    public,
    require_auth,
)
from gatepass_starlette.responses import without_bodies


def subject(request: Any) -> str:
    found = request.state.access_token
    return "nobody" if found is None else found.subject


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
    await meet_on_the_loop()
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


async def replaced(request, error):
    return PlainTextResponse("replaced by the application", error.status_code)


HANDLERS = dict.fromkeys((400, 401, 403, 404, 503), replaced)


CORS = Middleware(CORSMiddleware, allow_origins=["https://shop.example"])


class PassesOn:
    """A layer of the application's own."""

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


class TestStarlette(CookieContract, MiddlewareContract):
    awaits_hooks = True

    def build(self, server, *, cors=False):
        inner = [CORS] if cors else []
        return ASGIClient(application(server, ROUTES, *inner, paths=["/healthz"]))

    def build_without_middleware(self):
        return ASGIClient(Starlette(routes=ROUTES))

    def build_public(self, server, paths):
        return AccessTokenMiddleware(whoami, server=server, public=paths, routes_of=None)


def same(answer: Any, golden: Golden) -> None:
    MiddlewareContract().same(answer, golden)


def client(routes: Any, server: ResourceServer | None = None, **settings: Any) -> ASGIClient:
    return ASGIClient(application(server or resource_server(), routes, **settings))


# --- the scope


def test_the_lifespan_passes_untouched():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    plain = AccessTokenMiddleware(app, server=resource_server(), routes_of=None)
    asyncio.run(plain({"type": "lifespan"}, None, None))

    assert seen == [{"type": "lifespan"}]


def call(app: Any, scope: dict[str, Any], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    waiting, sent = list(messages), []

    async def receive():
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("names", "status"),
    [([b"Authorization"], 200), ([b"AUTHORIZATION"], 200), ([b"authorization", b"Authorization"], 400)],
)
def test_header_names_are_compared_in_any_case(names, status):
    scope = asgi_scope(Request("GET", "/protected"))
    scope["headers"] = [(name, b"Bearer " + token().encode()) for name in names]

    start, _ = call(application(resource_server(), ROUTES), scope)

    assert start["status"] == status


def test_a_scope_may_lack_what_the_specification_makes_optional():
    scope = asgi_scope(Request("GET", "/protected", bearer()))
    for name in ("client", "root_path", "server", "scheme"):
        del scope[name]

    start, _ = call(application(resource_server(https="warn"), ROUTES), scope)

    assert start["status"] == 200


@pytest.mark.parametrize("peer", [None, ("", 0), ("unix:/run/app.sock", None), (None, 0), []])
def test_a_unix_socket_has_no_address_and_is_not_this_machine(peer):
    scope = asgi_scope(Request("GET", "/protected", bearer(), scheme="http")) | {"client": peer}

    start, _ = call(application(resource_server(https="require"), ROUTES), scope)

    assert start["status"] == 400


@pytest.mark.filterwarnings("ignore:Using `httpx` with")
@pytest.mark.filterwarnings("ignore:The anyio.abc.BlockingPortal alias")  # by an old one of Starlette
def test_starlettes_own_test_client_counts_as_this_machine():
    from starlette.testclient import TestClient

    app, headers = application(resource_server(https="require"), ROUTES), dict(bearer())

    assert TestClient(app).get("/protected", headers=headers).text == "anna"
    with TestClient(sockets(https="require")).websocket_connect("/protected", headers=headers) as socket:
        assert socket.receive_text() == "anna"


def test_httpx_in_process_counts_as_this_machine():
    async def ask():
        transport = httpx.ASGITransport(application(resource_server(https="require"), ROUTES))
        async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
            return await client.get("/protected", headers=dict(bearer()))

    assert asyncio.run(ask()).text == "anna"


def test_an_identity_that_stands_in_the_scope_already_is_not_believed():
    scope = asgi_scope(Request("GET", "/open"))
    scope["state"] = {"access_token": "somebody", "own": 1}
    scope["user"] = "somebody"

    start, body = call(application(resource_server(), ROUTES), scope)

    assert (start["status"], body["body"]) == (200, b"nobody")
    assert scope["state"] == {"access_token": None, "own": 1}
    assert not scope["user"].is_authenticated


@pytest.mark.parametrize("kind", [dict, State, types.MappingProxyType])
def test_requests_to_which_a_server_hands_one_state_see_each_their_own_token(kind):
    """The server of a connection that several requests share, and that are under way at the same time."""
    pool = object()
    shared = kind({"pool": pool})
    people = asyncio.Barrier(3)

    @optional_auth
    async def view(request):
        before = subject(request)
        await people.wait()
        assert request.state.pool is pool
        return PlainTextResponse(f"{before} {subject(request)} {request.user.is_authenticated}")

    app = application(resource_server(), [Route("/", view)])

    async def ask(headers):
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.request", "body": b""}

        await app(asgi_scope(Request("GET", "/", headers)) | {"state": shared}, receive, send)
        return sent[1]["body"]

    async def together():
        return await asyncio.gather(ask(bearer(token("anna"))), ask(bearer(token("bob"))), ask([]))

    assert asyncio.run(together()) == [b"anna anna True", b"bob bob True", b"nobody nobody False"]
    assert {name: shared[name] for name in shared} == {"pool": pool}


def test_middleware_outside_that_has_touched_the_state_sees_what_a_view_writes_but_for_the_token():
    class Outside(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            request.state.started = "early"
            response = await call_next(request)
            return PlainTextResponse(f"{request.state.written} {hasattr(request.state, 'access_token')} {response}")

    async def view(request):
        assert (request.state.started, subject(request)) == ("early", "anna")
        request.state.written = "by the view"
        del request.state.started
        return PlainTextResponse("")

    guard = Middleware(AccessTokenMiddleware, server=resource_server())
    app = Starlette(routes=[Route("/", view)], middleware=[Middleware(Outside), guard])

    assert ASGIClient(app).send("GET", "/", bearer()).body.startswith(b"by the view False ")


def test_a_view_sees_what_is_written_outside_while_it_runs():
    state = {}

    async def view(request):
        state["late"] = 5
        return PlainTextResponse(f"{request.state.late}")

    async def outside(scope, receive, send):
        await application(resource_server(), [Route("/", view)])(scope | {"state": state}, receive, send)

    assert ASGIClient(outside).send("GET", "/", bearer()).body == b"5"


def test_the_state_is_a_dict_in_all_that_dicts_can_do():
    scope = asgi_scope(Request("GET", "/open"))
    scope["state"] = outside = {"access_token": "somebody", "own": 1}
    call(application(resource_server(), ROUTES), scope)
    state = scope["state"]

    assert isinstance(state, dict)
    assert {**state} == dict(state) == state.copy() == copy.deepcopy(state) == state | {}
    assert dict(state) == {"access_token": None, "own": 1}
    assert (state.setdefault("new", 2), state.pop("own"), len(state), bool(state)) == (2, 1, 2, True)
    state.update(access_token="mine")
    state |= {"more": 3}
    assert (state["access_token"], outside) == ("mine", {"access_token": "somebody", "new": 2, "more": 3})
    del state["access_token"]
    assert list(state) == ["new", "more"]
    assert {"first": 0, **state} == {"first": 0} | state
    assert repr(state) == "{'new': 2, 'more': 3}"


@pytest.mark.parametrize("state", [None, types.SimpleNamespace(pool=5), [("pool", 5)], object(), 0])
def test_a_state_that_is_no_mapping_is_left_alone(state):
    scope = asgi_scope(Request("GET", "/open")) | {"state": state}

    start, _ = call(application(resource_server(), ROUTES), scope)

    assert (start["status"], scope["state"]) == (200, {"access_token": None})


def test_sockets_to_which_a_server_hands_one_state_see_each_their_own_token():
    shared = {}
    scopes = [websocket_scope("/maybe", bearer(token(person))) | {"state": shared} for person in ("anna", "bob")]

    assert [websocket(sockets(), scope).texts for scope in scopes] == [["anna"], ["bob"]]
    assert shared == {}


def test_what_the_lifespan_made_is_there_by_its_identity_in_each_request():
    pool, seen = object(), []

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield {"pool": pool}

    async def view(request):
        seen.append(request.state.pool)
        return PlainTextResponse(subject(request))

    app = application(resource_server(), [Route("/", view)], lifespan=lifespan)
    with uvicorn_on_loopback(app, lifespan="on") as port:
        for _ in range(2):
            assert exchange(port, f"GET / HTTP/1.1\nHost: a\nAuthorization: Bearer {token()}").body == b"anna"

    assert [found is pool for found in seen] == [True, True]


def test_a_kind_of_connection_that_nobody_knows_is_not_let_through():
    reached = []

    async def app(scope, receive, send):
        reached.append(scope)

    scope = asgi_scope(Request("GET", "/protected")) | {"type": "webtransport"}
    sent = call(AccessTokenMiddleware(app, server=resource_server(), routes_of=None), scope)

    assert reached == []
    assert [message["type"] for message in sent] == ["websocket.close"]


# --- request.user and request.auth


async def profile(request):
    return PlainTextResponse(f"{request.user.identity} {request.user.display_name} {' '.join(request.auth.scopes)}")


def test_starlettes_own_names_for_an_identity_are_filled():
    answer = client([Route("/", profile)]).send("GET", "/", bearer(token(scope="b a")))

    assert answer.body == b"anna anna a b"


def test_the_user_of_a_request_carries_the_token():
    seen = []

    async def view(request):
        seen.append((request.user, current_access_token(request)))
        return PlainTextResponse("")

    client([Route("/", view)]).send("GET", "/", bearer())

    ((user, found),) = seen
    assert isinstance(user, AccessTokenUser)
    assert user.is_authenticated
    assert user.access_token is found


def test_the_current_token_is_none_for_a_stranger_and_an_error_without_the_middleware():
    @optional_auth
    async def view(request):
        return PlainTextResponse(str(current_access_token(request)))

    assert client([Route("/", view)]).send("GET", "/").body == b"None"
    answer = ASGIClient(Starlette(routes=[Route("/", view)])).send("GET", "/", bearer())
    assert isinstance(answer.crash, ConfigurationError)


def test_starlettes_own_requires_works():
    @requires("orders:read", status_code=418)
    async def view(request):
        return PlainTextResponse("seen")

    requests_ = client([Route("/", view)])

    assert requests_.send("GET", "/", bearer(token(scope="orders:read"))).body == b"seen"
    assert requests_.send("GET", "/", bearer()).status == 418


def test_a_stranger_on_a_public_route_is_unauthenticated_for_starlette():
    @public
    @requires("authenticated", status_code=418)
    async def view(request):
        return PlainTextResponse("seen")

    assert client([Route("/", view)]).send("GET", "/").status == 418


# --- require_auth


def test_a_plain_function_is_guarded_and_runs_in_a_thread():
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

    assert orders.send("PUT", "/").body == b"nobody"
    for method in ("GET", "POST", "PATCH", "__INIT__", "__CLASS__"):
        same(orders.send(method, "/"), NO_CREDENTIALS)
    assert orders.send("HEAD", "/").status == 401


def test_head_goes_where_the_class_sends_it():
    @public
    async def handler(self, request):
        return PlainTextResponse(subject(request))

    async def protected(self, request):
        return PlainTextResponse(subject(request))

    by_get = client([Route("/", type("ByGet", (HTTPEndpoint,), {"get": handler}))])
    by_head = client([Route("/", type("ByHead", (HTTPEndpoint,), {"get": handler, "head": protected}))])

    assert by_get.send("HEAD", "/").status == 200
    assert by_head.send("HEAD", "/").status == 401


def test_a_marked_method_is_marked_for_those_that_inherit_it():
    heir = client([Route("/", type("Heir", (Orders,), {}))])

    assert heir.send("PUT", "/").body == b"nobody"
    same(heir.send("GET", "/"), NO_CREDENTIALS)


def test_the_middleware_takes_its_server_by_place_as_in_the_other_frameworks():
    app = Starlette(routes=[Route("/", whoami)])
    inside = Starlette(routes=[Route("/", whoami)], middleware=[Middleware(AccessTokenMiddleware, resource_server())])

    for one in (AccessTokenMiddleware(app, resource_server()), inside):
        assert ASGIClient(one).send("GET", "/", bearer()).body == b"anna"
        same(ASGIClient(one).send("GET", "/"), NO_CREDENTIALS)


def test_a_class_is_guarded_as_a_whole_and_so_are_those_that_inherit_from_it():
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


def test_a_guard_on_a_public_route_still_wants_a_token():
    view = public(guarded(scopes=["orders:read"]))

    same(client([Route("/", view)]).send("GET", "/", bearer(token(scope="orders:read"))), NO_CREDENTIALS)


def test_a_guard_on_an_optional_route_wants_a_token():
    view = optional_auth(guarded())

    same_but_vary = client([Route("/", view)]).send("GET", "/")
    assert same_but_vary.status == 401
    assert same_but_vary.all("vary") == ["Authorization"]


def test_a_preflight_that_reaches_a_guard_is_refused_by_it():
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
def test_a_preflight_reaches_nothing_that_would_answer_it_but_cors_and_the_router(app):
    marks = {"routes_of": None} if isinstance(app, _AnyApplication) else {}
    guarded_app = ASGIClient(AccessTokenMiddleware(app, server=resource_server(), **marks))

    assert guarded_app.send("OPTIONS", "/thing", PREFLIGHT).status == 401


@pytest.mark.parametrize("where", ["below the middleware", "in an application that is wrapped", "in a mounted one"])
def test_starlettes_own_cors_answers_a_preflight_for_whatever_is_inside_it(where):
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
    """What lets a form delete things, and a stranger's OPTIONS be anything."""

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
def test_a_preflight_does_not_pass_where_a_layer_of_ones_own_may_make_something_else_of_it(app):
    guarded_app = ASGIClient(AccessTokenMiddleware(app, server=resource_server()))
    headers = [*PREFLIGHT, ("X-HTTP-Method-Override", "DELETE")]

    assert guarded_app.send("OPTIONS", "/thing", headers).status == 401


def test_a_preflight_in_capitals_is_none_for_starlette_and_so_none_for_us():
    scope = asgi_scope(Request("OPTIONS", "/thing"))
    scope["headers"] = [(name.encode(), value.encode()) for name, value in PREFLIGHT]
    app = application(resource_server(), [Route("/thing", whoami, methods=["OPTIONS"])], CORS)

    start, *_ = call(app, scope)

    assert start["status"] == 401


def test_the_routers_own_answers_to_a_preflight_pass():
    app = client([Route("/thing", whoami), Mount("/below", Router([Route("/thing/", whoami)]))])

    assert app.send("OPTIONS", "/thing", PREFLIGHT).status == 405
    assert app.send("OPTIONS", "/below/thing/", PREFLIGHT).status == 405
    assert app.send("OPTIONS", "/below/thing", PREFLIGHT).status == 307
    assert app.send("OPTIONS", "/nothing", PREFLIGHT).status == 404


def test_a_handshake_is_no_preflight_whatever_method_its_scope_has():
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


def test_what_a_converter_raises_lets_nobody_in():
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
def test_a_preflight_takes_no_body_inside_and_brings_none_back(kind):
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


def test_the_connection_is_found_by_its_type_or_by_its_name():
    @require_auth(scopes=["a"])
    async def view(first: HTTPRequest):
        return PlainTextResponse("typed")

    assert client([Route("/", view)]).send("GET", "/", bearer(token(scope="a"))).body == b"typed"
    with pytest.raises(ConfigurationError, match='named "request" or "websocket"'):
        require_auth()(lambda first: None)


def test_a_guard_without_parentheses_says_what_to_write():
    with pytest.raises(ConfigurationError, match=r"@require_auth\(\)"):
        require_auth(whoami)


def test_a_guard_on_a_view_of_another_framework_says_so():
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


def test_a_class_that_is_no_endpoint_cannot_be_guarded():
    with pytest.raises(ConfigurationError, match="HTTPEndpoint"):
        require_auth()(dict)


def test_a_rule_that_cannot_be_is_refused_where_it_is_written():
    with pytest.raises(ConfigurationError):
        require_auth(scopes=['a"b'])


def test_a_forgotten_middleware_is_named_in_the_error():
    answer = ASGIClient(Starlette(routes=ROUTES)).send("GET", "/orders", bearer(token(scope="orders:read")))

    assert isinstance(answer.crash, ConfigurationError)
    assert "Middleware(AccessTokenMiddleware, server=...)" in str(answer.crash)


# --- marks, wherever the router finds the endpoint


def test_marks_hold_at_any_depth():
    leaf = [Route("/open", open_to_all), Route("/shut", whoami), Route("/maybe/{who:int}", maybe)]
    sub = Starlette(routes=leaf, middleware=[Middleware(PassesOn)])
    apps = client(
        [
            Mount("/a", routes=[Mount("/b", routes=leaf)]),
            Mount("/sub", app=sub),
            Mount("/wrapped", app=PassesOn(Router(leaf))),
            Mount("/own", routes=leaf, middleware=[Middleware(PassesOn)]),
            Host("api.example", Router([Mount("/host", routes=leaf)])),
        ]
    )

    for place in ("/a/b", "/sub", "/wrapped", "/own", "/host"):
        assert apps.send("GET", f"{place}/open").body == b"nobody", place
        assert apps.send("GET", f"{place}/maybe/1").body == b"nobody", place
        assert apps.send("GET", f"{place}/maybe/1", bearer()).body == b"anna", place
        same(apps.send("GET", f"{place}/shut"), NO_CREDENTIALS)
        same(apps.send("GET", f"{place}/maybe/x"), NO_CREDENTIALS)
        same(apps.send("GET", f"{place}/nowhere"), NO_CREDENTIALS)
        same(apps.send("GET", f"{place}open"), NO_CREDENTIALS)


def test_the_first_route_that_matches_counts_as_it_does_for_the_router():
    routes = [
        Route("/x/{any}", whoami, methods=["POST"]),
        Route("/x/shut", whoami),
        Route("/x/{any}", open_to_all),
        Mount("/m", routes=[Route("/shut", whoami)]),
        Route("/m/open", open_to_all),
    ]
    ordered = client(routes)

    same(ordered.send("GET", "/x/shut"), NO_CREDENTIALS)
    same(ordered.send("POST", "/x/open"), NO_CREDENTIALS)
    assert ordered.send("GET", "/x/open").body == b"nobody"
    same(ordered.send("GET", "/m/open"), NO_CREDENTIALS)


def test_a_method_that_a_public_route_does_not_take_is_for_the_router_to_answer():
    assert client([Route("/", open_to_all)]).send("POST", "/").status == 405


def test_of_several_routes_that_do_not_take_the_method_the_first_counts():
    routes = [Route("/", whoami, methods=["POST"]), Route("/", open_to_all, methods=["PUT"])]

    same(client(routes).send("GET", "/"), NO_CREDENTIALS)
    assert client(routes[::-1]).send("GET", "/").status == 405


def files_of() -> Any:
    async def files(scope, receive, send):
        await PlainTextResponse("a file")(scope, receive, send)

    return files


def test_an_application_that_is_mounted_can_be_marked():
    apps = client([Mount("/static", app=public(files_of())), Mount("/files", app=files_of())])

    assert apps.send("GET", "/static/a.css").body == b"a file"
    same(apps.send("GET", "/files/a.css"), NO_CREDENTIALS)


def test_a_mark_shows_through_partials_and_wrappers():
    @functools.wraps(open_to_all)
    async def wrapped(request):
        return await open_to_all(request)

    routes = [Route("/partial", functools.partial(open_to_all)), Route("/wrapped", wrapped)]

    for route in routes:
        assert client([route]).send("GET", route.path).body == b"nobody"


def test_a_marked_class_is_open_with_all_its_methods():
    @public
    class Status(HTTPEndpoint):
        async def get(self, request):
            return PlainTextResponse(subject(request))

    status = client([Route("/", Status)])

    assert status.send("GET", "/").body == b"nobody"
    assert status.send("HEAD", "/").status == 200


def test_a_marked_class_does_not_open_its_heirs():
    @public
    class Status(HTTPEndpoint):
        async def get(self, request):
            return PlainTextResponse(subject(request))

    class Heir(Status): ...

    @public
    class Socket(Echo): ...

    class SocketHeir(Socket): ...

    app = application(
        resource_server(),
        [
            Route("/", Heir),
            Route("/partial", functools.partial(Heir)),
            Route("/open", Status),
            WebSocketRoute("/open/socket", Socket),
            WebSocketRoute("/socket", SocketHeir),
        ],
    )

    assert ASGIClient(app).send("GET", "/open").body == b"nobody"
    same(ASGIClient(app).send("GET", "/"), NO_CREDENTIALS)
    same(ASGIClient(app).send("GET", "/partial"), NO_CREDENTIALS)
    assert websocket(app, websocket_scope("/open/socket")).texts == ["nobody"]
    same(websocket(app, websocket_scope("/socket")).denial, NO_CREDENTIALS)


def test_routes_without_marks_are_not_searched_twice():
    asked = []

    class Counted(Route):
        def matches(self, scope):
            asked.append(scope["path"])
            return super().matches(scope)

    client([Counted("/protected", whoami)], paths=["/healthz"]).send("GET", "/protected", bearer())

    assert asked == ["/protected"]


def test_the_middleware_can_stand_around_or_at_any_part_of_an_application():
    routes = [Route("/open", open_to_all), Route("/shut", whoami), Route("/orders", guarded(scopes=["orders:read"]))]
    server = resource_server()
    own = [Middleware(AccessTokenMiddleware, server=server)]
    apps = {
        "": AccessTokenMiddleware(Starlette(routes=routes), server=server),
        "/mount": Starlette(routes=[Mount("/mount", routes=routes, middleware=own)]),
        "/app": Starlette(routes=[Mount("/app", AccessTokenMiddleware(Router(routes), server=server))]),
        "/router": Starlette(routes=[Mount("/router", Router(routes, middleware=own))]),
    }

    for place, app in apps.items():
        guarded_app = ASGIClient(app)
        assert guarded_app.send("GET", f"{place}/open").body == b"nobody", place
        same(guarded_app.send("GET", f"{place}/shut"), NO_CREDENTIALS)
        assert guarded_app.send("GET", f"{place}/shut", bearer()).body == b"anna", place
        same(guarded_app.send("GET", f"{place}/orders", bearer()), SCOPE_IS_MISSING)


def test_the_middleware_of_a_single_route_protects_it_whatever_its_mark():
    own = [Middleware(AccessTokenMiddleware, server=resource_server())]
    one = ASGIClient(Starlette(routes=[Route("/", open_to_all, middleware=own)]))

    same(one.send("GET", "/"), NO_CREDENTIALS)
    assert one.send("GET", "/", bearer()).body == b"anna"


@pytest.mark.parametrize(
    ("inner", "marks"), [(files_of, {"routes_of": None}), (lambda: Router([Route("/a", whoami)]), {})]
)
def test_a_mount_that_is_public_above_is_protected_by_its_own_middleware(inner, marks):
    own = AccessTokenMiddleware(inner(), server=resource_server(realm="own"), **marks)
    both = client([Mount("/own", app=public(own))])

    assert both.send("GET", "/own/a").all("www-authenticate") == ['Bearer realm="own"']
    assert both.send("GET", "/own/a", bearer()).status == 200


def test_a_public_route_of_the_application_above_opens_none_of_the_same_name_below():
    inner = AccessTokenMiddleware(Router([Route("/healthz", whoami)]), server=resource_server())
    apps = ASGIClient(Starlette(routes=[Route("/healthz", open_to_all_without_identity), Mount("/api", inner)]))

    assert apps.send("GET", "/healthz").body == b"open"
    same(apps.send("GET", "/api/healthz"), NO_CREDENTIALS)


@public
async def open_to_all_without_identity(request):
    return PlainTextResponse("open")


def test_public_paths_are_read_below_the_mount_of_the_middleware():
    inner = AccessTokenMiddleware(Router(ROUTES), server=resource_server(), public=["/healthz"])
    apps = ASGIClient(Starlette(routes=[Mount("/api", inner)]))

    assert apps.send("GET", "/api/healthz").body == b"nobody"
    assert apps.send("GET", "/api/healthz", mount="/behind/proxy").body == b"nobody"
    same(apps.send("GET", "/api/api/healthz"), NO_CREDENTIALS)
    same(apps.send("GET", "/api/healthzz"), NO_CREDENTIALS)


def test_a_mount_ends_at_a_segment():
    answer = client(ROUTES, paths=["/healthz", "/i/healthz"])

    scope = asgi_scope(Request("GET", "/healthz", mount="/ap"))
    scope["path"] = "/api/healthz"  # begins with the root path, and is not below it
    assert call(answer.app, scope)[0]["status"] == 401


def test_each_middleware_judges_for_its_own_server():
    tenant = resource_server(realm="tenant")
    inner = AccessTokenMiddleware(
        Router([Route("/open", open_to_all), Route("/orders", guarded(scopes=["orders:read"]))]),
        server=tenant,
    )
    apps = client([Mount("/tenant", inner)])

    answer = apps.send("GET", "/tenant/orders", bearer())
    assert answer.status == 403
    assert answer.all("www-authenticate")[0].startswith('Bearer realm="tenant", error="insufficient_scope"')
    assert apps.send("GET", "/tenant/open", bearer()).body == b"nobody"


def test_an_application_without_routes_is_protected_whole():
    async def app(scope, receive, send):
        await PlainTextResponse("in")(scope, receive, send)

    wrapped = ASGIClient(AccessTokenMiddleware(app, server=resource_server(), public=["/healthz"], routes_of=None))

    same(wrapped.send("GET", "/"), NO_CREDENTIALS)
    assert wrapped.send("GET", "/", bearer()).body == b"in"
    assert wrapped.send("GET", "/healthz").body == b"in"


# --- Vary


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ([], ["Authorization"]),
        (["Accept"], ["Accept", "Authorization"]),
        (["Accept", "Cookie"], ["Accept", "Cookie", "Authorization"]),
        (["Accept, authorization"], ["Accept, authorization"]),
        (["*"], ["*"]),
    ],
)
def test_vary_is_added_where_it_is_missing(sent, received):
    @optional_auth
    async def view(request):
        response = PlainTextResponse("")
        for value in sent:
            response.headers.append("Vary", value)
        return response

    assert client([Route("/", view)]).send("GET", "/").all("vary") == received


def test_an_optional_answer_without_any_headers_varies_too():
    @optional_auth
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    start, _ = call(application(resource_server(), [Mount("/", app)]), asgi_scope(Request("GET", "/")))

    assert start["headers"] == [(b"vary", b"Authorization")]


# --- WebSockets


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


def sockets(**settings: Any) -> Starlette:
    return application(resource_server(**settings), SOCKETS)


@pytest.mark.parametrize("row", ROWS)
def test_a_handshake_is_refused_with_the_very_answer_of_http(row):
    headers, golden = ROWS[row]

    same(websocket(sockets(), websocket_scope("/protected", headers())).denial, golden)


@pytest.mark.parametrize("extensions", [None, {}, {"tls": {}}])
@pytest.mark.parametrize("row", ["1 no credentials", "4b two lines", "8 expired"])
def test_without_the_extension_a_refused_socket_is_closed_before_it_is_accepted(row, extensions):
    headers, _ = ROWS[row]

    session = websocket(sockets(), websocket_scope("/protected", headers(), extensions=extensions))

    assert session.sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    assert session.crash is None


@pytest.mark.parametrize("path", ["/orders", "/class"])
def test_a_guarded_socket_wants_its_scope(path):
    session = websocket(sockets(), websocket_scope(path, bearer(token(scope="orders:read"))))
    assert (session.kinds[0], session.texts) == ("websocket.accept", ["anna"])

    same(websocket(sockets(), websocket_scope(path, bearer())).denial, SCOPE_IS_MISSING)
    assert websocket(sockets(), websocket_scope(path, bearer(), extensions=None)).kinds == ["websocket.close"]


def test_a_concealed_socket_seems_not_to_exist():
    same(websocket(sockets(), websocket_scope("/hidden", bearer())).denial, HIDDEN)


@pytest.mark.parametrize(("path", "who"), [("/open", "nobody"), ("/open/class", "nobody"), ("/maybe", "anna")])
def test_sockets_can_be_public_or_optional(path, who):
    assert websocket(sockets(), websocket_scope(path)).texts == ["nobody"]
    assert websocket(sockets(), websocket_scope(path, bearer())).texts == [who]


def test_a_public_socket_opens_no_http_route_of_the_same_path():
    app = sockets()

    assert websocket(app, websocket_scope("/split")).texts == ["nobody"]
    same(ASGIClient(app).send("GET", "/split"), NO_CREDENTIALS)


def test_an_optional_socket_refuses_bad_credentials():
    same(websocket(sockets(), websocket_scope("/maybe", bearer("a b"))).denial, MALFORMED_HEADER)


def test_a_socket_needs_wss_where_https_is_required():
    app = sockets(https="require")

    assert websocket(app, websocket_scope("/protected", bearer())).texts == ["anna"]
    same(websocket(app, websocket_scope("/protected", bearer(), scheme="ws")).denial, PLAIN_HTTP)


def test_a_token_in_the_query_or_the_subprotocol_opens_no_socket():
    scope = websocket_scope(f"/protected?access_token={token()}", [("Sec-WebSocket-Protocol", token())])
    scope["subprotocols"] = [token()]

    same(websocket(sockets(), scope).denial, NO_CREDENTIALS)


def test_a_socket_that_was_accepted_before_its_guard_is_closed():
    async def late(websocket):
        await websocket.accept()
        await require_auth(scopes=["orders:read"])(hello)(websocket)

    app = application(resource_server(), [WebSocketRoute("/", late)])
    session = websocket(app, websocket_scope("/", bearer()))

    assert session.kinds == ["websocket.accept", "websocket.close"]
    assert session.sent[-1]["code"] == 1008


# --- a token that ends before its socket


async def patient(websocket):
    await websocket.accept()
    async with closed_at_expiry(websocket):
        await websocket.send_text("in")
        if websocket.query_params.get("wait"):
            await asyncio.Event().wait()
    await asyncio.sleep(0)


TOKEN_EXPIRED = {"type": "websocket.close", "code": 1008, "reason": "token expired"}


def test_a_socket_is_closed_when_its_token_expires():
    """Time leaps for the event loop, so that the test need not wait."""
    app = application(resource_server(), [WebSocketRoute("/", patient)])
    scope = websocket_scope("/?wait=1", bearer(token(exp=time.time() + 100_000)))
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    async def some_turns():
        for _ in range(50):
            await asyncio.sleep(0)

    async def live():
        loop = asyncio.get_running_loop()
        session = asyncio.create_task(app(scope, receive, send))
        await some_turns()
        assert {"type": "websocket.send", "text": "in"} in sent
        loop.leapt += 90_000
        await some_turns()
        assert not session.done()
        assert TOKEN_EXPIRED not in sent
        loop.leapt += 20_000
        await some_turns()
        assert session.done()
        await session

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(live())
    assert sent[-1] == TOKEN_EXPIRED


@pytest.mark.parametrize("policy", [{"leeway": 100}, {"leeway": 0, "max_token_age": 1_100}])
def test_a_socket_lasts_as_long_as_its_verifier_lets_the_token_in(policy):
    """By the verifier's own clock, which stands still years from here while that of the event loop leaps."""
    now = 1_500_000_000
    server = resource_server({"clock": lambda: now, **policy})
    ages = {"iat": now - 1_000, "exp": now + (0 if policy["leeway"] else 10_000)}
    app = application(server, [WebSocketRoute("/", patient)])
    scope = websocket_scope("/?wait=1", bearer(token(**ages)))
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    async def some_turns():
        for _ in range(50):
            await asyncio.sleep(0)

    async def live():
        loop = asyncio.get_running_loop()
        session = asyncio.create_task(app(scope, receive, send))
        await some_turns()
        loop.leapt += 50
        await some_turns()
        assert not session.done()
        assert TOKEN_EXPIRED not in sent
        loop.leapt += 51
        await some_turns()
        assert session.done()
        await session

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(live())
    assert sent[-1] == TOKEN_EXPIRED


def test_a_socket_whose_token_ends_before_its_view_begins_is_closed_at_once():
    clock = iter([time.time(), time.time(), *[time.time() + 86_500] * 5])
    app = application(resource_server({"clock": lambda: next(clock)}), [WebSocketRoute("/", patient)])

    assert websocket(app, websocket_scope("/?wait=1", bearer())).sent[-1] == TOKEN_EXPIRED


def test_a_socket_that_ends_before_its_token_ends_as_it_likes():
    app = application(resource_server(), [WebSocketRoute("/", optional_auth(functools.partial(patient)))])

    for headers in ([], bearer()):
        assert websocket(app, websocket_scope("/", headers)).kinds == ["websocket.accept", "websocket.send"]


# --- the event loop


def others_are_served_while_a_hook_blocks(make: Any) -> None:
    """*make* turns a server into an application with /protected and an open /healthz."""
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


def test_a_slow_hook_keeps_nobody_else_waiting():
    others_are_served_while_a_hook_blocks(lambda server: application(server, ROUTES, paths=["/healthz"]))


def test_slow_hooks_of_several_requests_run_side_by_side():
    together = threading.Barrier(8, timeout=PATIENCE)

    def is_revoked(_):
        return together.wait() < 0

    made = client(ROUTES, resource_server({"is_revoked": is_revoked}))
    people = [f"person-{number}" for number in range(8)]

    answers = made.send_together([Request("GET", "/protected", bearer(token(person))) for person in people])

    assert [answer.body.decode() for answer in answers] == people


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(("revoked", "golden"), [(False, None), (True, REVOKED), (None, CANNOT_TELL)])
def test_trio_serves_as_well_as_asyncio(is_async, revoked, golden):
    trio = pytest.importorskip("trio")

    async def ask(_):
        await trio.sleep(0)
        return revoked

    server = resource_server({"is_revoked": ask if is_async else lambda _: revoked})
    app = AccessTokenMiddleware(Router(ROUTES), server=server)
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    trio.run(app, asgi_scope(Request("GET", "/protected", bearer())), receive, send)

    assert sent[0]["status"] == (200 if golden is None else golden[0])
    assert sent[1]["body"] == (b"anna" if golden is None else golden[2].encode())


def test_an_answer_that_streams_is_not_held_back():
    async def parts():
        yield "a"
        yield "b"

    @optional_auth
    async def view(request):
        return StreamingResponse(parts())

    messages = call(application(resource_server(), [Route("/", view)]), asgi_scope(Request("GET", "/", bearer())))

    assert [message.get("body") for message in messages[1:]] == [b"a", b"b", b""]


# --- real servers


def needs_websockets() -> None:
    pytest.importorskip("wsproto")


SERVERS = {"uvicorn": uvicorn_on_loopback, "hypercorn": hypercorn_on_loopback}


@pytest.fixture(scope="module", params=SERVERS)
def port(request):
    pytest.importorskip(request.param)
    with SERVERS[request.param](application(resource_server(), [*ROUTES[:-1], *SOCKETS[:5]])) as port:
        yield port


def test_streams_of_one_http2_connection_see_each_their_own_token():
    pytest.importorskip("hypercorn")
    people = [("anna", bearer(token("anna"))), ("bob", bearer(token("bob"))), ("nobody", [])]
    meeting = asyncio.Barrier(len(people))

    @optional_auth
    async def view(request):
        before = subject(request)
        async with asyncio.timeout(PATIENCE):
            await meeting.wait()
        return PlainTextResponse(f"{before} {subject(request)}")

    with hypercorn_on_loopback(application(resource_server(), [Route("/", view)])) as port:
        answers = exchange_together(port, [Request("GET", "/", headers) for _, headers in people])

    assert answers == [f"{name} {name}".encode() for name, _ in people]


def wire(golden: Golden) -> tuple[int, list[str], bytes]:
    status, challenge, body = golden
    return status, [] if challenge is None else [challenge], body.encode()


def said(answer: Any) -> tuple[int, list[str], bytes]:
    return answer.status, answer.all("www-authenticate"), answer.body


HEAD = "GET /protected HTTP/1.1\nHost: api.example\nConnection: close"


@pytest.mark.parametrize("name", ["Authorization", "AUTHORIZATION", "authorization"])
def test_over_a_real_socket_a_good_token_opens(port, name):
    assert said(exchange(port, f"{HEAD}\n{name}: Bearer {token()}")) == (200, [], b"anna")


def test_over_a_real_socket_two_lines_are_two_tokens(port):
    answer = exchange(port, f"{HEAD}\nAuthorization: Bearer {token()}\nAUTHORIZATION: Basic YW5uYTp4")

    assert said(answer) == wire(TWO_TOKENS)
    assert answer.all("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    "value", [f"Bearer a\nX-Injected: {SENTINEL}", f"Bearer a\r{SENTINEL}", f"Bearer a%0d%0aX-Injected: {SENTINEL}"]
)
def test_over_a_real_socket_no_line_can_be_smuggled_into_the_answer(port, value):
    answer = exchange(port, f"{HEAD}\nAuthorization: {value}")

    assert answer.status in {400, 401}
    assert answer.all("x-injected") == []
    assert SENTINEL not in repr(answer)


def test_over_a_real_socket_head_has_the_headers_and_no_body(port):
    answer = exchange(port, HEAD.replace("GET", "HEAD"))

    assert said(answer) == (401, ['Bearer realm="api"'], b"")
    assert answer.all("content-length") == [str(len(NO_CREDENTIALS[2]))]


@pytest.mark.parametrize(
    ("target", "lines", "golden"),
    [
        ("/protected", list, NO_CREDENTIALS),
        ("/protected", lambda: [f"Authorization: Bearer {token(iat=1_000, exp=2_000)}"], EXPIRED),
        ("/protected", lambda: ["Authorization: Bearer a", "authorization: Bearer b"], TWO_TOKENS),
        ("/orders", lambda: [f"Authorization: Bearer {token()}"], SCOPE_IS_MISSING),
        ("/hidden", lambda: [f"Authorization: Bearer {token()}"], HIDDEN),
    ],
)
def test_over_a_real_socket_the_handshake_gets_the_answer(port, target, lines, golden):
    needs_websockets()
    assert said(exchange(port, handshake(target, *lines()))) == wire(golden)


def test_over_a_real_socket_a_good_token_opens_a_websocket(port):
    needs_websockets()
    assert exchange(port, handshake("/protected", f"Authorization: Bearer {token()}")).status == 101
    assert exchange(port, handshake("/open")).status == 101


@pytest.mark.parametrize("mounted", [False, True], ids=["a route", "a mount"])
def test_a_route_with_the_bare_function_of_a_guard_is_told_before_it_lets_anybody_in(mounted):
    async def orders(request):
        return PlainTextResponse("secret")

    require_auth(scopes=["orders:read"])(orders)
    routes = [Route("/orders", orders)]
    protection = Middleware(AccessTokenMiddleware, server=resource_server())
    app = Starlette(routes=[Mount("/shop", routes=routes)] if mounted else routes, middleware=[protection])

    answer = ASGIClient(app).send("GET", "/shop/orders" if mounted else "/orders", bearer())
    assert isinstance(answer.crash, ConfigurationError)
    assert "orders was registered without it" in str(answer.crash)


def test_a_route_with_the_guard_runs_it_whatever_else_has_the_function():
    async def orders(request):
        return PlainTextResponse("orders")

    guard = require_auth(scopes=["orders:read"])(orders)
    protection = Middleware(AccessTokenMiddleware, server=resource_server())
    client = ASGIClient(Starlette(routes=[Route("/orders", guard), Route("/all", orders)], middleware=[protection]))

    assert client.send("GET", "/orders", bearer()).status == 403
    assert client.send("GET", "/all", bearer()).body == b"orders"

"""The ASGI scope of a connection: headers, addresses, and a state that requests may share."""

import asyncio
import contextlib
import copy
import types

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.asgi import exchange, uvicorn_on_loopback, websocket, websocket_scope
from tests.support.clients import ASGIClient, Request, asgi_scope
from tests.support.starlette_project import ROUTES, application, call, sockets, subject

from gatepass_starlette import AccessTokenMiddleware, optional_auth


def test_the_lifespan_scope_is_passed_unchanged():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    plain = AccessTokenMiddleware(app, server=resource_server(), routes_of=None)
    asyncio.run(plain({"type": "lifespan"}, None, None))

    assert seen == [{"type": "lifespan"}]


@pytest.mark.parametrize(
    ("names", "status"),
    [([b"Authorization"], 200), ([b"AUTHORIZATION"], 200), ([b"authorization", b"Authorization"], 400)],
)
def test_header_names_are_case_insensitive(names, status):
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
def test_a_unix_socket_has_no_address_and_is_not_loopback(peer):
    scope = asgi_scope(Request("GET", "/protected", bearer(), scheme="http")) | {"client": peer}

    start, _ = call(application(resource_server(https="require"), ROUTES), scope)

    assert start["status"] == 400


@pytest.mark.filterwarnings("ignore:Using `httpx` with")
@pytest.mark.filterwarnings("ignore:The anyio.abc.BlockingPortal alias")  # raised by older versions of Starlette
def test_the_starlette_test_client_counts_as_loopback():
    from starlette.testclient import TestClient

    app, headers = application(resource_server(https="require"), ROUTES), dict(bearer())

    assert TestClient(app).get("/protected", headers=headers).text == "anna"
    with TestClient(sockets(https="require")).websocket_connect("/protected", headers=headers) as socket:
        assert socket.receive_text() == "anna"


def test_httpx_in_process_counts_as_loopback():
    async def ask():
        transport = httpx.ASGITransport(application(resource_server(https="require"), ROUTES))
        async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
            return await client.get("/protected", headers=dict(bearer()))

    assert asyncio.run(ask()).text == "anna"


def test_an_identity_already_in_the_scope_is_ignored():
    scope = asgi_scope(Request("GET", "/open"))
    scope["state"] = {"access_token": "forged", "own": 1}
    scope["user"] = "forged"

    start, body = call(application(resource_server(), ROUTES), scope)

    assert (start["status"], body["body"]) == (200, b"anonymous")
    assert scope["state"] == {"access_token": None, "own": 1}
    assert not scope["user"].is_authenticated


@pytest.mark.parametrize("kind", [dict, State, types.MappingProxyType])
def test_requests_that_share_one_state_have_their_own_tokens(kind):
    """A server may pass one state to several concurrent requests of a connection."""
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

    assert asyncio.run(together()) == [b"anna anna True", b"bob bob True", b"anonymous anonymous False"]
    assert {name: shared[name] for name in shared} == {"pool": pool}


def test_outer_middleware_that_used_the_state_sees_what_a_view_writes_except_the_token():
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


def test_a_view_sees_what_outer_middleware_writes_while_it_runs():
    state = {}

    async def view(request):
        state["late"] = 5
        return PlainTextResponse(f"{request.state.late}")

    async def outside(scope, receive, send):
        await application(resource_server(), [Route("/", view)])(scope | {"state": state}, receive, send)

    assert ASGIClient(outside).send("GET", "/", bearer()).body == b"5"


def test_the_state_supports_every_operation_of_dict():
    scope = asgi_scope(Request("GET", "/open"))
    scope["state"] = outside = {"access_token": "forged", "own": 1}
    call(application(resource_server(), ROUTES), scope)
    state = scope["state"]

    assert isinstance(state, dict)
    assert {**state} == dict(state) == state.copy() == copy.deepcopy(state) == state | {}
    assert dict(state) == {"access_token": None, "own": 1}
    assert (state.setdefault("new", 2), state.pop("own"), len(state), bool(state)) == (2, 1, 2, True)
    state.update(access_token="mine")
    state |= {"more": 3}
    assert (state["access_token"], outside) == ("mine", {"access_token": "forged", "new": 2, "more": 3})
    del state["access_token"]
    assert list(state) == ["new", "more"]
    assert {"first": 0, **state} == {"first": 0} | state
    assert repr(state) == "{'new': 2, 'more': 3}"


@pytest.mark.parametrize("state", [None, types.SimpleNamespace(pool=5), [("pool", 5)], object(), 0])
def test_a_state_that_is_no_mapping_is_replaced(state):
    scope = asgi_scope(Request("GET", "/open")) | {"state": state}

    start, _ = call(application(resource_server(), ROUTES), scope)

    assert (start["status"], scope["state"]) == (200, {"access_token": None})


def test_websockets_that_share_one_state_have_their_own_tokens():
    shared = {}
    scopes = [websocket_scope("/maybe", bearer(token(person))) | {"state": shared} for person in ("anna", "bob")]

    assert [websocket(sockets(), scope).texts for scope in scopes] == [["anna"], ["bob"]]
    assert shared == {}


def test_each_request_gets_the_objects_of_the_lifespan_themselves():
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


def test_an_unknown_type_of_connection_is_refused():
    reached = []

    async def app(scope, receive, send):
        reached.append(scope)

    scope = asgi_scope(Request("GET", "/protected")) | {"type": "webtransport"}
    sent = call(AccessTokenMiddleware(app, server=resource_server(), routes_of=None), scope)

    assert reached == []
    assert [message["type"] for message in sent] == ["websocket.close"]

"""Starlette: the contract, `Vary`, the event loop, and real servers."""

import asyncio
import threading
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, Router
from tests.adapters.contract import (
    CANNOT_TELL,
    EXPIRED,
    HIDDEN,
    NO_CREDENTIALS,
    REVOKED,
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
)
from tests.support.clients import ASGIClient, Request, asgi_scope
from tests.support.starlette_project import (
    CORS,
    ROUTES,
    SOCKETS,
    application,
    call,
    client,
    others_are_served_while_a_hook_blocks,
    subject,
    whoami,
)

from gatepass_starlette import AccessTokenMiddleware, optional_auth


class TestStarlette(CookieContract, MiddlewareContract):
    awaits_hooks = True

    def build(self, server, *, cors=False):
        inner = [CORS] if cors else []
        return ASGIClient(application(server, ROUTES, *inner, paths=["/healthz"]))

    def build_without_middleware(self):
        return ASGIClient(Starlette(routes=ROUTES))

    def build_public(self, server, paths):
        return AccessTokenMiddleware(whoami, server=server, public=paths, routes_of=None)


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
def test_vary_is_added_if_it_is_missing(sent, received):
    @optional_auth
    async def view(request):
        response = PlainTextResponse("")
        for value in sent:
            response.headers.append("Vary", value)
        return response

    assert client([Route("/", view)]).send("GET", "/").all("vary") == received


def test_an_optional_response_without_headers_gets_vary():
    @optional_auth
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    start, _ = call(application(resource_server(), [Mount("/", app)]), asgi_scope(Request("GET", "/")))

    assert start["headers"] == [(b"vary", b"Authorization")]


# --- the event loop


def test_a_slow_hook_does_not_block_other_requests():
    others_are_served_while_a_hook_blocks(lambda server: application(server, ROUTES, paths=["/healthz"]))


def test_slow_hooks_of_several_requests_run_concurrently():
    together = threading.Barrier(8, timeout=PATIENCE)

    def is_revoked(_):
        return together.wait() < 0

    made = client(ROUTES, resource_server({"is_revoked": is_revoked}))
    people = [f"person-{number}" for number in range(8)]

    answers = made.send_together([Request("GET", "/protected", bearer(token(person))) for person in people])

    assert [answer.body.decode() for answer in answers] == people


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(("revoked", "golden"), [(False, None), (True, REVOKED), (None, CANNOT_TELL)])
def test_the_middleware_runs_on_trio_and_asyncio(is_async, revoked, golden):
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


def test_a_streaming_response_is_not_buffered():
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


def test_streams_of_one_http2_connection_have_their_own_tokens():
    pytest.importorskip("hypercorn")
    people = [("anna", bearer(token("anna"))), ("bob", bearer(token("bob"))), ("anonymous", [])]
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
def test_over_a_real_socket_a_valid_token_is_accepted(port, name):
    assert said(exchange(port, f"{HEAD}\n{name}: Bearer {token()}")) == (200, [], b"anna")


def test_over_a_real_socket_two_header_lines_are_two_tokens(port):
    answer = exchange(port, f"{HEAD}\nAuthorization: Bearer {token()}\nAUTHORIZATION: Basic YW5uYTp4")

    assert said(answer) == wire(TWO_TOKENS)
    assert answer.all("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    "value", [f"Bearer a\nX-Injected: {SENTINEL}", f"Bearer a\r{SENTINEL}", f"Bearer a%0d%0aX-Injected: {SENTINEL}"]
)
def test_over_a_real_socket_no_header_line_is_injected_into_the_response(port, value):
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
def test_over_a_real_socket_the_handshake_gets_the_response(port, target, lines, golden):
    needs_websockets()
    assert said(exchange(port, handshake(target, *lines()))) == wire(golden)


def test_over_a_real_socket_a_valid_token_opens_a_websocket(port):
    needs_websockets()
    assert exchange(port, handshake("/protected", f"Authorization: Bearer {token()}")).status == 101
    assert exchange(port, handshake("/open")).status == 101

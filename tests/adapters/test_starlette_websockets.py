"""WebSockets in Starlette: the handshake gets the response of HTTP; a WebSocket is closed when its token expires."""

import asyncio
import functools
import time

import pytest
from starlette.routing import WebSocketRoute
from tests.adapters.contract import HIDDEN, MALFORMED_HEADER, NO_CREDENTIALS, PLAIN_HTTP, ROWS, SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.asgi import websocket, websocket_scope
from tests.support.clients import ASGIClient
from tests.support.event_loop import AdvancingLoop
from tests.support.starlette_project import application, hello, same, sockets

from gatepass_starlette import closed_at_expiry, optional_auth, require_auth


@pytest.mark.parametrize("row", ROWS)
def test_a_handshake_is_refused_with_the_response_of_http(row):
    headers, golden = ROWS[row]

    same(websocket(sockets(), websocket_scope("/protected", headers())).denial, golden)


@pytest.mark.parametrize("extensions", [None, {}, {"tls": {}}])
@pytest.mark.parametrize("row", ["1 no credentials", "4b two lines", "8 expired"])
def test_without_the_extension_a_refused_websocket_is_closed_before_it_is_accepted(row, extensions):
    headers, _ = ROWS[row]

    session = websocket(sockets(), websocket_scope("/protected", headers(), extensions=extensions))

    assert session.sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    assert session.crash is None


@pytest.mark.parametrize("path", ["/orders", "/class"])
def test_a_guarded_websocket_requires_its_scope(path):
    session = websocket(sockets(), websocket_scope(path, bearer(token(scope="orders:read"))))
    assert (session.kinds[0], session.texts) == ("websocket.accept", ["anna"])

    same(websocket(sockets(), websocket_scope(path, bearer())).denial, SCOPE_IS_MISSING)
    assert websocket(sockets(), websocket_scope(path, bearer(), extensions=None)).kinds == ["websocket.close"]


def test_a_concealed_websocket_is_404():
    same(websocket(sockets(), websocket_scope("/hidden", bearer())).denial, HIDDEN)


@pytest.mark.parametrize(("path", "who"), [("/open", "anonymous"), ("/open/class", "anonymous"), ("/maybe", "anna")])
def test_websockets_can_be_public_or_optional(path, who):
    assert websocket(sockets(), websocket_scope(path)).texts == ["anonymous"]
    assert websocket(sockets(), websocket_scope(path, bearer())).texts == [who]


def test_a_public_websocket_makes_no_http_route_of_the_same_path_public():
    app = sockets()

    assert websocket(app, websocket_scope("/split")).texts == ["anonymous"]
    same(ASGIClient(app).send("GET", "/split"), NO_CREDENTIALS)


def test_an_optional_websocket_refuses_bad_credentials():
    same(websocket(sockets(), websocket_scope("/maybe", bearer("a b"))).denial, MALFORMED_HEADER)


def test_a_websocket_needs_wss_if_https_is_required():
    app = sockets(https="require")

    assert websocket(app, websocket_scope("/protected", bearer())).texts == ["anna"]
    same(websocket(app, websocket_scope("/protected", bearer(), scheme="ws")).denial, PLAIN_HTTP)


def test_a_token_in_the_query_or_the_subprotocol_is_ignored():
    scope = websocket_scope(f"/protected?access_token={token()}", [("Sec-WebSocket-Protocol", token())])
    scope["subprotocols"] = [token()]

    same(websocket(sockets(), scope).denial, NO_CREDENTIALS)


def test_a_websocket_that_was_accepted_before_its_guard_is_closed():
    async def late(websocket):
        await websocket.accept()
        await require_auth(scopes=["orders:read"])(hello)(websocket)

    app = application(resource_server(), [WebSocketRoute("/", late)])
    session = websocket(app, websocket_scope("/", bearer()))

    assert session.kinds == ["websocket.accept", "websocket.close"]
    assert session.sent[-1]["code"] == 1008


# --- a token that expires before its WebSocket ends


async def patient(websocket):
    await websocket.accept()
    async with closed_at_expiry(websocket):
        await websocket.send_text("in")
        if websocket.query_params.get("wait"):
            await asyncio.Event().wait()
    await asyncio.sleep(0)


TOKEN_EXPIRED = {"type": "websocket.close", "code": 1008, "reason": "token expired"}


def test_a_websocket_is_closed_when_its_token_expires():
    """The clock of the event loop jumps, so that the test does not wait."""
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
        loop.advanced += 90_000
        await some_turns()
        assert not session.done()
        assert TOKEN_EXPIRED not in sent
        loop.advanced += 20_000
        await some_turns()
        assert session.done()
        await session

    with asyncio.Runner(loop_factory=AdvancingLoop) as runner:
        runner.run(live())
    assert sent[-1] == TOKEN_EXPIRED


@pytest.mark.parametrize("policy", [{"leeway": 100}, {"leeway": 0, "max_token_age": 1_100}])
def test_a_websocket_stays_open_as_long_as_its_verifier_accepts_the_token(policy):
    """The clock of the verifier counts; it is stopped years away, while the clock of the event loop jumps."""
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
        loop.advanced += 50
        await some_turns()
        assert not session.done()
        assert TOKEN_EXPIRED not in sent
        loop.advanced += 51
        await some_turns()
        assert session.done()
        await session

    with asyncio.Runner(loop_factory=AdvancingLoop) as runner:
        runner.run(live())
    assert sent[-1] == TOKEN_EXPIRED


def test_a_websocket_whose_token_expires_before_its_view_starts_is_closed():
    clock = iter([time.time(), time.time(), *[time.time() + 86_500] * 5])
    app = application(resource_server({"clock": lambda: next(clock)}), [WebSocketRoute("/", patient)])

    assert websocket(app, websocket_scope("/?wait=1", bearer())).sent[-1] == TOKEN_EXPIRED


def test_a_websocket_that_ends_before_its_token_expires_is_unchanged():
    app = application(resource_server(), [WebSocketRoute("/", optional_auth(functools.partial(patient)))])

    for headers in ([], bearer()):
        assert websocket(app, websocket_scope("/", headers)).kinds == ["websocket.accept", "websocket.send"]

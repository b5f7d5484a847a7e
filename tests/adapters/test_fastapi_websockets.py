"""WebSockets in FastAPI: the dependency refuses a WebSocket before it is accepted, with the response of HTTP."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Security
from starlette.websockets import WebSocket
from tests.adapters.contract import EXPIRED, ROWS, SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.asgi import exchange, handshake, uvicorn_on_loopback, websocket, websocket_scope
from tests.support.fastapi_project import every_handler, same

from gatepass import AccessToken
from gatepass_fastapi import AccessTokenBearer, OptionalAccessTokenBearer


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
        await websocket.send_text("anonymous" if token is None else token.subject)
        await websocket.close()

    async def accepted(websocket: WebSocket) -> None:
        await websocket.accept()

    @app.websocket("/late", dependencies=[Depends(accepted), Depends(bearer_token)])
    async def late(websocket: WebSocket) -> None: ...

    return app


@pytest.mark.parametrize("row", ROWS)
def test_a_websocket_is_refused_before_it_is_accepted_with_the_response_of_http(row):
    headers, golden = ROWS[row]
    session = websocket(socket_app(), websocket_scope("/orders", headers()))

    same(session.denial, golden)
    assert session.crash is None


def test_without_the_extension_a_refused_websocket_is_closed_before_it_is_accepted():
    assert websocket(socket_app(), websocket_scope("/orders", extensions=None)).kinds == ["websocket.close"]


def test_a_websocket_with_a_valid_token_is_accepted():
    scope = websocket_scope("/orders", bearer(token(scope="orders:read")))

    assert websocket(socket_app(), scope).texts == ["anna"]
    same(websocket(socket_app(), websocket_scope("/orders", bearer())).denial, SCOPE_IS_MISSING)


def test_a_websocket_may_be_optional():
    assert websocket(socket_app(), websocket_scope("/maybe")).texts == ["anonymous"]
    assert websocket(socket_app(), websocket_scope("/maybe", bearer())).texts == ["anna"]
    same(websocket(socket_app(), websocket_scope("/maybe", bearer(token(iat=1_000, exp=2_000)))).denial, EXPIRED)


def test_a_websocket_that_another_dependency_accepted_is_closed():
    session = websocket(socket_app(), websocket_scope("/late"))

    assert session.kinds == ["websocket.accept", "websocket.close"]
    assert session.sent[-1]["code"] == 1008


def test_over_a_real_socket_the_handshake_gets_the_response():
    pytest.importorskip("uvicorn")
    pytest.importorskip("wsproto")
    status, challenge, body = SCOPE_IS_MISSING

    with uvicorn_on_loopback(socket_app()) as port:
        refused = exchange(port, handshake("/orders", f"Authorization: Bearer {token()}"))
        opened = exchange(port, handshake("/orders", f"Authorization: Bearer {token(scope='orders:read')}"))

    assert (refused.status, refused.all("www-authenticate"), refused.body) == (status, [challenge], body.encode())
    assert opened.status == 101

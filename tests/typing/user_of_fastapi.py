"""A typed FastAPI program. Type checkers read it; it never runs."""

from typing import Annotated, assert_type

from fastapi import FastAPI, Request, Security, WebSocket
from fastapi.security import OAuth2PasswordBearer

from gatepass import AccessToken, ResourceServer
from gatepass_fastapi import (
    AccessTokenBearer,
    AccessTokenMiddleware,
    OptionalAccessTokenBearer,
    closed_at_expiry,
    current_access_token,
    optional_auth,
    require_auth,
)


def application(server: ResourceServer) -> FastAPI:
    bearer = AccessTokenBearer(server, openapi=OAuth2PasswordBearer(tokenUrl="token"), any_roles=["clerk"])
    app = FastAPI(responses=bearer.responses)
    app.add_middleware(AccessTokenMiddleware, server=server, public=["/docs"])
    perhaps = OptionalAccessTokenBearer(server, scheme_name="perhaps", description="a token, or none")

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Security(bearer, scopes=["orders:read"])]) -> dict[str, str]:
        return {"for": token.subject}

    @app.get("/greeting")
    async def greeting(token: Annotated[AccessToken | None, Security(perhaps)]) -> str:
        return "hello" if token is None else f"hello {token.subject}"

    @app.websocket("/events")
    async def events(websocket: WebSocket, token: Annotated[AccessToken, Security(bearer)]) -> None:
        await websocket.accept()
        async with closed_at_expiry(websocket):
            await websocket.send_text(token.subject)

    @app.get("/orders/{number}")
    @require_auth(scopes=["orders:read"], any_roles=["clerk"])
    def order(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/hello")
    @optional_auth
    async def hello(request: Request) -> str:
        token = current_access_token(request)
        assert_type(token, AccessToken | None)
        return "hello" if token is None else f"hello {token.subject}"

    assert_type(order(1), dict[str, int])

    assert_type(bearer.scheme_name, str)
    return app

"""A stranger's typed FastAPI program. Read by type checkers and never run."""

from typing import Annotated, assert_type

from fastapi import FastAPI, Security, WebSocket
from fastapi.security import OAuth2PasswordBearer

from gatepass import AccessToken, ResourceServer
from gatepass_fastapi import AccessTokenBearer, OptionalAccessTokenBearer


def application(server: ResourceServer) -> FastAPI:
    bearer = AccessTokenBearer(server, openapi=OAuth2PasswordBearer(tokenUrl="token"), any_roles=["clerk"])
    app = FastAPI(responses=bearer.responses)
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
        await websocket.send_text(token.subject)

    assert_type(bearer.scheme_name, str)
    return app

"""A typed Starlette program. Type checkers read it; it never runs."""

from typing import assert_type

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gatepass import AccessToken, ResourceServer
from gatepass_starlette import (
    AccessTokenMiddleware,
    AccessTokenUser,
    current_access_token,
    optional_auth,
    public,
    require_auth,
)


@require_auth(scopes=["orders:read"])
async def orders(request: Request) -> JSONResponse:
    token: AccessToken = request.state.access_token
    user: AccessTokenUser = request.user
    assert_type(user.access_token, AccessToken)
    return JSONResponse({"for": token.subject})


@require_auth(any_scopes="orders:read orders:write", denial="not_found")
class Order(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return Response(request.url.path)


@require_auth()
async def events(websocket: WebSocket) -> None:
    await websocket.accept()


@optional_auth
async def greeting(request: Request) -> JSONResponse:
    token = current_access_token(request)
    assert_type(token, AccessToken | None)
    return JSONResponse({"known": token is not None})


@public
def terms(request: Request) -> Response:
    return Response(request.method)


def application(server: ResourceServer) -> Starlette:
    return Starlette(
        routes=[
            Route("/orders", orders),
            Route("/order", Order),
            Route("/greeting", greeting),
            Route("/terms", terms),
            WebSocketRoute("/events", events),
        ],
        middleware=[Middleware(AccessTokenMiddleware, server=server, public=["/healthz"])],
    )

"""The demo's Starlette application."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gatepass.cli.demo.resource import resource_server
from gatepass_starlette import AccessTokenMiddleware, public, require_auth


@require_auth(scopes=["orders:read"])
async def orders(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"orders of {request.state.access_token.subject}")


@public
async def healthz(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("well")


app: Starlette = Starlette(
    routes=[Route("/orders", orders), Route("/healthz", healthz)],
    middleware=[Middleware(AccessTokenMiddleware, resource_server=resource_server())],
)

"""Starlette: everything is protected but what is marked public, and /orders wants a scope.

export JWT_SECRET_KEY="$(gatepass keygen HS256)"
uvicorn --app-dir examples starlette_app:app
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from gatepass import Key, ResourceServer, TokenVerifier
from gatepass_starlette import AccessTokenMiddleware, public, require_auth

server = ResourceServer(
    TokenVerifier(
        issuer="https://auth.example.com",
        audience="https://api.example.com",
        keys=Key.from_env("JWT_SECRET_KEY"),
    )
)


@require_auth(scopes=["orders:read"])
async def orders(request):
    return JSONResponse({"for": request.state.access_token.subject, "orders": ["tea", "biscuits"]})


@public
async def healthz(_request):
    return JSONResponse({"well": True})


app = Starlette(
    routes=[Route("/orders", orders), Route("/healthz", healthz)],
    middleware=[Middleware(AccessTokenMiddleware, resource_server=server)],
)

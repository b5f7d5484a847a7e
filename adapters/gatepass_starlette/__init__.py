"""gatepass for Starlette and any other ASGI application, HTTP and WebSocket.

In short::

    app = Starlette(routes, middleware=[Middleware(AccessTokenMiddleware, server=server)])


    @require_auth(scopes=["orders:read"])
    async def orders(request):
        return JSONResponse({"for": request.state.access_token.subject})

The other names serve adapters that stand on this one.
"""

from importlib.util import find_spec

from gatepass.adapter import extra_hint

if find_spec("starlette") is None:
    raise ImportError(f"gatepass_starlette needs Starlette; install it with: {extra_hint('starlette')}")

from gatepass import optional_auth, public
from gatepass_starlette.connection import admit
from gatepass_starlette.endpoints import jwks_endpoint, serve_jwks_request, serve_token_request, token_endpoints
from gatepass_starlette.guard import closed_at_expiry, require_auth
from gatepass_starlette.identity import AccessTokenUser, Identity, identify, identity_of
from gatepass_starlette.middleware import AccessTokenMiddleware
from gatepass_starlette.responses import refuse_websocket, tell_caches, to_response
from gatepass_starlette.routes import check_routes

__all__ = [
    "AccessTokenMiddleware",
    "AccessTokenUser",
    "Identity",
    "admit",
    "check_routes",
    "closed_at_expiry",
    "identify",
    "identity_of",
    "jwks_endpoint",
    "optional_auth",
    "public",
    "refuse_websocket",
    "require_auth",
    "serve_jwks_request",
    "serve_token_request",
    "tell_caches",
    "to_response",
    "token_endpoints",
]

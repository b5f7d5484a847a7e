"""Access tokens for Starlette and any other ASGI application, over HTTP and WebSocket.

Example::

    app = Starlette(routes, middleware=[Middleware(AccessTokenMiddleware, server=server)])


    @require_auth(scopes=["orders:read"])
    async def orders(request):
        return JSONResponse({"for": request.state.access_token.subject})
"""

from importlib.util import find_spec

from gatepass.adapter import extra_hint

if find_spec("starlette") is None:
    raise ImportError(f"gatepass_starlette needs Starlette; install it with: {extra_hint('starlette')}")

from gatepass import optional_auth, public
from gatepass_starlette.endpoints import jwks_endpoint, token_endpoints
from gatepass_starlette.guard import closed_at_expiry, current_access_token, require_auth
from gatepass_starlette.identity import AccessTokenUser
from gatepass_starlette.middleware import AccessTokenMiddleware
from gatepass_starlette.responses import to_response

__all__ = [
    "AccessTokenMiddleware",
    "AccessTokenUser",
    "closed_at_expiry",
    "current_access_token",
    "jwks_endpoint",
    "optional_auth",
    "public",
    "require_auth",
    "to_response",
    "token_endpoints",
]

"""Access tokens for FastAPI: a dependency that provides the verified token, with its scopes in OpenAPI.

Example::

    bearer = AccessTokenBearer(server)
    Orders = Annotated[AccessToken, Security(bearer, scopes=["orders:read"])]


    @app.get("/orders")
    async def orders(token: Orders):
        return {"for": token.subject}

`OptionalAccessTokenBearer` provides None for a request without credentials. `AccessTokenMiddleware` protects the whole
application, with `require_auth`, `public` and `optional_auth` on path functions.
"""

from importlib.util import find_spec

from gatepass.adapter import extra_hint

if find_spec("fastapi") is None:
    raise ImportError(f"gatepass_fastapi needs FastAPI; install it with: {extra_hint('fastapi')}")

from gatepass import optional_auth, public
from gatepass_fastapi.bearer import AccessTokenBearer, OptionalAccessTokenBearer
from gatepass_fastapi.endpoints import jwks_endpoint, token_endpoints
from gatepass_fastapi.guard import require_auth
from gatepass_starlette import AccessTokenMiddleware, closed_at_expiry, current_access_token, to_response

__all__ = [
    "AccessTokenBearer",
    "AccessTokenMiddleware",
    "OptionalAccessTokenBearer",
    "closed_at_expiry",
    "current_access_token",
    "jwks_endpoint",
    "optional_auth",
    "public",
    "require_auth",
    "to_response",
    "token_endpoints",
]

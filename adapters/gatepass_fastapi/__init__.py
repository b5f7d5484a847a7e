"""gatepass for FastAPI: a dependency that gives the verified token, with its scopes in OpenAPI.

In short::

    bearer = AccessTokenBearer(server)
    Orders = Annotated[AccessToken, Security(bearer, scopes=["orders:read"])]


    @app.get("/orders")
    async def orders(token: Orders):
        return {"for": token.subject}

`OptionalAccessTokenBearer` gives None to requests without credentials.
"""

from importlib.util import find_spec

from gatepass.adapter import extra_hint

if find_spec("fastapi") is None:
    raise ImportError(f"gatepass_fastapi needs FastAPI; install it with: {extra_hint('fastapi')}")

from gatepass_fastapi.bearer import AccessTokenBearer, OptionalAccessTokenBearer
from gatepass_fastapi.endpoints import jwks_endpoint, token_endpoints
from gatepass_starlette import to_response

__all__ = ["AccessTokenBearer", "OptionalAccessTokenBearer", "jwks_endpoint", "to_response", "token_endpoints"]

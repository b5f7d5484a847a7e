"""Access tokens for Flask and any other WSGI application: wrap the application, then guard views.

app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, server, public=["/healthz"])

@app.get("/orders")
@require_auth(scopes=["orders:read"])
def orders():
    return {"for": access_token.subject}
"""

from importlib.util import find_spec

from gatepass.adapter import extra_hint

if find_spec("flask") is None:
    raise ImportError(f"gatepass_flask needs Flask; install it with: {extra_hint('flask')}")

from gatepass import optional_auth, public
from gatepass_flask.endpoints import jwks_endpoint, token_endpoints
from gatepass_flask.http import to_response
from gatepass_flask.middleware import AccessTokenMiddleware
from gatepass_flask.views import access_token, current_access_token, require_auth

__all__ = [
    "AccessTokenMiddleware",
    "access_token",
    "current_access_token",
    "jwks_endpoint",
    "optional_auth",
    "public",
    "require_auth",
    "to_response",
    "token_endpoints",
]

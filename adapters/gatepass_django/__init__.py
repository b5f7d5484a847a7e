"""Access tokens for Django: add the middleware and the setting, then guard views.

    MIDDLEWARE = [..., "gatepass_django.AccessTokenMiddleware"]
    GATEPASS = {"ISSUER": "https://auth.example", "AUDIENCE": "https://api.example", "KEY_ENV": "JWT_SECRET_KEY"}

    @require_auth(scopes=["orders:read"])
    def orders(request):
        return JsonResponse({"for": request.access_token.subject})

With `"gatepass_django"` in INSTALLED_APPS, `manage.py check` checks the setting. Classes for Django REST framework are
in `gatepass_django.rest_framework`.
"""

from importlib.util import find_spec

from gatepass.adapter import extra_hint

if find_spec("django") is None:
    raise ImportError(f"gatepass_django needs Django; install it with: {extra_hint('django')}")

from gatepass import optional_auth, public
from gatepass_django.endpoints import jwks_endpoint, token_endpoints
from gatepass_django.http import AccessTokenRequest, to_response
from gatepass_django.middleware import AccessTokenMiddleware
from gatepass_django.views import current_access_token, require_auth

__all__ = [
    "AccessTokenMiddleware",
    "AccessTokenRequest",
    "current_access_token",
    "jwks_endpoint",
    "optional_auth",
    "public",
    "require_auth",
    "to_response",
    "token_endpoints",
]

"""Django in one file: everything is protected but what is marked public, and /orders wants a scope.

export JWT_SECRET_KEY="$(gatepass keygen HS256)"
python examples/django_app.py runserver
"""

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import JsonResponse
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", "nothing here is signed with it"),
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=["gatepass_django.AccessTokenMiddleware"],
    GATEPASS={
        "ISSUER": "https://auth.example.com",
        "AUDIENCE": "https://api.example.com",
        "KEY_ENV": "JWT_SECRET_KEY",
    },
)

from gatepass_django import public, require_auth  # noqa: E402 - in a project, settings come first by themselves


@require_auth(scopes=["orders:read"])
def orders(request):
    return JsonResponse({"for": request.access_token.subject, "orders": ["tea", "biscuits"]})


@public
def healthz(_request):
    return JsonResponse({"well": True})


urlpatterns = [path("orders", orders), path("healthz", healthz)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)

"""The demo's Django application."""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from gatepass.cli.demo.resource import AUDIENCE, ISSUER, KEY_VARIABLE

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="the demo signs nothing with it",  # noqa: S106
    MIDDLEWARE=["gatepass_django.AccessTokenMiddleware"],
    GATEPASS={"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "KEY_ENV": KEY_VARIABLE},
)

from gatepass_django import public, require_auth  # noqa: E402 - views are written when the settings stand


@require_auth(scopes=["orders:read"])
async def orders(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"orders of {request.access_token.subject}", content_type="text/plain")  # type: ignore[attr-defined]


@public
async def healthz(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("well", content_type="text/plain")


urlpatterns: list[URLPattern] = [path("orders", orders), path("healthz", healthz)]
app: ASGIHandler = get_asgi_application()

"""The demo's Django application."""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from gatepass.cli.demo.resource import Parts, build, log_in

site: Parts = build()
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="the demo signs nothing with it",  # noqa: S106
    MIDDLEWARE=["gatepass_django.AccessTokenMiddleware"],
    GATEPASS={"RESOURCE_SERVER": site.server},
)

from gatepass_django import public, require_auth, to_response, token_endpoints  # noqa: E402 - it needs the settings


@public
def login(request: HttpRequest) -> HttpResponse:
    return to_response(log_in(site, request.POST.get("username", ""), request.POST.get("password", "")))


@require_auth(scopes=["orders:read"])
async def orders(request: HttpRequest) -> HttpResponse:
    text = f"orders of {request.access_token.subject}"  # type: ignore[attr-defined]
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@public
async def healthz(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("well", content_type="text/plain; charset=utf-8")


urlpatterns: list[URLPattern] = [
    path("login", login),
    *token_endpoints(site.endpoints),
    path("orders", orders),
    path("healthz", healthz),
]
app: ASGIHandler = get_asgi_application()

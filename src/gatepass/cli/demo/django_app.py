"""The demo's Django application."""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from gatepass.cli.demo.account import log_in
from gatepass.cli.demo.resource import parts

server, service, endpoints = parts()
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="the demo signs nothing with it",  # noqa: S106
    MIDDLEWARE=["gatepass_django.AccessTokenMiddleware"],
    GATEPASS={"RESOURCE_SERVER": server},
)

from gatepass_django import public, require_auth, token_endpoints  # noqa: E402 - views are written when the settings stand


@public
def login(request: HttpRequest) -> HttpResponse:
    answer = log_in(service, request.POST.get("username", ""), request.POST.get("password", ""))
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


@require_auth(scopes=["orders:read"])
async def orders(request: HttpRequest) -> HttpResponse:
    text = f"orders of {request.access_token.subject}"  # type: ignore[attr-defined]
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@public
async def healthz(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("well", content_type="text/plain; charset=utf-8")


urlpatterns: list[URLPattern] = [
    path("login", login),
    *token_endpoints(endpoints),
    path("orders", orders),
    path("healthz", healthz),
]
app: ASGIHandler = get_asgi_application()

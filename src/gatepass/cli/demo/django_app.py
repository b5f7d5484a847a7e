"""The demo's Django application."""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_POST

from gatepass.cli.demo.resource import (
    Parts,
    build,
    end_session,
    list_sessions,
    log_in,
    log_out_everywhere,
    set_role,
)

site: Parts = build()
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="the demo signs nothing with it",  # noqa: S106
    MIDDLEWARE=["gatepass_django.AccessTokenMiddleware"],
    GATEPASS={"RESOURCE_SERVER": site.server},
)

from gatepass_django import (  # noqa: E402 - it needs the settings
    AccessTokenRequest,
    public,
    require_auth,
    to_response,
    token_endpoints,
)


@public
def login(request: HttpRequest) -> HttpResponse:
    username, password, device = (request.POST.get(name, "") for name in ("username", "password", "device"))
    return to_response(log_in(site, username, password, device))


def sessions(request: AccessTokenRequest) -> HttpResponse:
    return to_response(list_sessions(site, request.access_token))


def end(request: AccessTokenRequest, family_id: str) -> HttpResponse:
    return to_response(end_session(site, request.access_token, family_id))


def logout_everywhere(request: AccessTokenRequest) -> HttpResponse:
    return to_response(log_out_everywhere(site, request.access_token))


def role(request: AccessTokenRequest, name: str) -> HttpResponse:
    return to_response(set_role(site, request.access_token, name))


@require_auth(scopes=["orders:read"])
async def orders(request: AccessTokenRequest) -> HttpResponse:
    text = f"orders of {request.access_token.subject}"
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@public
async def healthz(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("well", content_type="text/plain; charset=utf-8")


urlpatterns: list[URLPattern] = [
    path("login", login),
    *token_endpoints(site.endpoints),
    path("sessions", sessions),
    path("sessions/<family_id>", require_http_methods(["DELETE"])(end)),
    path("logout-everywhere", require_POST(logout_everywhere)),
    path("role/<name>", require_POST(role)),
    path("orders", orders),
    path("healthz", healthz),
]
app: ASGIHandler = get_asgi_application()

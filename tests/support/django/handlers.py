"""Django handlers with the middleware, the contract for them, and class-based views."""

from contextlib import ExitStack

import pytest
from django.core.checks import Tags, run_checks
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from tests.adapters.contract import MiddlewareContract
from tests.adapters.cookie_contract import CookieContract
from tests.support.adapter_tokens import resource_server
from tests.support.clients import ASGIClient, WSGIClient
from tests.support.django import project as django_project

from gatepass_django import public, require_auth

OURS = "gatepass_django.AccessTokenMiddleware"


def handler(made, server, *, middleware, public=("/healthz",), **settings):
    """Return a Django handler, which reads these settings once, when it is created."""
    setting = {"RESOURCE_SERVER": server, "PUBLIC": list(public)}
    with override_settings(GATEPASS=setting, MIDDLEWARE=middleware, **settings):
        return made()


def checked():
    # Only the checks of the setting: a server may have no database of ours yet, and another test may have installed an
    # application with checks of its own.
    return run_checks(databases=[], tags=[Tags.security])


class DjangoContract(CookieContract, MiddlewareContract):
    proxied_by = 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")'
    joins_challenges = True
    reads_slowly = "Content-Type"
    project = "tests.support.django.project"

    @pytest.fixture(autouse=True)
    def urls(self):
        with override_settings(ROOT_URLCONF=self.project):
            yield

    def build(self, server, *, cors=False):
        return self.client_of(server, [OURS, *([f"{self.project}.answer_preflights"] if cors else [])])

    def build_without_middleware(self):
        return self.client_of(None, [])

    def build_public(self, server, paths):
        setting = {"RESOURCE_SERVER": server, "PUBLIC": paths}
        with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS]):
            return WSGIHandler()

    def client_of(self, server, middleware):
        raise NotImplementedError


@method_decorator(require_auth(scopes=["orders:read"]), name="dispatch")
class Orders(View):
    def get(self, request):
        return django_project.who(request)


@method_decorator(require_auth(scopes=["orders:read"]), name="dispatch")
class AsyncOrders(View):
    async def get(self, request):
        return django_project.who(request)


class Methods(View):
    def get(self, request):
        return django_project.who(request)

    @method_decorator(require_auth(scopes=["orders:write"]))
    def put(self, request):
        return django_project.text("written")


class AsyncMethods(View):
    async def get(self, request):
        return django_project.who(request)

    @method_decorator(require_auth(scopes=["orders:write"]))
    async def put(self, request):
        return django_project.text("written")


@method_decorator(public, name="dispatch")
class Status(View):
    def get(self, request):
        return django_project.who(request)


@method_decorator(public, name="dispatch")
class AsyncStatus(View):
    async def get(self, request):
        return django_project.who(request)


urlpatterns = [
    path("orders", Orders.as_view()),
    path("async/orders", AsyncOrders.as_view()),
    path("methods", Methods.as_view()),
    path("async/methods", AsyncMethods.as_view()),
    path("status", Status.as_view()),
    path("async/status", AsyncStatus.as_view()),
    path("shop/", include([path("<int:number>/", public(lambda request, number: django_project.text(f"{number}")))])),
]


@pytest.fixture(params=[(WSGIHandler, WSGIClient), (ASGIHandler, ASGIClient)], ids=["wsgi", "asgi"])
def start(request):
    made, client = request.param
    with ExitStack() as stack:

        def started(server=None, *inner, urls=__name__, middleware=(OURS,), **settings):
            stack.enter_context(override_settings(ROOT_URLCONF=urls, **settings))
            return client(handler(made, server or resource_server(), middleware=[*middleware, *inner]))

        yield started

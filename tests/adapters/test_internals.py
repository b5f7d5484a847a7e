"""Without any undocumented part of a framework, requests are refused or the start fails; no route becomes public."""

import copy
from io import BytesIO
from types import SimpleNamespace
from typing import ClassVar
from unittest.mock import patch

import fastapi.routing
import pytest
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpResponse
from django.test import override_settings
from django.urls import path
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from flask import Flask
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import ForcedAuthentication
from rest_framework.views import APIView
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from tests.adapters.contract import NO_CREDENTIALS, PREFLIGHT, SCOPE_IS_MISSING, AdapterContract
from tests.support.adapter_tokens import bearer, resource_server
from tests.support.clients import ASGIClient, Request, WSGIClient, asgi_scope
from tests.support.django.settings import REST_FRAMEWORK
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import gatepass_django.internals as of_django
import gatepass_fastapi.internals as of_fastapi
import gatepass_flask
import gatepass_flask.internals as of_flask
from gatepass import ConfigurationError, public
from gatepass.errors import InsufficientScope
from gatepass_django.http import is_preflight
from gatepass_django.permissions import requires_credentials
from gatepass_django.rest_framework import requires
from gatepass_fastapi import AccessTokenBearer, require_auth
from gatepass_starlette import AccessTokenMiddleware

same = AdapterContract().same


async def whoami(request):
    return PlainTextResponse("in")


@public
async def open_to_all(request):
    return PlainTextResponse("open")


def guarded(app, **options):
    return ASGIClient(AccessTokenMiddleware(app, resource_server(), **options))


class TestStarlette:
    def test_public_paths_are_refused_without_get_route_path(self, monkeypatch):
        router = Router([Route("/x", whoami)])
        assert guarded(router, public=["/x"]).send("GET", "/x").status == 200

        monkeypatch.delattr("starlette.routing.get_route_path")

        with pytest.raises(ConfigurationError, match="public= cannot be matched"):
            guarded(router, public=["/x"])

    @pytest.mark.parametrize("route", [APIRoute("/", whoami), Route("/", whoami)])
    def test_the_application_of_a_single_route_is_refused_without_its_marker(self, monkeypatch, route):
        assert guarded(route.app).send("GET", "/").status == 401

        monkeypatch.setattr("gatepass_starlette.internals._ROUTING", ())

        with pytest.raises(ConfigurationError, match="found no routes"):
            guarded(route.app)

    def test_a_refusal_gets_its_response_without_the_handlers_of_an_application(self):
        async def view(request):
            del request.scope["starlette.exception_handlers"]
            raise InsufficientScope(["orders:read"])

        async def replace(request, error):
            return PlainTextResponse("replaced")

        app = Starlette(routes=[Route("/", view)], exception_handlers={Exception: replace})

        same(guarded(app).send("GET", "/", bearer()), SCOPE_IS_MISSING)

    def test_no_preflight_passes_without_the_list_of_middleware(self):
        app = Starlette(middleware=[Middleware(CORSMiddleware, allow_origins=["*"])])
        client = guarded(app)
        assert client.send("OPTIONS", "/x", PREFLIGHT).status == 200

        del app.user_middleware

        same(client.send("OPTIONS", "/x", PREFLIGHT), NO_CREDENTIALS)

    def test_no_preflight_passes_if_the_router_may_not_handle_it(self, monkeypatch):
        client = guarded(Starlette())
        assert client.send("OPTIONS", "/x", PREFLIGHT).status == 404

        monkeypatch.delattr(Router, "not_found")

        same(client.send("OPTIONS", "/x", PREFLIGHT), NO_CREDENTIALS)
        same(guarded(Router(default=open_to_all)).send("OPTIONS", "/x", PREFLIGHT), NO_CREDENTIALS)


class TestFastAPI:
    @pytest.mark.parametrize("part", ["effective_route_contexts", "starlette_route", "original_route"])
    def test_included_routes_are_protected_if_they_cannot_be_read(self, monkeypatch, part):
        included = getattr(fastapi.routing, "_IncludedRouter", None)  # older versions include copies of routes
        routes, app = APIRouter(), FastAPI()
        routes.get("/api")(open_to_all)
        routes.add_route("/starlette", open_to_all)
        app.include_router(routes, prefix="/in")
        target = "/in/starlette" if part == "starlette_route" else "/in/api"
        assert guarded(app).send("GET", "/in/api").status == 422
        assert guarded(app).send("GET", "/in/starlette").status == 200
        if included is None:
            return

        contexts = included.effective_route_contexts

        def without_the_part(router):
            for context in contexts(router):
                changed = copy.copy(context)
                vars(changed).pop(part, None)
                yield changed

        if part == "effective_route_contexts":
            monkeypatch.delattr(included, part)
        else:
            monkeypatch.setattr(included, "effective_route_contexts", without_the_part)

        same(guarded(app).send("GET", target), NO_CREDENTIALS)

    @pytest.mark.parametrize("has_middleware", [True, False])
    def test_a_refusal_leaves_an_application_without_handlers(self, has_middleware):
        ran = []

        class Bare(APIRoute):
            def get_route_handler(self):
                handler = super().get_route_handler()

                async def handle(request):
                    request.scope.pop("starlette.exception_handlers")
                    return await handler(request)

                return handle

        app = FastAPI()
        app.router.route_class = Bare
        app.get("/bearer", dependencies=[Depends(AccessTokenBearer(resource_server(), scopes="orders:read"))])(
            ran.append
        )
        app.get("/guard")(require_auth(scopes=["orders:read"])(lambda: ran.append("guard")))
        client = guarded(app) if has_middleware else ASGIClient(app)

        for target in ("/bearer", "/guard"):
            answer = client.send("GET", target, bearer())
            if has_middleware:
                same(answer, SCOPE_IS_MISSING)
            else:
                assert answer.status == 500
        assert ran == []

    def test_a_request_without_an_exit_stack_or_a_cached_state_is_unchanged(self):
        connection = HTTPConnection({"type": "http", "state": {}})

        of_fastapi.push_exit(connection, lambda *_: pytest.fail("there was no stack"))
        of_fastapi.forget_state(connection)

        assert not hasattr(connection.state, "access_token")


class TestFlask:
    def start(self):
        app = Flask(__name__)
        app.add_url_rule("/open", view_func=public(lambda: "open"), endpoint="open")
        app.add_url_rule("/shut", view_func=lambda: "in", endpoint="shut")
        app.wsgi_app = gatepass_flask.AccessTokenMiddleware(app.wsgi_app, resource_server())
        return app, WSGIClient(app)

    def test_no_request_is_accepted_without_the_views(self):
        app, client = self.start()
        del app.view_functions

        answer = client.send("GET", "/open", bearer())

        assert answer.status == 500
        assert isinstance(answer.crash, ConfigurationError)

    def test_a_refusal_gets_its_response_without_the_handlers_of_the_application(self):
        app, client = self.start()

        @app.get("/raises")
        def view():
            del app.error_handler_spec
            raise InsufficientScope(["orders:read"])

        same(client.send("GET", "/raises", bearer()), SCOPE_IS_MISSING)

    def test_no_preflight_passes_without_provide_automatic_options(self):
        app, client = self.start()
        assert client.send("OPTIONS", "/shut", PREFLIGHT).status == 200

        for rule in app.url_map.iter_rules():
            del rule.provide_automatic_options

        assert client.send("OPTIONS", "/shut", PREFLIGHT).status == 401

    @pytest.mark.parametrize("part", ["app", "mounts"])
    def test_a_dispatcher_that_hides_its_applications_is_refused(self, part):
        app, _ = self.start()
        dispatcher = DispatcherMiddleware(Flask("other"), {"/shop": app})
        delattr(dispatcher, part)

        with pytest.raises(ConfigurationError, match=f"DispatcherMiddleware.{part} is missing"):
            gatepass_flask.AccessTokenMiddleware(dispatcher, resource_server())

    def test_endpoints_are_not_registered_without_the_name_prefix(self):
        with pytest.raises(ConfigurationError, match="name_prefix is missing"):
            of_flask.endpoint_name(SimpleNamespace(name="gatepass"), "token")


def replace_preflight(get_response):
    """Django middleware below ours whose response has no list of closers."""

    def respond(request):
        response = HttpResponse("bye", status=204, headers={"X-Answered": "yes"})
        del response._resource_closers
        return response

    return respond


urlpatterns = [path("open", public(lambda request: HttpResponse("open")), name="open")]
OURS = "gatepass_django.AccessTokenMiddleware"


@pytest.fixture
def django():
    with override_settings(
        GATEPASS={"RESOURCE_SERVER": resource_server()},
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[OURS],
        REST_FRAMEWORK=REST_FRAMEWORK,
    ):
        yield


@pytest.mark.usefixtures("django")
class TestDjango:
    @pytest.mark.parametrize("part", ["url_patterns", "callback"])
    def test_views_that_cannot_be_listed_are_a_configuration_error(self, part):
        pattern = SimpleNamespace(callback=None)
        if part == "callback":
            del pattern.callback
        resolver = SimpleNamespace(url_patterns=[pattern])
        if part == "url_patterns":
            del resolver.url_patterns

        with pytest.raises(ConfigurationError, match=f"{part} is missing"):
            list(of_django.views_of(resolver))
        with patch("gatepass_django.middleware.get_resolver", lambda _: resolver):
            assert WSGIClient(WSGIHandler()).send("GET", "/open", bearer()).status == 500

    def test_a_request_with_an_unreadable_method_is_no_preflight(self):
        request = ASGIRequest(asgi_scope(Request("OPTIONS", "/open", PREFLIGHT)), BytesIO())
        assert is_preflight(request)

        del request.scope

        assert not is_preflight(request)

    def test_a_preflight_gets_its_response_without_the_list_of_closers(self):
        with override_settings(MIDDLEWARE=[OURS, f"{__name__}.replace_preflight"]):
            answer = WSGIClient(WSGIHandler()).send("OPTIONS", "/shut", PREFLIGHT)

        assert (answer.status, answer.body, answer.all("x-answered")) == (204, b"", ["yes"])

    def test_a_file_response_without_its_attributes_counts_as_a_stream(self):
        response = FileResponse(BytesIO(b"file"))
        assert of_django.is_file(response)
        del response.file_to_stream, response._resource_closers

        assert not of_django.is_file(response)
        assert of_django.close(response) is None


class Orders(APIView):
    permission_classes: ClassVar = [requires(scopes=["orders:read"])]

    def get(self, request):
        raise AssertionError("no request with such a token reaches this view")


class Bare(Orders):
    permission_classes: ClassVar = [IsAuthenticated]


urlpatterns += [path("orders", Orders.as_view()), path("bare", Bare.as_view())]


@pytest.fixture
def alone(django):
    with override_settings(MIDDLEWARE=[]):
        yield WSGIClient(WSGIHandler())


class TestRESTFramework:
    def test_no_view_runs_if_the_request_does_not_name_it(self, alone, monkeypatch):
        monkeypatch.setattr(APIView, "get_parser_context", lambda *_: {})

        assert (alone.send("GET", "/orders").status, alone.send("GET", "/bare").status) == (401, 401)
        assert alone.send("GET", "/orders", bearer()).status == 403

    def test_no_view_runs_without_permission_denied(self, alone, monkeypatch):
        monkeypatch.delattr(APIView, "permission_denied")

        assert alone.send("GET", "/orders", bearer()).status == 403
        assert alone.send("GET", "/bare").status == 500

    def test_a_request_without_a_django_request_is_a_configuration_error(self):
        with pytest.raises(ConfigurationError, match="_request is missing"):
            of_django.django_request(SimpleNamespace())

    def test_forced_authentication_is_ignored_without_its_class(self, monkeypatch):
        forced = SimpleNamespace(authenticators=[ForcedAuthentication("anna", None)])
        assert of_django.is_forced(forced)

        monkeypatch.delattr("rest_framework.request.ForcedAuthentication")

        assert not of_django.is_forced(forced)

    @pytest.mark.parametrize("part", ["op1", "AND"])
    def test_vary_is_set_if_composed_permissions_cannot_be_read(self, monkeypatch, part):
        both = (IsAuthenticated & IsAuthenticated)()
        assert requires_credentials(both)

        if part == "AND":
            monkeypatch.delattr("rest_framework.permissions.AND")
        else:
            del both.op1, both.op2

        assert not requires_credentials(both)

"""The JWK Set endpoint, mounted in each framework: every class inherits the contract."""

from contextlib import ExitStack

import django
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from tests.http.jwks_contract import PATH, JWKSContract
from tests.support.clients import ASGIClient, WSGIClient

import gatepass_django
import gatepass_fastapi
import gatepass_flask
import gatepass_starlette

django.setup()


class TestFlask(JWKSContract):
    def build(self, server, keys, **options):
        app = Flask(__name__)
        app.register_blueprint(gatepass_flask.jwks_endpoint(keys, **options))
        app.wsgi_app = gatepass_flask.AccessTokenMiddleware(app.wsgi_app, server)
        return WSGIClient(app)


class TestStarlette(JWKSContract):
    def build(self, server, keys, **options):
        middleware = [Middleware(gatepass_starlette.AccessTokenMiddleware, server=server)]
        app = Starlette(routes=gatepass_starlette.jwks_endpoint(keys, **options), middleware=middleware)
        return ASGIClient(app)


class TestFastAPI(JWKSContract):
    def build(self, server, keys, **options):
        app = FastAPI()
        app.include_router(gatepass_fastapi.jwks_endpoint(keys, **options))
        app.add_middleware(gatepass_fastapi.AccessTokenMiddleware, server=server)
        return ASGIClient(app)

    def test_openapi_shows_it(self, ring):
        app = FastAPI()
        app.include_router(gatepass_fastapi.jwks_endpoint(ring), prefix="/auth")

        ((path, operations),) = app.openapi()["paths"].items()

        assert (path, list(operations)) == (f"/auth{PATH}", ["get"])
        assert list(operations["get"]["responses"]["200"]["content"]) == ["application/jwk-set+json"]


class DjangoContract(JWKSContract):
    @pytest.fixture(autouse=True)
    def _settings(self):
        with ExitStack() as self.settings:
            yield

    def build(self, server, keys, **options):
        self.settings.enter_context(
            override_settings(
                ROOT_URLCONF=tuple(gatepass_django.jwks_endpoint(keys, **options)),
                GATEPASS={"RESOURCE_SERVER": server},
                MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "gatepass_django.AccessTokenMiddleware"],
            )
        )
        return self.client_of()

    def client_of(self):
        raise NotImplementedError


class TestDjango(DjangoContract):
    def client_of(self):
        return WSGIClient(WSGIHandler())


class TestAsyncDjango(DjangoContract):
    def client_of(self):
        return ASGIClient(ASGIHandler())

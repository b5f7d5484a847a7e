"""The token endpoints as applications: the core alone, and each framework, behind the access-token middleware.

A class that tests a contract inherits one of these first: `build` returns a client of the application.
"""

import asyncio
import os
from contextlib import ExitStack

import pytest

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.django.settings"

import django
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import include, path
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from tests.support.clients import Answer, ASGIClient, Request, WSGIClient

import gatepass_django
import gatepass_fastapi
import gatepass_flask
import gatepass_starlette
from gatepass import ResourceServer
from gatepass.adapter import BrowserRequest, TokenRequest

django.setup()


class CoreClient:
    """A client that calls the core directly; every other path is 401, as behind the middleware."""

    def __init__(self, endpoints, prefix):
        self.serves = {f"{prefix}/token": endpoints.token, f"{prefix}/revoke": endpoints.revoke}

    def send(self, method, target, headers=(), body=b"", *, scheme="https", client="203.0.113.9"):
        serve = self.serves.get(target.partition("?")[0])
        if serve is None:
            return Answer(401, [], b"")
        return _answer(serve(_token_request(Request(method, target, headers, body, scheme=scheme, client=client))))

    def send_together(self, requests):
        return [self.send(one.method, one.target, one.headers, one.body) for one in requests]


class AsyncCoreClient:
    """The same on asyncio's event loop."""

    def __init__(self, endpoints, prefix):
        self.serves = {f"{prefix}/token": endpoints.token_async, f"{prefix}/revoke": endpoints.revoke_async}

    def send(self, method, target, headers=(), body=b"", **more):
        return asyncio.run(self._call(Request(method, target, headers, body, **more)))

    def send_together(self, requests):
        async def all_of_them():
            return await asyncio.gather(*map(self._call, requests))

        return asyncio.run(all_of_them())

    async def _call(self, request):
        serve = self.serves.get(request.target.partition("?")[0])
        if serve is None:
            return Answer(401, [], b"")
        return _answer(await serve(_token_request(request), run_blocking=asyncio.to_thread))


def _token_request(request):
    def values(name):
        return tuple(value for other, value in request.headers if other == name)

    return TokenRequest(
        method=request.method,
        content_type=",".join(values("Content-Type")),
        authorization=values("Authorization"),
        body=request.body,
        browser=BrowserRequest(method=request.method, cookie=values("Cookie"), origin=values("Origin")),
        url_scheme=request.scheme,
        peer=request.client,
        forwarded=any(name.lower() in ResourceServer.forwarding_headers for name, _ in request.headers),
    )


def _answer(response):
    return Answer(response.status, [(name.lower(), value) for name, value in response.headers], response.body)


class OnCore:
    around = [401, 401]  # noqa: RUF012 - no application is around the endpoints

    def build(self, backend, prefix=""):
        return CoreClient(backend.endpoints, prefix)


class OnAsyncCore:
    around = OnCore.around

    def build(self, backend, prefix=""):
        return AsyncCoreClient(backend.endpoints, prefix)


class OnFlask:
    def build(self, backend, prefix=""):
        app = Flask(__name__)
        app.register_blueprint(gatepass_flask.token_endpoints(backend.endpoints), url_prefix=prefix or None)
        app.wsgi_app = gatepass_flask.AccessTokenMiddleware(app.wsgi_app, backend.server)
        return WSGIClient(app)


class OnStarlette:
    def build(self, backend, prefix=""):
        routes = [*gatepass_starlette.token_endpoints(backend.endpoints)]
        middleware = [Middleware(gatepass_starlette.AccessTokenMiddleware, server=backend.server)]
        return ASGIClient(Starlette(routes=[Mount(prefix, routes=routes)] if prefix else routes, middleware=middleware))


class OnFastAPI:
    def build(self, backend, prefix=""):
        app = FastAPI()
        app.include_router(gatepass_fastapi.token_endpoints(backend.endpoints), prefix=prefix)
        app.add_middleware(gatepass_fastapi.AccessTokenMiddleware, server=backend.server)
        return ASGIClient(app)


class OnDjango:
    reads_slowly = "Content-Type"

    @pytest.fixture(autouse=True)
    def _settings(self):
        with ExitStack() as self.settings:
            yield

    def build(self, backend, prefix="", *, outside=("django.middleware.csrf.CsrfViewMiddleware",), **more):
        patterns = gatepass_django.token_endpoints(backend.endpoints)
        urls = tuple([path(f"{prefix[1:]}/", include(patterns))] if prefix else patterns)
        self.settings.enter_context(
            override_settings(
                ROOT_URLCONF=urls,
                GATEPASS={"RESOURCE_SERVER": backend.server},
                MIDDLEWARE=[*outside, "gatepass_django.AccessTokenMiddleware"],
                **more,
            )
        )
        return self.client_of()

    def client_of(self):
        return WSGIClient(WSGIHandler())


class OnAsyncDjango(OnDjango):
    def client_of(self):
        return ASGIClient(ASGIHandler())

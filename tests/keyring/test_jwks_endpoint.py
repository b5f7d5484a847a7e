"""The endpoint of the public keys in the core and its mounts in four frameworks: the contract, inherited by each."""

import json
import os
import threading
from contextlib import ExitStack

import pytest

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.adapters.django_settings"

import django
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from tests.adapters.clients import Answer, ASGIClient, WSGIClient
from tests.growth import assert_linear

import gatepass_django
import gatepass_fastapi
import gatepass_flask
import gatepass_starlette
from gatepass import ConfigurationError, Key, KeySet
from gatepass.adapter import JWKSEndpoint

from .jwks_contract import PATH, JWKSContract

django.setup()

SECRET = Key.from_secret("kXq2Zr8vT5mWn3bLc9dHf6gJs1pYt4Ru", kid="s1")


class CoreClient:
    """Calls the plain function of the core; every other path is 401, as behind the middleware."""

    def __init__(self, keys, path=PATH, **options):
        self.path = path
        self.endpoint = JWKSEndpoint(keys, **options)

    def send(self, method, target, headers=(), body=b""):
        if target != self.path:
            return Answer(401, [], b"")
        known = tuple(value for name, value in headers if name == "If-None-Match")
        answer = self.endpoint.answer(method, if_none_match=known)
        return Answer(answer.status, [(name.lower(), value) for name, value in answer.headers], answer.body)


class TestCore(JWKSContract):
    def build(self, server, keys, **options):
        return CoreClient(keys, **options)


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


# What the core alone can be asked


@pytest.mark.parametrize("keys", [SECRET, KeySet([SECRET]), [SECRET]])
def test_secrets_are_refused_when_the_endpoint_is_made(keys):
    with pytest.raises(ConfigurationError, match="no public half"):
        JWKSEndpoint(keys)


def test_one_number_says_how_long_a_copy_may_be_kept(ring):
    with pytest.raises(ConfigurationError, match="give it to the KeyRing"):
        JWKSEndpoint(ring, cache_ttl=300)
    with pytest.raises(ConfigurationError, match="cache_ttl="):
        JWKSEndpoint(Key.generate("ES256"), cache_ttl=-1)


def test_the_validator_is_of_the_lifetime_too():
    key = Key.generate("ES256")
    tags = {dict(JWKSEndpoint(key, cache_ttl=age).answer("GET").headers)["ETag"] for age in (60, 600)}

    assert len(tags) == 2


@pytest.mark.parametrize(
    ("beginning", "pump", "end"), [('"a"', " ,", "x"), ("", '"a",', "x"), ("", " ", ""), ("", '"', ""), ("", ",", '"')]
)
def test_a_long_header_costs_no_more_than_its_length(ring, beginning, pump, end):
    endpoint = JWKSEndpoint(ring)

    def ask(text):
        return endpoint.answer("GET", if_none_match=(text,))

    assert ask(beginning + pump * 30_000 + end).status == 200
    assert_linear(ask, lambda size: beginning + pump * (size // len(pump)) + end, 65_536)


def test_the_document_of_two_processes_is_one(ring, place, clock):
    from .rings import make_ring

    ring.rotate()
    answers = {JWKSEndpoint(one).answer("GET") for one in (ring, make_ring(place, clock))}

    assert len(answers) == 1


def test_many_threads_get_whole_answers(ring, clock):
    endpoint, bodies = JWKSEndpoint(ring), []

    def ask():
        for _ in range(200):
            answer = endpoint.answer("GET")
            bodies.append(
                (dict(answer.headers)["Content-Length"], len(answer.body), len(json.loads(answer.body)["keys"]))
            )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    ring.rotate()
    for thread in threads:
        thread.join()

    assert all(int(said) == length for said, length, _ in bodies)
    assert {count for _, _, count in bodies} <= {1, 2}

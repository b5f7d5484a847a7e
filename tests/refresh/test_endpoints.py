"""The endpoints of the core and their mounts in four frameworks: the contract, inherited by each."""

import asyncio
import base64
import os
from contextlib import ExitStack
from urllib.parse import urlencode

import pytest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.adapters.django_settings")

import django
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import include, path
from fastapi import FastAPI
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from tests.adapters.clients import Answer, ASGIClient, Request, WSGIClient, asgi_scope, wsgi_environ

import gatepass_django
import gatepass_fastapi
import gatepass_flask
import gatepass_starlette
from gatepass import ConfigurationError, TokenEndpoints, TokenRequest
from gatepass.refresh.form import MAX_FORM_LENGTH

from .doubles import Breaking, Clock, make_issuer, make_revocation, make_service, make_verifier
from .endpoint_contract import (
    CANNOT_TELL,
    CANNOT_TELL_REVOKING,
    FORM,
    INVALID_BASIC,
    INVALID_CLIENT,
    INVALID_GRANT,
    INVALID_REQUEST,
    INVALID_SCOPE,
    INVALID_TARGET,
    NOT_POST,
    REVOKED,
    UNAUTHORIZED_CLIENT,
    UNSUPPORTED_GRANT,
    UNSUPPORTED_TOKEN,
    EndpointContract,
    World,
)

django.setup()


TABLE = [
    INVALID_REQUEST, INVALID_CLIENT, INVALID_BASIC, INVALID_GRANT, INVALID_SCOPE, INVALID_TARGET, UNAUTHORIZED_CLIENT,
    UNSUPPORTED_GRANT, UNSUPPORTED_TOKEN, CANNOT_TELL, CANNOT_TELL_REVOKING, REVOKED, NOT_POST,
]  # fmt: skip
NAMES = ["grant_type", "refresh_token", "scope", "resource", "client_id", "client_secret", "token", "token_type_hint"]
WORLD = World()


def _as_basic(octets):
    return "Basic " + base64.b64encode(octets).decode()


class CoreClient:
    """Calls the plain functions of the core; whatever is neither of their paths is 401, as behind the middleware."""

    def __init__(self, endpoints, prefix):
        self.serves = {f"{prefix}/token": endpoints.token, f"{prefix}/revoke": endpoints.revoke}

    def send(self, method, target, headers=(), body=b""):
        serve = self.serves.get(target.partition("?")[0])
        if serve is None:
            return Answer(401, [], b"")
        media_types = [value for name, value in headers if name == "Content-Type"]
        asked = TokenRequest(
            method=method,
            content_type=media_types[0] if media_types else "",
            authorization=tuple(value for name, value in headers if name == "Authorization"),
            body=body,
        )
        answer = serve(asked)
        return Answer(answer.status, [(name.lower(), value) for name, value in answer.headers], answer.body)

    def send_together(self, requests):
        return [self.send(one.method, one.target, one.headers, one.body) for one in requests]


class TestCore(EndpointContract):
    def build(self, world, prefix=""):
        return CoreClient(world.endpoints, prefix)


class TestFlask(EndpointContract):
    def build(self, world, prefix=""):
        app = Flask(__name__)
        app.register_blueprint(gatepass_flask.token_endpoints(world.endpoints), url_prefix=prefix or None)
        app.wsgi_app = gatepass_flask.AccessTokenMiddleware(app.wsgi_app, world.server)
        return WSGIClient(app)

    def test_the_endpoints_have_names_for_links(self, world):
        app = Flask(__name__)
        app.register_blueprint(gatepass_flask.token_endpoints(world.endpoints, name="auth"), url_prefix="/auth/")
        parent_paths = sorted(
            (rule.endpoint, rule.rule) for rule in app.url_map.iter_rules() if rule.endpoint != "static"
        )

        assert parent_paths == [("auth.revoke", "/auth/revoke"), ("auth.token", "/auth/token")]


class TestStarlette(EndpointContract):
    def build(self, world, prefix=""):
        routes = [*gatepass_starlette.token_endpoints(world.endpoints)]
        middleware = [Middleware(gatepass_starlette.AccessTokenMiddleware, resource_server=world.server)]
        return ASGIClient(Starlette(routes=[Mount(prefix, routes=routes)] if prefix else routes, middleware=middleware))


class TestFastAPI(EndpointContract):
    def build(self, world, prefix=""):
        app = FastAPI()
        app.include_router(gatepass_fastapi.token_endpoints(world.endpoints), prefix=prefix)
        app.add_middleware(gatepass_starlette.AccessTokenMiddleware, resource_server=world.server)
        return ASGIClient(app)

    def test_openapi_shows_the_forms(self, world):
        app = FastAPI()
        app.include_router(gatepass_fastapi.token_endpoints(world.endpoints), prefix="/auth")

        paths = app.openapi()["paths"]

        assert sorted(paths) == ["/auth/revoke", "/auth/token"]
        assert all(list(operations) == ["post"] for operations in paths.values())
        form = paths["/auth/token"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        assert form["required"] == ["grant_type", "refresh_token"]
        assert sorted(paths["/auth/token"]["post"]["responses"]) == ["200", "400", "401", "503"]


class DjangoContract(EndpointContract):
    @pytest.fixture(autouse=True)
    def _settings(self):
        with ExitStack() as self.settings:
            yield

    def build(self, world, prefix=""):
        patterns = gatepass_django.token_endpoints(world.endpoints)
        urls = tuple([path(f"{prefix[1:]}/", include(patterns))] if prefix else patterns)
        self.settings.enter_context(
            override_settings(
                ROOT_URLCONF=urls,
                GATEPASS={"RESOURCE_SERVER": world.server},
                MIDDLEWARE=[
                    "django.middleware.csrf.CsrfViewMiddleware",
                    "gatepass_django.AccessTokenMiddleware",
                ],
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


def test_endpoints_that_cannot_work_are_refused_at_once():
    clock, store = Clock(), Breaking()
    service = make_service(store, clock)

    async def asynchronous(*_):
        return True

    with pytest.raises(ConfigurationError, match="authenticate_client="):
        TokenEndpoints(make_service(store, clock, issuer=make_issuer(clock, client_id=None)))
    with pytest.raises(ConfigurationError, match="revocation="):
        TokenEndpoints(service, verifier=make_verifier(clock))
    with pytest.raises(ConfigurationError, match="plain function"):
        TokenEndpoints(service, authenticate_client=asynchronous)
    with pytest.raises(ConfigurationError, match="coroutine"):
        TokenEndpoints(
            make_service(store, clock, revocation=make_revocation(store, clock)),
            verifier=make_verifier(clock, is_revoked=asynchronous),
        )
    with pytest.raises(ConfigurationError):
        TokenEndpoints(service, realm="new\nline")


def test_the_realm_is_the_applications():
    clock = Clock()
    endpoints = TokenEndpoints(make_service(Breaking(), clock), realm='my "shop"')

    answer = endpoints.token(_asked(b"grant_type=refresh_token&refresh_token=x", authorization=("Basic !",)))

    assert dict(answer.headers)["WWW-Authenticate"] == 'Basic realm="my \\"shop\\""'


@pytest.mark.parametrize(
    "credentials", [b"client_id=we%00b", b"client_id=caf%C3%A9", b"client_id=web&client_secret=%0A"]
)
def test_the_application_is_not_asked_for_clients_that_are_no_visible_text(credentials):
    asked = []
    world = World(authenticate_client=lambda client_id, secret: asked.append(client_id) or True)

    answer = world.endpoints.token(_asked(b"grant_type=refresh_token&refresh_token=x&" + credentials))

    assert (answer.status, answer.body, asked) == (400, INVALID_CLIENT[2], [])


def test_a_request_shows_nothing_but_its_method():
    assert repr(_asked(b"secret", authorization=("Basic secret",))) == "TokenRequest(method='POST')"


def _asked(body, **changes):
    members = {"method": "POST", "content_type": "application/x-www-form-urlencoded", "authorization": (), "body": body}
    return TokenRequest(**{**members, **changes})


class Endless:
    """A body that does not end, and counts what is taken from it."""

    def __init__(self):
        self.taken = 0

    def read(self, size=-1):
        assert 0 <= size <= 1_000_000, "a read without a bound"
        self.taken += size
        return b"x" * size

    def readline(self, size=-1):
        raise AssertionError("nobody reads a form by lines")

    async def receive(self):
        return {"type": "http.request", "body": self.read(16_384), "more_body": True}


def test_flask_reads_no_further_than_the_core_wants():
    body, client = Endless(), TestFlask().build(World())
    environ = wsgi_environ(Request("POST", "/token", [FORM]))
    environ |= {"wsgi.input": body, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    started = []

    client.app(environ, lambda status, headers, exc_info=None: started.append(status))

    assert started[0].startswith("400")
    assert body.taken <= MAX_FORM_LENGTH + 1


@pytest.mark.parametrize("contract", [TestStarlette, TestFastAPI])
def test_an_asgi_application_reads_no_further_than_the_core_wants(contract):
    body, client = Endless(), contract().build(World())
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(client.app(asgi_scope(Request("POST", "/token", [FORM])), body.receive, send))

    assert sent[0]["status"] == 400
    assert body.taken <= MAX_FORM_LENGTH + 16_384


def test_django_reads_no_further_than_the_core_wants():
    body = Endless()
    environ = wsgi_environ(Request("POST", "/token", [FORM])) | {"wsgi.input": body, "CONTENT_LENGTH": str(10**12)}
    contract, started = TestDjango(), []
    with ExitStack() as contract.settings:
        client = contract.build(World())
        client.app(environ, lambda status, headers, exc_info=None: started.append(status))

    assert started[0].startswith("400")
    assert body.taken <= MAX_FORM_LENGTH + 1


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["POST", "POST", "POST", "GET", ""]),
    content_type=st.sampled_from([FORM[1], FORM[1] + ";charset=utf-8"]) | st.text(max_size=40),
    authorization=st.lists(st.text(max_size=40) | st.binary(max_size=30).map(_as_basic), max_size=3),
    body=st.binary(max_size=200)
    | st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=90)), max_size=6).map(urlencode).map(str.encode),
)
def test_whatever_is_asked_the_answer_is_one_of_the_table(method, content_type, authorization, body):
    """And nothing is raised, and no text of the request comes back."""
    asked = TokenRequest(method=method, content_type=content_type, authorization=tuple(authorization), body=body)
    for serve in (WORLD.endpoints.token, WORLD.endpoints.revoke):
        answer = serve(asked)
        headers = [(name.lower(), value) for name, value in answer.headers]

        assert (answer.status, headers, answer.body) in TABLE

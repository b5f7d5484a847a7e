"""Middleware, hooks and dependencies that read the form before the endpoints, in every framework."""

import gc
import os

import pytest

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.django.settings"

import django
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from fastapi import Depends, FastAPI, Form
from fastapi import Request as FastAPIRequest
from flask import Flask, request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from tests.support.breaking_store import make_service
from tests.support.clients import ASGIClient, WSGIClient
from tests.token_endpoint.contract import FORM

import gatepass_django
import gatepass_fastapi
import gatepass_flask
import gatepass_starlette
from gatepass import ConfigurationError, TokenEndpoints

django.setup()


@pytest.fixture
def service(store, clock):
    return make_service(store, clock)


@pytest.fixture
def endpoints(service):
    return TokenEndpoints(service)


def refreshed(client, service, body="grant_type=refresh_token&refresh_token={}"):
    body = body.format(service.grant("anna").refresh_token).encode()
    headers = [FORM, ("Content-Length", str(len(body)))] if isinstance(client, ASGIClient) else [FORM]
    answer = client.send("POST", "/token", headers, body)
    if answer.crash is not None:
        raise answer.crash
    return answer.status


REPEATED = "grant_type=refresh_token&grant_type=refresh_token&refresh_token={}"


@pytest.mark.parametrize(
    "read",
    [
        lambda: request.form.get("csrf"),
        lambda: request.values.get("csrf"),
        lambda: request.get_data(),  # noqa: PLW0108 - there is no request yet
        lambda: (request.get_data(), request.form.get("csrf")),
        lambda: request.get_json(silent=True),
    ],
)
def test_flask_accepts_a_form_that_a_hook_has_read(endpoints, service, read):
    app = Flask(__name__)
    app.register_blueprint(gatepass_flask.token_endpoints(endpoints))
    app.before_request(lambda: read() and None)

    assert refreshed(WSGIClient(app), service) == 200
    assert refreshed(WSGIClient(app), service, REPEATED) == 400


def test_flask_reports_that_the_body_was_already_read(endpoints, service):
    app = Flask(__name__)
    app.register_blueprint(gatepass_flask.token_endpoints(endpoints))
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.before_request(lambda: request.stream.read() and None)

    with pytest.raises(ConfigurationError, match=r"the request's body was read before the token endpoint"):
        refreshed(WSGIClient(app), service)


class Reading(BaseHTTPMiddleware):
    def __init__(self, app, *, how):
        super().__init__(app)
        self.how = how

    async def dispatch(self, request, call_next):
        await getattr(request, self.how)()
        return await call_next(request)


def starlette(endpoints, how):
    routes = gatepass_starlette.token_endpoints(endpoints)
    return ASGIClient(Starlette(routes=routes, middleware=[Middleware(Reading, how=how)]))


def test_starlette_accepts_a_body_that_middleware_has_read(endpoints, service):
    assert refreshed(starlette(endpoints, "body"), service) == 200


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_starlette_reports_that_middleware_already_read_the_body(endpoints, service):
    with pytest.raises(ConfigurationError, match=r"the request's body was read before the token endpoint"):
        refreshed(starlette(endpoints, "form"), service)
    gc.collect()  # old versions of Starlette leave a stream open, whose warning would fail the next test


async def by_form(asked: FastAPIRequest):
    await asked.form()


async def by_body(asked: FastAPIRequest):
    await asked.body()


async def by_field(grant_type: str = Form()):
    assert grant_type


async def by_stream(asked: FastAPIRequest):
    async for _ in asked.stream():
        pass


def fastapi(endpoints, dependency):
    app = FastAPI()
    app.include_router(gatepass_fastapi.token_endpoints(endpoints), dependencies=[Depends(dependency)])
    return ASGIClient(app)


@pytest.mark.parametrize("dependency", [by_form, by_body, by_field])
def test_fastapi_accepts_a_form_that_a_dependency_has_read(endpoints, service, dependency):
    assert refreshed(fastapi(endpoints, dependency), service) == 200
    assert refreshed(fastapi(endpoints, dependency), service, REPEATED) == 400


def test_fastapi_reports_that_the_body_was_already_read(endpoints, service):
    with pytest.raises(ConfigurationError, match=r"the request's body was read before the token endpoint"):
        refreshed(fastapi(endpoints, by_stream), service)


urlpatterns: list = []


def reading(get_response):
    def middleware(asked):
        assert asked.POST
        return get_response(asked)

    return middleware


def test_django_accepts_a_form_that_middleware_has_read(endpoints, service):
    urlpatterns[:] = gatepass_django.token_endpoints(endpoints)
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[f"{__name__}.reading"]):
        client = WSGIClient(WSGIHandler())
        assert refreshed(client, service) == 200
        assert refreshed(client, service, REPEATED) == 400

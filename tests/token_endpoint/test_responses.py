"""The responses of a login route: the pair in JSON, or in cookies with the lifetimes of its tokens."""

import json

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Route
from tests.support.breaking_store import BreakingStore, Clock, make_service
from tests.support.clients import ASGIClient, WSGIClient
from tests.support.django import ready as django_ready  # noqa: F401 - imported for its effect
from tests.support.token_requests import token_request
from tests.token_endpoint.contract import Backend
from tests.token_endpoint.cookie_contract import CLEARED, COOKIES, CookieEndpointContract

import gatepass_django
import gatepass_fastapi
import gatepass_flask
import gatepass_starlette
from gatepass import ConfigurationError, TokenEndpointError, TokenEndpoints


def _flask_login(login):
    app = Flask(__name__)
    app.add_url_rule("/login", "login", lambda: gatepass_flask.to_response(login()), methods=["POST"])
    return WSGIClient(app)


def _starlette_login(login):
    return ASGIClient(
        Starlette(routes=[Route("/login", lambda request: gatepass_starlette.to_response(login()), methods=["POST"])])
    )


def _fastapi_login(login):
    app = FastAPI()
    app.post("/login")(lambda: gatepass_fastapi.to_response(login()))
    return ASGIClient(app)


def _django_login(login):
    urls = (path("login", lambda request: gatepass_django.to_response(login())),)
    with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[]):
        handler = WSGIHandler()

    def called(environ, start_response):
        with override_settings(ROOT_URLCONF=urls):
            return handler(environ, start_response)

    return WSGIClient(called)


@pytest.mark.parametrize("made", [_flask_login, _starlette_login, _fastapi_login, _django_login])
def test_login_response_sets_the_pair_as_cookies(made):
    backend = Backend(cookies=COOKIES)
    client = made(lambda: backend.endpoints.login_response(backend.service.grant("anna", scope="a b")))

    access, refresh_token = CookieEndpointContract().session(client.send("POST", "/login"))

    assert backend.verifier.verify(access).subject == "anna"
    assert backend.service.refresh(refresh_token)


def test_login_response_without_cookies_has_the_pair_in_json():
    backend = Backend()
    pair = backend.service.grant("anna")

    answer = backend.endpoints.login_response(pair)

    assert json.loads(answer.body)["refresh_token"] == pair.refresh_token
    assert all(name != "Set-Cookie" for name, _ in answer.headers)


def test_a_response_of_the_application_can_set_the_cookies():
    backend = Backend(cookies=COOKIES)
    pair = backend.service.grant("anna")

    assert backend.endpoints.set_cookies(pair) == tuple(
        header for header in backend.endpoints.login_response(pair).headers if header[0] == "Set-Cookie"
    )
    assert [(name.lower(), value) for name, value in backend.endpoints.clear_cookies()] == CLEARED


def test_setting_cookies_that_are_not_configured_is_an_error():
    backend = Backend()

    for call in (lambda: backend.endpoints.set_cookies(backend.service.grant("anna")), backend.endpoints.clear_cookies):
        with pytest.raises(ConfigurationError, match="cookies="):
            call()


def test_the_max_age_of_a_cookie_is_the_lifetime_of_its_token():
    clock = Clock()
    service = make_service(BreakingStore(), clock, refresh_ttl=1_000, absolute_ttl=1_500)
    endpoints = TokenEndpoints(service, cookies=COOKIES)

    def ages(pair):
        return [line.split("Max-Age=")[1].split(";")[0] for _, line in endpoints.set_cookies(pair)]

    pair = service.grant("anna")
    assert ages(pair) == ["900", "1000"]
    clock.now += 800
    pair = service.refresh(pair.refresh_token)
    assert ages(pair) == ["700", "700"]


def test_a_token_too_long_for_a_cookie_is_an_error():
    backend = Backend(cookies=COOKIES, claims_for=lambda session: {"roles": ["r" * 4_000]})

    with pytest.raises(ValueError, match="fewer claims"):
        backend.endpoints.login_response(backend.service.grant("anna"))


def test_the_application_sets_the_realm():
    clock = Clock()
    endpoints = TokenEndpoints(make_service(BreakingStore(), clock), realm='my "shop"')

    answer = endpoints.token(token_request(b"grant_type=refresh_token&refresh_token=x", authorization=("Basic !",)))

    assert dict(answer.headers)["WWW-Authenticate"] == 'Basic realm="my \\"shop\\""'


@pytest.mark.parametrize(
    ("break_it", "call", "status", "headers"),
    [
        ({"create"}, lambda service: service.grant("anna"), 503, {"Retry-After": "5"}),
        ({"live_families"}, lambda service: service.sessions("anna"), 503, {"Retry-After": "5"}),
        (set(), lambda service: service.refresh("unknown"), 400, {}),
    ],
)
def test_a_route_of_the_application_responds_to_an_error_as_the_endpoints_do(break_it, call, status, headers):
    store = BreakingStore()
    service = make_service(store, Clock())
    store.before |= break_it
    with pytest.raises(TokenEndpointError) as caught:
        call(service)

    response = TokenEndpoints(service).error_response(caught.value)

    assert response.status == status
    assert {**dict(response.headers), **headers, "Cache-Control": "no-store"} == dict(response.headers)
    assert json.loads(response.body) == {"error": caught.value.error, "error_description": caught.value.description}

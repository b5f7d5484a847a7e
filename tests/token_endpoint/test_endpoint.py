"""The endpoints of the core, and mounted in four frameworks: each class inherits the contract."""

import asyncio
import base64
from contextlib import ExitStack
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.breaking_store import BreakingStore, Clock, make_issuer, make_service, make_verifier
from tests.support.clients import Request, asgi_scope, wsgi_environ
from tests.support.endpoint_applications import OnAsyncDjango, OnCore, OnDjango, OnFastAPI, OnFlask, OnStarlette
from tests.support.token_requests import token_request
from tests.token_endpoint.contract import (
    CANNOT_TELL,
    CANNOT_TELL_REVOKING,
    FORM,
    INVALID_BASIC,
    INVALID_CLIENT,
    INVALID_GRANT,
    INVALID_REQUEST,
    INVALID_SCOPE,
    INVALID_TARGET,
    NOT_A_FORM,
    NOT_POST,
    PLAIN_HTTP,
    REVOKED,
    UNAUTHORIZED_CLIENT,
    UNSUPPORTED_GRANT,
    UNSUPPORTED_TOKEN,
    Backend,
    GrantedTokens,
)
from tests.token_endpoint.cookie_contract import (
    COOKIES,
    FROM_ELSEWHERE,
    GRANT,
    CookieEndpointContract,
    by_cookie,
    with_cookie,
)

import gatepass_django
import gatepass_fastapi
import gatepass_flask
import gatepass_starlette
from gatepass import ConfigurationError, TokenEndpoints
from gatepass.adapter import BrowserRequest
from gatepass.token_endpoint.form import MAX_FORM_LENGTH

TABLE = [
    INVALID_REQUEST, INVALID_CLIENT, INVALID_BASIC, INVALID_GRANT, INVALID_SCOPE, INVALID_TARGET, UNAUTHORIZED_CLIENT,
    UNSUPPORTED_GRANT, UNSUPPORTED_TOKEN, CANNOT_TELL, CANNOT_TELL_REVOKING, REVOKED, NOT_A_FORM, NOT_POST,
]  # fmt: skip
NAMES = ["grant_type", "refresh_token", "scope", "resource", "client_id", "client_secret", "token", "token_type_hint"]
BACKEND = Backend()


def _as_basic(octets):
    return "Basic " + base64.b64encode(octets).decode()


class TestCore(OnCore, CookieEndpointContract):
    pass


class TestFlask(OnFlask, CookieEndpointContract):
    def test_the_flask_endpoints_have_names(self, backend):
        app = Flask(__name__)
        app.register_blueprint(gatepass_flask.token_endpoints(backend.endpoints, name="auth"), url_prefix="/auth/")
        parent_paths = sorted(
            (rule.endpoint, rule.rule) for rule in app.url_map.iter_rules() if rule.endpoint != "static"
        )

        assert parent_paths == [("auth.revoke", "/auth/revoke"), ("auth.token", "/auth/token")]


class TestStarlette(OnStarlette, CookieEndpointContract):
    pass


class TestFastAPI(OnFastAPI, CookieEndpointContract):
    def test_openapi_shows_the_forms(self, backend):
        app = FastAPI()
        app.include_router(gatepass_fastapi.token_endpoints(backend.endpoints), prefix="/auth")

        paths = app.openapi()["paths"]

        assert sorted(paths) == ["/auth/revoke", "/auth/token"]
        assert all(list(operations) == ["post"] for operations in paths.values())
        form = paths["/auth/token"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        assert form["required"] == ["grant_type", "refresh_token"]
        assert sorted(paths["/auth/token"]["post"]["responses"]) == ["200", "400", "401", "503"]

    def test_openapi_shows_the_differences_with_cookies(self):
        app = FastAPI()
        app.include_router(gatepass_fastapi.token_endpoints(Backend(cookies=COOKIES).endpoints))

        paths = app.openapi()["paths"]

        for place, required in (("/token", ["grant_type"]), ("/revoke", [])):
            operation = paths[place]["post"]
            form = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
            assert form["required"] == required
            assert "403" in operation["responses"]
        answer = paths["/token"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer["required"] == ["token_type", "expires_in"]
        assert list(paths["/revoke"]["post"]["responses"]["200"]["content"]) == ["application/json"]


class TestDjango(OnDjango, CookieEndpointContract):
    pass


class TestAsyncDjango(OnAsyncDjango, CookieEndpointContract):
    pass


def test_a_successor_returned_again_has_its_remaining_lifetime():
    clock = Clock()
    service = make_service(BreakingStore(), clock, refresh_ttl=1_000, absolute_ttl=1_500, grace=10)
    first = service.grant("anna").refresh_token

    assert service.refresh(first).refresh_expires_in == 1_000
    clock.now += 5
    assert service.refresh(first).refresh_expires_in == 995


def test_a_session_survives_a_temporarily_overlong_access_token(caplog):
    roles = []
    backend = Backend(cookies=COOKIES, claims_for=lambda session: {"roles": roles})
    token = backend.service.grant("anna").refresh_token
    contract, client = CookieEndpointContract(), OnCore().build(backend)
    mine = GrantedTokens("", token, "", "", "")

    roles.append("r" * 4_000)
    answer = contract.post(client, "/token", GRANT, mine, with_cookie(token))
    (line,) = answer.all("set-cookie")
    status, headers, body = by_cookie(CANNOT_TELL)
    contract.check(answer, (status, [*headers, ("set-cookie", line)], body))
    renewed = line.partition(";")[0].removeprefix("__Host-refresh=")
    assert "too long" in caplog.text
    assert renewed not in caplog.text

    roles.clear()
    contract.session(contract.post(client, "/token", GRANT, mine, with_cookie(renewed)), scope="")


# Tests of the core alone


def test_endpoints_that_cannot_work_are_refused_when_created():
    clock, store = Clock(), BreakingStore()
    service = make_service(store, clock)

    with pytest.raises(ConfigurationError, match="authenticate_client="):
        TokenEndpoints(make_service(store, clock, issuer=make_issuer(clock, client_id=None)))
    with pytest.raises(ConfigurationError, match="takes a TokenService"):
        TokenEndpoints(store)
    with pytest.raises(ConfigurationError, match="revocation="):
        TokenEndpoints(service, verifier=make_verifier(clock))
    with pytest.raises(ConfigurationError, match="authenticate_client= must be a function"):
        TokenEndpoints(service, authenticate_client="web")
    with pytest.raises(ConfigurationError):
        TokenEndpoints(service, realm="new\nline")
    with pytest.raises(ConfigurationError, match="CookieTransport"):
        TokenEndpoints(service, cookies=["https://app.example"])


def test_the_repr_of_a_request_shows_only_its_method():
    assert repr(token_request(b"secret", authorization=("Basic secret",))) == "TokenRequest(method='POST')"


def test_a_request_with_unknown_transport_counts_as_plain_http():
    endpoints = Backend().endpoints

    for known in (
        {"peer": ""},
        {"forwarded": True},
        {"url_scheme": "http"},
        {"url_scheme": "HTTPS", "peer": "192.0.2.1"},
    ):
        for serve in (endpoints.token, endpoints.revoke):
            answer = serve(token_request(b"token=x", **{"url_scheme": None, **known}))
            assert (answer.status, answer.body) == (400, PLAIN_HTTP[2])


@pytest.mark.parametrize("value", [True, None, "required", "transport"])
def test_https_must_be_one_of_three_values(value):
    with pytest.raises(ConfigurationError, match='https= must be "require", "warn" or "off"'):
        TokenEndpoints(make_service(BreakingStore(), Clock()), https=value)


@pytest.mark.parametrize(
    ("lines", "announced"),
    [(["5"], True), (["05"], True), ([" 5\t"], True), (["5", "05"], True), ([], False), (["0"], False), (["00"], False),
     (["5", "6"], False), (["5", "x"], False), (["9" * 5_000], False), (["5, 5"], False), (["-5"], False), (["\u0665"], False), ([""], False)],
)  # fmt: skip
def test_a_body_is_announced_by_one_nonzero_content_length(lines, announced):
    assert TokenEndpoints.announces_body(lines) is announced


class Endless:
    """An endless body that counts the octets read from it."""

    def __init__(self):
        self.taken = 0

    def read(self, size=-1):
        assert 0 <= size <= 1_000_000, "a read without a bound"
        self.taken += size
        return b"x" * size

    def readline(self, size=-1):
        raise AssertionError("a form is not read by lines")

    async def receive(self):
        return {"type": "http.request", "body": self.read(16_384), "more_body": True}


def test_flask_reads_no_more_of_the_body_than_the_core_accepts():
    body, client = Endless(), OnFlask().build(Backend())
    environ = wsgi_environ(Request("POST", "/token", [FORM]))
    environ |= {"wsgi.input": body, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    started = []

    client.app(environ, lambda status, headers, exc_info=None: started.append(status))

    assert started[0].startswith("400")
    assert body.taken <= MAX_FORM_LENGTH + 1


@pytest.mark.parametrize("framework", [OnStarlette, OnFastAPI])
def test_an_asgi_application_reads_no_more_of_the_body_than_the_core_accepts(framework):
    body, client = Endless(), framework().build(Backend())
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(client.app(asgi_scope(Request("POST", "/token", [FORM])), body.receive, send))

    assert sent[0]["status"] == 400
    assert body.taken <= MAX_FORM_LENGTH + 16_384


def test_django_reads_no_more_of_the_body_than_the_core_accepts():
    body = Endless()
    environ = wsgi_environ(Request("POST", "/token", [FORM])) | {"wsgi.input": body, "CONTENT_LENGTH": str(10**12)}
    project, started = OnDjango(), []
    with ExitStack() as project.settings:
        client = project.build(Backend())
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
def test_any_request_gets_a_response_of_the_table(method, content_type, authorization, body):
    """No exception is raised, and no text of the request is returned."""
    asked = token_request(body, method=method, content_type=content_type, authorization=tuple(authorization))
    for serve in (BACKEND.endpoints.token, BACKEND.endpoints.revoke):
        answer = serve(asked)
        headers = [(name.lower(), value) for name, value in answer.headers]

        assert (answer.status, headers, answer.body) in TABLE


BY_COOKIE = Backend(cookies=COOKIES)
COOKIE_TABLE = [NOT_POST] + [
    by_cookie(expected, clears=clears) for expected in (*TABLE, FROM_ELSEWHERE) for clears in (False, True)
]


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["POST", "POST", "POST", None, ""]),
    cookie=st.lists(st.text(max_size=40) | st.text(max_size=40).map("__Host-refresh={}".format), max_size=3),
    origin=st.lists(st.sampled_from(["https://app.example"]) | st.text(max_size=20), max_size=2),
    body=st.sampled_from([b"", b"grant_type=refresh_token", b"refresh_token=x&grant_type=refresh_token"]),
)
def test_any_browser_request_gets_a_response_of_the_table(method, cookie, origin, body):
    browser = BrowserRequest(method=method, cookie=tuple(cookie), origin=tuple(origin))
    asked = token_request(body, method=method or "", browser=browser)
    for serve in (BY_COOKIE.endpoints.token, BY_COOKIE.endpoints.revoke):
        answer = serve(asked)
        headers = [(name.lower(), value) for name, value in answer.headers]

        assert (answer.status, headers, answer.body) in COOKIE_TABLE


@pytest.mark.parametrize("adapter", [gatepass_flask, gatepass_starlette, gatepass_fastapi, gatepass_django])
@pytest.mark.parametrize("wrong", [None, "token", BACKEND.endpoints.token, BACKEND])
def test_routes_are_created_from_token_endpoints_only(adapter, wrong):
    with pytest.raises(ConfigurationError, match=r"TokenEndpoints\(service\)"):
        adapter.token_endpoints(wrong)

"""The endpoints with coroutine functions: on the core's event loops, in the frameworks, and where there is no loop."""

import asyncio
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from django.db import connections
from django.utils.deprecation import MiddlewareMixin
from tests.support.breaking_store import AUDIENCE, ISSUER, KEY, make_service
from tests.support.endpoint_applications import (
    OnAsyncCore,
    OnAsyncDjango,
    OnDjango,
    OnFastAPI,
    OnFlask,
    OnStarlette,
)
from tests.support.token_requests import token_request
from tests.token_endpoint.contract import (
    HOOKS,
    REVOKED,
    Backend,
    EndpointChecks,
    EndpointContract,
    authenticate,
    encoded,
    grant_tokens,
    refresh,
)
from tests.token_endpoint.cookie_contract import CookieEndpointChecks, CookieEndpointContract
from tests.token_endpoint.coroutine_contract import COROUTINES, CoroutineContract, FrameworkContract

from gatepass import ConfigurationError, TokenEndpoints, TokenVerifier
from gatepass.errors import RevokedToken

ALL_HOOKS = {
    "claims_for": lambda session: {},
    "scopes_for": lambda session: session.scope,
    "on_reuse": lambda family: None,
}


class TestCore(OnAsyncCore, CoroutineContract, CookieEndpointContract):
    test_no_header_costs_more_than_its_length = None  # the parser is the same without coroutine functions


class TestStarlette(OnStarlette, FrameworkContract):
    pass


class TestFastAPI(OnFastAPI, FrameworkContract):
    pass


class TestAsyncDjango(OnAsyncDjango, FrameworkContract):
    pass


class TestDjangoUnderWSGI(OnDjango, CookieEndpointChecks):
    """Django runs an event loop for each request."""

    coroutines = COROUTINES

    test_refreshing = EndpointContract.test_a_refresh_matches_to_the_byte_and_its_new_token_works
    test_outages = EndpointContract.test_a_store_that_fails_is_503_and_the_token_stays_valid
    test_concurrency = EndpointContract.test_one_of_many_concurrent_requests_with_one_token_succeeds
    test_revocations = EndpointContract.test_a_revocation_gets_the_response_of_the_table
    test_cookies = CookieEndpointContract.test_a_refresh_by_cookie_returns_only_cookies_and_the_new_one_works
    test_reuse = CoroutineContract.test_a_reuse_is_reported_once


# Django


class SetUser(MiddlewareMixin):
    """Set the user of a request without a session, as Django's own middleware does."""

    def process_request(self, request):
        request.user = SimpleNamespace(is_authenticated=False)


STRICT = (
    "django.middleware.csrf.CsrfViewMiddleware",
    f"{__name__}.SetUser",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
)
WITH_LOGIN = ["gatepass_django", "gatepass_django.refresh", "django.contrib.auth", "django.contrib.contenttypes"]


@pytest.mark.parametrize("framework", [OnDjango, OnAsyncDjango])
@pytest.mark.parametrize("coroutines", [(), ("check_subject",)], ids=["plain", "coroutines"])
def test_the_views_of_django_need_no_login_or_csrf_token_and_have_no_transaction(monkeypatch, framework, coroutines):
    inside = []

    def claims_for(session):
        inside.extend(connections[alias].in_atomic_block for alias in connections)
        return {}

    backend = Backend(claims_for=claims_for, coroutines=coroutines)
    tokens, checks, project = grant_tokens(backend), EndpointChecks(), framework()
    for alias in connections:
        monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)
    inside.clear()

    with ExitStack() as project.settings:
        client = project.build(backend, outside=STRICT, INSTALLED_APPS=WITH_LOGIN)
        checks.pair(checks.post(client, "/token", refresh(), tokens))
        checks.check(checks.post(client, "/revoke", {"token": "{current}"}, tokens), REVOKED)

    assert inside == [False] * len(list(connections))


def test_django_runs_plain_functions_in_the_thread_of_the_request():
    """It has the connections to the database, and the transaction of a test."""
    threads = []

    def claims_for(session):
        threads.append(threading.current_thread())
        return {}

    backend = Backend(claims_for=claims_for, coroutines=["check_subject"])
    tokens, checks, project = grant_tokens(backend), EndpointChecks(), OnDjango()
    threads.clear()

    with ExitStack() as project.settings:
        checks.pair(checks.post(project.build(backend), "/token", refresh(), tokens))

    assert threads == [threading.current_thread()]


# Where there is no event loop


@pytest.mark.parametrize("name", sorted(COROUTINES))
def test_flask_refuses_coroutine_functions_at_start_up_and_says_what_to_do(name):
    backend = Backend(**ALL_HOOKS, coroutines=[name])

    with pytest.raises(ConfigurationError, match=r"coroutine function.*give a plain function, or use the adapter for"):
        OnFlask().build(backend)


@pytest.mark.parametrize("name", sorted(COROUTINES))
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_plain_methods_refuse_every_request_if_a_function_is_a_coroutine_function(name, method):
    endpoints = Backend(**ALL_HOOKS, coroutines=[name]).endpoints

    assert endpoints.needs_event_loop
    for serve in (endpoints.token, endpoints.revoke):
        with pytest.raises(ConfigurationError, match="coroutine function"):
            serve(token_request(b"", method=method))


# On an event loop


class Threads:
    """Run functions in worker threads of asyncio, and count them."""

    def __init__(self):
        self.used = 0

    async def __call__(self, function):
        self.used += 1
        return await asyncio.to_thread(function)


def bodies_of(tokens):
    return encoded(refresh(), tokens), encoded({"token": "{current}"}, tokens)


def test_a_request_without_coroutine_functions_uses_one_worker_thread():
    backend = Backend(**ALL_HOOKS)
    token_body, revocation_body = bodies_of(grant_tokens(backend))
    refreshing, revoking = Threads(), Threads()

    async def ask():
        endpoints = backend.endpoints
        return (
            await endpoints.token_async(token_request(token_body), run_blocking=refreshing),
            await endpoints.revoke_async(token_request(revocation_body), run_blocking=revoking),
        )

    assert not backend.endpoints.needs_event_loop
    assert [response.status for response in asyncio.run(ask())] == [200, 200]
    assert (refreshing.used, revoking.used) == (1, 1)


def test_a_revocation_uses_one_worker_thread_unless_the_client_is_authenticated_by_a_coroutine_function():
    backend, threads = Backend(**ALL_HOOKS, coroutines=HOOKS), Threads()
    _, body = bodies_of(grant_tokens(backend))

    response = asyncio.run(backend.endpoints.revoke_async(token_request(body), run_blocking=threads))

    assert (response.status, threads.used) == (200, 1)


@pytest.mark.parametrize("coroutines", [HOOKS, {"authenticate_client"}], ids=["service", "client"])
def test_the_endpoints_run_on_trio(coroutines):
    trio = pytest.importorskip("trio")
    calls = []

    async def check_subject(subject):
        await trio.sleep(0)
        calls.append("check_subject")
        return True

    async def authenticate_client(client_id, secret):
        await trio.sleep(0)
        calls.append("authenticate_client")
        return authenticate(client_id, secret)

    backend = Backend()
    hook = check_subject if coroutines is HOOKS else lambda subject: True
    service = make_service(backend.store, time.time, check_subject=hook)
    endpoints = TokenEndpoints(
        service, authenticate_client=authenticate_client if coroutines is not HOOKS else authenticate
    )
    token_body, revocation_body = bodies_of(grant_tokens(backend))

    async def ask():
        threads = trio.to_thread.run_sync
        return (
            await endpoints.token_async(token_request(token_body), run_blocking=threads),
            await endpoints.revoke_async(token_request(revocation_body), run_blocking=threads),
        )

    assert [response.status for response in trio.run(ask)] == [200, 200]
    assert calls == (["check_subject"] if coroutines is HOOKS else ["authenticate_client"] * 2)


def test_a_verifier_with_coroutine_functions_can_be_used_for_revoking():
    """The endpoints use a copy of the verifier without its functions."""
    backend = Backend()

    async def check_subject(token):
        raise AssertionError

    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=KEY, check_subject=check_subject)
    endpoints = TokenEndpoints(backend.service, verifier=verifier)
    tokens = grant_tokens(backend)

    assert not endpoints.needs_event_loop
    assert endpoints.revoke(token_request(encoded({"token": "{access}"}, tokens))).status == 200
    with pytest.raises(RevokedToken):
        backend.verifier.verify(tokens.access)

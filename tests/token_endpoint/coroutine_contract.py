"""The endpoints of a service whose functions are coroutine functions, in every framework with an event loop.

The core passes the whole contract with coroutine functions. The frameworks pass a part of it, and the tests below.
"""

import asyncio
import logging
import threading

import pytest
from tests.support.asgi import PATIENCE
from tests.support.clients import Request
from tests.token_endpoint.contract import (
    CANNOT_TELL,
    FORM,
    HOOKS,
    INVALID_GRANT,
    NOT_POST,
    EndpointContract,
    authenticate,
    encoded,
    grant_tokens,
    refresh,
)
from tests.token_endpoint.cookie_contract import CookieEndpointChecks, CookieEndpointContract

COROUTINES = HOOKS | {"authenticate_client"}


class CoroutineContract(CookieEndpointChecks):
    coroutines = COROUTINES

    def test_a_reuse_is_reported_once(self):
        reported = []
        backend = self.backend_with(on_reuse=reported.append)
        tokens, client = grant_tokens(backend), self.build(backend)

        for _ in range(3):
            self.check(self.post(client, "/token", refresh(refresh_token="{spent}"), tokens), INVALID_GRANT)

        assert [family.subject for family in reported] == ["anna"]
        self.check(self.post(client, "/token", refresh(), tokens), INVALID_GRANT)

    def test_a_subject_that_is_refused_loses_the_login(self):
        refused = {"anna"}
        backend = self.backend_with(check_subject=lambda subject: subject not in refused)
        tokens, client = grant_tokens_of_another(backend, refused), self.build(backend)

        self.check(self.post(client, "/token", refresh(), tokens), INVALID_GRANT)
        refused.clear()
        self.check(self.post(client, "/token", refresh(), tokens), INVALID_GRANT)

    @pytest.mark.parametrize("hook", ["check_subject", "claims_for", "scopes_for"])
    def test_a_function_that_raises_is_503_and_the_token_stays_valid(self, caplog, hook):
        caplog.set_level(logging.DEBUG)
        results = {"check_subject": True, "claims_for": {}, "scopes_for": "a b"}
        broken = []

        def call(argument):
            if broken:
                raise RuntimeError("the text of a driver")
            return results[hook]

        backend = self.backend_with(**{hook: call})
        tokens, client = grant_tokens(backend), self.build(backend)

        broken.append(True)
        self.check(self.post(client, "/token", refresh(), tokens), CANNOT_TELL)
        broken.clear()

        self.pair(self.post(client, "/token", refresh(), tokens))
        assert f"{hook} raised RuntimeError" in caplog.text
        assert "the text of a driver" not in caplog.text

    @pytest.mark.parametrize("waiting", ["authenticate_client", "claims_for", "get", "rotate"])
    def test_other_requests_are_served_while_a_plain_function_or_the_store_waits(self, waiting):
        asked, answered = threading.Event(), threading.Event()

        def wait(*_):
            asked.set()
            assert answered.wait(PATIENCE)

        def waiting_authentication(client_id, secret):
            wait()
            return authenticate(client_id, secret)

        def waiting_claims(session):
            wait()
            return {}

        more = {
            "authenticate_client": {"authenticate_client": waiting_authentication},
            "claims_for": {"claims_for": waiting_claims},
        }
        backend = self.backend_with(**more.get(waiting, {}), coroutines=("check_subject",))
        answered.set()
        tokens, client = grant_tokens(backend), self.build(backend)
        asked.clear()
        answered.clear()
        if waiting not in more:
            backend.store.in_between[waiting] = wait

        async def race():
            first = asyncio.create_task(client._call(Request("POST", "/token", [FORM], encoded(refresh(), tokens))))
            assert await asyncio.to_thread(asked.wait, PATIENCE)
            other = await client._call(Request("GET", "/token"))
            assert not first.done()
            answered.set()
            return await first, other

        first, other = asyncio.run(race())

        self.pair(first)
        self.check(other, NOT_POST)


class FrameworkContract(CoroutineContract):
    """The tests above, and those of the whole contract for a framework that awaits the core."""

    test_refreshing = EndpointContract.test_a_refresh_matches_to_the_byte_and_its_new_token_works
    test_methods = EndpointContract.test_a_method_other_than_post_is_405
    test_outages = EndpointContract.test_a_store_that_fails_is_503_and_the_token_stays_valid
    test_concurrency = EndpointContract.test_one_of_many_concurrent_requests_with_one_token_succeeds
    test_withdrawn_scopes = EndpointContract.test_a_login_whose_scopes_are_all_withdrawn_lives_on_and_can_get_them_again
    test_invalid_results = EndpointContract.test_an_invalid_result_of_a_function_is_503_and_the_token_stays_valid
    test_revocations = EndpointContract.test_a_revocation_gets_the_response_of_the_table
    test_prefix = EndpointContract.test_the_endpoints_can_have_a_prefix
    test_threads = EndpointContract.test_the_service_runs_off_the_event_loop
    test_cookies = CookieEndpointContract.test_a_refresh_by_cookie_returns_only_cookies_and_the_new_one_works
    test_origins = CookieEndpointContract.test_another_origin_cannot_use_the_cookie_and_it_stays_valid
    test_cleared_cookies = CookieEndpointContract.test_an_invalid_token_clears_the_cookies
    test_logout = CookieEndpointContract.test_signing_out_revokes_the_family_and_its_access_tokens


def grant_tokens_of_another(backend, refused):
    """Return tokens of a subject in *refused*, who was not yet refused when they were granted."""
    kept = refused.copy()
    refused.clear()
    tokens = grant_tokens(backend)
    refused.update(kept)
    return tokens

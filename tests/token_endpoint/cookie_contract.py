"""The responses of the endpoints to a browser with its tokens in cookies: the second half of the contract.

The expected responses are written out here; the lines of the cookies are compared to the octet, except the tokens.
"""

import json
import logging
import re

import pytest
from tests.adapters.cookie_contract import FOREIGN_ORIGINS, PAGE
from tests.token_endpoint.contract import (
    CANNOT_TELL,
    CANNOT_TELL_REVOKING,
    FORM,
    INVALID_BASIC,
    INVALID_CLIENT,
    INVALID_GRANT,
    INVALID_REQUEST,
    INVALID_SCOPE,
    NOT_A_FORM,
    REVOKED,
    SECRET,
    UNSUPPORTED_GRANT,
    EndpointChecks,
    EndpointContract,
    basic,
    golden,
    grant_tokens,
    refresh,
)

from gatepass import CookieTransport
from gatepass.errors import RevokedToken

COOKIES = CookieTransport(origins=[PAGE])
VARY = ("vary", "Authorization, Cookie")
ATTRIBUTES = "HttpOnly; Max-Age={}; Path=/; SameSite=Strict; Secure"
CLEARED = [("set-cookie", f"{name}=; {ATTRIBUTES.format(0)}") for name in ("__Host-access", "__Host-refresh")]
FROM_ELSEWHERE = golden(
    403, '{"error":"invalid_request","error_description":"The request does not come from an allowed origin"}'
)
GRANT = {"grant_type": "refresh_token"}
FORTNIGHT = 14 * 86_400


def with_cookie(text, *, origin=(("Origin", PAGE),)):
    return [("Cookie", f"theme=dark; __Host-refresh={text}"), *origin]


def by_cookie(expected, *, clears=False):
    """Return the response *expected* as endpoints with cookies send it."""
    status, headers, body = expected
    return status, [*headers, VARY, *(CLEARED if clears else [])], body


class CookieEndpointChecks(EndpointChecks):
    """What the contracts with cookies share."""

    @pytest.fixture
    def browsers(self):
        """Return a backend with cookies."""
        return self.backend_with(cookies=COOKIES)

    @pytest.fixture
    def browser(self, browsers):
        return self.build(browsers)

    @pytest.fixture
    def mine(self, browsers):
        return grant_tokens(browsers)

    def check(self, answer, expected):
        stripped = [(name, value.strip()) for name, value in answer.headers]  # Django writes a space before a cookie
        super().check(type(answer)(answer.status, stripped, answer.body, answer.crash), expected)

    def session(self, answer, *, scope="a b", access="__Host-access", withdrawn=False):
        """Assert that a successful response is exact, without tokens in its body, and return those of its cookies.

        *withdrawn* is that of `pair`.
        """
        lines = answer.all("set-cookie")
        access_token, refresh_token = [line.strip().partition(";")[0].partition("=")[2] for line in lines]
        said = f',"scope":"{scope}"' if scope or withdrawn else ""
        status, headers, body = by_cookie(golden(200, f'{{"token_type":"Bearer","expires_in":900{said}}}'))
        headers = [
            *headers,
            ("set-cookie", f"{access}={access_token}; {ATTRIBUTES.format(900)}"),
            ("set-cookie", f"__Host-refresh={refresh_token}; {ATTRIBUTES.format(FORTNIGHT)}"),
        ]
        self.check(answer, (status, headers, body))
        return access_token, refresh_token


class CookieEndpointContract(CookieEndpointChecks, EndpointContract):
    def test_a_refresh_by_cookie_returns_only_cookies_and_the_new_one_works(self, browsers, browser, mine):
        _, refresh_token = self.session(self.post(browser, "/token", GRANT, mine, with_cookie(mine.current)))
        access, _ = self.session(self.post(browser, "/token", GRANT, mine, with_cookie(refresh_token)))

        assert browsers.verifier.verify(access).subject == "anna"

    def test_a_narrower_scope_may_be_requested(self, browser, mine):
        answer = self.post(browser, "/token", {**GRANT, "scope": "b"}, mine, with_cookie(mine.current))

        self.session(answer, scope="b")

    def test_the_response_says_that_the_application_withdrew_all_scopes(self):
        allowed = ["a", "b"]
        backend = self.backend_with(cookies=COOKIES, scopes_for=lambda session: allowed)
        mine, browser = grant_tokens(backend), self.build(backend)

        allowed.clear()
        answer = self.post(browser, "/token", GRANT, mine, with_cookie(mine.current))

        self.session(answer, scope="", withdrawn=True)

    def test_the_access_cookie_authenticates_at_the_application(self, browser, mine):
        access, _ = self.session(self.post(browser, "/token", GRANT, mine, with_cookie(mine.current)))

        header_lines = ([], [("Cookie", f"__Host-access={access}")])
        assert [browser.send("GET", "/nowhere", headers).status for headers in header_lines] == self.around

    around = [401, 404]  # noqa: RUF012 - the statuses of the application around the endpoints without and with a token

    @pytest.mark.parametrize("path", ["/token", "/revoke"])
    @pytest.mark.parametrize("case", FOREIGN_ORIGINS)
    def test_another_origin_cannot_use_the_cookie_and_it_stays_valid(self, browser, mine, path, case):
        headers = with_cookie(mine.current, origin=FOREIGN_ORIGINS[case])
        self.check(self.post(browser, path, GRANT, mine, headers), by_cookie(FROM_ELSEWHERE))
        self.check(self.post(browser, path, b"rubbish", mine, headers), by_cookie(FROM_ELSEWHERE))

        self.session(self.post(browser, "/token", GRANT, mine, with_cookie(mine.current)))

    @pytest.mark.parametrize("case", ["twice", "twice, one empty", "quoted", "escaped", "after a comma", "too long"])
    @pytest.mark.parametrize(("path", "fields"), [("/token", GRANT), ("/revoke", {})])
    def test_a_malformed_cookie_is_refused_and_stays_valid(self, browser, mine, case, path, fields):
        good = f"__Host-refresh={mine.current}"
        line = {
            "twice": f"{good}; __Host-refresh={mine.foreign}",
            "twice, one empty": f"{good}; __Host-refresh=",
            "quoted": f'__Host-refresh="{mine.current}"',
            "escaped": f"__Host-refresh=%41{mine.current}",
            "after a comma": f"a=b, {good}",
            "too long": f"__Host-refresh={'a' * 5_000}",
        }[case]
        headers = [("Cookie", line), ("Origin", PAGE)]

        self.check(self.post(browser, path, fields, mine, headers), by_cookie(INVALID_REQUEST))
        self.session(self.post(browser, "/token", GRANT, mine, with_cookie(mine.current)))

    @pytest.mark.parametrize(
        "name", ["__host-refresh", "__HOST-REFRESH", "__Secure-refresh", "refresh", "__Host-refresh "]
    )
    @pytest.mark.parametrize(("path", "fields"), [("/token", GRANT), ("/revoke", {})])
    def test_a_cookie_of_another_name_is_ignored(self, browser, mine, name, path, fields):
        headers = [("Cookie", f"{name}={mine.current}"), ("Origin", PAGE)]

        self.check(self.post(browser, path, fields, mine, headers), by_cookie(INVALID_REQUEST))

    def test_a_token_in_the_form_and_one_in_a_cookie_are_refused(self, browser, mine):
        for path, fields in (("/token", refresh()), ("/revoke", {"token": "{current}"})):
            answer = self.post(browser, path, fields, mine, with_cookie(mine.current))
            self.check(answer, by_cookie(INVALID_REQUEST))

        self.session(self.post(browser, "/token", GRANT, mine, with_cookie(mine.current)))

    @pytest.mark.parametrize(
        ("fields", "headers", "expected"),
        [
            ({}, [], INVALID_REQUEST),
            ({"grant_type": "password"}, [], UNSUPPORTED_GRANT),
            ({**GRANT, "scope": "a z"}, [], INVALID_SCOPE),
            ({**GRANT, "client_id": "unknown"}, [], INVALID_CLIENT),
            (GRANT, [basic("shop", "wrong")], INVALID_BASIC),
            ({**GRANT, "client_id": "broken"}, [], CANNOT_TELL),
        ],
    )
    def test_a_refusal_unrelated_to_the_token_keeps_the_cookies(self, browser, mine, fields, headers, expected):
        answer = self.post(browser, "/token", fields, mine, [*with_cookie(mine.current), *headers])

        self.check(answer, by_cookie(expected))
        self.session(self.post(browser, "/token", GRANT, mine, with_cookie(mine.current)))

    @pytest.mark.parametrize("token", ["{spent}", "{foreign}", "{access}", "unknown"])
    def test_an_invalid_token_clears_the_cookies(self, browser, mine, token):
        text = token.format(spent=mine.spent, foreign=mine.foreign, access=mine.access)

        answer = self.post(browser, "/token", GRANT, mine, with_cookie(text))

        self.check(answer, by_cookie(INVALID_GRANT, clears=True))

    def test_a_form_without_cookies_still_works_and_sets_none(self, browsers, browser, mine):
        answer = self.post(browser, "/token", refresh(), mine)
        members = json.loads(answer.body)
        assert (answer.status, answer.all("set-cookie")) == (200, [])
        assert browsers.service.refresh(members["refresh_token"])

        self.check(self.post(browser, "/token", refresh(), mine), by_cookie(INVALID_GRANT))
        self.check(
            self.post(browser, "/revoke", {"token": "{foreign}", "client_id": "mobile"}, mine), by_cookie(REVOKED)
        )

    def test_without_cookies_in_the_settings_none_is_read_or_set(self, client, tokens):
        headers = with_cookie(tokens.current)
        self.check(self.post(client, "/token", GRANT, tokens, headers), INVALID_REQUEST)
        self.check(self.post(client, "/revoke", {}, tokens, headers), INVALID_REQUEST)
        self.pair(self.post(client, "/token", refresh(), tokens, headers))

    @pytest.mark.parametrize("operation", ["get", "rotate"])
    def test_a_store_that_fails_keeps_the_cookies_and_the_token_stays_valid(self, browsers, browser, mine, operation):
        browsers.store.before.add(operation)
        answer = self.post(browser, "/token", GRANT, mine, with_cookie(mine.current))
        self.check(answer, by_cookie(CANNOT_TELL))
        browsers.store.before.clear()

        self.session(self.post(browser, "/token", GRANT, mine, with_cookie(mine.current)))

    def test_a_confidential_client_may_store_its_token_in_a_cookie(self, browsers, browser, mine):
        token = browsers.service.grant("anna", client_id="shop").refresh_token
        headers = [*with_cookie(token), basic("shop", SECRET)]

        self.session(self.post(browser, "/token", GRANT, mine, headers), scope="")

    # Signing out

    @pytest.mark.parametrize("token", ["{current}", "{spent}", "unknown", "a.b.c"])
    def test_signing_out_clears_cookies_of_any_content(self, browser, mine, token):
        text = token.format(current=mine.current, spent=mine.spent)

        answer = self.post(browser, "/revoke", {}, mine, with_cookie(text))

        self.check(answer, by_cookie(REVOKED, clears=True))

    def test_signing_out_revokes_the_family_and_its_access_tokens(self, browsers, browser, mine):
        self.post(browser, "/revoke", {}, mine, with_cookie(mine.current))

        answer = self.post(browser, "/token", GRANT, mine, with_cookie(mine.current))
        self.check(answer, by_cookie(INVALID_GRANT, clears=True))
        with pytest.raises(RevokedToken):
            browsers.verifier.verify(mine.access)

    def test_the_token_of_another_client_is_not_revoked_but_its_cookies_are_cleared(self, browsers, browser, mine):
        answer = self.post(browser, "/revoke", {}, mine, with_cookie(mine.foreign))

        self.check(answer, by_cookie(INVALID_GRANT, clears=True))
        assert browsers.service.refresh(mine.foreign, client_id="mobile")

    def test_without_a_refresh_cookie_the_access_cookie_is_cleared_and_its_token_revoked(self, browsers, browser, mine):
        headers = [("Cookie", f"__Host-access={mine.access}"), ("Origin", PAGE)]

        self.check(self.post(browser, "/revoke", {}, mine, headers[:1]), by_cookie(FROM_ELSEWHERE))
        assert browsers.verifier.verify(mine.access)
        self.check(self.post(browser, "/revoke", {}, mine, headers), by_cookie(REVOKED, clears=True))
        with pytest.raises(RevokedToken):
            browsers.verifier.verify(mine.access)

    def test_the_access_cookie_is_cleared_without_access_token_revocation(self):
        backend = self.backend_with(cookies=COOKIES, revokes=False)
        mine, browser = grant_tokens(backend), self.build(backend)
        headers = [("Cookie", f"__Host-access={mine.access}"), ("Origin", PAGE)]

        self.check(self.post(browser, "/revoke", {}, mine, headers), by_cookie(REVOKED, clears=True))

    @pytest.mark.parametrize("operation", ["get", "revoke"])
    def test_a_sign_out_that_cannot_be_written_keeps_the_cookies(self, browsers, browser, mine, operation):
        browsers.store.before.add(operation)
        answer = self.post(browser, "/revoke", {}, mine, with_cookie(mine.current))
        self.check(answer, by_cookie(CANNOT_TELL_REVOKING))
        browsers.store.before.clear()

        self.check(self.post(browser, "/revoke", {}, mine, with_cookie(mine.current)), by_cookie(REVOKED, clears=True))

    # Logs and other settings

    def test_no_cookie_or_origin_is_logged(self, browser, mine, caplog):
        caplog.set_level(logging.DEBUG)
        for path, fields in (("/token", GRANT), ("/revoke", {}), ("/token", {})):
            for origin in (PAGE, "https://SENTINEL-7f3a.example"):
                headers = with_cookie(mine.spent, origin=[("Origin", origin)])
                answer = self.post(browser, path, fields, mine, headers)
                assert (
                    re.search("SENTINEL|" + re.escape(mine.spent), str(answer.headers) + answer.body.decode()) is None
                )

        said = "".join(record.getMessage() for record in caplog.records if record.name.startswith("gatepass"))
        assert "untrusted_origin" in said
        for text in ("SENTINEL", "evil", PAGE, mine.spent, mine.current, mine.access):
            assert text not in said

    def test_cookies_can_have_other_names_or_be_lax_and_the_access_token_can_be_in_the_body(self):
        cookies = CookieTransport(
            origins=[PAGE], same_site="lax", access_cookie=None, refresh_cookie="__Host-shop.refresh"
        )
        backend = self.backend_with(cookies=cookies, server_cookies=None)
        mine, browser = grant_tokens(backend), self.build(backend)
        headers = [("Cookie", f"__Host-shop.refresh={mine.current}"), ("Origin", PAGE)]

        answer = self.post(browser, "/token", GRANT, mine, headers)

        (line,) = answer.all("set-cookie")
        assert re.fullmatch(
            r" ?__Host-shop\.refresh=[\w-]{86}; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax; Secure", line
        )
        members = json.loads(answer.body)
        assert list(members) == ["access_token", "token_type", "expires_in", "scope"]
        assert backend.verifier.verify(members["access_token"]).subject == "anna"

    def test_a_request_without_a_form_is_still_refused(self, browser, mine):
        answer = browser.send("POST", "/token", with_cookie(mine.current), b"")

        self.check(answer, by_cookie(NOT_A_FORM))
        self.session(self.post(browser, "/token", GRANT, mine, with_cookie(mine.current), content_type=FORM[1]))

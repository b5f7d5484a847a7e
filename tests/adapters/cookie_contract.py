"""The responses of every adapter to a browser with its access token in a cookie: a second suite to inherit.

The expected responses are written out here. The application is the one that `tests.adapters.contract` describes.
"""

import json
import logging
from typing import Any

import pytest
from tests.adapters.contract import EXPIRED, MALFORMED_HEADER, NO_CREDENTIALS, PLAIN_HTTP, SCOPE_IS_MISSING, TWO_TOKENS
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.clients import Answer, Client

from gatepass import CookieTransport

PAGE = "https://app.example"
COOKIES = CookieTransport(origins=[PAGE, "https://admin.example:8443"])
OURS = [("Origin", PAGE)]
VARY = ("vary", "Authorization, Cookie")

FROM_ELSEWHERE = (
    403,
    'Bearer realm="api", error="invalid_request", error_description="The request does not come from an allowed origin"',
    '{"title":"Forbidden","status":403,"error":"invalid_request","error_description":"The request does not come from an allowed origin"}',
)
MALFORMED_COOKIE = (
    400,
    'Bearer realm="api", error="invalid_request", error_description="The Cookie header is malformed"',
    '{"title":"Bad Request","status":400,"error":"invalid_request","error_description":"The Cookie header is malformed"}',
)


def cookie(value: str | None = None, *, name: str = "__Host-access", before: str = "", after: str = "") -> list[Any]:
    return [("Cookie", f"{before}{name}={token() if value is None else value}{after}")]


# Origins that the page of another site, an old browser or a script can send.
FOREIGN_ORIGINS = {
    "none": [],
    "empty": [("Origin", "")],
    "null": [("Origin", "null")],
    "another site": [("Origin", "https://evil.example")],
    "a site that begins like ours": [("Origin", "https://app.example.evil")],
    "a site that ends like ours": [("Origin", "https://evil-app.example")],
    "a host below ours": [("Origin", "https://user.app.example")],
    "the host above ours": [("Origin", "https://example")],
    "another port": [("Origin", "https://app.example:8443")],
    "the port that need not be said": [("Origin", "https://app.example:443")],
    "no port where ours has one": [("Origin", "https://admin.example")],
    "http": [("Origin", "http://app.example")],
    "another case": [("Origin", "https://App.example")],
    "a scheme in another case": [("Origin", "HTTPS://app.example")],
    "a slash at the end": [("Origin", "https://app.example/")],
    "a dot at the end": [("Origin", "https://app.example.")],
    "a path": [("Origin", "https://app.example/page")],
    "a user": [("Origin", "https://app.example@evil.example")],
    "the host alone": [("Origin", "app.example")],
    "two in one": [("Origin", f"{PAGE} https://evil.example")],
    "ours twice in one": [("Origin", f"{PAGE}, {PAGE}")],
    "two lines": [("Origin", PAGE), ("Origin", "https://evil.example")],
    "ours in two lines": [("Origin", PAGE), ("Origin", PAGE)],
    "a quoted one": [("Origin", f'"{PAGE}"')],
    "another header": [("Referer", f"{PAGE}/page"), ("Sec-Fetch-Site", "same-origin"), ("X-Origin", PAGE)],
    "the host of the request": [("Origin", "https://api.example")],
}

# Header lines with a cookie that is no credentials or bad credentials, and the response to a GET.
BAD_COOKIES = {
    "another name": (lambda: cookie(name="access"), NO_CREDENTIALS),
    "the name in lower case": (lambda: cookie(name="__host-access"), NO_CREDENTIALS),
    "the name in upper case": (lambda: cookie(name="__HOST-ACCESS"), NO_CREDENTIALS),
    "the other prefix": (lambda: cookie(name="__Secure-access"), NO_CREDENTIALS),
    "a name that begins like ours": (lambda: cookie(name="__Host-access2"), NO_CREDENTIALS),
    "a name that ends like ours": (lambda: cookie(name="x__Host-access"), NO_CREDENTIALS),
    "a blank after the name": (lambda: cookie(name="__Host-access "), NO_CREDENTIALS),
    "the name alone": (lambda: [("Cookie", "__Host-access")], NO_CREDENTIALS),
    "empty": (lambda: cookie(""), NO_CREDENTIALS),
    "the refresh cookie": (lambda: cookie(name="__Host-refresh"), NO_CREDENTIALS),
    "inside another's value": (lambda: cookie(name="x=__Host-access"), NO_CREDENTIALS),
    "twice": (lambda: cookie(after=f"; __Host-access={token()}"), TWO_TOKENS),
    "twice, one in between": (lambda: cookie(after="; a=b;__Host-access=x"), TWO_TOKENS),
    "twice, the first one bad": (lambda: cookie("x", after=f"; __Host-access={token()}"), TWO_TOKENS),
    "twice, one empty": (lambda: cookie(after="; __Host-access="), TWO_TOKENS),
    "in two lines": (lambda: cookie() + cookie(), TWO_TOKENS),
    "joined by a comma": (lambda: cookie(after=f", __Host-access={token()}"), TWO_TOKENS),
    "after a comma": (lambda: cookie(before="a=b,"), MALFORMED_COOKIE),
    "before a comma": (lambda: cookie(after=",a=b"), MALFORMED_COOKIE),
    "quoted": (lambda: cookie(f'"{token()}"'), MALFORMED_COOKIE),
    "a blank before it": (lambda: cookie(f" {token()}"), MALFORMED_COOKIE),
    "a blank after it": (lambda: cookie(after=" ; a=b"), MALFORMED_COOKIE),
    "with the scheme": (lambda: cookie(f"Bearer {token()}"), MALFORMED_COOKIE),
    "escaped": (lambda: cookie("%65" + token()), MALFORMED_COOKIE),
    "not ascii": (lambda: cookie("é" + token()), MALFORMED_COOKIE),
    "longer than any cookie": (lambda: cookie("a" * 4_090), MALFORMED_COOKIE),
    "a field longer than any": (lambda: cookie(after="; a=" + "b" * 66_000), MALFORMED_COOKIE),
    "expired": (lambda: cookie(token(iat=1_000, exp=2_000)), EXPIRED),
}


class CookieContract:
    """Inherit this beside `AdapterContract`, which has `build`."""

    asked_last = False
    """Whether the router runs first, and refuses methods that a route does not allow."""

    def build(self, server: Any) -> Client:
        raise NotImplementedError

    @pytest.fixture
    def browser(self) -> Client:
        return self.build(resource_server(cookies=COOKIES))

    @staticmethod
    def refused(answer: Answer, golden: Any) -> None:
        status, challenge, body = golden
        pairs = [
            ("www-authenticate", challenge),
            ("cache-control", "no-store"),
            VARY,
            ("content-type", "application/problem+json"),
            ("content-length", str(len(body))),
        ]
        assert answer == Answer(status, pairs, body.encode())

    @staticmethod
    def caching_of(answer: Answer) -> tuple[set[str], list[str]]:
        """Return the names in `Vary`, and the lines of `Cache-Control`."""
        return (
            {name.strip().lower() for line in answer.all("vary") for name in line.split(",")},
            answer.all("cache-control"),
        )

    def test_cookies_are_ignored_unless_configured(self):
        client = self.build(resource_server())

        assert client.send("GET", "/protected", cookie()).status == 401
        assert client.send("GET", "/protected", [*bearer(token("berta")), *cookie('"')]).body == b"berta"
        assert client.send("GET", "/maybe", cookie()).body == b"anonymous"
        assert client.send("GET", "/protected", bearer()).all("vary") == client.send("GET", "/open", bearer()).all(
            "vary"
        )

    @pytest.mark.parametrize(
        "headers",
        [
            lambda: cookie(token("berta")),
            lambda: cookie(token("berta"), before="theme=dark; ", after="; a=1,2; b"),
            lambda: cookie(token("berta"), before='a="x;y";'),
            lambda: [*cookie(token("berta")), ("Authorization", "")],
            lambda: [*cookie(token("berta")), ("Authorization", "Basic YW5uYQ==")],
            lambda: [*cookie(token("berta")), ("Origin", "https://evil.example")],
        ],
    )
    def test_a_cookie_authorizes_a_safe_request(self, browser, headers):
        answer = browser.send("GET", "/protected", headers())

        assert (answer.status, answer.body) == (200, b"berta")

    def test_a_cookie_authorizes_a_write_from_an_allowed_origin(self, browser):
        for origin in (PAGE, "https://admin.example:8443"):
            answer = browser.send("POST", "/echo", [*cookie(), ("Origin", origin)], b"a=1")

            assert (answer.status, answer.body) == (200, b"a=1")

    @pytest.mark.parametrize("case", FOREIGN_ORIGINS)
    def test_a_cookie_authorizes_no_write_from_another_origin(self, browser, case):
        self.refused(browser.send("POST", "/echo", [*cookie(), *FOREIGN_ORIGINS[case]], b"a=1"), FROM_ELSEWHERE)

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "X-INVENTED"])
    @pytest.mark.parametrize("value", [None, "rubbish"])
    def test_unsafe_methods_need_an_origin_before_the_token_is_verified(self, browser, method, value):
        answer = browser.send(method, "/echo", cookie(value))

        if self.asked_last and method != "POST":
            assert answer.status == 405
        else:
            self.refused(answer, FROM_ELSEWHERE)

    @pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
    def test_safe_methods_need_no_origin(self, browser, method):
        assert browser.send(method, "/protected", cookie()).status in (200, 204, 405)

    def test_method_override_headers_are_ignored(self, browser):
        claims = [("X-HTTP-Method-Override", "GET"), ("X-HTTP-Method", "GET")]

        self.refused(browser.send("POST", "/echo?_method=GET", [*cookie(), *claims], b"_method=GET"), FROM_ELSEWHERE)

    @pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", "h2c, websocket"])
    def test_a_websocket_handshake_needs_an_origin(self, browser, upgrade):
        handshake = [*cookie(), ("Connection", "Upgrade"), ("Upgrade", upgrade)]

        self.refused(browser.send("GET", "/protected", handshake), FROM_ELSEWHERE)
        assert browser.send("GET", "/protected", [*handshake, *OURS]).status != 403

    @pytest.mark.parametrize("case", BAD_COOKIES)
    def test_a_cookie_is_parsed_strictly(self, browser, case):
        headers, golden = BAD_COOKIES[case]

        self.refused(browser.send("GET", "/protected", headers()), golden)
        if golden is NO_CREDENTIALS:
            assert browser.send("GET", "/maybe", headers()).body == b"anonymous"
        else:
            self.refused(browser.send("GET", "/maybe", headers()), golden)

    def test_a_token_in_the_header_and_one_in_a_cookie_are_two_tokens(self, browser):
        self.refused(browser.send("GET", "/protected", [*cookie(), *bearer()]), TWO_TOKENS)
        self.refused(browser.send("GET", "/protected", [*cookie("rubbish"), *bearer()]), TWO_TOKENS)
        self.refused(browser.send("POST", "/echo", [*cookie(), *bearer(), *OURS]), TWO_TOKENS)
        self.refused(browser.send("POST", "/echo", [*cookie(), *bearer()]), FROM_ELSEWHERE)

    def test_a_malformed_header_is_refused_beside_a_valid_cookie(self, browser):
        self.refused(browser.send("GET", "/protected", [*cookie(), ("Authorization", "Bearer")]), MALFORMED_HEADER)

    def test_the_authorization_header_still_works_without_the_cookie(self, browser):
        assert browser.send("POST", "/echo", [*bearer(), ("Cookie", "theme=dark")], b"a=1").body == b"a=1"

    def test_a_public_route_ignores_cookies(self, browser):
        for headers in (cookie(), cookie("rubbish"), cookie() + cookie()):
            answer = browser.send("GET", "/open", headers)

            assert (answer.status, answer.body) == (200, b"anonymous")
            assert "cookie" not in self.caching_of(answer)[0]

    @pytest.mark.parametrize("headers", [list, cookie, bearer])
    @pytest.mark.parametrize("path", ["/protected", "/maybe"])
    def test_responses_that_depend_on_a_cookie_have_vary_and_cache_control(self, browser, path, headers):
        vary, control = self.caching_of(browser.send("GET", path, headers()))

        assert {"authorization", "cookie"} <= vary
        assert control == ["no-store"] if path == "/protected" and headers is list else ["private"]

    def test_a_missing_scope_gets_the_usual_response(self, browser):
        self.refused(browser.send("GET", "/orders", cookie()), SCOPE_IS_MISSING)
        assert browser.send("GET", "/orders", cookie(token(scope="orders:read"))).body == b"anna"

    def test_a_cookie_over_plain_http_is_refused_if_https_is_required(self):
        client = self.build(resource_server(cookies=COOKIES, https="require"))

        self.refused(client.send("GET", "/protected", cookie(), scheme="http"), PLAIN_HTTP)
        assert client.send("GET", "/protected", cookie(), scheme="https").status == 200

    @pytest.mark.parametrize("lines", [cookie("x y"), cookie() + cookie(), cookie() + bearer()])
    def test_malformed_status_401_replaces_400_for_bad_cookies(self, lines):
        client = self.build(resource_server(cookies=COOKIES, malformed_status=401))

        assert client.send("GET", "/protected", lines).status == 401

    @pytest.mark.parametrize("method", ["get", "Get", "head", "options"])
    def test_safe_methods_are_case_sensitive(self, browser, method):
        """RFC 9110 section 9.1: methods are case-sensitive, so these are other, unknown methods."""
        answer = browser.send(method, "/protected", cookie())

        if not (self.asked_last and answer.status == 405):
            self.refused(answer, FROM_ELSEWHERE)

    def test_no_text_of_a_refused_cookie_or_origin_is_returned_or_logged(self, browser, caplog):
        caplog.set_level(logging.DEBUG)
        secret = "xyzzySENTINELplugh"  # part of no token and no origin
        for headers in (
            cookie(secret),
            cookie(f'"{secret}"'),
            cookie(secret, after=f"; __Host-access={secret}"),
            [*cookie(), ("Origin", f"https://{secret}.example")],
        ):
            for method, path in (("GET", "/protected"), ("POST", "/echo"), ("GET", "/maybe")):
                answer = browser.send(method, path, headers)
                assert secret not in json.dumps([answer.headers, answer.body.decode()]) + repr(answer.crash)
        logged = "\n".join(record.getMessage() + str(record.exc_info) for record in caplog.records)
        assert secret not in logged
        assert token()[:40] not in logged

"""The responses of every adapter, byte for byte: one suite that the tests of each adapter inherit.

The expected responses are written out here, not computed by the code under test. The tests of a new adapter implement
`build` and inherit the rest. The application that `build` returns has these views, each with status 200 and plain text:

    /open        marked `public`                        \\
    /healthz     public by its path                      |  the body is the token's subject,
    /protected   without a mark                          |  or `anonymous` if the request has no identity
    /orders      `require_auth(scopes=["orders:read"])`  |
    /admin       `require_auth(any_roles=["admin"])`     |
    /hidden      `require_auth(scopes=["hidden:read"], denial="not_found")`
    /maybe       marked `optional_auth`                  |
    /any         allows GET and OPTIONS, without a mark /
    /slow        the subject, a wait for the other requests in `request_barrier`, and the subject again: `anna anna`
    /echo        allows POST; the body is the request's body, as the view reads it
    /boom        raises `RuntimeError("boom")`
    /boom/auth   raises a refusal, one of `tests.support.refusals`, like a view that calls `server.authorize`;
                 `auth` is the name of the refusal
    /gone        raises the framework's own 404

Its error handlers for 400, 401, 403, 404 and 503 (those that the framework supports), registered as its users do,
replace the body with `replaced by the application`.
"""

import json
import logging
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from tests.support.adapter_tokens import AUDIENCE, ISSUER, OTHER_KEY, bearer, resource_server, token
from tests.support.clients import Answer, Client, Request
from tests.support.growth import assert_linear
from tests.support.key_server import Exchange, KeyServer, document, refuse, serving
from tests.support.request_barrier import CONCURRENT_REQUESTS

from gatepass import (
    HTTP_ON_LOOPBACK,
    Challenge,
    ConfigurationError,
    JWKSClient,
    Key,
    KeySet,
    ResourceServer,
    TokenVerifier,
)
from gatepass.errors import KeysUnavailable

UNAUTHORIZED = '{"title":"Unauthorized","status":401}'
NO_CREDENTIALS = (401, 'Bearer realm="api"', UNAUTHORIZED)
MALFORMED_HEADER = (
    400,
    'Bearer realm="api", error="invalid_request", error_description="The Authorization header is malformed"',
    '{"title":"Bad Request","status":400,"error":"invalid_request","error_description":"The Authorization header is malformed"}',
)
TWO_TOKENS = (
    400,
    'Bearer realm="api", error="invalid_request", error_description="More than one access token was sent"',
    '{"title":"Bad Request","status":400,"error":"invalid_request","error_description":"More than one access token was sent"}',
)
PLAIN_HTTP = (
    400,
    'Bearer realm="api", error="invalid_request", error_description="The access token was not sent over https"',
    '{"title":"Bad Request","status":400,"error":"invalid_request","error_description":"The access token was not sent over https"}',
)
MALFORMED_TOKEN = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token is malformed"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token is malformed"}',
)
BAD_SIGNATURE = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token signature is invalid"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token signature is invalid"}',
)
BAD_ALGORITHM = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token algorithm is not accepted"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token algorithm is not accepted"}',
)
UNKNOWN_KEY = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token was signed with an unknown key"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token was signed with an unknown key"}',
)
EXPIRED = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token expired"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token expired"}',
)
IMMATURE = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token is not yet valid"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token is not yet valid"}',
)
BAD_ISSUER = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token issuer is not accepted"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token issuer is not accepted"}',
)
BAD_AUDIENCE = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token is not intended for this resource"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token is not intended for this resource"}',
)
BAD_TYPE = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token type is not accepted"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token type is not accepted"}',
)
MISSING_CLAIM = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="A required claim is missing"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"A required claim is missing"}',
)
BAD_CLAIM = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="A claim has an invalid value"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"A claim has an invalid value"}',
)
BAD_SUBJECT = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token subject is not accepted"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token subject is not accepted"}',
)
REVOKED = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token was revoked"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token was revoked"}',
)
BOUND = (
    401,
    'Bearer realm="api", error="invalid_token", error_description="The access token is sender-constrained"',
    '{"title":"Unauthorized","status":401,"error":"invalid_token","error_description":"The access token is sender-constrained"}',
)
SCOPE_IS_MISSING = (
    403,
    'Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a required scope", scope="orders:read"',
    '{"title":"Forbidden","status":403,"error":"insufficient_scope","error_description":"The access token lacks a required scope"}',
)
ROLE_IS_MISSING = (403, 'Bearer realm="api"', '{"title":"Forbidden","status":403}')
HIDDEN = (404, None, '{"title":"Not Found","status":404}')
CANNOT_TELL = (
    503,
    None,
    '{"title":"Service Unavailable","status":503,"error":"temporarily_unavailable","error_description":"The authorization service is temporarily unavailable"}',
)

Golden = tuple[int, str | None, str]

# The response to each refusal that a view raises.
RAISED: dict[str, Golden] = {
    "auth": EXPIRED,
    "anonymous": NO_CREDENTIALS,
    "scope": SCOPE_IS_MISSING,
    "role": ROLE_IS_MISSING,
    "hidden": HIDDEN,
    "outage": CANNOT_TELL,
}

JWE = "e30.e30.e30.e30.e30"
SENTINEL = "xyzzySENTINELplugh"

# Each row of the response table that a request alone can cause: the header lines, and the response of /protected.
ROWS: dict[str, tuple[Callable[[], list[tuple[str, str]]], Golden]] = {
    "1 no credentials": (list, NO_CREDENTIALS),
    "2 basic": (lambda: [("Authorization", "Basic YW5uYTpzZWNyZXQ=")], NO_CREDENTIALS),
    "2 negotiate": (lambda: [("Authorization", "Negotiate")], NO_CREDENTIALS),
    "2 a scheme that begins like ours": (lambda: [("Authorization", f"BearerX {token()}")], NO_CREDENTIALS),
    "2b empty": (lambda: [("Authorization", "")], NO_CREDENTIALS),
    "2 meant for a proxy": (lambda: [("Proxy-Authorization", f"Bearer {token()}")], NO_CREDENTIALS),
    "3 no token": (lambda: [("Authorization", "Bearer")], MALFORMED_HEADER),
    "3 two words": (lambda: bearer("a b"), MALFORMED_HEADER),
    "3 a tab": (lambda: [("Authorization", f"Bearer\t{token()}")], MALFORMED_HEADER),
    "3 quotes": (lambda: bearer(f'"{token()}"'), MALFORMED_HEADER),
    "3 not ascii": (lambda: bearer("tök.e.n"), MALFORMED_HEADER),
    "4b two lines": (lambda: bearer() + bearer(), TWO_TOKENS),
    "4b two lines, the first not ours": (lambda: [("Authorization", "Basic YW5uYQ=="), *bearer()], TWO_TOKENS),
    "4b two lines, the second not ours": (lambda: [*bearer(), ("Authorization", "Basic YW5uYQ==")], TWO_TOKENS),
    "4b comma-joined": (lambda: bearer(f"{token()}, Bearer {token()}"), TWO_TOKENS),
    "5 one segment": (lambda: bearer("abc"), MALFORMED_TOKEN),
    "5 four segments": (lambda: bearer(token() + ".abc"), MALFORMED_TOKEN),
    "5 padded": (lambda: bearer(token() + "="), MALFORMED_TOKEN),
    "5 not base64url": (lambda: bearer(token().replace(".", ".~", 1)), MALFORMED_TOKEN),
    "5 not json": (lambda: bearer("e30.e30x.e30"), MALFORMED_TOKEN),
    "5 longer than any token": (lambda: bearer("a" * 20_000), MALFORMED_TOKEN),
    "6 another key": (lambda: bearer(token(key=OTHER_KEY)), BAD_SIGNATURE),
    "6b none": (lambda: bearer(token(header={"alg": "none"})), BAD_ALGORITHM),
    "6b absent": (lambda: bearer(token(header={"alg": None})), BAD_ALGORITHM),
    "6b not the key's": (lambda: bearer(token(header={"alg": "HS512"})), BAD_ALGORITHM),
    "6c critical extension": (lambda: bearer(token(header={"crit": ["exp"]})), MALFORMED_TOKEN),
    "6c encrypted": (lambda: bearer(JWE), MALFORMED_TOKEN),
    "6c nested": (lambda: bearer(token(header={"cty": "JWT"})), MALFORMED_TOKEN),
    "7 unknown kid": (lambda: bearer(token(header={"kid": "1999"})), UNKNOWN_KEY),
    "8 expired": (lambda: bearer(token(iat=1_000, exp=2_000)), EXPIRED),
    "9 nbf ahead": (lambda: bearer(token(nbf=9_000_000_000)), IMMATURE),
    "9 iat ahead": (lambda: bearer(token(iat=9_000_000_000, exp=9_000_000_600)), IMMATURE),
    "10 another issuer": (lambda: bearer(token(iss=ISSUER + "/")), BAD_ISSUER),
    "11 another audience": (lambda: bearer(token(aud=AUDIENCE + ".other")), BAD_AUDIENCE),
    "11 no audience": (lambda: bearer(token(without="aud")), BAD_AUDIENCE),
    "12 JWT": (lambda: bearer(token(header={"typ": "JWT"})), BAD_TYPE),
    "12 no type": (lambda: bearer(token(header={"typ": None})), BAD_TYPE),
    "13 no jti": (lambda: bearer(token(without="jti")), MISSING_CLAIM),
    "13b exp is text": (lambda: bearer(token(exp="never")), BAD_CLAIM),
    "17 bound to a key": (lambda: bearer(token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})), BOUND),
}


HEADERS_THAT_ARE_READ = [
    "Authorization", "Proxy-Authorization", "Cookie", "Origin", "Upgrade", "Content-Type", "Content-Length", "Accept",
    "X-Forwarded-Proto", "X-Forwarded-For", "Access-Control-Request-Method", "If-None-Match",
]  # fmt: skip


def hostile(good: str, chance: random.Random) -> str:
    """Return a header field value that a server may pass on, similar to *good* or random, and never a valid one."""
    octets = [chr(code) for code in range(1, 256) if chr(code) not in "\r\n"]
    at = chance.randrange(len(good))
    bent = [
        lambda: good[:at] + chance.choice([sign for sign in octets if sign != good[at]]) + good[at + 1 :],
        lambda: good[:at] + chance.choice(octets) * chance.randrange(1, 9) + "." + good[at:],
        lambda: good[: at or 1],
        lambda: "Bearer " + "".join(chance.choices(octets, k=chance.randrange(40))),
        lambda: "Bearer " + ".".join("".join(chance.choices("AZaz09-_", k=chance.randrange(40))) for _ in range(3)),
        lambda: "".join(chance.choices(octets, k=chance.randrange(40))),
        lambda: good + chance.choice(["=", ".", ",", ", Bearer x", ";q=1", "\t", " x", "\xa0", "%00"]) + "x",
    ]
    value = chance.choice(bent)()
    # Spaces around a field value are not part of it, and the scheme is case-insensitive: both values would be valid.
    return (
        value + "x"
        if value.strip(" \t").lower()[:7] == "bearer " and value.strip(" \t")[7:].strip() == good[7:]
        else value
    )


class AdapterContract:
    """The tests of every method to guard a route. *build* returns a client of the application described above."""

    proxied_by = "X-Forwarded-Proto"
    """The setting for this framework in the logged advice."""
    joins_challenges = False
    """Whether the framework supports only one `WWW-Authenticate` line."""
    reads_slowly = ""
    """A header that the framework parses in quadratic time before any middleware: tested up to the limit of servers."""
    awaits_hooks = False
    """Whether hooks may be coroutine functions, and plain hooks run in a worker thread."""

    def build(self, server: ResourceServer, *, cors: bool = False) -> Client:
        """Build the application; with *cors*, inside the adapter is a layer that handles CORS preflights."""
        raise NotImplementedError

    @pytest.fixture
    def client(self) -> Client:
        return self.build(resource_server())

    def same(self, answer: Answer, golden: Golden, *, further: tuple[str, ...] = (), retry_after: str = "5") -> None:
        """Assert that *answer* is *golden* to the byte: every header pair in order, and the challenges in *further*."""
        status, challenge, body = golden
        challenges = [] if challenge is None else [challenge, *further]
        if self.joins_challenges and challenges:
            challenges = [", ".join(challenges)]
        pairs = [("www-authenticate", line) for line in challenges]
        if status == 503:
            pairs.append(("retry-after", retry_after))
        pairs += [
            ("cache-control", "no-store"),
            ("content-type", "application/problem+json"),
            ("content-length", str(len(body))),
        ]
        assert answer == Answer(status, pairs, body.encode())

    # --- the response table

    @pytest.mark.parametrize("row", ROWS)
    def test_each_row_of_the_response_table_matches_to_the_byte(self, client, row):
        headers, golden = ROWS[row]

        self.same(client.send("GET", "/protected", headers()), golden)

    @pytest.mark.parametrize("path", ["/orders", "/admin", "/hidden"])
    def test_guarded_routes_refuse_bad_tokens_like_other_routes(self, client, path):
        self.same(client.send("GET", path), NO_CREDENTIALS)
        self.same(client.send("GET", path, bearer(token(iat=1_000, exp=2_000))), EXPIRED)

    def test_a_valid_token_reaches_the_view_with_its_subject(self, client):
        answer = client.send("GET", "/protected", bearer(token("berta")))

        assert (answer.status, answer.body) == (200, b"berta")
        assert answer.all("www-authenticate") == []

    @pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
    def test_the_scheme_is_case_insensitive(self, client, scheme):
        assert client.send("GET", "/protected", [("authorization", f"{scheme}  {token()}")]).status == 200

    def test_a_token_with_the_required_scope_is_accepted(self, client):
        assert client.send("GET", "/orders", bearer(token(scope="a orders:read"))).body == b"anna"

    @pytest.mark.parametrize(
        "scope", [{}, {"scope": "orders:write"}, {"scope": "ORDERS:READ"}, {"scope": "orders:reader"}]
    )
    def test_row_15_the_challenge_names_a_missing_scope(self, client, scope):
        self.same(client.send("GET", "/orders", bearer(token(**scope))), SCOPE_IS_MISSING)

    def test_row_15b_the_challenge_for_a_missing_role_names_no_scope(self, client):
        self.same(client.send("GET", "/admin", bearer(token(roles=["user"]))), ROLE_IS_MISSING)

        assert client.send("GET", "/admin", bearer(token(roles=["user", "admin"]))).body == b"anna"

    def test_row_15c_a_concealed_route_is_404(self, client):
        self.same(client.send("GET", "/hidden", bearer()), HIDDEN)

        assert client.send("GET", "/hidden", bearer(token(scope="hidden:read"))).body == b"anna"

    def test_rows_4c_and_4d_a_token_in_the_query_is_ignored(self, client):
        assert client.send("GET", f"/protected?access_token={token('eve')}", bearer()).body == b"anna"

        self.same(client.send("GET", f"/protected?access_token={token()}"), NO_CREDENTIALS)

    def test_any_authorization_header_gets_a_response_of_the_table(self, client):
        chance = random.Random(2026)  # noqa: S311 - the same cases in every run
        good = f"Bearer {token()}"
        for number in range(200):
            value = hostile(good, chance)
            answer = client.send("GET", "/protected", [("Authorization", value)])

            assert answer.status in {400, 401}, (number, value)
            assert answer.crash is None
            assert [name for name, _ in answer.headers] == [
                "www-authenticate",
                "cache-control",
                "content-type",
                "content-length",
            ]
            assert json.loads(answer.body)["status"] == answer.status

    @pytest.mark.parametrize("name", HEADERS_THAT_ARE_READ)
    def test_no_header_costs_more_than_its_length(self, name):
        """Alone, and beside a valid token, with which the framework and the application read further."""
        client, size = self.build(resource_server()), 8_192 if name == self.reads_slowly else 32_768
        for pump in ("; ", '"', '\\"', ", ", "a=b; "):
            for beside, path in (([], "/maybe"), (bearer(), "/protected")):

                def ask(text, beside=beside, path=path):
                    client.send("GET", path, [*beside, (name, text)])

                assert_linear(ask, lambda size, pump=pump: pump * (size // len(pump)) + "x", size, smallest=16)

    # --- optional and public routes

    def test_row_1b_an_optional_route_accepts_requests_with_and_without_a_token(self, client):
        anonymous, authenticated = client.send("GET", "/maybe"), client.send("GET", "/maybe", bearer())

        assert (anonymous.status, anonymous.body) == (200, b"anonymous")
        assert (authenticated.status, authenticated.body) == (200, b"anna")
        for answer in (anonymous, authenticated):
            assert [value for line in answer.all("vary") for value in line.split(", ")] == ["Authorization"]

    def test_an_optional_route_treats_another_scheme_as_no_credentials(self, client):
        assert client.send("GET", "/maybe", [("Authorization", "Basic YW5uYQ==")]).body == b"anonymous"

    @pytest.mark.parametrize("row", ["3 no token", "4b two lines", "5 one segment", "6 another key", "8 expired"])
    def test_an_optional_route_refuses_bad_credentials(self, client, row):
        headers, golden = ROWS[row]

        self.same(client.send("GET", "/maybe", headers()), golden)

    @pytest.mark.parametrize("path", ["/open", "/healthz"])
    def test_row_23_a_public_route_ignores_tokens(self, client, path):
        for headers in ([], bearer(), bearer("abc"), bearer() + bearer()):
            answer = client.send("GET", path, headers)

            assert (answer.status, answer.body) == (200, b"anonymous")
            assert answer.all("vary") == []

    # --- methods

    @pytest.mark.parametrize(
        ("path", "raw", "golden"),
        [("/protected", None, NO_CREDENTIALS), ("/orders", token, SCOPE_IS_MISSING), ("/hidden", token, HIDDEN)],
    )
    def test_head_gets_the_headers_of_get_and_no_body(self, client, path, raw, golden):
        headers = bearer(raw()) if raw else []
        got, head = client.send("GET", path, headers), client.send("HEAD", path, headers)

        self.same(got, golden)
        assert (head.status, head.headers, head.body) == (got.status, got.headers, b"")

    def test_the_metadata_url_does_not_depend_on_the_headers_of_the_request(self):
        """C-17."""
        configured = "https://api.example/.well-known/oauth-protected-resource"
        client = self.build(resource_server(resource_metadata=configured))
        spoofed = ["X-Forwarded-Host", "X-Original-Host", "Forwarded", "X-Forwarded-Prefix"]

        answer = client.send("GET", "/protected", [(name, f"{SENTINEL}.example") for name in spoofed])

        assert answer.all("www-authenticate") == [f'Bearer realm="api", resource_metadata="{configured}"']
        assert SENTINEL not in repr(answer)

    # --- a token in a form

    def test_a_token_in_a_form_is_ignored_and_the_form_reaches_the_view(self, client):
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        body = f"access_token={token('eve')}".encode()

        self.same(client.send("POST", "/echo", [kind], body), NO_CREDENTIALS)
        assert client.send("POST", "/echo", [kind, *bearer()], body).body == body

    # --- https

    def test_plain_http_is_refused_if_https_is_required(self):
        client = self.build(resource_server(https="require"))

        for path in ("/protected", "/maybe"):
            self.same(client.send("GET", path, bearer(), scheme="http"), PLAIN_HTTP)
            assert client.send("GET", path, bearer(), scheme="https").status == 200
        self.same(client.send("GET", "/protected", scheme="http"), NO_CREDENTIALS)
        assert client.send("GET", "/maybe", scheme="http").body == b"anonymous"
        assert client.send("GET", "/open", bearer(), scheme="http").body == b"anonymous"

    @pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "testclient"])
    def test_a_loopback_peer_may_use_plain_http(self, address):
        client = self.build(resource_server(https="require"))

        assert client.send("GET", "/protected", bearer(), scheme="http", client=address).body == b"anna"

    @pytest.mark.parametrize("address", ["", "unix:", "/run/app.sock", "172.17.0.1", "localhost"])
    def test_an_unknown_peer_is_not_loopback(self, address):
        client = self.build(resource_server(https="require"))

        self.same(client.send("GET", "/protected", bearer(), scheme="http", client=address), PLAIN_HTTP)

    @pytest.mark.parametrize(
        "line",
        [("Forwarded", "for=127.0.0.1"), ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "https"), ("X-Real-IP", "::1")],
    )  # fmt: skip
    def test_a_proxy_on_loopback_is_not_the_client(self, line):
        client = self.build(resource_server(https="require"))

        self.same(client.send("GET", "/protected", [line, *bearer()], scheme="http", client="127.0.0.1"), PLAIN_HTTP)
        self.same(client.send("GET", "/maybe", [line, *bearer()], scheme="http", client="127.0.0.1"), PLAIN_HTTP)
        assert client.send("GET", "/protected", [line, *bearer()], scheme="https", client="127.0.0.1").status == 200

    def test_the_setting_for_a_proxy_is_logged_once(self, caplog):
        client = self.build(resource_server(https="require"))

        for _ in range(2):
            self.same(client.send("GET", "/protected", bearer(), scheme="http", client="203.0.113.9"), PLAIN_HTTP)

        (advice,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert "plain http" in advice
        assert self.proxied_by in advice
        assert "203.0.113.9" not in advice

    def test_plain_http_is_logged_once_and_not_for_loopback(self, caplog):
        client = self.build(resource_server(https="warn"))

        def warnings(address: str) -> int:
            caplog.clear()
            assert client.send("GET", "/protected", bearer(), scheme="http", client=address).status == 200
            return sum("plain http" in record.getMessage() for record in caplog.records)

        assert [warnings(address) for address in ("127.0.0.1", "::1", "203.0.113.9", "203.0.113.9")] == [0, 0, 1, 0]

    def test_headers_that_claim_https_are_not_trusted(self):
        client = self.build(resource_server(https="require"))
        claims = [("X-Forwarded-Proto", "https"), ("Forwarded", "proto=https"), ("X-Forwarded-Ssl", "on")]

        self.same(client.send("GET", "/protected", [*bearer(), *claims], scheme="http"), PLAIN_HTTP)

    # --- the application's hooks

    @pytest.mark.parametrize(
        ("hook", "answer", "golden"),
        [
            ("is_revoked", True, REVOKED),
            ("is_revoked", None, CANNOT_TELL),
            ("is_revoked", 0, CANNOT_TELL),
            ("check_subject", False, BAD_SUBJECT),
            ("check_subject", None, CANNOT_TELL),
            ("check_subject", "yes", CANNOT_TELL),
        ],
    )
    def test_rows_13c_14_and_21_a_hook_that_does_not_accept_stops_the_request(self, hook, answer, golden):
        client = self.build(resource_server({hook: lambda _: answer}))

        self.same(client.send("GET", "/protected", bearer()), golden)
        self.same(client.send("GET", "/maybe", bearer()), golden)
        assert client.send("GET", "/open", bearer()).body == b"anonymous"

    @pytest.mark.parametrize(("hook", "answer"), [("is_revoked", False), ("check_subject", True)])
    def test_a_hook_that_accepts_lets_the_request_pass(self, hook, answer):
        client = self.build(resource_server({hook: lambda _: answer}))

        assert client.send("GET", "/protected", bearer()).body == b"anna"

    def test_row_21_a_hook_that_raises_is_an_outage(self):
        def hook(_: object) -> NoReturn:
            raise ConnectionError(SENTINEL)

        client = self.build(resource_server({"is_revoked": hook}))

        self.same(client.send("GET", "/protected", bearer()), CANNOT_TELL)

    def test_row_20_unavailable_keys_are_an_outage_with_their_own_retry_after(self):
        def hook(_: object) -> NoReturn:
            raise KeysUnavailable(retry_after=30)

        client = self.build(resource_server({"check_subject": hook}))

        self.same(client.send("GET", "/protected", bearer()), CANNOT_TELL, retry_after="30")

    def test_a_plain_hook_that_returns_a_coroutine_is_an_outage(self):
        async def answer() -> bool:
            return False

        client = self.build(resource_server({"is_revoked": lambda _: answer()}))

        self.same(client.send("GET", "/protected", bearer()), CANNOT_TELL)

    @pytest.mark.parametrize(
        ("answer", "golden"), [(True, REVOKED), (False, None), (None, CANNOT_TELL), ("raise", CANNOT_TELL)]
    )
    def test_a_coroutine_hook_is_awaited_or_refused_at_start_up(self, answer, golden):
        async def is_revoked(_: object) -> Any:
            if answer == "raise":
                raise ConnectionError
            return answer

        server = resource_server({"is_revoked": is_revoked})
        if not self.awaits_hooks:
            with pytest.raises(ConfigurationError, match="coroutine function"):
                self.build(server)
            return
        got = self.build(server).send("GET", "/protected", bearer())
        if golden is None:
            assert got.body == b"anna"
        else:
            self.same(got, golden)

    def test_a_plain_hook_never_runs_on_the_event_loop(self):
        threads = []

        def is_revoked(_: object) -> bool:
            threads.append(threading.current_thread())
            return False

        client = self.build(resource_server({"is_revoked": is_revoked}))

        assert client.send("GET", "/protected", bearer()).status == 200
        assert len(threads) == 1
        assert (threads[0] is threading.current_thread()) is not self.awaits_hooks

    # --- refusals that the application raises

    @pytest.mark.parametrize("kind", RAISED)
    def test_a_refusal_raised_by_the_view_gets_the_response_of_the_middleware(self, client, kind):
        self.same(client.send("GET", f"/boom/{kind}", bearer()), RAISED[kind])

    def test_the_resource_server_of_the_request_responds_to_what_the_view_raises(self):
        client = self.build(resource_server(realm="shop", error_format="oauth"))

        answer = client.send("GET", "/boom/auth", bearer())

        assert answer.all("www-authenticate") == [EXPIRED[1].replace('"api"', '"shop"')]
        assert answer.body == b'{"error":"invalid_token","error_description":"The access token expired"}'

    def test_head_gets_no_body_for_a_refusal_raised_by_the_view(self, client):
        got, head = client.send("GET", "/boom/scope", bearer()), client.send("HEAD", "/boom/scope", bearer())

        assert (head.status, head.headers, head.body) == (403, got.headers, b"")

    def test_a_refusal_raised_by_the_view_is_logged_once_and_not_as_an_error(self, client, caplog):
        caplog.set_level(logging.INFO)

        client.send("GET", "/boom/scope", bearer())

        assert [record.getMessage() for record in caplog.records if record.name == "gatepass"] == [
            "refused: insufficient_scope"
        ]
        assert [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info] == []

    # --- other responses of the application

    def test_an_exception_of_the_view_is_500_without_a_challenge(self, client):
        answer = client.send("GET", "/boom", bearer())

        assert answer.status == 500
        assert answer.all("www-authenticate") == []

    def test_an_error_response_of_the_view_is_unchanged(self, client):
        answer = client.send("GET", "/gone", bearer())

        assert (answer.status, answer.body) == (404, b"replaced by the application")
        assert answer.all("www-authenticate") == []

    def test_row_22_an_unexpected_exception_in_the_core_is_500_and_never_anonymous(self):
        def clock() -> NoReturn:
            raise RuntimeError(SENTINEL)

        client = self.build(resource_server({"clock": clock}))

        for path in ("/protected", "/orders", "/maybe"):
            answer = client.send("GET", path, bearer())
            assert answer.status == 500
            assert answer.all("www-authenticate") == []
            assert b"anonymous" not in answer.body
            assert answer.crash is None or type(answer.crash) is RuntimeError

    # --- settings of the resource server

    def test_each_accepted_scheme_has_its_challenge(self):
        dpop = Challenge("DPoP", realm="api", parameters={"algs": "ES256 EdDSA"})
        client = self.build(
            resource_server(
                extra_challenges=[dpop],
                challenge_scopes=["orders:read"],
                resource_metadata="https://api.example/.well-known/oauth-protected-resource",
            )
        )
        metadata = 'resource_metadata="https://api.example/.well-known/oauth-protected-resource"'
        further = ('DPoP realm="api", algs="ES256 EdDSA"',)

        self.same(
            client.send("GET", "/protected"),
            (401, f'Bearer realm="api", scope="orders:read", {metadata}', UNAUTHORIZED),
            further=further,
        )
        status, challenge, body = EXPIRED
        self.same(
            client.send("GET", "/protected", bearer(token(iat=1_000, exp=2_000))),
            (status, f"{challenge}, {metadata}", body),
            further=further,
        )
        status, challenge, body = SCOPE_IS_MISSING
        self.same(client.send("GET", "/orders", bearer()), (status, f"{challenge}, {metadata}", body))

    def test_an_empty_body_has_no_content_type(self):
        answer = self.build(resource_server(error_format="empty")).send("GET", "/protected")

        assert answer.headers == [
            ("www-authenticate", 'Bearer realm="api"'),
            ("cache-control", "no-store"),
            ("content-length", "0"),
        ]
        assert answer.body == b""

    def test_the_oauth_error_format_is_short_json(self):
        answer = self.build(resource_server(error_format="oauth")).send("GET", "/protected", bearer("abc"))

        assert answer.body == b'{"error":"invalid_token","error_description":"The access token is malformed"}'
        assert answer.all("content-type") == ["application/json"]

    @pytest.mark.parametrize("headers", [bearer("a b"), [*bearer(), *bearer()]])
    def test_malformed_status_401_replaces_400(self, headers):
        """Needed behind `auth_request` of nginx, which accepts 2xx, 401 and 403, and turns other statuses into 500."""
        client = self.build(resource_server(malformed_status=401, https="require"))

        assert client.send("GET", "/protected", headers).status == 401
        assert client.send("GET", "/protected", bearer(), scheme="http").status == 401

    def test_malformed_status_401_reports_a_malformed_header_as_invalid_token(self):
        answer = self.build(resource_server(malformed_status=401)).send("GET", "/protected", bearer("a b"))

        assert answer.status == 401
        assert answer.all("www-authenticate") == [
            'Bearer realm="api", error="invalid_token", error_description="The Authorization header is malformed"'
        ]

    # --- no identity or secret leaks

    def test_concurrent_requests_keep_their_identities(self, client):
        people = [f"person-{number}" for number in range(CONCURRENT_REQUESTS)]

        answers = client.send_together([Request("GET", "/slow", bearer(token(person))) for person in people])

        assert [answer.body.decode() for answer in answers] == [f"{person} {person}" for person in people]

    def test_no_identity_is_left_for_the_next_request(self, client):
        for first in ("/protected", "/boom", "/gone", "/orders", "/maybe"):
            client.send("GET", first, bearer())
            assert client.send("GET", "/maybe").body == b"anonymous"
            assert client.send("GET", "/open").body == b"anonymous"

    @pytest.mark.parametrize(
        "headers",
        [
            lambda: bearer(SENTINEL),
            lambda: bearer(f"{SENTINEL} {SENTINEL}"),
            lambda: [("Authorization", f"{SENTINEL} {SENTINEL}")],
            lambda: bearer(token(header={"kid": SENTINEL})),
            lambda: bearer(token(header={"alg": SENTINEL})),
            lambda: bearer(token(header={"typ": SENTINEL})),
            lambda: bearer(token(header={SENTINEL: SENTINEL, "crit": [SENTINEL]})),
            lambda: bearer(token(iss=f"https://{SENTINEL}.example")),
            lambda: bearer(token(aud=SENTINEL)),
            lambda: bearer(token(SENTINEL, exp=SENTINEL)),
            lambda: bearer(token(SENTINEL, jti=SENTINEL, scope=SENTINEL, iat=1, exp=2)),
            lambda: bearer(token(scope=SENTINEL, roles=[SENTINEL])),
        ],
    )
    def test_no_text_of_a_refused_request_is_returned_or_logged(self, client, headers, caplog):
        caplog.set_level(logging.DEBUG)
        made = headers()
        raw = made[0][1].partition(" ")[2]

        for path in ("/protected", "/orders", "/maybe", "/admin", "/hidden"):
            answer = client.send("GET", path, made)
            if path in {"/protected", "/maybe"} and answer.status == 200:
                continue  # a valid token: the view chooses the body
            returned = json.dumps([answer.headers, answer.body.decode()]) + repr(answer.crash)
            assert SENTINEL not in returned
            assert raw not in returned
        logged = "\n".join(record.getMessage() + str(record.exc_info) for record in caplog.records)
        assert SENTINEL not in logged
        assert raw not in logged

    def test_each_refusal_is_logged_once_with_its_stable_reason(self, client, caplog):
        caplog.set_level(logging.INFO, "gatepass")

        client.send("GET", "/protected", bearer(token(iat=1_000, exp=2_000)))
        client.send("GET", "/orders", bearer())

        reasons = [record.getMessage().split()[1] for record in caplog.records if record.name == "gatepass"]
        assert reasons == ["expired_token", "insufficient_scope"]

    def test_each_of_several_issuers_has_its_own_key(self):
        from gatepass import TokenVerifier

        other = Key.from_secret("f17e9b30c6a2458d8e4b71d05a93c2f6", kid="2026")
        verifiers = [
            TokenVerifier(
                issuer=ISSUER, audience=AUDIENCE, keys=Key.from_secret("8d0c1ab2e8f64d2f9a0b5f6c7d1e3a48", kid="2026")
            ),
            TokenVerifier(issuer="https://partner.example", audience=AUDIENCE, keys=other),
        ]
        client = self.build(ResourceServer(verifiers, https="off"))

        assert client.send("GET", "/protected", bearer()).body == b"anna"
        assert client.send("GET", "/protected", bearer(token(key=other, iss="https://partner.example"))).body == b"anna"
        self.same(client.send("GET", "/protected", bearer(token(iss="https://partner.example"))), BAD_SIGNATURE)
        self.same(client.send("GET", "/protected", bearer(token(key=other))), BAD_SIGNATURE)

    # --- keys from a key server

    @pytest.fixture
    def key_server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyServer]:
        monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", 60)  # a slow machine must not count as an outage
        with serving(refuse) as server:
            yield server

    @staticmethod
    def fetching(key_server: KeyServer, *others: TokenVerifier) -> ResourceServer:
        """Fetch keys with a stopped clock: the pause between fetches never ends, so a slow machine adds no fetches."""
        keys = JWKSClient(key_server.url, allow=HTTP_ON_LOOPBACK, timeout=60, clock=lambda: 1_000.0)
        return ResourceServer([TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys), *others], https="off")

    def test_a_token_whose_key_is_fetched_is_accepted(self, key_server):
        key, new = Key.generate("ES256"), Key.generate("ES256")
        client = self.build(self.fetching(key_server))

        for published in ([key], [key, new]):
            key_server.answer = document(KeySet(published, signing=key).to_jwks())
            assert client.send("GET", "/protected", bearer(token(key=published[-1]))).body == b"anna"
            assert client.send("GET", "/maybe", bearer(token(key=published[-1]))).body == b"anna"
        assert len(key_server.requests) == 2

    def test_row_7_a_key_that_the_issuer_does_not_publish_is_refused(self, key_server):
        key = Key.generate("ES256")
        key_server.answer = document(KeySet([key]).to_jwks())
        client = self.build(self.fetching(key_server))

        for _ in range(3):
            self.same(client.send("GET", "/protected", bearer(token(key=key, header={"kid": "1999"}))), UNKNOWN_KEY)
        self.same(client.send("GET", "/maybe", bearer(token(key=key, header={"kid": "1999"}))), UNKNOWN_KEY)
        assert len(key_server.requests) == 1

    def test_row_20_a_key_server_that_fails_is_an_outage_and_makes_no_request_anonymous(self, key_server):
        good = token(key=Key.generate("ES256"))
        client = self.build(self.fetching(key_server))

        for path in ("/protected", "/orders", "/hidden", "/maybe"):
            self.same(client.send("GET", path, bearer(good)), CANNOT_TELL)
        self.same(client.send("GET", "/protected", bearer(token(iat=1_000, exp=2_000))), BAD_ALGORITHM)
        self.same(client.send("GET", "/protected"), NO_CREDENTIALS)
        assert client.send("GET", "/open", bearer(good)).body == b"anonymous"
        assert client.send("GET", "/maybe").body == b"anonymous"
        assert len(key_server.requests) == 1

    def test_a_request_that_waits_for_keys_does_not_block_others(self, key_server):
        key, partners = Key.generate("ES256"), Key.generate("ES256")
        other_came = threading.Event()
        other = TokenVerifier(
            issuer="https://partner.example",
            audience=AUDIENCE,
            keys=partners.public(),
            check_subject=lambda _: other_came.set() is None,
        )
        client = self.build(self.fetching(key_server, other))
        good = document(KeySet([key]).to_jwks())

        def answer(exchange: Exchange) -> None:
            (good if other_came.wait(60) else refuse)(exchange)

        key_server.answer = answer
        answers = client.send_together(
            [
                Request("GET", "/protected", bearer(token("berta", key=key))),
                Request("GET", "/protected", bearer(token("carla", key=partners, iss="https://partner.example"))),
            ]
        )

        assert [answer.body for answer in answers] == [b"berta", b"carla"]


PREFLIGHT = [("Origin", "https://shop.example"), ("Access-Control-Request-Method", "GET")]


class MiddlewareContract(AdapterContract):
    """The tests of a middleware: every path is protected, unknown paths too, except those named public."""

    def build_without_middleware(self) -> Client:
        """Build the same application without the middleware."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "target", ["/nowhere", "/", "/protected/", "/open/nowhere", "/%00", "/%ff%fe", "/a/../open"]
    )
    def test_unknown_paths_are_protected(self, client, target):
        self.same(client.send("GET", target), NO_CREDENTIALS)

    def test_an_authenticated_request_for_an_unknown_path_is_404(self, client):
        assert client.send("GET", "/nowhere", bearer()).status == 404

    @pytest.mark.parametrize("target", ["/healthz", "/healthz?full=1", "/%68ealthz", "/healthz?/../protected"])
    def test_a_public_path_is_compared_after_decoding_and_without_the_query(self, client, target):
        assert client.send("GET", target).body == b"anonymous"

    @pytest.mark.parametrize(
        "target",
        [
            "/healthzz",
            "/healthz/",
            "//healthz",
            "/healthz//",
            "/healthz/x",
            "/healthz%2f..%2fprotected",
            "/healthz%2F",
            "/healthz;x",
            "/healthz%3Fx",
            "/healthz%23",
            "/healthz%00",
            "/healthz%20",
            "/healthz.",
            "/./healthz",
            "/x/../healthz",
            "/HEALTHZ",
            "/Healthz",
            "/%2568ealthz",
            "/protected?/healthz",
            "/protected%3f/healthz",
            "/protected;/healthz",
            "/protected/../healthz",
            "/open%2f..%2fprotected",
            "/OPEN",
            "/api/healthz",
        ],
    )
    def test_paths_that_resemble_a_public_path_are_protected(self, client, target):
        self.same(client.send("GET", target), NO_CREDENTIALS)

    def test_headers_that_rewrite_the_path_or_the_method_are_ignored(self, client):
        for name in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Path"):
            self.same(client.send("GET", "/protected", [(name, "/healthz")]), NO_CREDENTIALS)
        for host in ("api.example/healthz?", "api.example/healthz#"):
            assert client.send("GET", "/protected", [("Host", host)]).status in {400, 401}
        self.same(
            client.send("POST", "/protected", [("X-HTTP-Method-Override", "OPTIONS"), *PREFLIGHT]), NO_CREDENTIALS
        )

    def test_public_paths_are_compared_without_the_mount(self, client):
        assert client.send("GET", "/healthz", mount="/api").body == b"anonymous"
        assert client.send("GET", "/open", mount="/api").body == b"anonymous"
        assert client.send("GET", "/protected", bearer(), mount="/api").body == b"anna"
        self.same(client.send("GET", "/protected", mount="/api"), NO_CREDENTIALS)
        self.same(client.send("GET", "/protected", mount="/healthz"), NO_CREDENTIALS)
        self.same(client.send("GET", "/api/healthz", mount="/api"), NO_CREDENTIALS)

    def test_row_19_a_preflight_reaches_the_cors_layer(self):
        client = self.build(resource_server(), cors=True)

        for path in ("/protected", "/orders", "/nowhere"):
            assert client.send("OPTIONS", path, PREFLIGHT).status in {200, 204}

    def test_a_preflight_without_a_cors_layer_does_not_run_the_view(self, client):
        for path in ("/protected", "/orders", "/admin", "/hidden", "/slow"):
            answer = client.send("OPTIONS", path, PREFLIGHT)

            assert b"anonymous" not in answer.body
            assert answer.status != 500

    def test_a_view_that_handles_options_gets_no_request_without_a_token(self, client):
        for headers in ([], PREFLIGHT, [*PREFLIGHT, ("Access-Control-Request-Headers", "authorization")]):
            self.same(client.send("OPTIONS", "/any?to=mallory", headers), NO_CREDENTIALS)

        assert client.send("OPTIONS", "/any", [*PREFLIGHT, *bearer()]).body == b"anna"

    @pytest.mark.parametrize("method", ["options", "Options"])
    def test_the_method_of_a_preflight_is_case_sensitive(self, client, method):
        assert client.send(method, "/any", PREFLIGHT).status in {401, 405}
        with_cors = self.build(resource_server(), cors=True)
        assert with_cors.send(method, "/protected", PREFLIGHT).status in {401, 405}

    @pytest.mark.parametrize("method", ["head", "Head"])
    def test_a_refusal_has_a_body_for_head_in_another_case(self, client, method):
        self.same(client.send(method, "/protected"), NO_CREDENTIALS)

    def test_the_response_to_a_preflight_has_no_body(self, client):
        for path in ("/protected", "/orders", "/slow", "/nowhere"):
            answer = client.send("OPTIONS", path, PREFLIGHT)

            assert answer.status == 401 or answer.body == b"", path

    @pytest.mark.parametrize("headers", [[], PREFLIGHT[:1], PREFLIGHT[1:], [("Origin", ""), PREFLIGHT[1]]])
    def test_options_without_both_preflight_headers_needs_a_token(self, headers):
        client = self.build(resource_server(), cors=True)

        self.same(client.send("OPTIONS", "/protected", headers), NO_CREDENTIALS)

    @pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT"])
    def test_only_options_is_a_preflight(self, client, method):
        assert client.send(method, "/protected", PREFLIGHT).status == 401

    def test_a_guard_without_the_middleware_is_500_without_a_challenge(self):
        client = self.build_without_middleware()

        for headers in ([], bearer(token(scope="orders:read"))):
            answer = client.send("GET", "/orders", headers)
            assert answer.status == 500
            assert b"anna" not in answer.body
            assert answer.all("www-authenticate") == []

    def test_public_paths_must_be_exact_paths(self):
        for paths in (["/static/*"], ["healthz"], "/healthz", ["/a?b"]):
            with pytest.raises(ConfigurationError, match="public"):
                self.build_public(resource_server(), paths)

    def build_public(self, server: ResourceServer, paths: Any) -> object:
        """Create the middleware with these public paths."""
        raise NotImplementedError

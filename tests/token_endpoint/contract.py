"""The responses of the token and revocation endpoints in every framework, byte for byte: one suite to inherit.

The expected responses are written out here. The tests of a new adapter implement `build`: an application with the two
endpoints, behind its access-token middleware, where no other path is public.
"""

import asyncio
import base64
import json
import logging
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from tests.support.breaking_store import AUDIENCE, ISSUER, KEY, BreakingStore, Outage
from tests.support.clients import Request
from tests.support.growth import assert_linear

from gatepass import AccessTokenRevocation, ResourceServer, TokenEndpoints, TokenIssuer, TokenService, TokenVerifier
from gatepass.errors import RevokedToken
from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import UnauthorizedClient

FORM = ("Content-Type", "application/x-www-form-urlencoded")
SECRET = "s3cr%t+ :x"
SENTINEL = "SENTINEL-7f3a"
NOT_CACHED = [("cache-control", "no-store"), ("pragma", "no-cache")]


def golden(status, body, *headers):
    kind = [("content-type", "application/json")] if body else []
    return status, [*headers, *NOT_CACHED, *kind, ("content-length", str(len(body)))], body.encode()


BASIC = ("www-authenticate", 'Basic realm="token"')
RETRY = ("retry-after", "5")
INVALID_REQUEST = golden(400, '{"error":"invalid_request","error_description":"The request is malformed"}')
INVALID_CLIENT_TEXT = '{"error":"invalid_client","error_description":"Client authentication failed"}'
INVALID_CLIENT = golden(400, INVALID_CLIENT_TEXT)
INVALID_BASIC = golden(401, INVALID_CLIENT_TEXT, BASIC)
NOT_A_FORM = golden(
    400, '{"error":"invalid_request","error_description":"The body must be application/x-www-form-urlencoded"}'
)
INVALID_GRANT = golden(400, '{"error":"invalid_grant","error_description":"The refresh token is not valid"}')
INVALID_SCOPE = golden(400, '{"error":"invalid_scope","error_description":"The requested scope exceeds the grant"}')
INVALID_TARGET = golden(400, '{"error":"invalid_target","error_description":"The requested resource is not allowed"}')
UNAUTHORIZED_CLIENT = golden(
    400, '{"error":"unauthorized_client","error_description":"The client is not authorized for this request"}'
)
UNSUPPORTED_GRANT = golden(
    400, '{"error":"unsupported_grant_type","error_description":"The grant type is not supported"}'
)
UNSUPPORTED_TOKEN = golden(
    400, '{"error":"unsupported_token_type","error_description":"Tokens of this type cannot be revoked here"}'
)
PLAIN_HTTP = golden(400, '{"error":"invalid_request","error_description":"The request was not sent over https"}')
CANNOT_TELL = golden(
    503,
    '{"error":"temporarily_unavailable","error_description":"The authorization service is temporarily unavailable"}',
    RETRY,
)
CANNOT_TELL_REVOKING = golden(503, "", RETRY)
REVOKED = golden(200, "{}")
NOT_POST = golden(405, "", ("allow", "POST"))


def authenticate(client_id, secret):
    if client_id == "idle":
        raise UnauthorizedClient
    if client_id == "broken":
        raise Outage
    known = {"web": None, "mobile": None, "shop": SECRET, "odd": None}
    if client_id == "odd":
        return None
    return client_id in known and known[client_id] == secret


HOOKS = frozenset(("check_subject", "claims_for", "scopes_for", "on_reuse"))


def as_coroutine_function(function):
    """Return *function* as a coroutine function that needs the running event loop."""

    async def call(*arguments):
        assert asyncio.get_running_loop().is_running()
        await asyncio.sleep(0)
        return function(*arguments)

    return call


class Backend:
    """A service, its endpoints, a resource server that checks revocations, and a store that can fail.

    *coroutines* names the functions that the endpoints get as coroutine functions. `service` has plain functions, and
    is on the same store.
    """

    def __init__(
        self,
        *,
        authenticate_client=authenticate,
        revokes=True,
        cookies=None,
        https="require",
        coroutines=(),
        **settings,
    ):
        read = settings.pop("server_cookies", cookies)
        settings.setdefault("check_subject", lambda subject: True)
        self.store = BreakingStore()
        self.revocation = AccessTokenRevocation(self.store, access_ttl=900) if revokes else None
        self.verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=KEY, is_revoked=self.revocation)
        self.service = self._service(settings)
        awaited = {name: as_coroutine_function(settings[name]) for name in settings.keys() & coroutines}
        if "authenticate_client" in coroutines and authenticate_client is not None:
            authenticate_client = as_coroutine_function(authenticate_client)
        self.endpoints = TokenEndpoints(
            self._service({**settings, **awaited}) if awaited else self.service,
            authenticate_client=authenticate_client,
            verifier=self.verifier if revokes else None,
            cookies=cookies,
            https=https,
        )
        self.server = ResourceServer(self.verifier, https="off", cookies=read)

    def _service(self, settings):
        issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=KEY, client_id="web")
        return TokenService(issuer, self.store, revocation=self.revocation, **settings)


@dataclass(frozen=True)
class GrantedTokens:
    """Tokens of one family with the scope `a b` (spent, current, access), and tokens of another client."""

    spent: str
    current: str
    access: str
    foreign: str
    foreign_access: str


def grant_tokens(backend):
    first = backend.service.grant("anna", scope="a b")
    second = backend.service.refresh(first.refresh_token)
    foreign = backend.service.grant("anna", scope="a b", client_id="mobile")
    return GrantedTokens(
        first.refresh_token, second.refresh_token, second.access_token, foreign.refresh_token, foreign.access_token
    )


def basic(client_id, secret, *, encoded=True):
    parts = (quote_plus(client_id), quote_plus(secret)) if encoded else (client_id, secret)
    return "Authorization", "Basic " + base64.b64encode(":".join(parts).encode()).decode()


def refresh(**fields: Any) -> dict[str, Any]:
    return {"grant_type": "refresh_token", "refresh_token": "{current}", **fields}


def encoded(fields, tokens):
    """Return *fields*, a mapping or the body itself, as a form, with the names of tokens in braces replaced."""
    if isinstance(fields, bytes):
        body = fields
        for name in ("spent", "current", "access", "foreign_access", "foreign"):
            body = body.replace(b"{%s}" % name.encode(), getattr(tokens, name).encode())
        return body
    pairs = [(name, one) for name, value in fields.items() for one in (value if isinstance(value, list) else [value])]
    return urlencode(
        [(name, value.format(**vars_of(tokens)) if "{" in value else value) for name, value in pairs]
    ).encode()


def vars_of(tokens):
    return {name: getattr(tokens, name) for name in GrantedTokens.__dataclass_fields__}


TOO_LONG = b"grant_type=refresh_token&refresh_token={current}&x=" + b"x" * 65_536
GOOD = b"grant_type=refresh_token&refresh_token={current}"

# Requests to /token and their responses. The headers are sent beside the media type of a form.
REFUSED_REFRESHES = {
    "no fields": ({}, [], INVALID_REQUEST),
    "no grant type": ({"refresh_token": "{current}"}, [], INVALID_REQUEST),
    "an empty grant type": (refresh(grant_type=""), [], INVALID_REQUEST),
    "no token": ({"grant_type": "refresh_token"}, [], INVALID_REQUEST),
    "an empty token": (refresh(refresh_token=""), [], INVALID_REQUEST),
    "the token twice": (refresh(refresh_token=["{current}", "{current}"]), [], INVALID_REQUEST),
    "the token and an empty one": (refresh(refresh_token=["{current}", ""]), [], INVALID_REQUEST),
    "the grant type twice": (refresh(grant_type=["refresh_token", "refresh_token"]), [], INVALID_REQUEST),
    "the scope twice": (refresh(scope=["a", "b"]), [], INVALID_REQUEST),
    "the client twice": (refresh(client_id=["web", "web"]), [], INVALID_REQUEST),
    "the secret twice": (refresh(client_id="shop", client_secret=[SECRET, SECRET]), [], INVALID_REQUEST),
    "a body that is too long": (TOO_LONG, [], INVALID_REQUEST),
    "too many fields": (GOOD + b"&x=1" * 100, [], INVALID_REQUEST),
    "raw octets": (GOOD + b"&x=\xe9", [], INVALID_REQUEST),
    "raw UTF-8": (GOOD + "&x=é".encode(), [], INVALID_REQUEST),
    "no UTF-8": (GOOD + b"&x=%E9", [], INVALID_REQUEST),
    "JSON": (b'{"grant_type":"refresh_token","refresh_token":"{current}"}', [], INVALID_REQUEST),
    "a password": ({"grant_type": "password", "username": "anna", "password": SENTINEL}, [], UNSUPPORTED_GRANT),
    "a code": ({"grant_type": "authorization_code", "code": SENTINEL}, [], UNSUPPORTED_GRANT),
    "another case": (refresh(grant_type="Refresh_Token"), [], UNSUPPORTED_GRANT),
    "an invented grant": (refresh(grant_type=SENTINEL), [], UNSUPPORTED_GRANT),
    "an unknown client": (refresh(client_id=SENTINEL), [], INVALID_CLIENT),
    "a client that is no text": (refresh(client_id="we\x00b"), [], INVALID_CLIENT),
    "a secret of a public client": (refresh(client_id="web", client_secret=SENTINEL), [], INVALID_CLIENT),
    "a secret without a client": (refresh(client_secret=SECRET), [], INVALID_CLIENT),
    "a wrong secret": (refresh(client_id="shop", client_secret=SENTINEL), [], INVALID_CLIENT),
    "no secret": (refresh(client_id="shop"), [], INVALID_CLIENT),
    "a wrong secret by Basic": (refresh(), [basic("shop", SENTINEL)], INVALID_BASIC),
    "no secret by Basic": (refresh(), [basic("shop", "")], INVALID_BASIC),
    "a secret by Basic that is not encoded": (refresh(), [basic("shop", SECRET, encoded=False)], INVALID_BASIC),
    "empty credentials by Basic": (refresh(), [basic("", "")], INVALID_BASIC),
    "Basic without a colon": (refresh(), [("Authorization", "Basic c2hvcA==")], INVALID_BASIC),
    "Basic that is no base64": (refresh(), [("Authorization", f"Basic {SENTINEL}!")], INVALID_BASIC),
    "Basic that is no UTF-8": (refresh(), [("Authorization", "Basic /zr/")], INVALID_BASIC),
    "Basic alone": (refresh(), [("Authorization", "Basic")], INVALID_BASIC),
    "an access token": (refresh(), [("Authorization", "Bearer {access}")], INVALID_BASIC),
    "Basic and a secret": (refresh(client_secret=SECRET), [basic("shop", SECRET)], INVALID_REQUEST),
    "Basic and another client": (refresh(client_id="web"), [basic("shop", SECRET)], INVALID_REQUEST),
    "Basic twice": (refresh(), [basic("shop", SECRET), basic("shop", SECRET)], INVALID_REQUEST),
    "a client that may not": (refresh(client_id="idle"), [], UNAUTHORIZED_CLIENT),
    "a hook that raises": (refresh(client_id="broken"), [], CANNOT_TELL),
    "a hook that returns None": (refresh(client_id="odd"), [], CANNOT_TELL),
    "an invented token": (refresh(refresh_token=SENTINEL), [], INVALID_GRANT),
    "an unknown token": (refresh(refresh_token=RefreshToken.fresh().text()), [], INVALID_GRANT),
    "an access token for a token": (refresh(refresh_token="{access}"), [], INVALID_GRANT),
    "a token that is no ASCII": (refresh(refresh_token="é" * 86), [], INVALID_GRANT),
    "a spent token": (refresh(refresh_token="{spent}"), [], INVALID_GRANT),
    "a spent token and more": (refresh(refresh_token="{spent}", scope="z", resource=["x:", "y:"]), [], INVALID_GRANT),
    "another client's token": (refresh(refresh_token="{foreign}"), [], INVALID_GRANT),
    "a token that is another client's": (refresh(client_id="mobile"), [], INVALID_GRANT),
    "a token of a public client by Basic": (refresh(), [basic("shop", SECRET)], INVALID_GRANT),
    "the token twice, of an unknown client": (
        refresh(refresh_token=["{current}", "{current}"], client_id=SENTINEL),
        [],
        INVALID_REQUEST,
    ),
    "a password of an unknown client": (refresh(grant_type="password", client_id=SENTINEL), [], INVALID_CLIENT),
    "a wider scope": (refresh(scope=f"a {SENTINEL}"), [], INVALID_SCOPE),
    "a scope that is none": (refresh(scope='"'), [], INVALID_SCOPE),
    "a scope with two blanks": (refresh(scope="a  b"), [], INVALID_SCOPE),
    "another resource": (refresh(resource=f"https://{SENTINEL}.example"), [], INVALID_TARGET),
    "a resource that is none": (refresh(resource="#"), [], INVALID_TARGET),
    "one resource too many": (refresh(resource=[AUDIENCE, "https://other.example"]), [], INVALID_TARGET),
}

ANSWERED_REFRESHES = {
    "the issuer's own client, unnamed": (refresh(), []),
    "the client by its name": (refresh(client_id="web"), []),
    "Basic without a secret": (refresh(), [basic("web", "")]),
    "Basic in another case": (refresh(), [("Authorization", basic("web", "")[1].replace("Basic", "bASIC"))]),
    "Basic and the same client": (refresh(client_id="web"), [basic("web", "")]),
    "an empty header": (refresh(), [("Authorization", "")]),
    "what counts as omitted": (refresh(scope="", resource="", client_secret=""), []),
    "unknown fields, repeated": (refresh(state=["1", "2"], audience="x", access_token="y"), []),
    "the resource twice": (refresh(resource=[AUDIENCE, AUDIENCE]), []),
    "fields in the other order": (b"refresh_token={current}&grant_type=refresh_token", []),
    "escapes": (b"grant%5Ftype=refresh%5Ftoken&refresh_token={current}&x=%C3%A9&&y", []),
}

MEDIA_TYPES = {
    "application/x-www-form-urlencoded; charset=UTF-8": True,
    "Application/X-WWW-Form-Urlencoded": True,
    'application/x-www-form-urlencoded;charset="utf-8"': True,
    "application/x-www-form-urlencoded;": True,
    "application/x-www-form-urlencoded; charset=iso-8859-1": False,
    "application/x-www-form-urlencoded; boundary=x": False,
    "application/json": False,
    "multipart/form-data; boundary=x": False,
    "text/plain": False,
    "application/x-www-form-urlencodedx": False,
    "": False,
}

REVOCATIONS = {
    "a current token": ({"token": "{current}"}, [], REVOKED),
    "a spent token": ({"token": "{spent}"}, [], REVOKED),
    "an access token": ({"token": "{access}"}, [], REVOKED),
    "an unknown token": ({"token": RefreshToken.fresh().text()}, [], REVOKED),
    "an invented token": ({"token": SENTINEL}, [], REVOKED),
    "an access token without claims": ({"token": "e30.e30.e30"}, [], REVOKED),
    "a right hint": ({"token": "{current}", "token_type_hint": "refresh_token"}, [], REVOKED),
    "a wrong hint": ({"token": "{current}", "token_type_hint": "access_token"}, [], REVOKED),
    "another wrong hint": ({"token": "{access}", "token_type_hint": "refresh_token"}, [], REVOKED),
    "an unknown hint": ({"token": "{current}", "token_type_hint": SENTINEL}, [], REVOKED),
    "a hint twice": ({"token": "{current}", "token_type_hint": ["a", "b"]}, [], INVALID_REQUEST),
    "no token": ({}, [], INVALID_REQUEST),
    "an empty token": ({"token": ""}, [], INVALID_REQUEST),
    "the token twice": ({"token": ["{current}", "{current}"]}, [], INVALID_REQUEST),
    "another client's token": ({"token": "{foreign}"}, [], INVALID_GRANT),
    "another client's access token": ({"token": "{foreign_access}"}, [], INVALID_GRANT),
    "an unknown client": ({"token": "{current}", "client_id": SENTINEL}, [], INVALID_CLIENT),
    "a wrong secret by Basic": ({"token": "{current}"}, [basic("shop", SENTINEL)], INVALID_BASIC),
    "Basic and a secret": ({"token": "{current}", "client_secret": SECRET}, [basic("shop", SECRET)], INVALID_REQUEST),
    "a hook that raises": ({"token": "{current}", "client_id": "broken"}, [], CANNOT_TELL_REVOKING),
}

NO_NUMBERS = [
    "", " ", "+5", "-5", "1_0", "1e3", "0x10", "5.0", "5, 5", "5,5", "\xb2", "\u0665".encode().decode("latin-1"), "five", "5 5", "9" * 5_000,
]  # fmt: skip
"""Invalid values of Content-Length; the last one is a number, but longer than any length."""

METHODS = ["post", "Post", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "X-INVENTED"]


class EndpointChecks:
    """What the contracts share. `build(backend, prefix="")` returns a client of the application."""

    coroutines = frozenset()
    """The names of the application's functions that are coroutine functions."""

    def build(self, backend, prefix=""):
        raise NotImplementedError

    def backend_with(self, **settings):
        return Backend(**{"coroutines": self.coroutines, **settings})

    @pytest.fixture
    def backend(self):
        return self.backend_with()

    @pytest.fixture
    def tokens(self, backend):
        return grant_tokens(backend)

    @pytest.fixture
    def client(self, backend):
        return self.build(backend)

    def post(self, client, path, fields, tokens, headers=(), *, content_type=FORM[1]):
        headers = [(name, value.replace("{access}", tokens.access)) for name, value in headers]
        kind = [("Content-Type", content_type)] if content_type else []
        return client.send("POST", path, [*kind, *headers], encoded(fields, tokens))

    def check(self, answer, expected):
        assert answer.crash is None
        assert (answer.status, answer.headers, answer.body) == expected
        assert SENTINEL not in str(answer.headers) + answer.body.decode()

    def pair(self, answer, scope="a b", *, withdrawn=False):
        """Assert that a successful response is exact to the byte, and return its pair of tokens.

        *withdrawn*: whether the application withdrew scopes, so that the response has the member `scope` in any case.
        """
        assert answer.crash is None
        members = json.loads(answer.body)
        said = f',"scope":"{scope}"' if scope or withdrawn else ""
        text = '{"access_token":"%s","token_type":"Bearer","expires_in":900,"refresh_token":"%s"%s}' % (  # noqa: UP031 - braces
            members["access_token"],
            members["refresh_token"],
            said,
        )
        assert (answer.status, answer.headers, answer.body) == golden(200, text)
        return members


class EndpointContract(EndpointChecks):
    reads_slowly = ""
    """A header that the framework parses in quadratic time: tested up to the limit of servers."""

    # Refreshing

    def test_a_refresh_matches_to_the_byte_and_its_new_token_works(self, backend, client, tokens):
        first = self.pair(self.post(client, "/token", refresh(), tokens))
        again = self.pair(self.post(client, "/token", refresh(refresh_token=first["refresh_token"]), tokens))

        assert backend.verifier.verify(again["access_token"]).subject == "anna"

    def test_the_response_names_a_scope_if_there_is_one(self, backend, client, tokens):
        narrowed = self.pair(self.post(client, "/token", refresh(scope="b"), tokens), scope="b")
        self.pair(self.post(client, "/token", refresh(refresh_token=narrowed["refresh_token"]), tokens))
        bare = backend.service.grant("bert").refresh_token
        self.pair(self.post(client, "/token", refresh(refresh_token=bare), tokens), scope="")

    @pytest.mark.parametrize("case", sorted(REFUSED_REFRESHES))
    def test_a_refusal_matches_the_table_to_the_byte_and_logs_no_text_of_the_request(
        self, client, tokens, caplog, case
    ):
        caplog.set_level(logging.DEBUG)
        fields, headers, expected = REFUSED_REFRESHES[case]

        self.check(self.post(client, "/token", fields, tokens, headers), expected)

        said = "".join(record.getMessage() for record in caplog.records if record.name.startswith("gatepass"))
        for text in (SENTINEL, SECRET, tokens.current, tokens.spent, tokens.foreign, tokens.access):
            assert text not in said

    @pytest.mark.parametrize("pairs", [40, 4_000])
    def test_a_media_type_with_many_semicolons_is_no_form(self, client, tokens, pairs):
        self.check(self.post(client, "/token", b"x", tokens, content_type=FORM[1] + "; " * pairs + "x"), NOT_A_FORM)

    @pytest.mark.parametrize(("path", "body"), [("/token", b"x"), ("/revoke", b"")])
    @pytest.mark.parametrize("name", ["Content-Type", "Content-Length", "Authorization", "Cookie", "Origin", "Upgrade"])
    def test_no_header_costs_more_than_its_length(self, client, name, path, body):
        """Include the cost of the framework's own parser."""
        beside = [] if name == "Content-Type" else [FORM]
        start = FORM[1] if name == "Content-Type" else ""
        for pump in ("; ", '"', '\\"', '; a="', ", ", "%41"):

            def hostile(size, pump=pump):
                return start + pump * (size // len(pump)) + "x"

            def ask(text):
                client.send("POST", path, [*beside, (name, text)], body)

            assert_linear(ask, hostile, 8_192 if name == self.reads_slowly else 32_768, smallest=16)

    @pytest.mark.parametrize("case", sorted(REFUSED_REFRESHES))
    def test_a_refusal_keeps_the_token_valid_unless_it_is_a_reuse(self, backend, client, tokens, case):
        fields, headers, _ = REFUSED_REFRESHES[case]
        self.post(client, "/token", fields, tokens, headers)

        answer = self.post(client, "/token", refresh(), tokens)

        if case.startswith("a spent token"):
            self.check(answer, INVALID_GRANT)
        else:
            self.pair(answer)
        assert backend.service.refresh(tokens.foreign, client_id="mobile")

    @pytest.mark.parametrize("case", sorted(ANSWERED_REFRESHES))
    def test_a_refresh_may_have_other_forms(self, client, tokens, case):
        fields, headers = ANSWERED_REFRESHES[case]

        self.pair(self.post(client, "/token", fields, tokens, headers))

    @pytest.mark.parametrize("media_type", sorted(MEDIA_TYPES))
    def test_only_a_utf_8_form_is_accepted(self, client, tokens, media_type):
        answer = self.post(client, "/token", refresh(), tokens, content_type=media_type)

        if MEDIA_TYPES[media_type]:
            self.pair(answer)
        else:
            self.check(answer, NOT_A_FORM)

    def test_a_body_with_two_content_types_is_no_form(self, client, tokens):
        self.check(self.post(client, "/token", refresh(), tokens, [FORM]), NOT_A_FORM)

    def test_a_confidential_client_authenticates_by_basic_or_in_the_form(self, backend, client, tokens):
        token = backend.service.grant("anna", client_id="shop").refresh_token
        answer = self.post(client, "/token", refresh(refresh_token=token), tokens, [basic("shop", SECRET)])
        token = self.pair(answer, scope="")["refresh_token"]
        fields = refresh(refresh_token=token, client_id="shop", client_secret=SECRET)
        self.pair(self.post(client, "/token", fields, tokens), scope="")

    def test_parameters_in_the_url_are_ignored(self, client, tokens):
        query = f"?grant_type=refresh_token&refresh_token={tokens.current}"

        self.check(self.post(client, f"/token{query}", {}, tokens), INVALID_REQUEST)
        self.pair(self.post(client, f"/token{query}", refresh(), tokens))

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("path", ["/token", "/revoke"])
    def test_a_method_other_than_post_is_405(self, client, tokens, method, path):
        answer = client.send(method, path, [FORM], encoded(refresh(token="{current}"), tokens))

        self.check(answer, NOT_POST)
        self.pair(self.post(client, "/token", refresh(), tokens))

    # Invalid and unusual values of Content-Length

    @pytest.mark.parametrize("length", ["0", "00", "000000000000", *NO_NUMBERS])
    @pytest.mark.parametrize("path", ["/token", "/revoke"])
    def test_a_request_without_a_body_is_an_empty_form_with_any_content_length(self, client, path, length):
        self.check(client.send("POST", path, [FORM, ("Content-Length", length)]), INVALID_REQUEST)

    @pytest.mark.parametrize("length", ["{}", "0{}", "0000000000000000000000{}"])
    def test_the_length_of_a_body_may_have_leading_zeros(self, client, tokens, length):
        body = encoded(refresh(), tokens)

        self.pair(client.send("POST", "/token", [FORM, ("Content-Length", length.replace("{}", str(len(body))))], body))

    @pytest.mark.parametrize("length", NO_NUMBERS)
    def test_a_body_with_an_invalid_content_length_is_read_or_empty(self, client, tokens, length):
        answer = client.send("POST", "/token", [FORM, ("Content-Length", length)], encoded(refresh(), tokens))

        if answer.status == 200:
            self.pair(answer)
        else:
            self.check(answer, INVALID_REQUEST)

    # HTTPS

    @pytest.mark.parametrize(("path", "fields"), [("/token", refresh()), ("/revoke", {"token": "{current}"})])
    def test_a_token_over_plain_http_is_refused_and_stays_valid(self, client, tokens, caplog, path, fields):
        form = encoded(fields, tokens)
        for more in ({"client": "203.0.113.9"}, {"client": ""}, {"client": "unix:"}):
            self.check(client.send("POST", path, [FORM], form, scheme="http", **more), PLAIN_HTTP)
        self.check(client.send("POST", path, [("Content-Type", "x")], b"", scheme="http"), PLAIN_HTTP)
        self.check(client.send("GET", path, scheme="http"), NOT_POST)

        self.pair(self.post(client, "/token", refresh(), tokens))
        assert sum("plain http" in record.getMessage() for record in caplog.records) == 1

    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "testclient"])
    def test_a_loopback_peer_may_use_plain_http(self, client, tokens, address):
        form = encoded(refresh(), tokens)

        self.pair(client.send("POST", "/token", [FORM], form, scheme="http", client=address))

    @pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP"])
    def test_a_proxy_on_loopback_is_not_the_client(self, client, tokens, name):
        form = encoded(refresh(), tokens)
        answer = client.send("POST", "/token", [FORM, (name, "127.0.0.1")], form, scheme="http", client="127.0.0.1")

        self.check(answer, PLAIN_HTTP)

    @pytest.mark.parametrize(("rule", "said"), [("warn", 1), ("off", 0)])
    def test_https_warn_and_off_accept_plain_http(self, caplog, rule, said):
        backend = self.backend_with(https=rule)
        form, client = encoded(refresh(), grant_tokens(backend)), self.build(backend)

        self.pair(client.send("POST", "/token", [FORM], form, scheme="http"))
        assert sum("plain http" in record.getMessage() for record in caplog.records) == said

    @pytest.mark.parametrize("operation", ["get", "rotate"])
    def test_a_store_that_fails_is_503_and_the_token_stays_valid(self, backend, client, tokens, operation):
        backend.store.before.add(operation)
        self.check(self.post(client, "/token", refresh(), tokens), CANNOT_TELL)
        backend.store.before.clear()

        self.pair(self.post(client, "/token", refresh(), tokens))

    def test_one_of_many_concurrent_requests_with_one_token_succeeds(self, client, tokens):
        body = encoded(refresh(), tokens)
        answers = client.send_together([Request("POST", "/token", [FORM], body) for _ in range(16)])

        assert sorted(answer.status for answer in answers) == [200, *[400] * 15]
        for answer in answers:
            if answer.status != 200:
                self.check(answer, INVALID_GRANT)

    # What the application says of the login at each refresh

    def test_a_scope_that_the_application_withdrew_is_dropped_and_the_response_says_so(self):
        allowed = ["a", "b"]
        backend = self.backend_with(scopes_for=lambda session: allowed)
        tokens, client = grant_tokens(backend), self.build(backend)

        allowed.remove("a")
        first = self.pair(self.post(client, "/token", refresh(scope="a b"), tokens), scope="b")
        second = self.pair(
            self.post(client, "/token", refresh(refresh_token=first["refresh_token"], scope="a"), tokens),
            scope="",
            withdrawn=True,
        )

        assert backend.verifier.verify(first["access_token"]).scopes == {"b"}
        assert backend.verifier.verify(second["access_token"]).scopes == frozenset()

    def test_a_login_whose_scopes_are_all_withdrawn_lives_on_and_can_get_them_again(self):
        allowed = ["a", "b"]
        backend = self.backend_with(scopes_for=lambda session: allowed)
        tokens, client = grant_tokens(backend), self.build(backend)

        allowed.clear()
        token = tokens.current
        for _ in range(2):
            members = self.pair(
                self.post(client, "/token", refresh(refresh_token=token), tokens), scope="", withdrawn=True
            )
            token = members["refresh_token"]
        allowed.extend(("b", "a"))

        self.pair(self.post(client, "/token", refresh(refresh_token=token), tokens), scope="a b")

    def test_a_scope_outside_the_grant_is_refused_even_if_the_application_returns_it(self):
        backend = self.backend_with(scopes_for=lambda session: ["b", "a", "admin"])
        tokens, client = grant_tokens(backend), self.build(backend)

        self.check(self.post(client, "/token", refresh(scope="a admin"), tokens), INVALID_SCOPE)
        self.pair(self.post(client, "/token", refresh(), tokens), scope="a b")

    @pytest.mark.parametrize(
        ("hook", "good", "broken"),
        [
            ("check_subject", True, None),
            ("claims_for", {}, None),
            ("scopes_for", "a b", None),
            ("scopes_for", "a b", "a  b"),
            *(("claims_for", {}, {name: "x"}) for name in ("iss", "sub", "exp", "scope", "client_id", "family_id")),
        ],
    )
    def test_an_invalid_result_of_a_function_is_503_and_the_token_stays_valid(self, caplog, hook, good, broken):
        results = [good]
        backend = self.backend_with(**{hook: lambda argument: results[-1]})
        tokens, client = grant_tokens(backend), self.build(backend)

        results.append(broken)
        self.check(self.post(client, "/token", refresh(), tokens), CANNOT_TELL)
        results.pop()

        self.pair(self.post(client, "/token", refresh(), tokens))
        levels = [record.levelname for record in caplog.records if record.name == "gatepass.refresh"]
        assert levels == ["ERROR", "ERROR"]

    # Revoking

    @pytest.mark.parametrize("case", sorted(REVOCATIONS))
    def test_a_revocation_gets_the_response_of_the_table(self, client, tokens, case):
        fields, headers, expected = REVOCATIONS[case]

        self.check(self.post(client, "/revoke", fields, tokens, headers), expected)

    def test_a_refresh_token_is_revoked_with_its_access_tokens(self, backend, client, tokens):
        self.check(self.post(client, "/revoke", {"token": "{current}"}, tokens), REVOKED)

        self.check(self.post(client, "/token", refresh(), tokens), INVALID_GRANT)
        with pytest.raises(RevokedToken):
            backend.verifier.verify(tokens.access)
        self.check(self.post(client, "/revoke", {"token": "{current}"}, tokens), REVOKED)

    def test_revoking_an_access_token_keeps_its_refresh_token(self, backend, client, tokens):
        self.check(self.post(client, "/revoke", {"token": "{access}"}, tokens), REVOKED)

        with pytest.raises(RevokedToken):
            backend.verifier.verify(tokens.access)
        self.pair(self.post(client, "/token", refresh(), tokens))

    def test_a_refused_revocation_revokes_no_token(self, backend, client, tokens):
        for case, (fields, headers, expected) in REVOCATIONS.items():
            if expected is not REVOKED:
                assert self.post(client, "/revoke", fields, tokens, headers).status in (400, 401, 503), case

        self.pair(self.post(client, "/token", refresh(), tokens))
        assert backend.service.refresh(tokens.foreign, client_id="mobile")
        assert backend.verifier.verify(tokens.foreign_access)

    @pytest.mark.parametrize(
        ("operation", "token"),
        [("get", "{current}"), ("revoke", "{current}"), ("put_revocation", "{access}")],
    )
    def test_a_revocation_that_cannot_be_written_is_503_and_may_be_repeated(
        self, backend, client, tokens, operation, token
    ):
        backend.store.before.add(operation)
        self.check(self.post(client, "/revoke", {"token": token}, tokens), CANNOT_TELL_REVOKING)
        backend.store.before.clear()

        self.check(self.post(client, "/revoke", {"token": token}, tokens), REVOKED)

    def test_without_access_token_revocation_the_response_is_unsupported_token_type(self):
        backend = self.backend_with(revokes=False)
        tokens, client = grant_tokens(backend), self.build(backend)

        self.check(self.post(client, "/revoke", {"token": "{access}"}, tokens), UNSUPPORTED_TOKEN)
        self.check(self.post(client, "/revoke", {"token": "{current}"}, tokens), REVOKED)

    # Mounting

    def test_without_a_hook_only_the_public_client_of_the_issuer_is_accepted(self):
        backend = self.backend_with(authenticate_client=None)
        tokens, client = grant_tokens(backend), self.build(backend)

        self.check(
            self.post(client, "/token", refresh(client_id="mobile", refresh_token="{foreign}"), tokens), INVALID_CLIENT
        )
        self.check(self.post(client, "/token", refresh(), tokens, [basic("web", "secret")]), INVALID_BASIC)
        self.pair(self.post(client, "/token", refresh(client_id="web"), tokens))

    def test_the_endpoints_can_have_a_prefix(self, backend, tokens):
        client = self.build(backend, prefix="/auth")

        self.check(self.post(client, "/auth/token", {}, tokens), INVALID_REQUEST)
        self.check(client.send("GET", "/auth/revoke"), NOT_POST)
        self.pair(self.post(client, "/auth/token", refresh(), tokens))

    def test_the_rest_of_the_application_stays_protected(self, client):
        for path in ("/", "/token/", "/tokens", "/token/x", "/revoke/"):
            assert client.send("POST", path, [FORM], b"").status == 401, path

    def test_the_service_runs_off_the_event_loop(self, backend, client, tokens):
        threads = []
        backend.store.in_between["rotate"] = lambda: threads.append((threading.current_thread(), _has_running_loop()))

        self.pair(self.post(client, "/token", refresh(), tokens))

        assert [has_loop for _, has_loop in threads] == [False]


def _has_running_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

"""Credentials in, a token out: several issuers, openness of routes, HTTPS."""

import asyncio
import logging
import sys

import pytest
from tests.support.tokens import ISSUER, SECRET_KEY, SIGNING_KEY, claims_for, header_for, make_verifier, signed

from gatepass import ANY_ISSUER, AuthError, ConfigurationError, Key, KeySet, Profile, ResourceServer
from gatepass.errors import (
    DisallowedAlgorithm,
    InsecureTransport,
    InvalidClaim,
    InvalidIssuer,
    InvalidSignature,
    MalformedCredentials,
    MalformedToken,
    MissingClaim,
    MissingCredentials,
    UnknownKey,
    UnsupportedScheme,
)

OTHER_ISSUER = "https://else.example"
OTHER_KEY = Key(Key.generate("RS256")._material, algorithm="RS256", kid=SIGNING_KEY.kid)


async def inline(function):
    return function()


def bearer(token):
    return [f"Bearer {token}"]


def refusal(server, authorization, **known):
    with pytest.raises(AuthError) as refused:
        server.authenticate(authorization, **known)
    with pytest.raises(AuthError) as refused_async:
        asyncio.run(server.authenticate_async(authorization, run_blocking=inline, **known))
    assert type(refused.value) is type(refused_async.value)
    return type(refused.value)


def test_a_request_with_a_good_token_is_authenticated_on_both_ways():
    server = ResourceServer(make_verifier(), https="off")

    assert server.authenticate(bearer(signed())).subject == "anna"
    assert asyncio.run(server.authenticate_async(bearer(signed()), run_blocking=inline)).subject == "anna"


class TestSeveralIssuers:
    """Each issuer has its own keys, algorithms and policy; the exact `iss` chooses (V-10, V-23, A6)."""

    server = ResourceServer([
        make_verifier(),
        make_verifier(issuer=OTHER_ISSUER, keys=OTHER_KEY.public()),
        make_verifier(issuer="https://third.example", keys=SECRET_KEY, profile=Profile.GENERIC),
    ], https="off")  # fmt: skip

    def test_each_issuers_own_tokens_are_taken(self):
        for token, issuer in [
            (signed(), ISSUER),
            (signed(header_for(OTHER_KEY), claims_for(iss=OTHER_ISSUER), key=OTHER_KEY), OTHER_ISSUER),
            (signed(header_for(SECRET_KEY, typ="JWT"), claims_for(iss="https://third.example"), key=SECRET_KEY), "https://third.example"),
        ]:  # fmt: skip
            assert self.server.authenticate(bearer(token)).issuer == issuer

    def test_a_key_speaks_for_its_own_issuer_alone_though_the_kid_is_the_same(self):
        assert (
            refusal(self.server, bearer(signed(header_for(OTHER_KEY), claims_for(), key=OTHER_KEY)))
            is DisallowedAlgorithm
        )
        assert refusal(self.server, bearer(signed(claims=claims_for(iss=OTHER_ISSUER)))) is DisallowedAlgorithm
        same_kid = Key(Key.generate("ES256")._material, algorithm="ES256", kid=SIGNING_KEY.kid)
        twin = ResourceServer(
            [make_verifier(), make_verifier(issuer=OTHER_ISSUER, keys=same_kid.public())], https="off"
        )
        assert refusal(twin, bearer(signed(claims=claims_for(iss=OTHER_ISSUER)))) is InvalidSignature
        assert refusal(twin, bearer(signed(key=same_kid))) is InvalidSignature

    def test_one_issuers_profile_does_not_relax_that_of_another(self):
        assert refusal(self.server, bearer(signed(header_for(typ="JWT")))).__name__ == "WrongTokenType"

    @pytest.mark.parametrize("iss", ["https://evil.example", ISSUER + "/", ISSUER.upper(), "", "a" * 5_000])
    def test_an_unknown_issuer_is_not_accepted(self, iss):
        assert refusal(self.server, bearer(signed(claims=claims_for(iss=iss)))) is InvalidIssuer

    @pytest.mark.parametrize(
        ("iss", "error"),
        [(..., MissingClaim), (None, InvalidClaim), ([ISSUER], InvalidClaim), (5, InvalidClaim), ({}, InvalidClaim)],
    )
    def test_an_issuer_that_is_no_text_chooses_nobody(self, iss, error):
        assert refusal(self.server, bearer(signed(claims=claims_for(iss=iss)))) is error

    def test_one_issuer_and_many_give_the_same_refusals(self):
        alone = ResourceServer(make_verifier(), https="off")

        for token in ["x", "x.y.z", signed(header_for(alg="none")), signed(header_for(kid="x")), signed(key=Key.generate("ES256")),
                      signed(claims=claims_for(exp=1)), signed(claims=claims_for(iss="x")), signed(claims=claims_for(iss=...)),
                      signed(claims=claims_for(iss=[ISSUER])), signed(claims=claims_for(aud="x"))]:  # fmt: skip
            assert refusal(alone, bearer(token)) is refusal(self.server, bearer(token))

    @pytest.mark.parametrize(
        "verifiers",
        [[], [make_verifier(), make_verifier()], [make_verifier(), make_verifier(issuer=ANY_ISSUER)], ["x"], [None],
         [make_verifier(issuer=ANY_ISSUER), make_verifier(issuer=ANY_ISSUER)]],
    )  # fmt: skip
    def test_issuers_that_cannot_be_told_apart_fail_at_once(self, verifiers):
        with pytest.raises(ConfigurationError):
            ResourceServer(verifiers)

    def test_a_single_verifier_may_take_any_issuer(self):
        server = ResourceServer([make_verifier(issuer=ANY_ISSUER)], https="off")

        assert (
            server.authenticate(bearer(signed(claims=claims_for(iss="https://any.example")))).issuer
            == "https://any.example"
        )


class TestOpenness:
    """Protected, optional, public (X-14, row 1b)."""

    server = ResourceServer(make_verifier(), https="off")

    def admit(self, access, authorization):
        answers = []
        for attempt in (
            lambda: self.server.admit(access, authorization),
            lambda: asyncio.run(self.server.admit_async(access, authorization, run_blocking=inline)),
            lambda: asyncio.run(
                ResourceServer(make_verifier(is_revoked=lambda _: False), https="off").admit_async(
                    access, authorization, run_blocking=inline
                )
            ),
        ):
            try:
                token = attempt()
                answers.append(token and token.subject)
            except AuthError as error:
                answers.append(type(error))
        assert len(set(answers)) == 1
        return answers[0]

    def test_a_public_route_does_not_look_at_tokens(self):
        for authorization in ([], bearer(signed()), bearer("x"), ["Bearer"], ["Basic x"]):
            assert self.admit("public", authorization) is None

    def test_an_optional_route_lets_in_who_brings_nothing_and_refuses_who_brings_something_bad(self):
        assert self.admit("optional", []) is None
        assert self.admit("optional", ["Basic x"]) is None
        assert self.admit("optional", bearer(signed())) == "anna"
        assert self.admit("optional", ["Bearer"]) is MalformedCredentials
        assert self.admit("optional", bearer("x")) is MalformedToken
        assert self.admit("optional", bearer(signed(claims=claims_for(exp=1)))).__name__ == "ExpiredToken"

    def test_a_protected_route_wants_a_token(self):
        assert self.admit("protected", []) is MissingCredentials
        assert self.admit("protected", ["Basic x"]) is UnsupportedScheme
        assert self.admit("protected", bearer(signed())) == "anna"


LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "testclient"]
NOT_LOOPBACK = [
    "192.0.2.1", "10.0.0.5", "172.17.0.1", "::ffff:192.0.2.1", "2001:db8::1", "::", None, "", "unix:",
    "unix:/run/app.sock", "/run/app.sock", "localhost", "TestClient", "testclient.example", "testserver", " 127.0.0.1",
    "127.0.0.1:80", "127.1", "0127.0.0.1", "2130706433", "127.0.0.1\n",
]  # fmt: skip


def as_if_loaded(monkeypatch, names):
    """Of the frameworks and servers that advice is for, *names* alone are in this process."""
    for name in (
        "gatepass_flask", "gatepass_django", "gatepass_starlette", "waitress", "uvicorn", "hypercorn", "daphne", "granian",
    ):  # fmt: skip
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in names:
        monkeypatch.setitem(sys.modules, name, sys)


class TestHTTPS:
    """A token travels over https, or on this machine."""

    @pytest.mark.parametrize("scheme", ["http", "ws", "", None, "HTTPS", "WSS", "httpsx", "https "])
    def test_a_token_over_plain_http_is_refused_before_it_is_looked_at(self, scheme):
        server = ResourceServer(make_verifier())

        for authorization in (bearer(signed()), bearer("garbage")):
            assert refusal(server, authorization, url_scheme=scheme, peer="192.0.2.1") is InsecureTransport

    @pytest.mark.parametrize("scheme", ["https", "wss"])
    def test_a_token_over_tls_is_welcome(self, scheme):
        for known in ({}, {"peer": "192.0.2.1"}, {"peer": "192.0.2.1", "forwarded": True}):
            assert ResourceServer(make_verifier()).authenticate(bearer(signed()), url_scheme=scheme, **known)

    @pytest.mark.parametrize("client", LOOPBACK)
    def test_a_token_from_this_machine_is_welcome(self, client):
        for scheme in ("http", "ws"):
            assert ResourceServer(make_verifier()).authenticate(bearer(signed()), url_scheme=scheme, peer=client)

    @pytest.mark.parametrize("client", NOT_LOOPBACK)
    def test_what_is_not_known_to_be_this_machine_is_not(self, client):
        assert refusal(ResourceServer(make_verifier()), bearer(signed()), url_scheme="http", peer=client) is (
            InsecureTransport
        )

    def test_a_token_that_came_by_no_connection_is_not_judged_by_one(self):
        server = ResourceServer(make_verifier())

        assert server.authenticate(bearer(signed()))
        assert refusal(server, bearer(signed()), forwarded=True) is InsecureTransport
        assert refusal(server, bearer(signed()), peer="192.0.2.1") is InsecureTransport

    @pytest.mark.parametrize("client", LOOPBACK)
    def test_a_proxy_on_this_machine_that_tells_of_itself_is_not_the_client(self, client):
        server = ResourceServer(make_verifier())

        assert refusal(server, bearer(signed()), url_scheme="http", peer=client, forwarded=True) is InsecureTransport

    def test_who_brings_no_token_is_told_to_bring_one(self):
        assert refusal(ResourceServer(make_verifier()), [], url_scheme="http") is MissingCredentials

    def test_the_refusal_says_once_what_to_set(self, caplog):
        server = ResourceServer(make_verifier())

        for _ in range(3):
            assert refusal(server, bearer(signed()), url_scheme="http", peer="192.0.2.1") is InsecureTransport
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        for text in ("plain http", "X-Forwarded-Proto", 'https="off"', '"warn"'):
            assert text in caplog.text
        assert "192.0.2" not in caplog.text

    @pytest.mark.parametrize(
        ("loaded", "hint"),
        [
            (["gatepass_flask"], "ProxyFix(app.wsgi_app, x_proto=1)"),
            (["waitress"], "--trusted-proxy-headers=x-forwarded-proto"),
            (["gatepass_django"], 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")'),
            (["gatepass_starlette", "uvicorn"], "for uvicorn and its gunicorn workers, --forwarded-allow-ips="),
            (["gatepass_starlette", "hypercorn"], "ProxyFixMiddleware(app"),
            (["gatepass_starlette", "daphne"], "for daphne, --proxy-headers"),
            (["gatepass_starlette", "granian"], "wrap_asgi_with_proxy_headers(app"),
        ],
    )
    def test_what_to_set_is_said_for_the_framework_and_the_server_at_hand(self, caplog, monkeypatch, loaded, hint):
        as_if_loaded(monkeypatch, loaded)

        refusal(ResourceServer(make_verifier()), bearer(signed()), url_scheme="http", peer="192.0.2.1")

        assert hint in caplog.text
        others = {"waitress", "ProxyFix(", "SECURE_PROXY", "uvicorn", "ProxyFixMiddleware", "daphne", "granian"}
        assert sum(other in caplog.text for other in others) == 1

    @pytest.mark.parametrize("loaded", [[], ["gatepass_starlette"]])
    def test_where_the_server_is_not_known_the_advice_is_for_each(self, caplog, monkeypatch, loaded):
        as_if_loaded(monkeypatch, loaded)

        refusal(ResourceServer(make_verifier()), bearer(signed()), url_scheme="http", peer="192.0.2.1")

        assert "--forwarded-allow-ips" in caplog.text
        assert "ProxyFixMiddleware" in caplog.text
        assert ("SECURE_PROXY_SSL_HEADER" in caplog.text) == (not loaded)

    def test_a_warning_can_be_had_in_its_place(self, caplog):
        server = ResourceServer(make_verifier(), https="warn")

        for client in ("127.0.0.1", "::1", "127.8.8.8"):
            server.authenticate(bearer(signed()), url_scheme="http", peer=client)
        server.authenticate(bearer(signed()), url_scheme="https", peer="192.0.2.1")
        server.authenticate(bearer(signed()))
        assert not caplog.records
        for client in ("192.0.2.1", None, "unix socket", "192.0.2.2"):
            server.authenticate(bearer(signed()), url_scheme="http", peer=client)
        server.authenticate(bearer(signed()), url_scheme="http", peer="127.0.0.1", forwarded=True)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "plain http" in caplog.text
        assert "192.0.2" not in caplog.text

    def test_it_may_be_left_to_the_proxy(self, caplog):
        ResourceServer(make_verifier(), https="off").authenticate(bearer(signed()), url_scheme="http", peer="192.0.2.1")

        assert not caplog.records


@pytest.mark.parametrize(
    ("method", "origin", "requested", "preflight"),
    [("OPTIONS", "https://a", "GET", True), ("GET", "https://a", "GET", False), ("OPTIONS", None, "GET", False), ("OPTIONS", "https://a", None, False),
     ("options", "https://a", "GET", False), ("OPTIONS", "", "GET", False), ("OPTIONS", "https://a", "", False)],
)  # fmt: skip
def test_a_preflight_is_options_with_both_of_its_headers(method, origin, requested, preflight):
    assert ResourceServer.is_preflight(method, origin=origin, requested_method=requested) is preflight


@pytest.mark.parametrize("value", [None, make_verifier(), "auth.server", ResourceServer])
def test_an_adapter_that_is_given_something_else_is_told_what_to_give(value):
    with pytest.raises(ConfigurationError, match=r"ResourceServer\(verifier\)"):
        ResourceServer.expect(value)


def test_a_key_set_of_many_serves_many_requests():
    keys = KeySet([Key.generate("ES256"), SIGNING_KEY.public()])
    server = ResourceServer(make_verifier(keys=keys), https="off")

    assert refusal(server, bearer(signed(header_for(kid="gone")))) is UnknownKey
    assert server.authenticate(bearer(signed())).subject == "anna"


@pytest.mark.parametrize("value", [SECRET_KEY, None, 5, "verifier", ResourceServer])
def test_a_server_says_what_it_takes(value):
    with pytest.raises(ConfigurationError, match=r"takes a TokenVerifier\(issuer="):
        ResourceServer(value)


@pytest.mark.parametrize("lines", ["", "Bearer", "Bearer a.b.c"])
def test_a_text_in_place_of_the_lines_is_the_callers_mistake(lines):
    with pytest.raises(ConfigurationError, match="are a list"):
        ResourceServer(make_verifier()).authenticate(lines)

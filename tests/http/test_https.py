"""Tokens are accepted over https or from loopback, and `https=` changes that."""

import logging
import sys

import pytest
from tests.support.resource_server import bearer, refusal
from tests.support.tokens import make_verifier, signed

from gatepass import ResourceServer
from gatepass.errors import InsecureTransport, MissingCredentials

LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "testclient"]
NOT_LOOPBACK = [
    "192.0.2.1", "10.0.0.5", "172.17.0.1", "::ffff:192.0.2.1", "2001:db8::1", "::", None, "", "unix:",
    "unix:/run/app.sock", "/run/app.sock", "localhost", "TestClient", "testclient.example", "testserver", " 127.0.0.1",
    "127.0.0.1:80", "127.1", "0127.0.0.1", "2130706433", "127.0.0.1\n",
]  # fmt: skip


def as_if_loaded(monkeypatch, names):
    """Pretend that of the frameworks and servers with advice only *names* are loaded."""
    for name in (
        "gatepass_flask", "gatepass_django", "gatepass_starlette", "waitress", "uvicorn", "hypercorn", "daphne", "granian",
    ):  # fmt: skip
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in names:
        monkeypatch.setitem(sys.modules, name, sys)


class TestHTTPS:
    """Tokens are accepted only over https or on loopback."""

    @pytest.mark.parametrize("scheme", ["http", "ws", "", None, "HTTPS", "WSS", "httpsx", "https "])
    def test_a_token_over_plain_http_is_refused_before_it_is_parsed(self, scheme):
        server = ResourceServer(make_verifier())

        for authorization in (bearer(signed()), bearer("garbage")):
            assert refusal(server, authorization, url_scheme=scheme, peer="192.0.2.1") is InsecureTransport

    @pytest.mark.parametrize("scheme", ["https", "wss"])
    def test_a_token_over_tls_is_accepted(self, scheme):
        for known in ({}, {"peer": "192.0.2.1"}, {"peer": "192.0.2.1", "forwarded": True}):
            assert ResourceServer(make_verifier()).authenticate(bearer(signed()), url_scheme=scheme, **known)

    @pytest.mark.parametrize("client", LOOPBACK)
    def test_a_token_from_loopback_is_accepted(self, client):
        for scheme in ("http", "ws"):
            assert ResourceServer(make_verifier()).authenticate(bearer(signed()), url_scheme=scheme, peer=client)

    @pytest.mark.parametrize("client", NOT_LOOPBACK)
    def test_a_peer_that_is_not_known_to_be_loopback_is_refused(self, client):
        assert refusal(ResourceServer(make_verifier()), bearer(signed()), url_scheme="http", peer=client) is (
            InsecureTransport
        )

    def test_a_token_without_a_connection_is_accepted(self):
        server = ResourceServer(make_verifier())

        assert server.authenticate(bearer(signed()))
        assert refusal(server, bearer(signed()), forwarded=True) is InsecureTransport
        assert refusal(server, bearer(signed()), peer="192.0.2.1") is InsecureTransport

    @pytest.mark.parametrize("client", LOOPBACK)
    def test_a_proxy_on_loopback_that_sends_forwarded_headers_is_not_the_client(self, client):
        server = ResourceServer(make_verifier())

        assert refusal(server, bearer(signed()), url_scheme="http", peer=client, forwarded=True) is InsecureTransport

    def test_a_request_without_a_token_over_http_is_missing_credentials(self):
        assert refusal(ResourceServer(make_verifier()), [], url_scheme="http") is MissingCredentials

    def test_the_setting_for_the_proxy_is_logged_once(self, caplog):
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
    def test_the_logged_setting_matches_the_loaded_framework_and_server(self, caplog, monkeypatch, loaded, hint):
        as_if_loaded(monkeypatch, loaded)

        refusal(ResourceServer(make_verifier()), bearer(signed()), url_scheme="http", peer="192.0.2.1")

        assert hint in caplog.text
        others = {"waitress", "ProxyFix(", "SECURE_PROXY", "uvicorn", "ProxyFixMiddleware", "daphne", "granian"}
        assert sum(other in caplog.text for other in others) == 1

    @pytest.mark.parametrize("loaded", [[], ["gatepass_starlette"]])
    def test_for_an_unknown_server_the_settings_of_every_server_are_logged(self, caplog, monkeypatch, loaded):
        as_if_loaded(monkeypatch, loaded)

        refusal(ResourceServer(make_verifier()), bearer(signed()), url_scheme="http", peer="192.0.2.1")

        assert "--forwarded-allow-ips" in caplog.text
        assert "ProxyFixMiddleware" in caplog.text
        assert ("SECURE_PROXY_SSL_HEADER" in caplog.text) == (not loaded)

    def test_https_warn_logs_one_warning_instead(self, caplog):
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

    def test_https_off_logs_no_warning(self, caplog):
        ResourceServer(make_verifier(), https="off").authenticate(bearer(signed()), url_scheme="http", peer="192.0.2.1")

        assert not caplog.records

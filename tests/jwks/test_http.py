"""For any response of a key server, a request is accepted, rejected or deferred in time, and the keys are kept.

A test that delays a fetch advances the clock of the fetch (`advance_time`), so that only this can exceed a deadline.
"""

import datetime as dt
import gc
import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.support.certificates import DAY, self_signed, trusting, vouched_for
from tests.support.event_loop import advance_time, advance_time_when_idle
from tests.support.issuers import GOOD, NEW, OLD, RSA, client, jwks, token, verifier
from tests.support.key_server import PATIENCE, after, by_path, document, hang, head, outlast, refuse, until
from tests.support.needs import missing
from tests.support.ports import free_port
from tests.support.runtimes import ACCEPTED, CANNOT_TELL, RUNTIMES, UNKNOWN_KEY

from gatepass import Key
from gatepass.errors import KeysUnavailable
from gatepass.jose.compact import encode_base64url
from gatepass.jwks import FetchEnded, FetchFailed

TEXT = json.dumps(GOOD).encode()
SECRET = b"q7Zt2-fK9_vT5mWn3bLc8dHf6gJs1pYr"
JWK = GOOD["keys"][0]
OTHER = jwks(NEW)["keys"][0]


def with_entries(*entries):
    return document({"keys": list(entries)})


def drip(octets, before=b""):
    def answer(exchange):
        exchange.send(before)
        for octet in octets:
            exchange.send(bytes([octet]))
            advance_time(1)

    return answer


def endless(exchange):
    exchange.send(head("200 OK"))
    while True:
        exchange.send(b" " * 65_536)


def endless_headers(exchange):
    exchange.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        exchange.send(b"X-Pad: " + b"x" * 4_096 + b"\r\n")


def hints_without_end(exchange):
    while True:
        exchange.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        advance_time(1)


def saying(octets):
    return lambda exchange: exchange.send(octets)


def reset(exchange):
    exchange.send(head("200 OK", [("Content-Length", "100")]) + b"{")
    exchange.reset()


def redirect(exchange):
    if exchange.request.path == "/elsewhere":
        exchange.reply(TEXT)
    exchange.reply(b"", [("Location", f"{exchange.server.origin}/elsewhere")], status="302 Found")


def flawed(**members):
    return {name: value for name, value in {**OTHER, **members}.items() if value is not ...}


SERVES = [
    ("well", document(GOOD)),
    ("after a moment", after(0.05, document(GOOD))),
    ("as text/plain", document(GOOD, [("Content-Type", "text/plain")])),
    ("as text/html", document(GOOD, [("Content-Type", "text/html; charset=utf-16")])),
    ("saying that it is not encoded", document(GOOD, [("Content-Encoding", "identity")])),
    ("in chunks", saying(head("200 OK", [("Transfer-Encoding", "chunked")]) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(TEXT), TEXT))),
    ("until it closes", saying(head("200 OK") + TEXT)),
    ("after early hints", saying(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + head("200 OK") + TEXT)),
    ("with members of its own", document({**GOOD, "next_update": 1, "keys": [{**JWK, "x-note": {"a": [1]}}]})),
    ("beside a key of a kind to come", with_entries({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}, JWK)),
    ("beside a key for encryption", with_entries({**OTHER, "use": "enc"}, JWK)),
    ("beside keys that lack something", with_entries(flawed(y=...), flawed(kty=...), flawed(crv=...), {}, JWK)),
    ("beside a point off the curve", with_entries(flawed(y=OTHER["x"]), JWK)),
    ("beside members of the wrong type", with_entries(
        *(flawed(**{name: value}) for name in ("alg", "kid", "kty", "crv", "x", "use", "key_ops") for value in ([], {}, 7, True, None, [{}])),
        JWK,
    )),
    ("beside entries that are no objects", with_entries(None, 1, "key", [], [JWK], JWK)),
    ("beside a secret", with_entries({"kty": "oct", "k": "A" * 43, "alg": "HS256", "kid": "s"}, JWK)),
    ("beside a private key", with_entries(NEW.to_jwk() | {"d": "A" * 43}, JWK)),
    ("beside two keys of one name", with_entries(OTHER, {**jwks(Key.generate())["keys"][0], "kid": OTHER["kid"]}, JWK)),
    ("beside a key with a kid of 5,000 characters", with_entries({**OTHER, "kid": "k" * 5_000}, JWK)),
    ("100 keys", with_entries(*([{}] * 99), JWK)),
    ("a length with leading zeros", saying(head("200 OK", [("Content-Length", f"000{len(TEXT)}")]) + TEXT)),
    ("with max-age of a century", document(GOOD, [("Cache-Control", "max-age=9999999999")])),
]  # fmt: skip

FAILS = [
    ("hanging before the headers", outlast, "timeout"),
    ("hanging after the headers", lambda exchange: (exchange.send(head("200 OK")), outlast(exchange)), "timeout"),
    ("hanging before the last octet", lambda exchange: (exchange.reply(TEXT[:-1], length=len(TEXT)), outlast(exchange)), "timeout"),
    ("dripping headers", drip(head("200 OK", [("X-Pad", "x" * 400)])), "timeout"),
    ("dripping a body", drip(TEXT, before=head("200 OK", [("Content-Length", str(len(TEXT)))])), "timeout"),
    ("dripping chunks", drip(b"1\r\n \r\n" * 99, before=head("200 OK", [("Transfer-Encoding", "chunked")])), "timeout"),
    ("hinting for ever", hints_without_end, "timeout"),
    ("500", refuse, "status"),
    ("404", by_path(), "status"),
    ("201", document(GOOD, status="201 Created"), "status"),
    ("204", saying(head("204 No Content")), "status"),
    ("206", document(GOOD, status="206 Partial Content"), "status"),
    ("304 to an unconditional request", saying(head("304 Not Modified")), "status"),
    ("401 asking for a password", document(GOOD, [("WWW-Authenticate", "Basic")], status="401 Unauthorized"), "status"),
    ("a redirect", redirect, "redirect"),
    ("300", document(GOOD, status="300 Multiple Choices"), "redirect"),
    ("less than it announced", document(TEXT, length=len(TEXT) + 1), "truncated"),
    ("a chunk cut off", saying(head("200 OK", [("Transfer-Encoding", "chunked")]) + b"fff\r\n" + TEXT), "truncated"),
    ("no last chunk", saying(head("200 OK", [("Transfer-Encoding", "chunked")]) + b"%x\r\n%s\r\n" % (len(TEXT), TEXT)), "truncated"),
    ("nothing", lambda exchange: None, "truncated"),
    ("half a header", saying(b"HTTP/1.1 200 OK\r\nContent-"), "truncated"),
    ("something that is not HTTP", saying(b"SSH-2.0-OpenSSH_9.7\r\n"), "truncated"),
    ("a length of 5,000 digits", saying(head("200 OK", [("Content-Length", "9" * 5_000)]) + TEXT), "truncated"),
    ("a length with a sign", saying(head("200 OK", [("Content-Length", f"+{len(TEXT)}")]) + TEXT), "truncated"),
    ("two lengths", saying(head("200 OK", [("Content-Length", "1"), ("Content-Length", "2")]) + TEXT), "truncated"),
    ("headers without end", endless_headers, "truncated"),
    ("a reset", reset, "unreachable"),
    ("a body without end", endless, "too_large"),
    ("300 KB", document(TEXT + b" " * 300_000), "too_large"),
    ("a gzip bomb", document(gzip.compress(TEXT + b" " * 50_000_000), [("Content-Encoding", "gzip")]), "encoded"),
    ("another encoding", document(TEXT, [("Content-Encoding", "br")]), "encoded"),
    ("two encodings", document(TEXT, [("Content-Encoding", "identity, gzip")]), "encoded"),
    ("gzip without saying so", document(gzip.compress(TEXT)), "not_json"),
    ("HTML", document(b"<!doctype html><title>Log in</title>", [("Content-Type", "text/html")]), "not_json"),
    ("an empty body", document(b""), "not_json"),
    ("UTF-16", document(TEXT.decode().encode("utf-16")), "not_json"),
    ("a byte order mark", document(b"\xef\xbb\xbf" + TEXT), "not_json"),
    ("two documents", document(TEXT + TEXT), "not_json"),
    ("duplicate members", document(TEXT[:-1] + b', "keys": []}'), "not_json"),
    ("deep nesting", document(b'{"keys":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "not_json"),
    ("a number of many digits", document(TEXT[:-1] + b', "n": ' + b"9" * 9_000 + b"}"), "not_json"),
    ("NaN", document(TEXT[:-1] + b', "n": NaN}'), "not_json"),
    ("an array", document([JWK]), "not_json"),
    ("a text", document("keys"), "not_json"),
    ("a single JWK", document(JWK), "not_a_key_set"),
    ("keys that are no list", document({"keys": {"a": JWK}}), "not_a_key_set"),
    ("keys that are null", document({"keys": None}), "not_a_key_set"),
    ("101 keys", with_entries(*([{}] * 100), JWK), "too_many_keys"),
    ("an empty set", document({"keys": []}), "no_usable_key"),
    ("secrets alone", with_entries({"kty": "oct", "k": "A" * 43, "alg": "HS256", "kid": OLD.kid}), "no_usable_key"),
    ("the key twice", with_entries(JWK, {**OTHER, "kid": OLD.kid}), "no_usable_key"),
]  # fmt: skip

IDS = {"ids": lambda value: value if isinstance(value, str) else getattr(value, "__name__", "")}


@pytest.mark.parametrize("way", RUNTIMES, **IDS)
@pytest.mark.parametrize(("said", "answer"), SERVES, **IDS)
def test_a_valid_key_in_an_unusual_response_is_used(serve, recorder, way, said, answer):
    server = serve(answer)

    assert way(verifier(client(server.url, on_event=recorder)), token()) == ACCEPTED

    assert recorder.wait_for(FetchEnded).reason == "first"
    assert server.paths == ["/jwks.json"]


@pytest.mark.parametrize("way", RUNTIMES, **IDS)
@pytest.mark.parametrize(("said", "answer", "cause"), FAILS, **IDS)
def test_an_invalid_response_is_an_outage_within_the_deadline(serve, recorder, clock, *, way, said, answer, cause):
    server = serve(answer)
    keys = client(server.url, on_event=recorder, clock=clock)

    assert way(verifier(keys), token()) == CANNOT_TELL
    assert way(verifier(keys), token()) == CANNOT_TELL

    assert recorder.wait_for(FetchFailed).cause == cause
    assert keys.state == "empty"
    assert server.paths == ["/jwks.json"]  # no second attempt, and no other URL


@pytest.mark.parametrize(("said", "answer", "cause"), FAILS, **IDS)
def test_no_invalid_response_replaces_valid_keys(serve, recorder, clock, *, said, answer, cause):
    server = serve(document(GOOD))
    keys = client(server.url, on_event=recorder, clock=clock)
    keys.refresh()
    server.answer = answer
    clock.now += 590

    assert in_a_moment(keys, recorder).cause == cause
    assert verifier(keys).verify(token()).subject == "anna"
    assert keys.state == "fresh"
    assert keys.age == dt.timedelta(seconds=590)


@pytest.mark.parametrize(("seconds", "outcome"), [(20, ACCEPTED), (41, CANNOT_TELL)])
@pytest.mark.parametrize("step", [1, 7])
def test_the_deadline_is_the_configured_timeout(serve, seconds, outcome, step):
    def in_pieces(exchange):
        exchange.send(head("200 OK", [("Content-Length", str(len(TEXT)))]))
        sent = 0
        for passed in range(0, seconds, step):
            exchange.send(TEXT[sent : sent + 1])
            sent += 1
            advance_time(min(step, seconds - passed))
        exchange.send(TEXT[sent:])

    server = serve(in_pieces)

    assert RUNTIMES[0](verifier(client(server.url, timeout=40)), token()) == outcome


def in_a_moment(keys, recorder):
    keys.current()
    return recorder.wait_for(FetchFailed)


def test_an_ignored_key_is_unknown(serve):
    server = serve(
        with_entries({"kty": "oct", "k": "A" * 43, "alg": "ES256", "kid": NEW.kid}, {**OTHER, "use": "enc"}, JWK)
    )

    assert RUNTIMES[0](verifier(client(server.url)), token(NEW)) == UNKNOWN_KEY


def test_a_published_secret_verifies_no_token_and_is_reported_without_its_text(serve, caplog):
    leaked = {"kty": "oct", "k": encode_base64url(SECRET).decode(), "alg": "HS256", "kid": "s"}
    keys = client(serve(with_entries(leaked, JWK)).url)
    forged = token(Key.from_secret(SECRET, kid="s"))

    assert RUNTIMES[0](verifier(keys), forged) == (401, None)
    keys.refresh()

    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said == ["a key server publishes 1 private or secret keys, now ignored: inform its operator"]
    assert leaked["k"] not in caplog.text


def test_keys_of_other_algorithms_are_ignored(serve):
    keys = client(serve(document(jwks(OLD, RSA))).url, algorithms=["RS256"])

    assert RUNTIMES[0](verifier(keys), token(RSA)) == ACCEPTED
    assert RUNTIMES[0](verifier(keys), token(OLD)) == UNKNOWN_KEY


@pytest.mark.parametrize(
    ("made", "cause"),
    [
        (vouched_for, None),
        (lambda: vouched_for(ends=-DAY), "expired_certificate"),
        (lambda: vouched_for(address="127.0.0.2"), "wrong_host_name"),
        (lambda: vouched_for(address="auth.example"), "wrong_host_name"),
        (self_signed, "untrusted_certificate"),
    ],
    ids=["good", "expired", "another address", "another name", "self-signed"],
)
def test_a_key_server_needs_a_trusted_certificate(serve, recorder, made, cause):
    server = serve(document(GOOD), tls=made())
    context = trusting()
    keys = client(server.url, on_event=recorder, transport=lambda: httpx.AsyncHTTPTransport(verify=context))

    assert RUNTIMES[0](verifier(keys), token()) == (CANNOT_TELL if cause else ACCEPTED)

    if cause:
        assert recorder.wait_for(FetchFailed).cause == cause
        assert server.requests == []


def test_an_unknown_certificate_authority_is_not_trusted_by_default(serve, recorder):
    server = serve(document(GOOD), tls=vouched_for())

    assert RUNTIMES[0](verifier(client(server.url, on_event=recorder)), token()) == CANNOT_TELL
    assert recorder.wait_for(FetchFailed).cause == "untrusted_certificate"
    assert server.requests == []


def test_a_server_without_tls_is_reported_differently_from_an_unreachable_one(recorder):
    def answer_at_once():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(answer_at_once)
        keys = client(f"https://127.0.0.1:{listener.getsockname()[1]}/jwks", on_event=recorder)

        assert RUNTIMES[0](verifier(keys), token()) == CANNOT_TELL
    assert recorder.wait_for(FetchFailed).cause == "tls_failed"


def test_a_server_that_hangs_in_the_handshake_is_an_outage_within_the_deadline(serve, recorder):
    """httpx, whose timeout is a twentieth shorter, ends it: if cancelled in a handshake it would leave its socket
    unclosed.
    """
    listener = serve(hang)  # sends no TLS, and waits for more of the request
    keys = client(listener.url.replace("http:", "https:"), on_event=recorder)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(RUNTIMES[0], verifier(keys), token())
        assert until(lambda: listener.received)
        advance_time_when_idle(PATIENCE * 0.97)

        assert answer.result() == CANNOT_TELL
    assert recorder.wait_for(FetchFailed).cause == "timeout"
    gc.collect()  # an unclosed socket would be found here


def test_an_address_at_which_no_server_listens_is_unreachable(recorder):
    url = f"http://127.0.0.1:{free_port()}/jwks.json"

    assert RUNTIMES[0](verifier(client(url, on_event=recorder)), token()) == CANNOT_TELL
    assert recorder.wait_for(FetchFailed).cause == "unreachable"


def test_a_key_server_may_have_an_ipv6_address(serve):
    try:
        server = serve(document(GOOD), host="::1")
    except OSError:
        missing("IPv6")

    assert RUNTIMES[0](verifier(client(server.url)), token()) == ACCEPTED
    assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


def test_an_httpx_mock_transport_can_be_used():
    answer = httpx.Response(200, json=GOOD)
    keys = client("https://auth.example/jwks", transport=lambda: httpx.MockTransport(lambda _: answer))

    assert RUNTIMES[0](verifier(keys), token()) == ACCEPTED


@pytest.mark.parametrize(
    "error", [ValueError, KeyError, SystemExit, KeyboardInterrupt], ids=lambda error: error.__name__
)
def test_any_exception_of_a_transport_is_an_outage(recorder, caplog, error):
    def transport():
        raise error("xyzzy")

    keys = client("https://auth.example/jwks", on_event=recorder, transport=transport)

    assert [RUNTIMES[0](verifier(keys), token()) for _ in range(2)] == [CANNOT_TELL] * 2
    assert recorder.wait_for(FetchFailed).cause == "unexpected"
    assert f"a fetch raised {error.__name__}" in caplog.text
    assert "xyzzy" not in caplog.text


def test_a_transport_that_cancels_its_own_task_is_an_outage(recorder):
    import asyncio

    class Cancelling(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            raise asyncio.CancelledError

    keys = client("https://auth.example/jwks", on_event=recorder, transport=Cancelling)

    assert [RUNTIMES[0](verifier(keys), token()) for _ in range(2)] == [CANNOT_TELL] * 2
    assert recorder.wait_for(FetchFailed).cause == "unexpected"


def test_a_request_has_the_necessary_headers_only(serve, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = serve(document(GOOD, [("Set-Cookie", "a=1; Path=/")]))
    keys = client(server.url)
    assert RUNTIMES[0](verifier(keys), token()) == ACCEPTED
    keys.refresh()

    for asked, more in zip(server.requests, ({}, {"cache-control": "no-cache"}), strict=True):
        assert asked.headers == {
            **more,
            "host": f"127.0.0.1:{server.port}",
            "accept": "application/jwk-set+json, application/json",
            "accept-encoding": "identity",
            "connection": "keep-alive",
            "user-agent": "gatepass",
        }


def test_no_text_of_a_key_server_reaches_a_log_an_event_or_an_error(serve, recorder, caplog):
    caplog.set_level("DEBUG", "gatepass")
    mark = "xyzzySENTINEL"
    entry = {**OTHER, "kid": mark, "alg": mark, mark: mark}
    headers = [("ETag", f'"{mark}"'), ("X-Note", mark), ("Cache-Control", mark), ("Age", mark)]
    server = serve(document({"keys": [entry, JWK], mark: mark}, headers))
    keys = client(server.url, on_event=recorder)
    keys.refresh()
    for answer in (document(mark.encode(), headers), document(b"", headers, status=f"500 {mark}")):
        server.answer = answer
        with pytest.raises(KeysUnavailable) as caught:
            keys.refresh()
        assert mark not in repr(caught.value)
    recorder.wait_for(FetchFailed, 2)

    assert mark not in caplog.text + repr(recorder.recorded) + repr(keys)

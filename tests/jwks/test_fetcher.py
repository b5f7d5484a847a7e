"""One fetch: the URL, the ETag, intermediate caches and one deadline for all steps."""

import datetime as dt
import threading

import pytest
from tests.support.event_loop import advance_time_when_idle
from tests.support.issuers import GOOD, NEW, OLD, client, jwks, token, verifier
from tests.support.key_server import PATIENCE, document, head
from tests.support.runtimes import ACCEPTED, CANNOT_TELL, RUNTIMES, UNKNOWN_KEY, in_a_thread

from gatepass.jwks import FetchEnded, FetchFailed


def test_an_etag_saves_the_body(serve, clock, recorder):
    def answer(exchange):
        if exchange.request.headers.get("if-none-match") == 'W/"one"':
            exchange.send(b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=900\r\n\r\n")
        else:
            exchange.reply(document_text, [("ETag", 'W/"one"')])

    import json

    document_text = json.dumps(GOOD).encode()
    server = serve(answer)
    keys = client(server.url, clock=clock, on_event=recorder)
    for _ in range(3):
        keys.refresh()
        clock.now += 500

    assert [asked.headers.get("if-none-match") for asked in server.requests] == [None, 'W/"one"', 'W/"one"']
    assert [recorder.wait_for(FetchEnded, number).fresh_for for number in (1, 2, 3)] == [600, 900, 900]
    assert keys.age == dt.timedelta(seconds=500)
    assert in_a_thread(verifier(keys), token()) == ACCEPTED


@pytest.mark.parametrize("stray", ['"two"', 'W/"one"'])
def test_a_304_for_another_etag_extends_our_keys_once_at_most(serve, stray):
    server = serve(document(GOOD, [("ETag", '"one"')]))
    keys = client(server.url)
    keys.refresh()
    server.answer = lambda exchange: exchange.send(head("304 Not Modified", [("ETag", stray)]))
    keys.refresh()

    def honest(exchange):
        if exchange.request.headers.get("if-none-match") == stray:
            exchange.send(head("304 Not Modified", [("ETag", stray)]))
        else:
            document(jwks(NEW), [("ETag", stray)])(exchange)

    server.answer = honest
    keys.refresh()

    assert in_a_thread(verifier(keys), token(NEW)) == ACCEPTED
    assert in_a_thread(verifier(keys), token(OLD)) == UNKNOWN_KEY


@pytest.mark.parametrize("etag", ["one", '"a b"', '"' + "x" * 300 + '"', '"é"', "W/one", '""'])
def test_an_invalid_etag_is_not_sent_back(serve, etag):
    server = serve(document(GOOD, [("ETag", etag)]))
    keys = client(server.url)
    for _ in range(2):
        keys.refresh()

    assert "if-none-match" not in server.requests[1].headers


def test_a_dns_lookup_that_hangs_ends_at_the_deadline(recorder, clock, monkeypatch):
    import socket

    answered = threading.Event()

    def resolver(*_, **__):
        advance_time_when_idle(PATIENCE * 0.97)
        answered.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    keys = client("https://auth.example/jwks", on_event=recorder, clock=clock)
    try:
        assert RUNTIMES[0](verifier(keys), token()) == CANNOT_TELL
        assert recorder.wait_for(FetchFailed).cause == "timeout"
        assert RUNTIMES[0](verifier(keys), token()) == CANNOT_TELL
        assert len(recorder.of(FetchFailed)) == 1
    finally:
        answered.set()


class SharedCache:
    """A cache between the client and the key server that keeps a copy for as long as RFC 9111 allows."""

    def __init__(self, clock):
        self.clock = clock
        self.origin = document(jwks(OLD))
        self._kept_at, self._kept = -1_000.0, self.origin

    def __call__(self, exchange):
        if "no-cache" in exchange.request.headers.get("cache-control", "") or self.clock.now >= self._kept_at + 600:
            self._kept_at, self._kept = self.clock.now, self.origin
        self._kept(exchange)


def test_an_intermediate_cache_does_not_hide_a_new_key(serve, clock):
    cache = SharedCache(clock)
    check = verifier(client(serve(cache).url, clock=clock))
    assert in_a_thread(check, token(OLD)) == ACCEPTED
    cache.origin = document(jwks(OLD, NEW))

    assert in_a_thread(check, token(NEW)) == ACCEPTED


def test_an_explicit_refresh_bypasses_caches(serve, clock):
    cache = SharedCache(clock)
    keys = client(serve(cache).url, clock=clock)
    keys.refresh()
    cache.origin = document(jwks(OLD, NEW))
    keys.refresh()

    assert in_a_thread(verifier(keys), token(NEW)) == ACCEPTED


def test_scheduled_fetches_may_be_answered_by_a_cache(server, clock, recorder):
    keys = client(server.url, clock=clock, on_event=recorder)
    check = verifier(keys)
    assert in_a_thread(check, token(OLD)) == ACCEPTED
    clock.now += 599
    assert in_a_thread(check, token(OLD)) == ACCEPTED

    assert recorder.wait_for(FetchEnded, 2).reason == "scheduled"
    assert ["cache-control" in asked.headers for asked in server.requests] == [False, False]

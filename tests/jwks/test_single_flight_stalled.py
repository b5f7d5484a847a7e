"""Servers that run no thread between two requests, or fork without hooks, cause no outage."""

import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from tests.support.issuers import NEW, OLD, client, jwks, token, verifier
from tests.support.key_server import document, hang, once, until
from tests.support.needs import reason_for
from tests.support.runtimes import ACCEPTED, in_a_thread, under_asyncio

from gatepass import JWKSClient
from gatepass.common.runtime import threads_are_frozen
from gatepass.jwks import FetchEnded, FetchFailed


def stall(keys):
    """Simulate that the thread of the current fetch has not run for a long time."""
    keys._flight.under_way._began -= 1_000


def stalled_refresh(serve, clock, recorder, *, kept=(OLD,)):
    """Return stale keys whose refresh was sent and answered before its thread stalled."""
    goes_on = threading.Event()
    server = serve(document(jwks(*kept)))
    keys = client(server.url, clock=clock, on_event=recorder)
    keys.refresh()
    clock.now += 700
    server.answer = once(goes_on.is_set, document(jwks(*kept, OLD)))
    keys.current()
    assert until(lambda: len(server.requests) == 2)
    stall(keys)
    return server, keys, goes_on


def test_without_keys_a_request_replaces_a_stalled_fetch_and_is_accepted(serve):
    goes_on = threading.Event()
    server = serve(once(goes_on.is_set, document(jwks(OLD))))
    keys = client(server.url)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(in_a_thread, verifier(keys), token())
        assert until(lambda: len(server.requests) == 1)
        stall(keys)
        server.answer = document(jwks(OLD))

        assert in_a_thread(verifier(keys), token()) == ACCEPTED
        goes_on.set()


def test_the_request_that_finds_a_stalled_refresh_waits_for_the_next_one(serve, clock, recorder):
    server, keys, goes_on = stalled_refresh(serve, clock, recorder)
    server.answer = document(jwks(NEW))

    keys.current()

    assert keys.state == "fresh"
    assert in_a_thread(verifier(keys), token(NEW)) == ACCEPTED
    goes_on.set()
    assert recorder.wait_for(FetchFailed).cause == "timeout"  # its response is outdated, and dropped
    assert in_a_thread(verifier(keys), token(NEW)) == ACCEPTED
    assert keys.state == "fresh"


def test_an_event_loop_waits_for_neither_refresh(serve, clock, recorder):
    server, keys, goes_on = stalled_refresh(serve, clock, recorder)
    answered = threading.Event()
    server.answer = once(answered.is_set, document(jwks(OLD)))

    assert under_asyncio(verifier(keys), token()) == ACCEPTED
    assert keys.state == "stale"
    answered.set()
    recorder.wait_for(FetchEnded, 2)
    goes_on.set()


def test_a_stalled_response_does_not_count_as_fresh_even_if_no_other_fetch_was_started(serve, clock, recorder):
    _, keys, goes_on = stalled_refresh(serve, clock, recorder)

    goes_on.set()

    assert recorder.wait_for(FetchFailed).cause == "timeout"
    assert keys.state == "stale"
    assert keys._flight.under_way is None
    keys.current()
    recorder.wait_for(FetchEnded, 2)  # without a pause, because the key server did not fail


def test_stalled_fetches_do_not_accumulate(serve, clock, monkeypatch):
    monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", 0.1)
    server = serve(document(jwks(OLD)))
    keys = client(server.url, clock=clock)
    keys.refresh()
    clock.now += 700
    server.answer = hang
    keys.current()
    for _ in range(5):
        stall(keys)
        assert in_a_thread(verifier(keys), token()) == ACCEPTED

    assert keys._flight.number == 3
    clock.now += 2
    keys.current()
    assert keys._flight.number == 4


@pytest.fixture
def uwsgi(monkeypatch):
    def running(**options):
        monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options["opt"]))

    return running


@pytest.mark.parametrize(
    ("opt", "still"),
    [
        ({}, True),
        ({b"master": b"true", b"processes": b"2"}, True),
        ({b"threads": b"1"}, True),
        ({b"enable-threads": b"false"}, True),
        ({"threads": 1}, True),
        ({b"enable-threads": b"true"}, False),
        ({b"enable-threads": True}, False),
        ({"enable-threads": True}, False),
        ({"threads": "2"}, False),
        ({b"threads": b"8"}, False),
        ({b"gevent": b"100"}, False),
        (None, False),
    ],
)
def test_the_thread_setting_of_uwsgi_is_read_and_a_warning_logged_without_threads(uwsgi, caplog, opt, still):
    uwsgi(opt=opt)

    JWKSClient("https://auth.example/jwks")

    assert threads_are_frozen() is still
    said = [record for record in caplog.records if "enable-threads" in record.message]
    assert [record.levelno for record in said] == [logging.WARNING] * still


def test_no_warning_is_logged_elsewhere(caplog):
    JWKSClient("https://auth.example/jwks")

    assert not threads_are_frozen()
    assert caplog.records == []


def test_under_uwsgi_without_threads_a_request_with_old_keys_waits_for_fresh_ones(serve, clock, uwsgi):
    uwsgi(opt={})
    keys = client(serve(document(jwks(OLD))).url, clock=clock)
    keys.refresh()
    clock.now += 500  # refreshed early, while they are fresh

    assert in_a_thread(verifier(keys), token()) == ACCEPTED
    assert keys.age.total_seconds() == 0
    clock.now += 700
    assert in_a_thread(verifier(keys), token()) == ACCEPTED
    assert keys.age.total_seconds() == 0


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason=reason_for("POSIX", "a process is forked"))


FORKED = """
import asyncio, logging, os, threading  # their hooks run, and none of ours, as where a server in C forks
from concurrent.futures import ThreadPoolExecutor
os.register_at_fork = lambda **hooks: None
from tests.support.key_server import document, once, serving, until
from tests.support.issuers import NEW, OLD, Clock, client, jwks, token, verifier
from tests.support.runtimes import ACCEPTED, in_a_thread
from gatepass.common.runtime import ProcessLock

def in_a_child(work):
    child = os.fork()
    if child == 0:
        told = 1
        try:
            told = 0 if work() else 2
        finally:
            os._exit(told)
    assert os.waitpid(child, 0)[1] == 0

goes_on, clock = threading.Event(), Clock()
"""

IN_THE_MIDDLE_OF_A_FETCH = """
with serving(once(goes_on.is_set, document(jwks(OLD)))) as server, ThreadPoolExecutor(1) as pool:
    keys = client(server.url)
    check = verifier(keys)
    parent = pool.submit(in_a_thread, check, token())
    assert until(lambda: len(server.requests) == 1)
    server.answer = document(jwks(OLD))
    with keys._flight.lock:  # as another thread might hold it
        in_a_child(lambda: in_a_thread(check, token()) == ACCEPTED)
    goes_on.set()
    assert parent.result() == ACCEPTED
    assert len(server.requests) == 2
"""

WITH_STALE_KEYS = """
with serving(document(jwks(OLD))) as server:
    keys = client(server.url, clock=clock)
    keys.refresh()
    clock.now += 700
    server.answer = once(goes_on.is_set, document(jwks(OLD)))
    keys.current()
    assert until(lambda: len(server.requests) == 2)
    server.answer = document(jwks(NEW))
    def go_on():
        assert until(lambda: (keys.current(), keys.state)[1] == "fresh")
        return in_a_thread(verifier(keys), token(NEW)) == ACCEPTED
    in_a_child(go_on)
    goes_on.set()
"""

UNDER_A_LOCK = """
lock = ProcessLock()
with lock:
    in_a_child(lambda: (lock.release(), lock.acquire(blocking=False))[1] and not lock.acquire(blocking=False))
    assert not lock.acquire(timeout=0)
assert lock.acquire(blocking=False)
"""


@forks
@pytest.mark.parametrize("program", [IN_THE_MIDDLE_OF_A_FETCH, WITH_STALE_KEYS, UNDER_A_LOCK])
def test_a_process_that_is_forked_without_hooks_fetches_for_itself(program):
    """Run in a separate process, because locks that threads of other tests hold at a fork stay locked."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED + program],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert result.returncode == 0, result.stderr

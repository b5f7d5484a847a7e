"""If threads are greenlets, a fetch has an event loop of its own, and no greenlet may run inside it."""

import subprocess
import sys
import threading

import pytest
from tests.support.issuers import OLD, jwks, token
from tests.support.key_server import document, once, until

pytest.importorskip("gevent")

TWO_ISSUERS = """
from gevent import monkey
monkey.patch_all()

import asyncio
import os
import sys

import gevent

from gatepass import HTTP_ON_LOOPBACK, AuthError, JWKSClient, TokenVerifier
from gatepass.jwks import FetchFailed


def subject(url):
    def told(event):
        if isinstance(event, FetchFailed):
            print(event, file=sys.stderr)

    keys = JWKSClient(url, allow=HTTP_ON_LOOPBACK, on_event=told, timeout=60)
    verifier = TokenVerifier(issuer="https://auth.example", audience="https://api.example", keys=keys)
    return verifier.verify(sys.argv[1]).subject


requests = [gevent.spawn(subject, url) for url in sys.argv[3:]]
while not os.path.exists(sys.argv[2]):
    gevent.sleep(0.01)
try:
    asyncio.get_running_loop()
except RuntimeError:
    print("no event loop to be seen", flush=True)
print(*[request.get() for request in requests])
"""


def test_two_issuers_are_fetched_concurrently_and_no_greenlet_runs_in_their_event_loops(serve, tmp_path):
    let_go = threading.Event()
    first, second = (serve(once(let_go.is_set, document(jwks(OLD)))) for _ in range(2))
    by_name = second.url.replace("127.0.0.1", "localhost")
    command = [sys.executable, "-c", TWO_ISSUERS, token(), tmp_path / "both are asked", first.url, by_name]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert until(lambda: first.requests and second.requests)
            (tmp_path / "both are asked").touch()
            told = service.stdout.readline()
            let_go.set()
            told += service.communicate(timeout=120)[0]
        finally:
            service.kill()

    assert told.splitlines() == ["no event loop to be seen", "anna anna"]

"""A service whose threads are greenlets: a fetch has an event loop of its own, and no greenlet may find itself in it."""

import subprocess
import sys

import pytest
from tests.jwks.server import after, document
from tests.jwks.tokens import OLD, jwks, token

pytest.importorskip("gevent")

TWO_ISSUERS = """
from gevent import monkey
monkey.patch_all()

import asyncio
import sys

import gevent

from gatepass import AuthError, JWKSClient, TokenVerifier
from gatepass.jwks import PLAIN_HTTP_ON_LOOPBACK, FetchFailed


def subject(url):
    def told(event):
        if isinstance(event, FetchFailed):
            print(event, file=sys.stderr)

    keys = JWKSClient(url, accept=PLAIN_HTTP_ON_LOOPBACK, on_event=told)
    verifier = TokenVerifier(issuer="https://auth.example", audience="https://api.example", keys=keys)
    return verifier.verify(sys.argv[1]).subject


requests = [gevent.spawn(subject, url) for url in sys.argv[2:]]
gevent.sleep(0.2)
try:
    asyncio.get_running_loop()
except RuntimeError:
    print("no event loop to be seen")
print(*[request.get() for request in requests])
"""


def test_two_issuers_are_fetched_at_once_and_no_greenlet_sees_their_event_loops(serve):
    first, second = (serve(after(0.6, document(jwks(OLD)))) for _ in range(2))
    by_name = second.url.replace("127.0.0.1", "localhost")

    told = subprocess.check_output(
        [sys.executable, "-c", TWO_ISSUERS, token(), first.url, by_name], text=True, timeout=30
    )

    assert told.splitlines() == ["no event loop to be seen", "anna anna"]

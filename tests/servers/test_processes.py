"""Eight processes of a server on each store and on a key ring are killed, replaced and stopped while clients refresh:
no session is lost, and a client sees at most a failed attempt.
"""

import json
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing, contextmanager

import pytest
from tests.servers.applications import BUSY, PLACE, RING
from tests.servers.running import PATIENCE, post, send, serving
from tests.support.adapter_tokens import AUDIENCE, ISSUER
from tests.support.databases.store_addresses import store_address
from tests.support.needs import reason_for

from gatepass import KeyRing, TokenVerifier

WORKERS, CLIENTS = 8, 4


class Client(threading.Thread):
    """A client that refreshes repeatedly, and retries with the same token if it got no response."""

    def __init__(self, port, stop):
        super().__init__()
        self.port, self.stop = port, stop
        self.answered, self.wrong = 0, None
        self.pair = json.loads(post(port, "/login")[2])

    def refresh(self):
        try:
            status, _, body = post(
                self.port, "/token", f"grant_type=refresh_token&refresh_token={self.pair['refresh_token']}"
            )
        except OSError:
            return
        if status == 200:
            self.pair = json.loads(body)
            self.answered += 1
        elif status not in {0, 503}:  # a worker that was killed sends no response
            self.wrong = (status, body)

    def run(self):
        while not self.stop.is_set() and self.wrong is None:
            self.refresh()


@contextmanager
def clients(port):
    stop = threading.Event()
    all_of_them = [Client(port, stop) for _ in range(CLIENTS)]
    for one in all_of_them:
        one.start()
    try:
        yield all_of_them
    finally:
        stop.set()
        for one in all_of_them:
            one.join(PATIENCE)


def wait_until(condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it does not go on"
        time.sleep(0.01)


def all_go_on(those):
    before = [one.answered for one in those]
    wait_until(lambda: all(one.wrong or one.answered > so_far + 1 for one, so_far in zip(those, before, strict=True)))
    assert [one.wrong for one in those] == [None] * CLIENTS


def workers(port, count=1):
    """Return the process ids of at least *count* workers."""
    found = set()

    def has_enough():
        found.add(json.loads(send(port, "GET /process HTTP/1.1")[2] or b"{}").get("process"))
        return len(found - {None}) >= count

    wait_until(has_enough)
    return sorted(found - {None})


def is_locked(kind, place):
    if kind != "sqlite":
        return False
    with closing(sqlite3.connect(place, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason=reason_for("POSIX", "gunicorn forks"))
@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgresql", "mariadb"])
def test_no_session_is_lost_when_eight_processes_are_killed_replaced_and_stopped(kind, tmp_path):
    ring = KeyRing(tmp_path / "ring", rotate_every=None)
    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=ring)
    with (
        store_address(kind, tmp_path) as place,
        serving(
            "gunicorn preload", WORKERS, **{PLACE: f"{kind} {place}", RING: str(tmp_path / "ring"), BUSY: "yes"}
        ) as (port, server),
        clients(port) as those,
    ):
        all_go_on(those)
        assert len(workers(port, 2)) >= 2

        os.kill(workers(port)[0], signal.SIGKILL)
        all_go_on(those)

        stopped = workers(port)[0]
        os.kill(stopped, signal.SIGSTOP)
        before = sum(one.answered for one in those)
        wait_until(lambda: sum(one.answered for one in those) > before or is_locked(kind, place))
        os.kill(stopped, signal.SIGCONT)
        all_go_on(those)

        ring.rotate()
        before = workers(port, 2)
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: not set(workers(port)) & set(before))
        all_go_on(those)

    for one in those:
        assert verifier.verify(one.pair["access_token"]).subject == "anna"


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
@pytest.mark.parametrize("name", ["uwsgi", "uwsgi threads"])
def test_uwsgi_works_with_a_store_that_was_used_before_the_fork(name, kind, tmp_path):
    with (
        store_address(kind, tmp_path) as place,
        serving(name, 4, **{PLACE: f"{kind} {place}", BUSY: "yes"}) as (port, _),
        clients(port) as those,
    ):
        all_go_on(those)
        os.kill(workers(port)[0], signal.SIGKILL)
        all_go_on(those)

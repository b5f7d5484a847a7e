"""Under a server that runs no thread between two requests, the request that finds a rotation due performs it."""

import asyncio
import logging
import sys
import threading
from types import SimpleNamespace

import pytest
from tests.support.rings import HOUR, make_ring, states

from gatepass.keyring.watch import BackgroundRotation


@pytest.fixture
def uwsgi(monkeypatch):
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt={b"master": b"true"}))


@pytest.mark.usefixtures("uwsgi")
def test_a_due_rotation_is_done_within_the_request(place, clock, caplog):
    ring = make_ring(place, clock)
    assert [record.levelno for record in caplog.records if "enable-threads" in record.message] == [logging.WARNING]
    clock.now += 4 * HOUR
    threads = threading.active_count()

    ring.current()

    assert threading.active_count() == threads
    assert states(ring) == ["active", "published"]


@pytest.mark.usefixtures("uwsgi")
def test_a_due_rotation_does_not_block_an_event_loop():
    due, where = BackgroundRotation(lambda: 0.0), []

    async def asked():
        due.begin(lambda: where.append(threading.current_thread()))

    asyncio.run(asked())
    for thread in threading.enumerate():
        if thread.name == "gatepass-keyring":
            thread.join()
    assert [thread.name for thread in where] == ["gatepass-keyring"]

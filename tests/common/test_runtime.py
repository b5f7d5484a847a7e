"""Whether threads run between two requests, and whether the calling thread may wait."""

import sys
from types import SimpleNamespace

import pytest

from gatepass.common.runtime import can_block, threads_are_frozen


@pytest.mark.parametrize("threads", [0, 1])
def test_the_thread_setting_of_uwsgi_is_used(monkeypatch, threads):
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt={}, has_threads=threads))

    assert threads_are_frozen() is (threads == 0)


def test_a_thread_that_runs_an_event_loop_may_not_block():
    async def here():
        return can_block()

    import asyncio

    assert can_block()
    assert asyncio.run(here()) is False


def test_a_thread_that_runs_trio_may_not_block():
    trio = pytest.importorskip("trio")

    async def here():
        return can_block()

    assert trio.run(here) is False
    assert can_block()

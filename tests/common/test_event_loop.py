"""Whether the calling thread may block, worker threads and shielded work, on the event loops of asyncio and trio."""

import asyncio
import gc
import threading
import weakref

import pytest
from tests.support.asgi import PATIENCE

from gatepass.common.event_loop import Shield, can_block, in_worker_thread


def test_a_thread_that_runs_an_event_loop_may_not_block():
    async def here():
        return can_block()

    assert can_block()
    assert asyncio.run(here()) is False


def test_a_thread_that_runs_trio_may_not_block():
    trio = pytest.importorskip("trio")

    async def here():
        return can_block()

    assert trio.run(here) is False
    assert can_block()


def run(loop, work):
    """Run the coroutine function *work* on a new event loop."""
    return asyncio.run(work()) if loop == "asyncio" else pytest.importorskip("trio").run(work)


EVERY_LOOP = pytest.mark.parametrize("loop", ["asyncio", "trio"])


@EVERY_LOOP
def test_a_function_runs_in_a_worker_thread_and_its_result_is_returned(loop):
    async def work():
        return await in_worker_thread(lambda: (threading.current_thread(), can_block()))

    thread, may_block = run(loop, work)

    assert may_block
    assert thread is not threading.current_thread()


@EVERY_LOOP
def test_an_error_in_a_worker_thread_is_raised(loop):
    def fail():
        raise LookupError

    async def work():
        with pytest.raises(LookupError):
            await in_worker_thread(fail)

    run(loop, work)


@EVERY_LOOP
def test_the_event_loop_runs_on_while_a_worker_thread_waits(loop):
    started, ended = threading.Event(), threading.Event()

    def wait():
        started.set()
        return ended.wait(PATIENCE)

    async def end():
        assert await in_worker_thread(lambda: started.wait(PATIENCE))
        ended.set()

    async def work():
        if loop == "asyncio":
            waited, _ = await asyncio.gather(in_worker_thread(wait), end())
            return waited
        import trio

        async with trio.open_nursery() as nursery:
            nursery.start_soon(end)
            return await in_worker_thread(wait)

    assert run(loop, work)


@EVERY_LOOP
def test_shielded_work_returns_its_result_and_raises_its_error(loop):
    async def double(number):
        if number < 0:
            raise LookupError
        return await in_worker_thread(lambda: 2 * number)

    async def work():
        shield = Shield()
        with pytest.raises(LookupError):
            await shield.run(double(-1))
        return await shield.run(double(21))

    assert run(loop, work) == 42


def test_shielded_work_ends_after_its_caller_was_cancelled():
    async def work():
        shield, started, ended, waiting = Shield(), asyncio.Event(), asyncio.Event(), []

        async def shielded():
            future = asyncio.get_running_loop().create_future()
            waiting.append(weakref.ref(future))
            started.set()
            await future
            ended.set()

        caller = asyncio.create_task(shield.run(shielded()))
        await started.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        del caller
        await asyncio.sleep(0)  # until the loop has dropped its references to the caller
        gc.collect()
        future = waiting[0]()
        assert future is not None  # only the shield has a reference to the work
        future.set_result(None)
        async with asyncio.timeout(PATIENCE):
            await ended.wait()

    asyncio.run(work())


def test_shielded_work_under_trio_ends_before_its_caller_is_cancelled():
    trio = pytest.importorskip("trio")
    steps = []

    async def work():
        shield, started, go_on = Shield(), trio.Event(), trio.Event()

        async def shielded():
            started.set()
            await go_on.wait()
            steps.append("ended")

        async def caller():
            await shield.run(shielded())
            await trio.lowlevel.checkpoint()
            steps.append("not cancelled")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller)
            await started.wait()
            nursery.cancel_scope.cancel()
            go_on.set()

    trio.run(work)

    assert steps == ["ended"]


def test_the_error_of_shielded_work_whose_caller_was_cancelled_is_not_logged(caplog):
    async def work():
        shield, started, go_on, failed = Shield(), asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def shielded():
            started.set()
            await go_on.wait()
            failed.set()
            raise LookupError("secret text")

        caller = asyncio.create_task(shield.run(shielded()))
        await started.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        go_on.set()
        async with asyncio.timeout(PATIENCE):
            await failed.wait()

    asyncio.run(work())
    gc.collect()

    assert caplog.records == []

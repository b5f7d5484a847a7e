"""Concurrent threads and tasks share one fetch, no event loop blocks, and a cancelled request does not affect the
others.

Order is fixed by events and never by durations: a key server responds when all requests wait or when it is released,
and requests that must not wait for it end before.
"""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.issuers import GOOD, NEW, OLD, client, forged, jwks, token, verifier, waiters
from tests.support.key_server import PATIENCE, document, hang, once, refuse, until
from tests.support.needs import reason_for
from tests.support.runtimes import ACCEPTED, CANNOT_TELL, RUNTIMES, UNKNOWN_KEY, in_a_thread, on_a_loop, under_asyncio

from gatepass import KeySet
from gatepass.errors import KeysUnavailable
from gatepass.jwks import FetchEnded, FetchFailed
from gatepass.keys.source import KeySource


@pytest.fixture
def let_go():
    """An event that releases delayed responses when it is set."""
    return threading.Event()


def when_all_wait(keys, number, answer):
    return once(lambda: waiters(keys) == number, answer)


def threads(check, raws):
    gate = threading.Barrier(len(raws))

    def one(raw):
        gate.wait()
        return in_a_thread(check, raw)

    with ThreadPoolExecutor(len(raws)) as pool:
        return list(pool.map(one, raws))


def tasks(check, raws):
    async def all_of_them():
        return await asyncio.gather(*(on_a_loop(check, raw, asyncio.to_thread) for raw in raws))

    return asyncio.run(all_of_them())


CROWDS = [(threads, 50), (tasks, 200)]


@pytest.mark.parametrize(("crowd", "size"), CROWDS)
def test_a_cold_start_costs_one_fetch(serve, crowd, size):
    server = serve(refuse)
    keys = client(server.url)
    server.answer = when_all_wait(keys, size, document(GOOD))

    assert crowd(verifier(keys), [token()] * size) == [ACCEPTED] * size
    assert len(server.requests) == 1


@pytest.mark.parametrize(("crowd", "size"), CROWDS)
def test_a_cold_start_at_a_server_that_fails_costs_one_fetch_too(serve, clock, crowd, size):
    server = serve(refuse)
    keys = client(server.url, clock=clock)
    server.answer = when_all_wait(keys, size, refuse)

    assert crowd(verifier(keys), [token()] * size) == [CANNOT_TELL] * size
    assert len(server.requests) == 1


@pytest.mark.parametrize(("crowd", "size"), CROWDS)
def test_a_rotation_costs_one_fetch_and_the_new_key_is_accepted_at_once(serve, crowd, size):
    server = serve(document(GOOD))
    keys = client(server.url)
    keys.refresh()
    server.answer = when_all_wait(keys, size // 2, document(jwks(OLD, NEW)))

    assert crowd(verifier(keys), [token(NEW), token(OLD)] * (size // 2)) == [ACCEPTED] * size
    assert len(server.requests) == 2


def test_tokens_received_during_a_fetch_wait_for_a_fetch_that_began_later(serve):
    """The response to the first fetch may have been sent before the key was published."""
    server = serve(refuse)
    keys = client(server.url)
    server.answer = when_all_wait(keys, 2, document(GOOD))
    check = verifier(keys)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(in_a_thread, check, token())
        assert until(lambda: len(server.requests) == 1)
        server.answer = document(jwks(OLD, NEW))
        second = pool.submit(in_a_thread, check, token(NEW))

        assert (first.result(), second.result()) == (ACCEPTED, ACCEPTED)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "expected"), [(hang, CANNOT_TELL), (document(GOOD), ACCEPTED)], ids=["hangs", "is slow"]
)
def test_the_event_loop_is_not_blocked_while_the_key_server(serve, let_go, answer, expected):
    """A task on the loop releases or stops the server. A blocked loop could not."""
    server = serve(answer if answer is hang else once(let_go.is_set, answer))
    keys = client(server.url)
    check = verifier(keys)

    async def crowd():
        waiting = asyncio.gather(*(on_a_loop(check, token(), asyncio.to_thread) for _ in range(3)))
        assert await asyncio.to_thread(until, lambda: waiters(keys) == 3)
        assert not waiting.done()
        let_go.set()
        await asyncio.to_thread(server.close if answer is hang else let_go.wait)
        return await waiting

    assert asyncio.run(crowd()) == [expected] * 3


def test_no_part_of_a_fetch_runs_on_the_event_loop(serve):
    """Even short steps, such as loading the client library or creating a TLS context, run elsewhere."""
    import httpx

    server = serve(document(GOOD))
    used = []

    class Watched(httpx.AsyncHTTPTransport):
        def __init__(self):
            used.append(threading.current_thread())
            super().__init__()

        async def handle_async_request(self, request):
            used.append(threading.current_thread())
            return await super().handle_async_request(request)

    check = verifier(client(server.url, transport=Watched))

    assert under_asyncio(check, token()) == ACCEPTED
    assert len(used) == 2
    assert threading.current_thread() not in used


def test_the_event_loop_is_not_blocked_while_keys_are_refreshed_early(serve, clock):
    server = serve(document(GOOD))
    keys = client(server.url, clock=clock)
    check = verifier(keys)
    keys.refresh()
    server.answer = hang
    clock.now += 550

    async def some():
        return [await on_a_loop(check, token(), asyncio.to_thread) for _ in range(5)]

    assert asyncio.run(some()) == [ACCEPTED] * 5
    assert keys._flight.under_way is not None  # the hanging fetch has not ended, and no request waited for it
    assert until(lambda: len(server.requests) == 2)


def test_waiting_under_asyncio_occupies_no_thread(serve):
    server = serve(refuse)
    keys = client(server.url)
    server.answer = when_all_wait(keys, 1, document(GOOD))

    async def must_not_be_used(_):
        raise AssertionError

    assert asyncio.run(on_a_loop(verifier(keys), token(), must_not_be_used)) == ACCEPTED


def test_a_cancelled_task_neither_cancels_nor_wastes_the_fetch(serve, recorder, let_go):
    server = serve(once(let_go.is_set, document(GOOD)))
    keys = client(server.url, on_event=recorder)
    check = verifier(keys)

    async def one_goes_one_stays():
        goes, stays = (asyncio.ensure_future(on_a_loop(check, token(), asyncio.to_thread)) for _ in range(2))
        assert await asyncio.to_thread(until, lambda: len(server.requests) == 1 and waiters(keys) == 2)
        goes.cancel()
        with pytest.raises(asyncio.CancelledError):
            await goes
        let_go.set()
        return await stays

    assert asyncio.run(one_goes_one_stays()) == ACCEPTED
    assert len(server.requests) == 1
    assert keys.state == "fresh"


def test_a_fetch_may_outlive_the_event_loop_that_waited_for_it(serve, recorder, let_go, caplog):
    caplog.set_level(logging.DEBUG, "concurrent.futures")
    server = serve(once(let_go.is_set, document(GOOD)))
    keys = client(server.url, on_event=recorder)

    async def gone_too_soon():
        waiting = asyncio.ensure_future(on_a_loop(verifier(keys), token(), asyncio.to_thread))
        assert await asyncio.to_thread(until, lambda: waiters(keys) == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(gone_too_soon())
    let_go.set()

    assert recorder.wait_for(FetchEnded).keys == 1
    assert [record for record in caplog.records if record.name == "concurrent.futures"] == []
    assert in_a_thread(verifier(keys), token()) == ACCEPTED
    assert len(server.requests) == 1


def test_a_task_cancelled_under_trio_does_not_cancel_the_fetch(serve, let_go):
    import trio

    server = serve(once(let_go.is_set, document(GOOD)))
    keys = client(server.url)

    async def gone_too_soon():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on_a_loop, verifier(keys), token(), trio.to_thread.run_sync)
            assert await trio.to_thread.run_sync(until, lambda: waiters(keys) == 1)
            nursery.cancel_scope.cancel()
            let_go.set()  # its thread waits to the end

    trio.run(gone_too_soon)

    assert in_a_thread(verifier(keys), token()) == ACCEPTED
    assert len(server.requests) == 1


def in_a_child(work):
    """Fork this process, do *work* in the child and return its pid. The child exits with 0 if it succeeds, and runs no
    test.
    """
    child = os.fork()
    if child == 0:
        told = 1
        try:
            told = 0 if work() else 2
        finally:
            os._exit(told)
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason=reason_for("POSIX", "a process is forked"))
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # which is the point
def test_a_process_forked_during_a_fetch_fetches_for_itself(serve, let_go):
    server = serve(once(let_go.is_set, document(GOOD)))
    keys = client(server.url)
    check = verifier(keys)
    with ThreadPoolExecutor(1) as pool:
        parent = pool.submit(in_a_thread, check, token())
        assert until(lambda: len(server.requests) == 1)
        server.answer = document(GOOD)
        with keys._flight.lock:  # as another thread might hold it
            child = in_a_child(lambda: in_a_thread(check, token()) == ACCEPTED)

        assert os.waitpid(child, 0)[1] == 0
        assert not parent.done()
        let_go.set()
        assert parent.result() == ACCEPTED
    assert len(server.requests) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason=reason_for("POSIX", "a process is forked"))
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_forked_with_the_same_keys_do_not_refresh_them_together(serve, clock):
    keys = client(serve(document(GOOD)).url, clock=clock)
    keys.refresh()
    told = []
    for _ in range(6):
        read, write = os.pipe()
        child = in_a_child(
            lambda write=write: os.write(write, str(keys._flight.snapshot.refresh_at - clock.now).encode())
        )
        assert os.waitpid(child, 0)[1] == 0
        told.append(float(os.read(read, 100)))
        os.close(read)
        os.close(write)

    assert len(set(told)) > 1
    assert all(432 <= ahead <= 480 for ahead in told)
    assert keys.state == "fresh"


def test_a_thread_that_cannot_start_is_a_temporary_outage(serve, clock, monkeypatch, caplog):
    def exhausted(thread):
        raise RuntimeError("can't start new thread")

    keys = client(serve(document(GOOD)).url, clock=clock)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", exhausted)
        assert [in_a_thread(verifier(keys), token()) for _ in range(2)] == [CANNOT_TELL] * 2
        with pytest.raises(KeysUnavailable):
            keys.refresh()

    assert "a fetch failed: no thread could be started" in caplog.text
    clock.now += 2
    assert in_a_thread(verifier(keys), token()) == ACCEPTED


def test_known_keys_are_used_while_no_thread_can_start(serve, clock, monkeypatch):
    keys = client(serve(document(GOOD)).url, clock=clock)
    keys.refresh()
    clock.now += 700
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: (_ for _ in ()).throw(RuntimeError))
        assert in_a_thread(verifier(keys), token()) == ACCEPTED


def test_two_requests_that_find_stale_keys_at_once_fetch_once(serve, clock, recorder):
    """The second request may acquire the lock after the first one's fetch has failed."""
    server = serve(document(GOOD))
    keys = client(server.url, clock=clock, on_event=recorder)
    keys.refresh()
    server.answer = refuse
    clock.now += 700
    found_stale = keys._flight.snapshot
    keys.current()
    recorder.wait_for(FetchFailed)

    keys._refresh_ahead(found_stale, clock.now)

    assert keys._flight.under_way is None
    assert len(server.requests) == 2


def test_waiting_for_a_transport_that_blocks_its_thread_times_out(serve):
    """No deadline can end such a transport. Waiters time out a second after the deadline."""
    goes_on = threading.Event()

    def transport():
        goes_on.wait()
        raise OSError

    keys = client("https://auth.example/jwks", transport=transport, timeout=0.1)
    try:
        assert tasks(verifier(keys), [token()] * 3) == [CANNOT_TELL] * 3
        assert in_a_thread(verifier(keys), token()) == CANNOT_TELL
        assert keys._flight.under_way is not None
    finally:
        goes_on.set()
    assert until(lambda: keys._flight.under_way is None)


# Enough requests to exceed the timeout of a fetch if each waited separately.
MANY = 4 * PATIENCE // 2 + 80


def test_forged_kids_do_not_block_a_thread_pool_while_the_key_server_hangs(serve, monkeypatch):
    monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", 2)
    server = serve(document(GOOD))
    keys = client(server.url)
    keys.refresh()
    check = verifier(keys)
    server.answer = hang
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(in_a_thread, check, forged(f"forged-{number}")) for number in range(MANY)]

        assert pool.submit(in_a_thread, check, token()).result() == ACCEPTED
        assert {answer.result() for answer in answers} == {CANNOT_TELL}
    assert keys._flight.under_way.number == 2  # the first of them hangs until now


def test_an_unavailable_issuer_blocks_a_thread_pool_only_once(serve, clock, monkeypatch):
    monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", 2)
    server = serve(refuse)
    keys = client(server.url, clock=clock)
    check = verifier(keys)
    assert in_a_thread(check, token()) == CANNOT_TELL
    server.answer = hang
    clock.now += 61
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(in_a_thread, check, token()) for _ in range(MANY)]

        assert {answer.result() for answer in answers} == {CANNOT_TELL}
    assert keys._flight.under_way.number == 2
    assert until(lambda: len(server.requests) == 2)


@pytest.mark.parametrize("way", RUNTIMES)
def test_a_request_that_waits_too_long_fails_and_the_fetch_continues(serve, let_go, way, monkeypatch):
    monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", 0.2)
    server = serve(document(GOOD))
    keys = client(server.url)
    keys.refresh()
    server.answer = once(let_go.is_set, document(jwks(OLD, NEW)))

    assert way(verifier(keys), token(NEW)) == CANNOT_TELL
    assert way(verifier(keys), token(NEW)) == CANNOT_TELL
    assert keys._flight.under_way is not None
    let_go.set()
    assert until(lambda: way(verifier(keys), token(NEW)) == ACCEPTED)
    assert len(server.requests) == 2


def when_longer_than(wait, keys, answer):
    """Send *answer* once a request has timed out after its longest wait."""
    return once(lambda: keys._flight.under_way.with_timeout(wait)._left() == 0, answer)


@pytest.mark.parametrize("way", RUNTIMES)
def test_the_first_keys_are_waited_for_until_the_fetch_times_out(serve, way, monkeypatch):
    monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", 0.1)
    server = serve(refuse)
    keys = client(server.url)
    server.answer = when_longer_than(0.1, keys, document(GOOD))

    assert way(verifier(keys), token()) == ACCEPTED


def test_an_explicit_refresh_waits_for_the_end_of_the_fetch(serve, monkeypatch):
    monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", 0.1)
    server = serve(document(GOOD))
    keys = client(server.url)
    keys.refresh()
    server.answer = when_longer_than(0.1, keys, document(jwks(OLD, NEW)))
    keys.refresh()

    assert in_a_thread(verifier(keys), token(NEW)) == ACCEPTED


HANGING_LOOK_UP = """
import socket, threading
from gatepass import AuthError, JWKSClient

def hang(*_, **__):
    threading.Event().wait()

socket.getaddrinfo = hang
try:
    JWKSClient("https://auth.example/jwks", timeout=0.2).refresh()
except AuthError as error:
    print(error.status)
"""


def test_a_dns_lookup_that_hangs_does_not_keep_the_process_alive():
    told = subprocess.check_output([sys.executable, "-c", HANGING_LOOK_UP], text=True, timeout=120)

    assert told == "503\n"


def test_a_key_that_another_request_has_just_fetched_needs_no_fetch(serve):
    server = serve(document(GOOD))
    keys = client(server.url)
    keys.refresh()

    fetch = keys._fetch_for(OLD.kid, None)

    assert fetch.succeeded
    asyncio.run(fetch.wait_async(asyncio.to_thread))
    assert len(server.requests) == 1


def test_an_abandoned_search_leaves_no_lock_held(serve):
    keys = client(serve(document(GOOD)).url)
    search = keys.fetch_missing(OLD.kid, None)
    next(search)
    del search

    assert in_a_thread(verifier(keys), token()) == ACCEPTED


def test_several_verifiers_share_one_client_and_its_fetch(serve):
    server = serve(refuse)
    keys = client(server.url)
    server.answer = when_all_wait(keys, 2, document(GOOD))
    checks = [verifier(keys, audience=audience) for audience in ("https://api.example", "https://other.example")]
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(
            lambda number: in_a_thread(checks[number], token(aud=["https://other.example", "https://api.example"])),
            range(2),
        )

        assert list(answers) == [ACCEPTED] * 2
    assert len(server.requests) == 1


def test_a_custom_key_source_needs_no_search():
    class Own(KeySource):
        keys = None

        def current(self):
            return self.keys

    source = Own()
    check = verifier(source)
    assert in_a_thread(check, token()) == under_asyncio(check, token()) == UNKNOWN_KEY
    source.keys = KeySet([OLD.public()])
    assert in_a_thread(check, token()) == under_asyncio(check, token()) == ACCEPTED
    source.keys = KeySet([NEW.public()])
    assert in_a_thread(check, token()) == UNKNOWN_KEY
    assert in_a_thread(check, forged(NEW.kid))[0] == 401

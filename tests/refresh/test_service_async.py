"""Grants and refreshes on an event loop, asyncio's and trio's: coroutine functions, worker threads, cancelled tasks."""

import asyncio
import inspect
import threading

import pytest
import trio
import trio.lowlevel
from tests.support.asgi import PATIENCE
from tests.support.breaking_store import BreakingStore, Clock, Outage, make_service, make_verifier

from gatepass import ConfigurationError, TokenService
from gatepass.refresh.errors import (
    HookUnavailable,
    InvalidGrant,
    RefreshTokenReused,
    ServiceUnavailable,
    StoreUnavailable,
    TokenEndpointError,
)

EVERY_LOOP = pytest.mark.parametrize("loop", ["asyncio", "trio"])


def run(loop, work, *arguments):
    """Run the coroutine function *work* on a new event loop."""
    return asyncio.run(work(*arguments)) if loop == "asyncio" else trio.run(work, *arguments)


async def pass_on(loop):
    """Wait for the next turn of the loop. It fails off the event loop."""
    if loop == "asyncio":
        await asyncio.sleep(0)
    else:
        await trio.lowlevel.checkpoint()


async def in_thread(loop, function):
    if loop == "asyncio":
        return await asyncio.to_thread(function)
    return await trio.to_thread.run_sync(function)


def coroutine(loop, function):
    """Return *function* as a coroutine function that needs the running event loop."""

    async def call(argument):
        await pass_on(loop)
        return function(argument)

    return call


class Callable:
    """An object with a coroutine function as its `__call__`."""

    def __init__(self, loop):
        self.loop = loop

    async def __call__(self, argument):
        await pass_on(self.loop)
        return True


def service_with(store, clock, loop, *, plain=(), **hooks):
    """Return a service whose *hooks* are coroutine functions, except those named in *plain*."""
    hooks = {"check_subject": lambda subject: True, **hooks}
    made = {name: function if name in plain else coroutine(loop, function) for name, function in hooks.items()}
    return make_service(store, clock, **made)


async def reason_of(refreshing):
    try:
        await refreshing
    except TokenEndpointError as error:
        return error.reason
    return None


# What the methods take and return


@pytest.mark.parametrize("method", ["grant", "refresh"])
def test_the_method_for_an_event_loop_takes_the_arguments_of_the_plain_one(method):
    plain, awaited = (
        dict(inspect.signature(getattr(TokenService, name)).parameters) for name in (method, f"{method}_async")
    )

    assert callable(awaited.pop("run_blocking").default)
    assert awaited == plain


@EVERY_LOOP
@pytest.mark.parametrize("plain", [(), ("claims_for",), ("check_subject", "claims_for", "scopes_for")])
def test_a_login_and_its_refreshes_have_the_claims_and_scopes_of_the_functions(store, clock, loop, plain):
    asked = []

    def claims_for(session):
        asked.append(session.subject)
        return {"tenant": session.claims["tenant"], "call": len(asked)}

    service = service_with(
        store, clock, loop, plain=plain, claims_for=claims_for, scopes_for=lambda session: ["b", "c"]
    )

    async def log_in_and_refresh():
        first = await service.grant_async("anna", scope="a b", claims={"tenant": "north"})
        return first, await service.refresh_async(first.refresh_token)

    pairs = run(loop, log_in_and_refresh)

    assert service.needs_event_loop is (len(plain) < 3)
    for number, pair in enumerate(pairs, 1):
        token = make_verifier(clock).verify(pair.access_token)
        assert (pair.scope, pair.narrowed, token.scopes) == ("b", True, {"b"})
        assert (token.claims["tenant"], token.claims["call"]) == ("north", number)


@EVERY_LOOP
def test_an_object_with_a_coroutine_function_as_its_call_is_awaited(store, clock, loop):
    service = make_service(store, clock, check_subject=Callable(loop))

    async def log_in_and_refresh():
        first = await service.grant_async("anna")
        return await service.refresh_async(first.refresh_token)

    assert service.needs_event_loop
    assert run(loop, log_in_and_refresh).refresh_token


@pytest.mark.parametrize("hook", ["check_subject", "claims_for", "scopes_for", "on_reuse"])
def test_the_plain_methods_refuse_a_service_with_a_coroutine_function(store, clock, hook):
    async def call(argument):
        return True

    service = make_service(store, clock, **{hook: call})

    with pytest.raises(ConfigurationError, match=rf"^{hook} of .* by grant\(\), .*: await grant_async\(\)"):
        service.grant("anna")
    with pytest.raises(ConfigurationError, match=rf"^{hook} of .* by refresh\(\), .*: await refresh_async\(\)"):
        service.refresh("x")
    assert store.calls == []


class WatchedStore(BreakingStore):
    """A store that records the threads that call it."""

    def __init__(self):
        super().__init__()
        self.threads = set()

    def _do(self, name, *args, **kwargs):
        self.threads.add(threading.current_thread())
        return super()._do(name, *args, **kwargs)


@EVERY_LOOP
def test_the_application_chooses_where_the_store_and_plain_functions_run(clock, loop):
    store = WatchedStore()

    def claims_for(session):
        store.threads.add(threading.current_thread())
        return {}

    service = service_with(store, clock, loop, plain=("claims_for",), claims_for=claims_for)

    async def in_this_thread(function):
        return function()

    async def log_in_and_refresh(run_blocking):
        first = await service.grant_async("anna", **run_blocking)
        await service.refresh_async(first.refresh_token, **run_blocking)

    run(loop, log_in_and_refresh, {"run_blocking": in_this_thread})
    chosen = set(store.threads)
    store.threads.clear()
    run(loop, log_in_and_refresh, {})

    assert chosen == {threading.current_thread()}
    assert threading.current_thread() not in store.threads


@EVERY_LOOP
def test_a_service_without_coroutine_functions_uses_one_worker_thread_for_a_refresh(service, loop):
    token = service.grant("anna").refresh_token
    threads = []

    async def run_blocking(function):
        threads.append(function)
        return await in_thread(loop, function)

    async def refresh():
        return await service.refresh_async(token, run_blocking=run_blocking)

    assert run(loop, refresh).refresh_token
    assert len(threads) == 1


# Failures


@EVERY_LOOP
@pytest.mark.parametrize("failure", ["raised", "returned"])
@pytest.mark.parametrize(("hook", "result"), [("check_subject", True), ("claims_for", {}), ("scopes_for", "a")])
def test_a_function_that_fails_leaves_the_token_unspent(caplog, loop, hook, result, failure):
    broken = []

    def call(argument):
        if broken and failure == "raised":
            raise Outage
        return None if broken else result

    service = service_with(BreakingStore(), Clock(), loop, **{hook: call})

    async def refresh_twice():
        token = (await service.grant_async("anna", scope="a")).refresh_token
        broken.append(True)
        with pytest.raises(HookUnavailable):
            await service.refresh_async(token)
        broken.clear()
        return await service.refresh_async(token)

    assert run(loop, refresh_twice).scope == "a"
    assert f"{hook} {failure}" in caplog.text
    assert "secret text" not in caplog.text


@EVERY_LOOP
@pytest.mark.parametrize("hook", ["claims_for", "scopes_for"])
def test_a_function_that_fails_at_login_creates_no_family(store, clock, loop, hook):
    service = service_with(store, clock, loop, **{hook: lambda session: None})

    async def log_in():
        with pytest.raises(ServiceUnavailable):
            await service.grant_async("anna")

    run(loop, log_in)

    assert "create" not in store.calls


@EVERY_LOOP
@pytest.mark.parametrize("operation", ["get", "rotate"])
def test_a_store_that_fails_leaves_the_token_unspent(store, clock, loop, operation):
    service = service_with(store, clock, loop)

    async def refresh_twice():
        token = (await service.grant_async("anna")).refresh_token
        store.before.add(operation)
        with pytest.raises(StoreUnavailable):
            await service.refresh_async(token)
        store.before.clear()
        return await service.refresh_async(token)

    assert run(loop, refresh_twice).refresh_token


@EVERY_LOOP
def test_a_refused_subject_loses_the_family(store, clock, loop):
    refused = set()
    service = service_with(store, clock, loop, check_subject=lambda subject: subject not in refused)

    async def refresh_twice():
        token = (await service.grant_async("anna")).refresh_token
        refused.add("anna")
        first = await reason_of(service.refresh_async(token))
        refused.clear()
        return first, await reason_of(service.refresh_async(token))

    assert run(loop, refresh_twice) == ("refresh_subject", "refresh_revoked")


# Reuse


@EVERY_LOOP
@pytest.mark.parametrize("plain", [(), ("on_reuse",)])
def test_a_reuse_is_reported_once(store, clock, loop, plain):
    reported = []
    service = service_with(store, clock, loop, plain=plain, on_reuse=reported.append)

    async def reuse():
        spent = (await service.grant_async("anna")).refresh_token
        await service.refresh_async(spent)
        return [await reason_of(service.refresh_async(spent)) for _ in range(3)]

    assert run(loop, reuse) == ["refresh_reused", "refresh_revoked", "refresh_revoked"]
    assert [family.subject for family in reported] == ["anna"]


@EVERY_LOOP
def test_a_reuse_is_reported_although_the_store_does_not_confirm_the_revocation(store, clock, loop):
    reported = []
    service = service_with(store, clock, loop, on_reuse=reported.append)

    async def reuse():
        spent = (await service.grant_async("anna")).refresh_token
        await service.refresh_async(spent)
        store.after.add("revoke")
        return await reason_of(service.refresh_async(spent))

    assert run(loop, reuse) == "store_unavailable"
    assert [family.subject for family in reported] == ["anna"]


@EVERY_LOOP
def test_a_reuse_that_is_found_while_the_token_is_spent_is_reported(store, clock, loop):
    """Two clients present one token at the same moment: both are current, and one of them is second."""
    reported, tokens = [], []
    other = make_service(store, clock)
    service = service_with(store, clock, loop, on_reuse=reported.append)

    async def race():
        tokens.append((await service.grant_async("anna")).refresh_token)
        store.in_between["rotate"] = lambda: other.refresh(tokens[0])
        return await reason_of(service.refresh_async(tokens[0]))

    assert run(loop, race) == "refresh_reused"
    assert [family.subject for family in reported] == ["anna"]


@EVERY_LOOP
def test_a_reuse_hook_that_raises_does_not_change_the_result(store, clock, caplog, loop):
    def fail(family):
        raise Outage

    service = service_with(store, clock, loop, on_reuse=fail)

    async def reuse():
        spent = (await service.grant_async("anna")).refresh_token
        current = (await service.refresh_async(spent)).refresh_token
        return await reason_of(service.refresh_async(spent)), await reason_of(service.refresh_async(current))

    assert run(loop, reuse) == ("refresh_reused", "refresh_revoked")
    assert "on_reuse raised Outage" in caplog.text


def test_one_of_many_tasks_with_one_token_succeeds(store, clock):
    service = service_with(store, clock, "asyncio")

    async def race():
        token = (await service.grant_async("anna")).refresh_token
        return await asyncio.gather(*(service.refresh_async(token) for _ in range(16)), return_exceptions=True)

    outcomes = asyncio.run(race())

    refused = [one for one in outcomes if isinstance(one, InvalidGrant)]
    assert len(refused) == 15


# The event loop stays free


@EVERY_LOOP
@pytest.mark.parametrize("waiting", ["claims_for", "get", "rotate", "create"])
def test_the_event_loop_runs_on_while_a_plain_function_or_the_store_waits(store, clock, loop, waiting):
    asked, answered = threading.Event(), threading.Event()

    def wait(*_):
        asked.set()
        assert answered.wait(PATIENCE)
        return {}

    token = make_service(store, clock).grant("anna").refresh_token
    hooks = {"claims_for": wait} if waiting == "claims_for" else {}
    service = service_with(store, clock, loop, plain=("claims_for",), **hooks)
    if not hooks:
        store.in_between[waiting] = wait

    async def answer():
        assert await in_thread(loop, lambda: asked.wait(PATIENCE))
        answered.set()

    async def work():
        await (service.grant_async("anna") if waiting == "create" else service.refresh_async(token))

    async def together():
        if loop == "asyncio":
            await asyncio.gather(work(), answer())
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            nursery.start_soon(answer)

    run(loop, together)


# Cancelled tasks


@pytest.mark.parametrize("hook", ["check_subject", "claims_for", "scopes_for"])
def test_a_task_cancelled_while_a_function_is_awaited_leaves_the_token_unspent(store, clock, hook):
    results = {"check_subject": True, "claims_for": {}, "scopes_for": "a"}

    async def cancel():
        asked, answered = asyncio.Event(), asyncio.Event()

        async def wait(argument):
            asked.set()
            await answered.wait()
            return results[hook]

        service = make_service(store, clock, **{hook: wait})
        refreshing = asyncio.create_task(service.refresh_async(token))
        await asked.wait()
        refreshing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await refreshing
        answered.set()
        assert "rotate" not in store.calls
        return await service.refresh_async(token)

    token = make_service(store, clock).grant("anna", scope="a").refresh_token

    assert asyncio.run(cancel()).scope == "a"


def test_a_task_cancelled_on_trio_while_a_function_is_awaited_leaves_the_token_unspent(store, clock):
    async def cancel():
        asked, answered = trio.Event(), trio.Event()

        async def check_subject(subject):
            asked.set()
            await answered.wait()
            return True

        service = make_service(store, clock, check_subject=check_subject)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.refresh_async, token)
            await asked.wait()
            nursery.cancel_scope.cancel()
        answered.set()
        assert "rotate" not in store.calls
        return await service.refresh_async(token)

    token = make_service(store, clock).grant("anna").refresh_token

    assert trio.run(cancel).refresh_token


@pytest.mark.parametrize("moment", ["revoking", "reporting"])
def test_a_client_that_goes_away_does_not_prevent_the_report_of_its_reuse(store, clock, moment):
    plain = make_service(store, clock)
    spent = plain.grant("anna").refresh_token
    plain.refresh(spent)

    async def go_away():
        reached, go_on, reported = asyncio.Event(), asyncio.Event(), asyncio.Event()
        families = []
        loop = asyncio.get_running_loop()
        released = threading.Event()

        def revoking():
            loop.call_soon_threadsafe(reached.set)
            assert released.wait(PATIENCE)

        async def on_reuse(family):
            if moment == "reporting":
                reached.set()
                await go_on.wait()
            families.append(family.subject)
            reported.set()

        if moment == "revoking":
            store.in_between["revoke"] = revoking
        service = make_service(store, clock, on_reuse=on_reuse)
        refreshing = asyncio.create_task(service.refresh_async(spent))
        await reached.wait()
        refreshing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await refreshing
        assert families == []
        released.set()
        go_on.set()
        async with asyncio.timeout(PATIENCE):
            await reported.wait()
        return families

    assert asyncio.run(go_away()) == ["anna"]


@pytest.mark.parametrize("moment", ["revoking", "reporting"])
def test_a_client_that_goes_away_on_trio_does_not_prevent_the_report_of_its_reuse(store, clock, moment):
    plain = make_service(store, clock)
    spent = plain.grant("anna").refresh_token
    plain.refresh(spent)
    families = []

    async def go_away():
        reached, go_on, released = trio.Event(), trio.Event(), threading.Event()

        def revoking():
            trio.from_thread.run_sync(reached.set)
            assert released.wait(PATIENCE)

        async def on_reuse(family):
            reached.set()
            await go_on.wait()
            families.append(family.subject)

        if moment == "revoking":
            store.in_between["revoke"] = revoking
        service = make_service(store, clock, on_reuse=on_reuse)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.refresh_async, spent)
            await reached.wait()
            nursery.cancel_scope.cancel()
            released.set()
            go_on.set()

    with pytest.RaisesGroup(RefreshTokenReused):
        trio.run(go_away)
    assert families == ["anna"]


def test_a_client_that_goes_away_while_its_token_is_spent_gets_the_successor_afterwards(store, clock):
    """The rotation is complete, and the grace window is open."""
    token = make_service(store, clock).grant("anna").refresh_token

    async def go_away():
        reached, released = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def rotating():
            loop.call_soon_threadsafe(reached.set)
            assert released.wait(PATIENCE)

        store.in_between["rotate"] = rotating
        service = make_service(store, clock, check_subject=coroutine("asyncio", lambda subject: True), grace=10)
        refreshing = asyncio.create_task(service.refresh_async(token))
        await reached.wait()
        refreshing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await refreshing
        (rotation,) = asyncio.all_tasks() - {asyncio.current_task()}
        released.set()
        spent = await rotation
        return spent, await service.refresh_async(token)

    spent, again = asyncio.run(go_away())

    assert again.refresh_token == spent.refresh_token

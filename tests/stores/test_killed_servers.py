"""Servers are killed during rotations and restarted: no family is lost, no token is accepted twice, and every response
is correct or 503.
"""

import gc
import random
import threading
from contextlib import contextmanager

import pytest
from tests.support.breaking_store import Clock, make_service
from tests.support.databases.redis_servers import RedisServer
from tests.support.databases.sql_databases import connect
from tests.support.databases.sql_servers import database_server
from tests.support.django.databases import django_store
from tests.support.sessions import Session, refreshing, wait_until

from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import InvalidGrant, RefreshTokenReused, StoreUnavailable
from gatepass.stores.redis import RedisStore
from gatepass.stores.sql import SQLStore

KILLS = 2
# Drivers may drop open connections to a killed server without closing them.
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")


@pytest.fixture(scope="module", params=["postgresql", "mariadb", "redis"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def server(kind, tmp_path_factory):
    if kind == "redis":
        server = RedisServer(tmp_path_factory.mktemp("redis") / "data")
        yield server
        server.kill()
    else:
        with database_server(kind) as server:
            yield server


@pytest.fixture(scope="module")
def stores(kind, server):
    """Yield every kind of store that uses the server."""
    if kind == "redis":
        store = RedisStore(server.url)
        yield [store]
        store.close()
        return
    engine = connect(kind, server.url)
    SQLStore(engine).create_schema()
    with django_store(kind, server) as of_django:
        yield [SQLStore(engine), of_django]
    engine.dispose()
    gc.collect()  # collect the connections here, and not in another test


def sessions_on(stores, **settings):
    return [
        Session(make_service(store, Clock(), **settings), f"user-{number}") for store in stores for number in range(3)
    ]


def go_on_for_a_while(sessions):
    """Wait until every session has refreshed three times, and then for a random time."""
    goals = [session.refreshed + 3 for session in sessions]
    wait_until(lambda: all(one.refreshed >= goal or one.wrong for one, goal in zip(sessions, goals, strict=True)))
    threading.Event().wait(random.random() / 20)  # noqa: S311 - a draw for a test


def notice_an_outage(sessions):
    goals = [session.unavailable + 2 for session in sessions]
    wait_until(lambda: all(one.unavailable >= goal or one.wrong for one, goal in zip(sessions, goals, strict=True)))


@contextmanager
def killed(server):
    server.kill()
    try:
        yield
    finally:
        server.start()


def test_sessions_survive_a_server_that_is_killed_during_rotations(server, stores):
    sessions = sessions_on(stores)
    with refreshing(sessions):
        for _ in range(KILLS):
            go_on_for_a_while(sessions)
            with killed(server):
                notice_an_outage(sessions)
        go_on_for_a_while(sessions)

    assert [session.wrong for session in sessions] == [None] * len(sessions)
    for session in sessions:
        assert session.survives()
        tokens = [*session.spent, session.token]
        assert len(set(tokens)) == len(tokens)
        with pytest.raises(RefreshTokenReused):
            session.service.refresh(random.choice(session.spent))  # noqa: S311 - a draw for a test
        with pytest.raises(InvalidGrant):
            session.service.refresh(session.token)


@pytest.mark.parametrize("grace", [0, 60])
def test_the_tokens_that_clients_hold_are_valid_for_processes_that_start_after_the_outage(server, stores, grace):
    """A client that received a response continues. A client whose response was lost continues within the window.
    Without a window, the family is revoked as if a token had been stolen, and the user signs in again.
    """
    heard, lost = [], 0
    for _ in range(KILLS):
        sessions = sessions_on(stores, grace=grace, on_reuse=heard.append)
        with refreshing(sessions):
            go_on_for_a_while(sessions)
            server.kill()
            notice_an_outage(sessions)
        server.start()
        for session in sessions:
            assert session.wrong is None
            session.service = make_service(store_of(session), Clock(), grace=grace, on_reuse=heard.append)
            if not session.survives():
                assert grace == 0
                assert type(session.wrong) is RefreshTokenReused
                lost += 1
                assert heard[-1].family_id == RefreshToken.parse(session.token).family_id

    assert len(heard) == lost


def store_of(session):
    return session.service._store


@pytest.mark.parametrize("grace", [0, 60])
def test_concurrent_requests_with_one_token_never_get_two_successors_while_servers_are_killed(server, stores, grace):
    stop, rounds = threading.Event(), [[] for _ in stores]

    def race(store, told):
        services = [make_service(store, Clock(), grace=grace) for _ in range(2)]
        while not stop.is_set():
            token = asked(lambda: services[0].grant("anna"))
            outcomes = []
            threads = [
                threading.Thread(
                    target=lambda one=one, token=token, outcomes=outcomes: outcomes.append(
                        asked(lambda: one.refresh(token))
                    )
                )
                for one in services * 2
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(300)
            told.append(outcomes)

    judges = [threading.Thread(target=race, args=pair) for pair in zip(stores, rounds, strict=True)]
    for judge in judges:
        judge.start()
    try:
        for _ in range(KILLS):
            goals = [len(told) + 3 for told in rounds]
            wait_until(lambda goals=goals: all(len(told) >= goal for told, goal in zip(rounds, goals, strict=True)))
            with killed(server):
                threading.Event().wait(0.05)
    finally:
        stop.set()
        for judge in judges:
            judge.join(300)
            assert not judge.is_alive()
    for outcomes in (one for told in rounds for one in told):
        successors = [one for one in outcomes if isinstance(one, str)]
        assert len(outcomes) == 4
        assert len(set(successors)) <= 1, "two different successors of one token"
        assert grace or len(successors) <= 1
        assert all(isinstance(one, str) or issubclass(one, InvalidGrant) for one in outcomes), outcomes


def asked(question):
    """Call *question* and return its refresh token or the class of the exception. Repeat the call after a 503."""
    for _ in range(24_000):
        try:
            return question().refresh_token
        except StoreUnavailable:
            threading.Event().wait(0.01)
        except Exception as error:  # noqa: BLE001 - it is what the test judges
            return type(error)
    return StoreUnavailable

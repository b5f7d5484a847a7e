"""Statements that use the driver's own cursor: how a connection is treated after a failure."""

import os
import signal
import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from tests.stores.test_sql_faults import end_connections, victim
from tests.support.databases.sql_databases import connect, empty_database
from tests.support.needs import reason_for
from tests.support.sessions import wait_until

from gatepass.stores.sql import SQLStore
from gatepass.testing.base import make_family


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request):
    return request.param


@pytest.fixture
def place(kind, tmp_path):
    with empty_database(kind, tmp_path) as place:
        yield place


@pytest.fixture
def admin(kind, place):
    engine = connect(kind, place, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def engine(kind, place):
    engine = victim(kind, place)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine):
    store = SQLStore(engine)
    store.create_schema()
    return store


def fill_pool(engine, store, connections):
    """Leave this many idle connections in the pool, each of which the store has used."""
    taken = []
    for _ in range(connections):
        store.get("unknown")
        taken.append(engine.connect())
    for connection in taken:
        connection.close()
    assert engine.pool.checkedin() == connections


def test_when_the_server_ends_all_connections_one_request_fails_and_no_other(kind, engine, store, admin):
    one = make_family()
    store.create(one.family)
    fill_pool(engine, store, 5)
    assert end_connections(kind, admin) >= 5

    with pytest.raises(DBAPIError) as caught:
        store.get(one.family.family_id)

    assert caught.value.connection_invalidated
    assert [store.get(one.family.family_id) for _ in range(10)] == [one.family] * 10
    assert engine.pool.checkedout() == 0


def test_a_rotation_after_a_server_restart_is_applied_once(kind, engine, store, admin):
    one = make_family()
    store.create(one.family)
    fill_pool(engine, store, 3)
    end_connections(kind, admin)
    after, rotation = one.next()

    with pytest.raises(DBAPIError):
        store.rotate(one.family.family_id, rotation)

    assert store.rotate(one.family.family_id, rotation)
    assert not store.rotate(one.family.family_id, rotation)
    assert store.get(one.family.family_id) == after.family


@pytest.mark.parametrize("operation", ["get", "rotate"])
def test_an_error_of_the_database_is_raised_by_sqlalchemy_without_values(store, admin, operation):
    one = make_family()
    store.get("unknown")
    with admin.connect() as connection:
        connection.execute(text("DROP TABLE gatepass_families"))

    with pytest.raises((ProgrammingError, OperationalError)) as caught:
        store.get(one.family.family_id) if operation == "get" else store.rotate(one.family.family_id, one.next()[1])

    assert not caught.value.connection_invalidated
    assert one.family.family_id not in str(caught.value)


class Interrupted(BaseException):
    pass


@contextmanager
def interrupted_when(true):
    """Interrupt this thread by a signal as soon as *true* returns True."""

    def interrupt(*_):
        raise Interrupted

    def watch():
        wait_until(true)
        os.kill(os.getpid(), signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, interrupt)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        watcher.join()
        signal.signal(signal.SIGALRM, before)


WAITING = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'gatepass_families'::regclass",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND state LIKE 'Waiting for table%'",
}


def waits_for_the_table(kind, admin):
    with admin.connect() as connection:
        return connection.execute(text(WAITING[kind])).scalar() > 0


LOCK = {"postgresql": "LOCK TABLE gatepass_families", "mariadb": "LOCK TABLES gatepass_families WRITE"}
RELEASE = {"postgresql": "COMMIT", "mariadb": "UNLOCK TABLES"}


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason=reason_for("POSIX", "a signal interrupts"))
def test_a_connection_that_was_interrupted_is_not_used_again(kind, engine, store, admin):
    one, other = make_family(), make_family()
    store.create(one.family)
    store.create(other.family)
    fill_pool(engine, store, 1)
    with engine.connect() as connection:
        used = connection.connection.driver_connection
    with admin.connect() as connection:
        if kind == "postgresql":
            connection.execute(text("BEGIN"))
        connection.execute(text(LOCK[kind]))
        with interrupted_when(lambda: waits_for_the_table(kind, admin)), pytest.raises(Interrupted):
            store.get(one.family.family_id)
        connection.execute(text(RELEASE[kind]))

    assert used.closed if kind == "postgresql" else not used.open
    assert store.get(other.family.family_id) == other.family
    assert engine.pool.checkedout() == 0


def test_a_connection_is_reused_for_several_families(store):
    """The cursor is kept, and no result of the last statement."""
    many = [make_family() for _ in range(20)]
    for one in many:
        store.create(one.family)
    for _ in range(3):
        for number, one in enumerate(many):
            many[number], rotation = one.next()
            assert store.rotate(one.family.family_id, rotation)
            assert not store.rotate(one.family.family_id, rotation)
            assert store.get("unknown") is None

    assert [store.get(one.family.family_id) for one in many] == [one.family for one in many]


def test_a_read_ends_its_transaction_even_if_the_pool_does_not_reset(kind, place, store):
    """On MariaDB a transaction that stays open would still show the old family."""
    engine = connect(kind, place, pool_reset_on_return=None, pool_size=1, max_overflow=0)
    idle = SQLStore(engine)
    one = make_family()
    store.create(one.family)
    after, rotation = one.next()
    try:
        seen = [idle.get(one.family.family_id)]
        assert store.rotate(one.family.family_id, rotation)
        seen.append(idle.get(one.family.family_id))
        assert store.revoke(one.family.family_id, at=5)
        seen.append(idle.get(one.family.family_id))
    finally:
        engine.dispose()

    assert [family.revoked_at for family in seen] == [None, None, 5]
    assert seen[:2] == [one.family, after.family]

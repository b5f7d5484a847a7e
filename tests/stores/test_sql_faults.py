"""The connections of the SQL store are terminated, or cut between the commit and the response: no family is lost, no
token is accepted twice, and every response is correct or 503.
"""

import random
import threading

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from tests.support.breaking_store import Clock, make_service
from tests.support.databases.lossy_proxy import LossyProxy
from tests.support.databases.sql_databases import connect, connect_through, empty_database
from tests.support.ports import free_port
from tests.support.sessions import Session, refreshing, wait_until

from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import RefreshTokenReused, StoreUnavailable
from gatepass.stores.sql import SQLStore


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def place(kind, tmp_path_factory):
    with empty_database(kind, tmp_path_factory.mktemp("sql")) as place:
        yield place


@pytest.fixture
def engine(kind, place):
    engine = connect(kind, place)
    SQLStore(engine).create_schema()
    yield engine
    engine.dispose()


@pytest.fixture
def admin(kind, place):
    engine = connect(kind, place, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def end_connections(kind, admin):
    """Terminate all other connections to the database, and return how many."""
    with admin.connect() as connection:
        if kind == "postgresql":
            ended = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'gatepass-victim' AND pid <> pg_backend_pid()"
                )
            )
            return len(ended.all())
        numbers = connection.execute(
            text("SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()")
        ).scalars()
        count = 0
        for number in numbers.all():
            try:
                connection.execute(text(f"KILL CONNECTION {number}"))
                count += 1
            except OperationalError:  # it has already ended
                pass
        return count


def victim(kind, place, **options):
    url = make_url(place)
    if kind == "postgresql":
        url = url.update_query_dict({"application_name": "gatepass-victim"})
    return connect(kind, url, **options)


def test_sessions_survive_the_loss_of_every_connection(kind, place, engine, admin):
    broken = victim(kind, place)
    sessions = [Session(make_service(SQLStore(broken), Clock()), f"user-{number}") for number in range(6)]
    ended = 0
    with refreshing(sessions):
        while ended < 30:  # six sessions, so several rounds
            enough = sum(session.refreshed for session in sessions) + 5
            wait_until(lambda enough=enough: sum(session.refreshed for session in sessions) > enough)
            ended += end_connections(kind, admin)
        wait_until(lambda: sum(session.unavailable for session in sessions) > 0)

    assert sum(session.unavailable for session in sessions) > 0
    assert [session.wrong for session in sessions] == [None] * 6
    assert all(session.survives() for session in sessions)
    broken.dispose()


@pytest.fixture
def proxy(place):
    url = make_url(place)
    proxy = LossyProxy(url.host, url.port or 3306)
    yield proxy
    proxy.close()


# The last message of a client before the rotation is applied: PostgreSQL commits with the statement.
DECISIVE = {"postgresql": [b"UPDATE gatepass_families"], "mariadb": [b"UPDATE gatepass_families", b"COMMIT"]}


def test_a_response_lost_after_the_commit_is_recovered(kind, place, engine, proxy):
    cut = connect_through(kind, place, proxy)
    session = Session(make_service(SQLStore(cut), Clock()), "anna")
    for number in range(1, 4):
        spent = session.token
        proxy.drop_response_after(*DECISIVE[kind])
        session.refresh()

        assert proxy.dropped == number
        assert session.wrong is None
        assert session.refreshed == number, "the rotation took place, and the service saw it"
        if number == 1:
            family = SQLStore(engine).get(RefreshToken.parse(session.token).family_id)
            assert family.current_hash == RefreshToken.parse(session.token).secret_hash
    assert session.survives()
    with pytest.raises(RefreshTokenReused):
        session.service.refresh(spent)
    cut.dispose()


def test_a_response_lost_before_the_commit_is_503_and_the_token_is_not_spent(kind, place, engine, proxy):
    if kind == "postgresql":
        pytest.skip("the statement is the commit")
    cut = connect_through(kind, place, proxy)
    session = Session(make_service(SQLStore(cut), Clock()), "anna")
    proxy.drop_response_after(b"UPDATE gatepass_families")
    session.refresh()

    assert (session.refreshed, session.unavailable, session.wrong) == (0, 1, None)
    assert session.survives()
    cut.dispose()


def test_connections_cut_at_random_moments_lose_no_session(kind, place, engine, proxy):
    cut = connect_through(kind, place, proxy)
    sessions = [Session(make_service(SQLStore(cut), Clock()), f"user-{number}") for number in range(4)]
    chance = random.Random(3)  # noqa: S311 - a draw for a test
    with refreshing(sessions):
        for number in range(12):
            proxy.drop_response_after(chance.choice([b"UPDATE", b"SELECT", *DECISIVE[kind][-1:]]))
            wait_until(lambda expected=number + 1: proxy.dropped >= expected)
            further = sum(session.refreshed for session in sessions) + chance.randrange(8)
            wait_until(lambda further=further: sum(session.refreshed for session in sessions) >= further)

    assert [session.wrong for session in sessions] == [None] * 4
    proxy.drop_response_after()
    assert all(session.survives() for session in sessions)
    cut.dispose()


def test_an_unreachable_server_is_503_at_once(kind, place):
    url = make_url(place).set(host="127.0.0.1", port=free_port())
    gone = connect(kind, url)
    service = make_service(SQLStore(gone), Clock())

    with pytest.raises(StoreUnavailable):
        service.refresh(RefreshToken.fresh().text())
    with pytest.raises(OperationalError):
        SQLStore(gone).get("x")
    gone.dispose()


def test_a_pool_without_a_free_connection_is_503(kind, place, engine):
    narrow = create_engine(place, pool_size=1, max_overflow=0, pool_timeout=0.1)
    service = make_service(SQLStore(narrow), Clock())
    session = Session(service, "anna")
    with narrow.connect():
        session.refresh()

    assert session.unavailable == 1
    assert session.survives()
    narrow.dispose()


def waits_for_a_row(kind, admin):
    """Return whether a connection to this database waits for a lock."""
    with admin.connect() as connection:
        return connection.execute(text(_WAITING[kind])).scalar() > 0


_WAITING = {
    "postgresql": """
        SELECT count(*) FROM pg_stat_activity AS waiting JOIN pg_locks AS held ON held.pid = waiting.pid
        WHERE wait_event_type = 'Lock' AND held.relation = 'gatepass_families'::regclass""",
    "mariadb": """
        SELECT count(*) FROM information_schema.innodb_trx JOIN information_schema.processlist
        ON trx_mysql_thread_id = id WHERE trx_state = 'LOCK WAIT' AND db = database()""",
}


def test_a_row_locked_by_another_transaction_is_waited_for(kind, engine, admin):
    store = SQLStore(engine)
    session = Session(make_service(store, Clock()), "anna")
    family_id = RefreshToken.parse(session.token).family_id
    waiting = threading.Thread(target=session.refresh)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE gatepass_families SET revoked_at = 5 WHERE family_id = :name"), {"name": family_id}
        )
        waiting.start()
        # MariaDB refreshes its list of transactions only after a tenth of a second without a query.
        wait_until(lambda: waits_for_a_row(kind, admin), every=0.3)
        assert waiting.is_alive()
    waiting.join(120)

    assert not waiting.is_alive()
    assert session.wrong.reason == "refresh_revoked"
    assert store.get(family_id).revoked_at == 5


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_at_every_isolation_level_exactly_one_wins(kind, place, engine, level):
    strict = connect(kind, place, isolation_level=level)
    service = make_service(SQLStore(strict), Clock())
    for _ in range(5):
        token = service.grant("anna").refresh_token
        outcomes = []
        threads = [
            threading.Thread(target=lambda told=outcomes, one=token: told.append(outcome(service, one)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive()
        assert outcomes.count("pair") == 1, outcomes
        assert len(outcomes) == 8
    strict.dispose()


def outcome(service, token):
    try:
        service.refresh(token)
    except Exception as error:  # noqa: BLE001 - it is what the test judges
        return getattr(error, "reason", repr(error))
    return "pair"

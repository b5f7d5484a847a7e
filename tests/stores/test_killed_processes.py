"""Processes of the service are killed during rotations. Acknowledged tokens are valid, the grace window decides about
the others, and no token is accepted twice.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.breaking_store import Clock, make_service
from tests.support.databases.serving_process import open_store
from tests.support.databases.store_addresses import store_address
from tests.support.sessions import Session, refreshing

from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import RefreshTokenReused

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "support" / "databases" / "serving_process.py"
SESSIONS = 8


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb", "redis"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def place(kind, tmp_path_factory):
    with store_address(kind, tmp_path_factory.mktemp("killed")) as place:
        yield place


@pytest.fixture
def store(kind, place):
    store = open_store(kind, place)
    yield store
    engine = getattr(store, "_schema_engine", None)
    if engine is None:
        store.close()
    else:
        engine.dispose()


def answered_before_it_was_killed(kind, place):
    """Return, for each session, the tokens that a process printed before it was killed, in order."""
    command = [sys.executable, PROGRAM, kind, place, str(SESSIONS)]
    told = {number: [] for number in range(SESSIONS)}
    further = random.randrange(200)  # noqa: S311 - a draw for a test
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=_ENVIRONMENT) as process:
        try:
            for line in process.stdout:
                note(line, told)
                further -= all(len(tokens) > 1 for tokens in told.values())
                if further < 0:
                    break
        finally:
            process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            note(line, told)
    return told


def note(line, told):
    number, token = line.decode().split(maxsplit=1)
    told[int(number)].append(token.strip())


_ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}


def test_sessions_continue_at_another_process_after_theirs_was_killed(kind, place, store):
    mine = [Session(make_service(store, Clock()), f"neighbour-{number}") for number in range(2)]
    for _ in range(2):
        with refreshing(mine):
            told = answered_before_it_was_killed(kind, place)
        assert all(told.values())
        for number, tokens in told.items():
            assert len(set(tokens)) == len(tokens)
            grace = 60 * (number % 2)
            session = session_with(tokens[-1], make_service(store, Clock(), grace=grace))
            if not session.survives():  # its last response was lost, which without a window looks like a stolen token
                assert grace == 0
                assert type(session.wrong) is RefreshTokenReused
                assert store.get(RefreshToken.parse(session.token).family_id).revoked_at is not None
                continue
            if len(tokens) > 1:
                with pytest.raises(RefreshTokenReused):
                    session.service.refresh(tokens[-2])
    assert [session.wrong for session in mine] == [None] * 2
    assert all(session.survives() for session in mine)


def session_with(token, service):
    session = Session(service, "unknown")
    session.token = token
    return session

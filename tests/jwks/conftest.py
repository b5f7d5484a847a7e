"""Skip the tests of remote keys where the extra `jwks` is not installed, and give them key servers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("httpx")

from tests.support import event_loop
from tests.support.issuers import GOOD, Clock, EventRecorder, client
from tests.support.key_server import PATIENCE, Answer, KeyServer, document, serving

from gatepass import JWKSClient
from gatepass.jwks import FetchEnded


@pytest.fixture(autouse=True)
def _controlled_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run fetches on event loops whose time a key server can advance."""
    monkeypatch.setattr("asyncio.events.new_event_loop", event_loop.new_event_loop)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests wait long enough for a busy machine, unless a test sets another time."""
    monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", PATIENCE)


@pytest.fixture
def serve() -> Iterator[Callable[..., KeyServer]]:
    """Start key servers that stop with the test."""
    with ExitStack() as running:

        def start(answer: Answer, **settings: Any) -> KeyServer:
            return running.enter_context(serving(answer, **settings))

        yield start


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder() -> EventRecorder:
    return EventRecorder()


@pytest.fixture
def server(serve: Callable[..., KeyServer]) -> KeyServer:
    return serve(document(GOOD))


@pytest.fixture
def keys(server: KeyServer, clock: Clock, recorder: EventRecorder) -> JWKSClient:
    made = client(server.url, clock=clock, on_event=recorder)
    made.refresh()
    recorder.wait_for(FetchEnded)
    return made

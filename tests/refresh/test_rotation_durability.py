"""A database may show a change before it is on disk and lose it in a crash. A token that a client received stays valid.

MariaDB does so. It writes its log in order: once a later change is durable, so is every earlier one.
"""

import pytest
from tests.support.breaking_store import BreakingStore, Outage, make_service, reason_of


class LateDisk(BreakingStore):
    """A call that changed rows makes its changes durable before it returns, with all earlier visible changes. A call
    that changed none writes nothing. A crash discards visible changes that are not durable, and fails the current
    calls.
    """

    def __init__(self):
        super().__init__()
        self.shown = {}
        self.crashes = 0
        self._disk = {}

    def _do(self, name, *args, **kwargs):
        crashes, before = self.crashes, dict(self.inner._families)
        answer = super()._do(name, *args, **kwargs)
        after = dict(self.inner._families)
        self.shown.pop(name, lambda: None)()
        if self.crashes > crashes:
            raise Outage
        if after != before:
            self._disk = dict(self.inner._families)
        return answer

    def crash(self):
        self.crashes += 1
        self.inner._families = dict(self._disk)


@pytest.fixture
def store():
    return LateDisk()


@pytest.fixture
def process(store, clock):
    """Return a service of another process, which has its own memory."""
    return lambda grace=60: make_service(store, clock, grace=grace)


def refreshed(process, token):
    return process().refresh(token).refresh_token


def test_the_test_store_loses_visible_changes_and_keeps_acknowledged_ones(store, process):
    kept = process().grant("anna").refresh_token
    second = refreshed(process, kept)
    store.shown["rotate"] = store.crash
    assert reason_of(process(0).refresh, second) == "store_unavailable"

    assert refreshed(process, second)


def test_a_successor_that_was_returned_again_before_a_crash_stays_the_only_one(store, process):
    first = process().grant("anna").refresh_token
    handed = []

    def meanwhile():
        handed.append(refreshed(process, first))
        store.crash()

    store.shown["rotate"] = meanwhile
    handed.append(refreshed(process, first))
    handed.append(refreshed(process, first))

    assert len(handed) == 3
    assert len(set(handed)) == 1
    assert refreshed(process, handed[0])


def test_concurrent_repetitions_each_wait_for_the_disk(store, process):
    first = process().grant("anna").refresh_token
    handed = []

    def by_a_third():
        handed.append(refreshed(process, first))
        store.crash()

    def by_a_second():
        store.shown["rotate"] = by_a_third
        assert reason_of(process().refresh, first) == "store_unavailable"

    store.shown["rotate"] = by_a_second
    handed.append(refreshed(process, first))
    handed.append(refreshed(process, first))

    assert len(handed) == 3
    assert len(set(handed)) == 1
    assert refreshed(process, handed[0])


@pytest.mark.parametrize("grace", [0, 60])
def test_a_successor_is_durable_before_it_is_returned_after_a_lost_response(store, process, grace):
    service = process(grace)
    first = service.grant("anna").refresh_token

    def lose_the_answer():
        raise Outage

    store.shown["rotate"] = lose_the_answer
    second = service.refresh(first).refresh_token
    store.crash()

    assert process(grace).refresh(second)
    assert reason_of(process(grace).refresh, first) == "refresh_reused"


@pytest.mark.parametrize("grace", [0, 60])
def test_a_retry_after_an_outage_returns_the_stored_successor(store, process, grace):
    service = process(grace)
    first = service.grant("anna").refresh_token

    def lose_the_answer():
        store.before.add("rotate")
        raise Outage

    store.shown["rotate"] = lose_the_answer
    assert reason_of(service.refresh, first) == "store_unavailable"
    store.before.clear()
    second = service.refresh(first).refresh_token
    store.crash()

    assert process(grace).refresh(second)
    assert reason_of(process(grace).refresh, first) == "refresh_reused"


def test_a_visible_rotation_that_a_crash_rolls_back_is_503_and_its_token_valid_again(store, clock, process):
    first = process().grant("anna").refresh_token
    reasons = []

    def crash(subject):
        store.crash()
        return True

    def another_comes():
        reasons.append(reason_of(make_service(store, clock, grace=60, check_subject=crash).refresh, first))

    store.shown["rotate"] = another_comes
    reasons.append(reason_of(process().refresh, first))

    assert reasons == ["store_contradiction", "store_unavailable"]
    second = refreshed(process, first)
    assert refreshed(process, second)

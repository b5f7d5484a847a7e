"""A purge checks a bounded number of families and returns whether there may be more."""

import importlib

import pytest
from tests.support.databases.store_factories import store_factory

from gatepass.testing.base import make_family, seconds_from_now

MODULES = {"sqlite": "gatepass.stores.sqlite", "sql": "gatepass.stores.sql", "django": "gatepass_django.refresh.store"}


@pytest.fixture(
    params=["sqlite", "sql-postgresql", "sql-mariadb", "django-sqlite", "django-postgresql", "django-mariadb"]
)
def store(request, tmp_path, monkeypatch):
    with store_factory(request.param, tmp_path) as factory:
        monkeypatch.setattr(importlib.import_module(MODULES[request.param.partition("-")[0]]), "_BATCH", 3)
        yield factory.open_empty()


def refreshed(store, number):
    """Create live families that a purge has to check once."""
    for _ in range(number):
        one = make_family(idle_expires_at=seconds_from_now(100))
        store.create(one.family)
        assert store.rotate(one.family.family_id, one.next(idle_expires_at=seconds_from_now(3_000))[1])


@pytest.mark.parametrize("limit", [1, 3, 4])
def test_a_purge_does_not_scan_all_live_families(store, limit):
    refreshed(store, 10)
    dead = make_family(idle_expires_at=seconds_from_now(200)).family
    store.create(dead)

    results = [store.purge(before=seconds_from_now(1_000), limit=limit) for _ in range(2)]
    assert results == [(0, True), (0, True) if limit < 4 else (1, False)]
    while results[-1].more:
        results.append(store.purge(before=seconds_from_now(1_000), limit=limit))

    assert sum(result.deleted for result in results) == 1
    assert len(results) <= 5
    assert store.get(dead.family_id) is None
    assert store.purge(before=seconds_from_now(1_000), limit=limit).more is False


def test_a_purge_that_reached_its_limit_reports_that_there_may_be_more(store):
    for _ in range(5):
        store.create(make_family(idle_expires_at=seconds_from_now(100)).family)

    results = [store.purge(before=seconds_from_now(1_000), limit=2) for _ in range(4)]

    assert results == [(2, True), (2, True), (1, False), (0, False)]

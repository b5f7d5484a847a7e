"""Signal receivers for all models of Django do not affect a purge: the DELETE itself repeats the condition."""

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.models.signals import post_delete, pre_delete
from django.test.utils import CaptureQueriesContext
from tests.support.django import ready as django_ready  # noqa: F401 - its import is what counts
from tests.support.django.databases import empty_database

from gatepass.testing.base import make_family, seconds_from_now
from gatepass_django.refresh import DjangoStore


@pytest.fixture(scope="module")
def alias():
    with empty_database("sqlite") as alias:
        call_command("migrate", "gatepass_refresh", database=alias, verbosity=0)
        yield alias


@pytest.fixture(params=[pre_delete, post_delete])
def listening(request):
    def listener(**_):
        """A receiver for all models, as of search indexes and audit trails."""

    request.param.connect(listener)
    yield
    request.param.disconnect(listener)


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("ends", ["keep_until", "revoked_at"])
def test_a_purge_checks_the_expiry_in_the_deletion_itself(alias, ends):
    store = DjangoStore(using=alias)
    one = make_family()
    store.create(one.family)
    store.revoke(one.family.family_id, at=seconds_from_now(0))
    store.put_revocation("subject:anna", issued_until=seconds_from_now(0), keep_until=seconds_from_now(0))
    with CaptureQueriesContext(connections[alias]) as asked:
        purge = store.purge_revocations if ends == "keep_until" else store.purge
        assert purge(before=seconds_from_now(1), limit=10)

    deletions = [query["sql"] for query in asked if query["sql"].startswith("DELETE")]
    assert len(deletions) == 1
    assert f'"{ends}" <' in deletions[0]

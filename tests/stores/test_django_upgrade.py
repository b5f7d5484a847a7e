"""A Django database of the release before: the store says what to run, and the migration keeps every login."""

from dataclasses import replace

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from tests.support.breaking_store import NOW, Clock, make_service
from tests.support.databases.version_1 import KINDS, families, version_1_store
from tests.support.django import ready as django_ready  # noqa: F401 - its import is what counts

from gatepass import ConfigurationError
from gatepass.refresh import RefreshToken
from gatepass.testing.base import make_family
from gatepass_django.refresh import DjangoStore
from gatepass_django.refresh.models import TokenFamily

FIRST = "m0001_initial"


@pytest.fixture(params=[kind for kind in KINDS if kind.startswith("django-")])
def kind(request):
    return request.param


@pytest.fixture
def alias(kind, tmp_path):
    """Yield the alias of a database that the release before filled, not yet migrated."""
    with version_1_store(kind, tmp_path) as database:
        yield database.alias


@pytest.fixture
def store(alias):
    return DjangoStore(using=alias)


@pytest.fixture
def service(store):
    return make_service(store, Clock())


def migrate(alias, *target):
    call_command("migrate", "gatepass_refresh", *target, database=alias, verbosity=0)


def rows(alias):
    return list(TokenFamily.objects.using(alias).order_by("pk").values())


def indexes(alias):
    with connections[alias].cursor() as cursor:
        found = connections[alias].introspection.get_constraints(cursor, TokenFamily._meta.db_table)
    return {tuple(one["columns"]) for one in found.values() if one["index"]}


def listed(store, subject):
    return store.live_families(subject, at=NOW, limit=100, after=None)


def of_release_before(alias):
    """Return the model of families as the release before had it."""
    state = MigrationLoader(connections[alias]).project_state(("gatepass_refresh", FIRST))
    return state.apps.get_model("gatepass_refresh", "TokenFamily")


class TestOldTable:
    def test_each_request_reports_the_command_to_run(self, kind, alias, store, service):
        one = families(kind)[0]
        for ask in (
            lambda: service.grant("anna", client_id="web"),
            lambda: service.refresh(one.refresh_token, client_id=one.client_id),
            lambda: listed(store, "anna"),
        ):
            with pytest.raises(ConfigurationError) as raised:
                ask()

            assert str(raised.value) == (
                f"the tables of gatepass_django.refresh are missing or old in the database '{alias}'; "
                f"run: manage.py migrate gatepass_refresh --database {alias}"
            )

    def test_a_refused_request_spends_no_token(self, kind, alias, service):
        one = families(kind)[0]
        with pytest.raises(ConfigurationError):
            service.refresh(one.refresh_token, client_id=one.client_id)
        migrate(alias)

        assert service.refresh(one.refresh_token, client_id=one.client_id)

    def test_a_subject_is_logged_out_all_the_same(self, kind, alias, store, service):
        assert service.revoke_subject("ben") == 2
        migrate(alias)

        assert listed(store, "ben") == []


class TestMigration:
    def test_a_second_migration_changes_nothing(self, alias):
        migrate(alias)
        before = rows(alias), indexes(alias)
        migrate(alias)

        assert (rows(alias), indexes(alias)) == before
        assert ("subject_hash", "created_at", "id") in before[1]

    def test_a_migration_back_and_forth_keeps_all_but_the_new_columns(self, alias, store):
        before = indexes(alias)
        migrate(alias)
        after = indexes(alias)
        new = make_family(claims='{"tenant":"north"}', label="phone", refresh_ttl=60).family
        store.create(new)
        kept = [{**row, "claims": None, "label": None, "refresh_ttl": None} for row in rows(alias)]
        migrate(alias, FIRST)
        back = indexes(alias)
        migrate(alias)

        assert rows(alias) == kept
        assert store.get(new.family_id) == replace(new, claims=None, label=None, refresh_ttl=None)
        assert back == before
        assert indexes(alias) == after == before | {("subject_hash", "created_at", "id")}


class TestReleaseBefore:
    """Servers of the release before go on working on the new table."""

    def test_its_login_is_listed_and_refreshed(self, alias, store, service):
        old = of_release_before(alias)
        migrate(alias)
        pair = service.grant("carl", client_id="web")
        family = store.get(RefreshToken.parse(pair.refresh_token).family_id)
        columns = old.objects.using(alias).filter(subject="carl").values().get()
        TokenFamily.objects.using(alias).filter(subject="carl").delete()
        old.objects.using(alias).create(**columns)

        assert "claims" not in columns
        assert listed(store, "carl") == [replace(family, refresh_ttl=None)]
        assert service.refresh(pair.refresh_token, client_id="web")

    def test_its_refresh_keeps_the_facts_of_the_login(self, alias, store):
        old = of_release_before(alias)
        migrate(alias)
        new = make_family(claims='{"tenant":"north"}', label="phone", refresh_ttl=60).family
        store.create(new)
        row = old.objects.using(alias).get(family_id=new.family_id)
        row.rotated_at = new.created_at + 5
        row.save(using=alias)

        assert store.get(new.family_id) == replace(new, rotated_at=new.created_at + 5)

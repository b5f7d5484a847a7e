"""The Django store fulfils the contract on SQLite, PostgreSQL and MariaDB, and reports missing configuration."""

import os
import subprocess
import sys
import textwrap
import unittest
from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connections, transaction
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from tests.support.django import ready as django_ready  # noqa: F401 - its import is what counts
from tests.support.django.databases import empty_database, open_store
from tests.support.django.threads import sharing
from tests.support.sessions import wait_until

from gatepass import ConfigurationError, Key, TokenIssuer
from gatepass.refresh import TokenService
from gatepass.testing import RefreshStoreContract, RevocationStoreContract
from gatepass.testing.base import make_family, seconds_from_now
from gatepass_django.refresh import DjangoStore
from gatepass_django.refresh.models import Revocation, TokenFamily


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def alias(request):
    with empty_database(request.param) as alias:
        call_command("migrate", "gatepass_refresh", database=alias, verbosity=0)
        yield alias


@pytest.fixture
def store(alias):
    TokenFamily.objects.using(alias).all().delete()
    Revocation.objects.using(alias).all().delete()
    return DjangoStore(using=alias)


class TestDjango(RefreshStoreContract, RevocationStoreContract):
    @pytest.fixture
    def reopen(self, alias):
        return partial(open_store, alias)

    @pytest.fixture
    def dump(self, alias):
        def values():
            for model in (TokenFamily, Revocation):
                for row in model.objects.using(alias).values_list():
                    for value in row:
                        yield str(value).encode()
                        try:
                            yield bytes.fromhex(str(value))
                        except ValueError:
                            continue

        return values

    @pytest.fixture
    def store(self, store):
        with sharing(store) as shared:
            yield shared


def service(store):
    issuer = TokenIssuer(
        issuer="https://auth.example", audience="https://api.example", keys=Key.generate("ES256"), client_id="web"
    )
    return TokenService(issuer, store, check_subject=lambda subject: True)


class TestStatements:
    """Operations run no SELECT before an update, and no transaction around it."""

    @pytest.mark.parametrize(
        "ask",
        [
            lambda store, one: store.create(one.family),
            lambda store, one: store.get(one.family.family_id),
            lambda store, one: store.rotate(one.family.family_id, one.next()[1]),
            lambda store, one: store.live_families("anna", at=1, limit=10, after=None),
            lambda store, one: store.live_families("anna", at=1, limit=10, after=one.family.position),
            lambda store, one: store.revoked_until(["a", "b", "c"], now=1),
        ],
    )
    def test_each_operation_takes_one_statement(self, alias, store, ask):
        with CaptureQueriesContext(connections[alias]) as said:
            ask(store, make_family())

        assert len(said) == 1

    def test_one_statement_revokes_a_family(self, alias, store):
        one = make_family()
        store.create(one.family)
        with CaptureQueriesContext(connections[alias]) as said:
            assert store.revoke(one.family.family_id, at=1)

        assert len(said) == 1

    @pytest.mark.parametrize(
        "end",
        [
            lambda store, one: store.revoke(one.family.family_id, at=1),
            lambda store, one: store.revoke_subject(one.family.subject, at=1),
            lambda store, one: store.revoke_client(one.family.client_id, at=1),
        ],
    )
    def test_only_mariadb_writes_if_there_is_no_family_to_revoke(self, alias, store, end):
        with CaptureQueriesContext(connections[alias]) as said:
            end(store, make_family())

        assert any("INSERT" in query["sql"] for query in said) == (alias == "mariadb")

    def test_an_unknown_database_writes_there_too(self, alias, store, monkeypatch):
        monkeypatch.setattr(type(connections[alias]), "vendor", "of another kind")
        with CaptureQueriesContext(connections[alias]) as said:
            store.revoke_subject("anna", at=1)

        assert [query["sql"].split()[0] for query in said if "REVOCATION" in query["sql"].upper()] == [
            "INSERT",
            "DELETE",
        ]

    def test_a_rotation_is_an_update_that_names_the_hash_it_replaces(self, alias, store):
        one = make_family()
        store.create(one.family)
        with CaptureQueriesContext(connections[alias]) as said:
            assert store.rotate(one.family.family_id, one.next()[1])

        (statement,) = [query["sql"] for query in said]
        assert statement.startswith("UPDATE")
        assert one.family.current_hash.hex() in statement.partition("WHERE")[2]

    def test_every_search_uses_an_index(self, alias, store):
        with connections[alias].cursor() as cursor:
            found = [
                tuple(constraint["columns"])
                for model in (TokenFamily, Revocation)
                for constraint in connections[alias]
                .introspection.get_constraints(cursor, model._meta.db_table)
                .values()
                if constraint["index"] or constraint["primary_key"] or constraint["unique"]
            ]

        single = {("id",), ("subject_hash",), ("client_id_hash",), ("purge_at",), ("keep_until",)}
        assert single | {("subject_hash", "created_at", "id")} <= set(found)

    def test_a_long_purge_runs_in_batches(self, alias, store):
        for _ in range(3):
            store.create(make_family(idle_expires_at=seconds_from_now(-10)).family)
        row = TokenFamily.objects.using(alias).first()
        names = [f"{number:064x}" for number in range(1_200)]
        columns = {field.attname: getattr(row, field.attname) for field in TokenFamily._meta.concrete_fields}
        TokenFamily.objects.using(alias).bulk_create(TokenFamily(**{**columns, "id": name}) for name in names)
        alive = make_family()
        store.create(alive.family)

        assert store.purge(before=seconds_from_now(0), limit=1_100).deleted == 1_100
        assert store.purge(before=seconds_from_now(0), limit=1_100).deleted == 103
        assert store.get(alive.family.family_id) == alive.family


class TestTransactions:
    def test_writing_inside_a_transaction_is_refused(self, alias, store):
        one = make_family()
        store.create(one.family)
        writes = [
            lambda: store.create(make_family().family),
            lambda: store.rotate(one.family.family_id, one.next()[1]),
            lambda: store.revoke(one.family.family_id, at=1),
            lambda: store.revoke_subject(one.family.subject, at=1),
            lambda: store.put_revocation("a", issued_until=1, keep_until=seconds_from_now(10)),
            lambda: store.purge(before=seconds_from_now(99_999), limit=1),
        ]
        for write in writes:
            with pytest.raises(ConfigurationError, match="non_atomic_requests"), transaction.atomic(using=alias):
                write()

        assert store.get(one.family.family_id) == one.family
        assert TokenFamily.objects.using(alias).count() == 1

    def test_reading_inside_a_transaction_is_allowed(self, alias, store):
        one = make_family()
        store.create(one.family)
        with transaction.atomic(using=alias):
            assert store.get(one.family.family_id) == one.family
            assert store.revoked_until(["a"], now=1) is None

    def test_writing_without_autocommit_is_refused(self, alias, store):
        connections[alias].set_autocommit(False)
        try:
            with pytest.raises(ConfigurationError, match="AUTOCOMMIT"):
                store.create(make_family().family)
        finally:
            connections[alias].rollback()
            connections[alias].set_autocommit(True)

    def test_it_works_in_a_test_case_of_the_project_and_leaves_no_rows(self, alias, store):
        kept = []

        class ProjectTest(TestCase):
            databases = frozenset([alias])

            def test(self):
                one = make_family()
                store.create(one.family)
                kept.append(store.rotate(one.family.family_id, one.next()[1]))
                store.put_revocation("a", issued_until=1, keep_until=seconds_from_now(10))
                store.put_revocation("a", issued_until=2, keep_until=seconds_from_now(10))
                kept.append(store.revoked_until(["a"], now=1))

        result = unittest.TestResult()
        unittest.TestSuite([ProjectTest("test")]).run(result)

        assert result.errors == result.failures == []
        assert kept == [True, 2]
        assert TokenFamily.objects.using(alias).count() == 0


class TestSchema:
    def test_missing_tables_are_reported_with_the_command_to_run(self, alias, store):
        call_command("migrate", "gatepass_refresh", "zero", database=alias, verbosity=0)
        try:
            for ask in (
                lambda: store.get("a"),
                lambda: store.create(make_family().family),
                lambda: store.rotate("a", make_family().next()[1]),
                lambda: store.live_families("anna", at=1, limit=1, after=None),
                lambda: store.revoked_until(["a"], now=1),
                lambda: store.put_revocation("a", issued_until=1, keep_until=2),
                lambda: store.purge(before=1, limit=1),
            ):
                with pytest.raises(ConfigurationError, match=r"manage\.py migrate gatepass_refresh"):
                    ask()
        finally:
            call_command("migrate", "gatepass_refresh", database=alias, verbosity=0)
        assert store.get("a") is None

    def test_a_table_of_another_version_is_reported_too(self, alias, store):
        field = TokenFamily._meta.get_field("salt")
        with connections[alias].schema_editor() as editor:
            editor.remove_field(TokenFamily, field)
        try:
            with pytest.raises(ConfigurationError, match=r"manage\.py migrate gatepass_refresh"):
                store.get("a")
        finally:
            call_command("migrate", "gatepass_refresh", "zero", database=alias, verbosity=0)
            call_command("migrate", "gatepass_refresh", database=alias, verbosity=0)

    def test_the_migrations_match_the_models(self):
        call_command("makemigrations", "gatepass_refresh", check=True, dry_run=True, skip_checks=True, verbosity=0)

    def test_an_unknown_alias_is_refused(self):
        with pytest.raises(ConfigurationError, match="DATABASES"):
            DjangoStore(using="elsewhere")


class TestFaults:
    @pytest.fixture
    def cut(self, alias):
        """Return a function that terminates this thread's connection on the server."""
        if alias == "default":
            pytest.skip("a file has no connection to be cut")

        def cut():
            place = connections[alias]
            with place.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()" if alias == "postgresql" else "SELECT connection_id()")
                (number,) = cursor.fetchone()
            with place.temporary_connection():
                other = place.copy()
            with other.cursor() as cursor:
                cursor.execute(f"SELECT pg_terminate_backend({number})" if alias == "postgresql" else f"KILL {number}")
                wait_until(lambda: not lives(cursor, number))
            other.close()

        def lives(cursor, number):
            table = "pg_stat_activity WHERE pid" if alias == "postgresql" else "information_schema.processlist WHERE id"
            cursor.execute(f"SELECT count(*) FROM {table} = %s", [number])  # noqa: S608 - both tables are named above
            return cursor.fetchone() != (0,)

        return cut

    def test_a_lost_connection_causes_one_error_and_then_a_new_connection(self, store, cut):
        one = make_family()
        store.create(one.family)
        cut()
        with pytest.raises(DatabaseError):
            store.rotate(one.family.family_id, one.next()[1])

        assert store.get(one.family.family_id) == one.family
        assert store.rotate(one.family.family_id, one.next()[1]) is True

    def test_an_unreachable_server_raises_the_error_of_the_driver(self, alias, store):
        if alias == "default":
            pytest.skip("a file has no port")
        place = connections[alias]
        place.close()
        port = place.settings_dict["PORT"]
        place.settings_dict["PORT"] = 1
        tried, connect = [], place.get_new_connection
        place.get_new_connection = lambda parameters: tried.append(parameters) or connect(parameters)
        try:
            with pytest.raises(OperationalError):
                store.get("a")
        finally:
            del place.get_new_connection
            place.settings_dict["PORT"] = port
        assert len(tried) == 1
        assert store.get("a") is None


class TestHousekeeping:
    def test_the_command_deletes_ended_families(self, alias, store):
        for idle in (seconds_from_now(-90_000), seconds_from_now(-1_000), seconds_from_now(1_000)):
            store.create(make_family(idle_expires_at=idle).family)
        store.put_revocation("a", issued_until=1, keep_until=seconds_from_now(-10))
        store.put_revocation("b", issued_until=1, keep_until=seconds_from_now(10))
        said = StringIO()
        call_command("gatepass_purge", database=alias, batch=1, stdout=said, skip_checks=True)
        call_command("gatepass_purge", database=alias, ended_for=0, stdout=said, skip_checks=True)

        assert said.getvalue().splitlines() == [
            "deleted 1 families and 1 revocations",
            "deleted 1 families and 0 revocations",
        ]

    @pytest.mark.parametrize("wrong", [{"database": "elsewhere"}, {"batch": 0}, {"ended_for": -1}])
    def test_the_command_refuses_invalid_arguments(self, alias, wrong):
        with pytest.raises(CommandError):
            call_command("gatepass_purge", skip_checks=True, **{"database": alias, **wrong})


def test_a_service_signs_in_and_out(store):
    tokens = service(store)
    first = tokens.grant("anna", scope="orders:read")
    second = tokens.refresh(first.refresh_token)
    tokens.revoke(second.refresh_token)

    assert tokens.revoke_subject("anna") == 0


def project(code, *apps):
    """Return what *code* prints in a separate project."""
    start = f"""
        import django
        from django.conf import settings
        settings.configure(
            INSTALLED_APPS={list(apps)!r}, SECRET_KEY="of the test alone", USE_TZ=True,
            DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
            TEMPLATES=[{{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {{
                "context_processors": ["django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages"]}}}}],
            MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware"],
            ROOT_URLCONF="__main__",
        )
        urlpatterns = []
    """
    script = textwrap.dedent(start) + textwrap.dedent(code)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_project_without_the_application_is_unaffected():
    said = project(
        """
        import gatepass_django, sys
        django.setup()
        from django.apps import apps
        print([model.__name__ for model in apps.get_models()], "gatepass_django.refresh" in sys.modules)
        """,
        "gatepass_django",
    )

    assert said.strip() == "[] False"


def test_a_store_without_its_application_says_what_to_add():
    said = project(
        """
        from gatepass import ConfigurationError
        from gatepass_django.refresh import DjangoStore
        for ready in (False, True):
            if ready:
                django.setup()
            try:
                DjangoStore()
            except ConfigurationError as error:
                print(error)
        """,
        "gatepass_django",
    )

    early, missing = said.splitlines()
    assert "after Django has loaded its models" in early
    assert '"gatepass_django.refresh" to INSTALLED_APPS' in missing


def test_the_admin_shows_families_without_hashes_and_changes_nothing():
    said = project(
        """
        django.setup()
        from django.contrib import admin
        from django.contrib.auth.models import User
        from django.core.management import call_command
        from django.test import Client
        from django.urls import path
        from gatepass.testing.base import make_family
        from gatepass_django.refresh import DjangoStore
        from gatepass_django.refresh.models import TokenFamily

        urlpatterns[:] = [path("admin/", admin.site.urls)]
        call_command("migrate", verbosity=0)
        call_command("check", "--tag", "admin", "--tag", "models", "--fail-level", "WARNING")
        facts = {"label": "office laptop", "claims": '{"tenant":"north"}', "refresh_ttl": 76_543_210}
        one, other = make_family(subject="anna", **facts), make_family(subject="bert")
        one = one.next(rotated_at=1_700_000_000)[0]
        for each in (one, other):
            DjangoStore().create(each.family)
        client = Client(headers={"host": "localhost"})
        client.force_login(User.objects.create_superuser("root"))
        place = "/admin/gatepass_refresh/tokenfamily/"
        row = TokenFamily.objects.get(subject="anna")
        pages = [client.get(place), client.get(place + row.pk + "/change/"), client.get(place + "?q=anna")]
        text = "".join(page.content.decode() for page in pages)
        print([page.status_code for page in pages])
        print("anna" in text, row.current_hash in text, row.proof_hash in text)
        for page, day in zip(pages, ("Nov. 14, 2023", "2023-11-14")):
            print([shown in page.content.decode() for shown in ("office laptop", day, "north", "76543210")])
        print("anna" in pages[2].content.decode(), "bert" in pages[2].content.decode())
        print([client.post(place + end, {"subject": "eve"}).status_code for end in ("add/", row.pk + "/change/", row.pk + "/delete/")])
        """,
        "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "django.contrib.messages", "gatepass_django.refresh",
    )  # fmt: skip

    assert said.splitlines()[-6:] == [
        "[200, 200, 200]",
        "True False False",
        "[True, True, False, False]",
        "[True, True, True, True]",
        "True False",
        "[403, 403, 403]",
    ]

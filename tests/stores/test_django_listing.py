"""The list of a subject's live families reads the index of logins, from its place on, and sorts no rows."""

import pytest
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext
from tests.support.django import ready as django_ready  # noqa: F401 - its import is what counts
from tests.support.django.databases import empty_database

from gatepass.testing.base import make_family, seconds_from_now
from gatepass_django.refresh import DjangoStore
from gatepass_django.refresh.models import TokenFamily

SUBJECTS, LOGINS = 20, 100
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN", "mysql": "EXPLAIN"}
SORTS = {"sqlite": "TEMP B-TREE", "postgresql": "Sort", "mysql": "filesort"}
BEGINS_BEHIND = {
    "sqlite": "gatepass_family_login (subject_hash=? AND created_at<?)",
    "postgresql": "AND (created_at <= 1050))",
    "mysql": "range gatepass_family_login",
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def filled(request):
    """Yield the alias of a database in which each of several subjects has many families."""
    with empty_database(request.param) as alias:
        call_command("migrate", "gatepass_refresh", database=alias, verbosity=0)
        store = DjangoStore(using=alias)
        for subject in range(SUBJECTS):
            store.create(make_family(subject=f"subject {subject}").family)
        rows = list(TokenFamily.objects.using(alias).values())
        TokenFamily.objects.using(alias).bulk_create(
            TokenFamily(**{**row, "id": f"{subject:032x}{login:032x}", "created_at": 1_000 + login})
            for subject, row in enumerate(rows)
            for login in range(LOGINS)
        )
        with connections[alias].cursor() as cursor:
            table = "" if connections[alias].vendor == "sqlite" else "TABLE " * (request.param == "mariadb")
            cursor.execute(f"ANALYZE {table}gatepass_refresh_family")
        yield alias


@pytest.fixture
def explain(filled):
    """Return a function that returns the database's plan for a page of ten families behind a position."""
    connection = connections[filled]

    def explained(after):
        with CaptureQueriesContext(connection) as asked:
            page = DjangoStore(using=filled).live_families("subject 7", at=seconds_from_now(0), limit=10, after=after)
        assert len(page) == 10
        [statement] = [query["sql"] for query in asked]
        with connection.cursor() as cursor:
            cursor.execute(f"{EXPLAIN[connection.vendor]} {statement}")
            names, rows = [column[0] for column in cursor.description], cursor.fetchall()
        if connection.vendor == "mysql":  # the other columns name indexes that are not used
            [row] = [dict(zip(names, row, strict=True)) for row in rows]
            return f"{row['type']} {row['key']} {row['Extra']}"
        return "\n".join(str(row[-1]) for row in rows)

    return explained


@pytest.mark.parametrize("after", [None, (1_050, "a family")], ids=["first page", "next page"])
def test_a_page_is_read_along_the_index_of_logins_without_a_sort(filled, explain, after):
    plan = explain(after)

    assert "gatepass_family_login" in plan
    assert SORTS[connections[filled].vendor] not in plan


def test_a_next_page_begins_at_its_place_in_the_index(filled, explain):
    begins_behind = BEGINS_BEHIND[connections[filled].vendor]

    assert begins_behind in explain((1_050, "a family"))
    assert begins_behind not in explain(None)

"""Databases that the code of schema version 1 wrote: after the upgrade, each client's refresh token works, or is
refused, as it was, and the list of each user has the logins that live.
"""

import stat
from pathlib import Path

import pytest
from tests.support.breaking_store import NOW, Clock, make_service, reason_of
from tests.support.databases.version_1 import KINDS, REVOKED_SUBJECT, REVOKED_UNTIL, families, version_1_store

from gatepass import ConfigurationError

REFUSED = {
    "revoked": "refresh_revoked",
    "idle for too long": "refresh_expired",
    "past its absolute end": "refresh_expired",
}
REFUSED_BEFORE_THE_UPGRADE = ["sqlite", "sql-sqlite", "sql-postgresql", "sql-mariadb"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def database(kind, tmp_path):
    with version_1_store(kind, tmp_path) as database:
        if database.alias is None:  # Django's is migrated when it is opened
            database.open().upgrade_schema()
        yield database


@pytest.fixture
def service(database):
    return make_service(database.open(), Clock(), grace=60)


def test_every_family_that_lives_can_be_refreshed_again_and_again(kind, service):
    living = [family for family in families(kind) if family.lives]

    assert len(living) == 8
    for family in living:
        first = service.refresh(family.refresh_token, client_id=family.client_id)
        second = service.refresh(first.refresh_token, client_id=family.client_id)
        assert first.scope == second.scope == "orders:read orders:write", family.name


def test_every_family_that_has_ended_is_refused(kind, service):
    ended = [family for family in families(kind) if not family.lives]

    assert {
        family.name: reason_of(service.refresh, family.refresh_token, client_id=family.client_id) for family in ended
    } == REFUSED


def test_the_spent_predecessor_in_the_grace_window_gets_its_successor(kind, service):
    [family] = [family for family in families(kind) if family.spent_token]

    assert service.refresh(family.spent_token, client_id=family.client_id).refresh_token == family.refresh_token
    assert service.refresh(family.refresh_token, client_id=family.client_id).refresh_token != family.refresh_token


def test_the_store_returns_each_family_that_the_list_describes(kind, database):
    store = database.open()

    for one in families(kind):
        family = store.get(one.family_id)
        described = (one.subject, one.client_id, one.created_at)
        assert (family.subject, family.client_id, family.created_at) == described
        assert one.lives == (family.ends_at > NOW), one.name
    [family] = [store.get(one.family_id) for one in families(kind) if one.name == "with the facts of the login"]
    assert (family.auth_time, family.acr, family.amr) == (NOW - 660, "urn:example:acr:2", ("pwd", "otp"))


@pytest.mark.parametrize("kind", REFUSED_BEFORE_THE_UPGRADE, indirect=True)
def test_before_the_upgrade_a_refresh_says_what_to_run(kind, tmp_path):
    with version_1_store(kind, tmp_path) as database:
        service = make_service(database.open(), Clock())
        for family in families(kind):
            with pytest.raises(ConfigurationError, match=r"upgrade_schema\(\) of the store once, or: gatepass upgrade"):
                service.refresh(family.refresh_token, client_id=family.client_id)


def test_the_families_that_live_are_listed_with_the_newest_first(kind, database):
    store, known = database.open(), families(kind)

    for subject in {one.subject for one in known}:
        living = [one for one in known if one.subject == subject and one.lives]
        listed = store.live_families(subject, at=NOW, limit=100, after=None)
        assert [one.created_at for one in listed] == sorted((one.created_at for one in living), reverse=True)
        assert {one.family_id for one in listed} == {one.family_id for one in living}
        assert {(one.claims, one.label, one.refresh_ttl) for one in listed} <= {(None, None, None)}


def test_a_family_that_was_refreshed_after_the_upgrade_stays_in_its_place(kind, database, service):
    store = database.open()
    before = store.live_families("anna", at=NOW, limit=100, after=None)
    for family in families(kind):
        if family.lives:
            service.refresh(family.refresh_token, client_id=family.client_id)

    after = store.live_families("anna", at=NOW, limit=100, after=None)

    assert [one.position for one in after] == [one.position for one in before]
    assert {one.rotated_at for one in after} == {NOW}


def test_all_families_of_a_subject_can_be_revoked(kind, database):
    store, known = database.open(), families(kind)

    for subject in {one.subject for one in known}:
        not_revoked = [one for one in known if one.subject == subject and one.name != "revoked"]
        assert store.revoke_subject(subject, at=NOW) == len(not_revoked)


def test_the_access_tokens_of_a_revoked_subject_are_revoked(database):
    store = database.open()

    assert store.revoked_until([f"subject:{REVOKED_SUBJECT}", "client:web"], now=NOW) == REVOKED_UNTIL
    assert store.revoked_until(["subject:anna", "client:web"], now=NOW) is None


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_the_file_is_private_and_has_a_write_ahead_log(database):
    file = Path(database.place)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes()[18:20] == b"\2\2"  # in the header of the file: both are 1 without the log


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("django")], indirect=True)
def test_the_first_migration_is_recorded_and_no_other(database):
    from django.db import connections
    from django.db.migrations.recorder import MigrationRecorder

    applied = MigrationRecorder(connections[database.alias]).applied_migrations()

    assert set(applied) == {("gatepass_refresh", "m0001_initial")}

"""An acknowledged change is on disk, also where an earlier call made the same change and it is not on disk yet.

MariaDB shows a commit before its log is on disk. Here the log of the first call is delayed, and the server is killed
right after the second call returns.
"""

import gc
from contextlib import suppress

import pytest
from tests.support.breaking_store import Clock, make_issuer, make_revocation, make_service, make_verifier
from tests.support.databases.sql_databases import connect
from tests.support.databases.sql_servers import database_server
from tests.support.django.databases import django_store

from gatepass import TokenEndpoints
from gatepass.adapter import TokenRequest
from gatepass.stores.sql import SQLStore
from gatepass.testing.base import make_family, seconds_from_now

# Drivers may drop open connections to a killed server without closing them.
pytestmark = pytest.mark.filterwarnings("ignore:.*was deleted while still open:ResourceWarning")


@pytest.fixture(scope="module")
def server():
    with database_server("mariadb") as server:
        write_seldom(server)
        yield server


def write_seldom(server):
    """Write the log to disk only when a commit waits for it."""
    server.execute("SET GLOBAL innodb_flush_log_at_timeout = 2700", at=server.name)


@pytest.fixture(scope="module", params=["sql", "django"])
def store(request, server):
    if request.param == "django":
        with django_store("mariadb", server) as store:
            yield store
        return
    engine = connect("mariadb", server.url)
    store = SQLStore(engine)
    store.create_schema()
    yield store
    engine.dispose()
    gc.collect()  # collect the connections here, and not in another test


def revoke(store, one):
    store.revoke(one.family.family_id, at=seconds_from_now(0))


def revoke_subject(store, one):
    store.revoke_subject(one.family.subject, at=seconds_from_now(0))


def revoke_client(store, one):
    store.revoke_client(one.family.client_id, at=seconds_from_now(0))


def put(store, one):
    store.put_revocation(one.family.subject, issued_until=seconds_from_now(0), keep_until=seconds_from_now(900))


def post(store, one):
    """Revoke one access token at the endpoint each time, whose verifier already treats it as revoked."""
    revocation = make_revocation(store, Clock())
    service = make_service(store, Clock(), revocation=revocation)
    endpoints = TokenEndpoints(service, verifier=make_verifier(Clock(), is_revoked=revocation))
    form = f"token={signed_for(one)}&client_id=web".encode()
    content_type = "application/x-www-form-urlencoded"
    request = TokenRequest(method="POST", content_type=content_type, authorization=(), body=form, url_scheme="https")
    assert endpoints.revoke(request).status == 200


def signed_for(one):
    return TOKENS.setdefault(one.family.family_id, make_issuer(Clock()).issue(one.family.subject))


TOKENS = {}


def is_over(store, one):
    """Return whether the family or an access token of its subject is revoked."""
    if one.family.family_id in TOKENS:
        return make_revocation(store, Clock())(make_verifier(Clock()).verify(signed_for(one)))
    family = store.get(one.family.family_id)
    return (
        family.revoked_at is not None or store.revoked_until([one.family.subject], now=seconds_from_now(0)) is not None
    )


@pytest.fixture(params=[revoke, revoke_subject, revoke_client, put, post], ids=lambda call: call.__name__)
def end(request):
    return request.param


@pytest.fixture
def family(store):
    one = make_family()
    name = one.family.family_id
    one = make_family(subject=name, client_id=name)
    store.create(one.family)
    return one


def crash(server, store, one):
    """Kill and restart the server, and discard the broken connection of the store."""
    server.kill()
    server.start()
    write_seldom(server)
    with suppress(Exception):  # the broken connection
        store.get(one.family.family_id)


def test_the_effect_of_an_earlier_call_is_on_disk_when_a_later_call_finds_it_done(server, store, family, end):
    server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0", at=server.name)
    end(store, family)
    server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1", at=server.name)
    end(store, family)

    crash(server, store, family)

    assert is_over(store, family)

"""The repr of an object with a token, a hash or a password does not contain it, because logs and error pages show
reprs.
"""

import traceback
from dataclasses import astuple

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from tests.support.breaking_store import Clock, make_service

from gatepass import CookieTransport, TokenEndpoints
from gatepass.adapter import BrowserRequest, TokenRequest
from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import InvalidClient
from gatepass.stores.memory import MemoryStore
from gatepass.stores.sql import SQLStore
from gatepass.testing.base import make_family
from gatepass.token_endpoint.client_auth import _Credentials
from gatepass.token_endpoint.form import _MEDIA_TYPE, Form
from gatepass.token_endpoint.responses import BrowserSession, TokenResponses

SECRET = "a-password-of-a-client"


def octets_of(family):
    return [value for value in astuple(family) if isinstance(value, bytes) and value]


def shown(value):
    """Return all that a log or an error page may contain of *value*."""
    return f"{value!r} {value}"


def test_the_reprs_of_families_and_rotations_contain_neither_hashes_nor_salts():
    first = make_family()
    second, rotation = first.next()

    for value in (first, second, second.family, rotation, second.token):
        said = shown(value)
        for octets in (*octets_of(first.family), *octets_of(second.family), *octets_of(rotation), second.token.secret):
            assert repr(octets)[2:-1] not in said
            assert octets.hex() not in said
    assert first.family.subject in repr(first.family)


def test_the_reprs_of_pairs_requests_and_responses_contain_no_token():
    store = MemoryStore()
    service = make_service(store, Clock())
    pair = service.grant("anna", scope="orders:read")
    cookies = CookieTransport(origins=["https://app.example"])
    request = TokenRequest(
        method="POST", content_type=SECRET, authorization=(f"Basic {SECRET}",), body=f"password={SECRET}".encode(),
        browser=BrowserRequest(method="POST", cookie=(f"a={SECRET}",), origin=(SECRET,)),
    )  # fmt: skip
    sessions = [BrowserSession(None), BrowserSession(cookies)]
    values = [
        pair, request, request.browser, cookies, service, store, *sessions, TokenEndpoints(service, cookies=cookies),
        TokenEndpoints(service).login_response(pair), *(TokenResponses("r", one).session(pair) for one in sessions[1:]),
        _Credentials("web", SECRET, InvalidClient), Form.parse(_MEDIA_TYPE, request.body), RefreshToken.parse(pair.refresh_token),
    ]  # fmt: skip

    for value in values:
        said = shown(value)
        for secret in (SECRET, pair.access_token, pair.refresh_token):
            assert secret not in said, type(value)


def test_database_errors_quote_no_values(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'sql.db'}")
    store = SQLStore(engine)
    store.create_schema()
    one = make_family(subject="anna-of-the-error")
    store.create(one.family)

    with pytest.raises(DBAPIError) as raised:
        store.create(one.family)
    engine.dispose()

    said = "".join(traceback.format_exception(raised.value))
    assert "anna-of-the-error" not in said
    assert repr(one.family.current_hash)[2:-1] not in said

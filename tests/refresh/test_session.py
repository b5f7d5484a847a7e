"""The public view of a login, and the cursor of a list."""

import copy
import json
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from gatepass.refresh import Session, SessionPage
from gatepass.refresh.session import page_limit, position_of
from gatepass.testing.base import make_family

BEGAN, USED = datetime(2027, 1, 15, 8, tzinfo=UTC), datetime(2027, 1, 15, 9, tzinfo=UTC)


def family(**changes):
    settings = {"subject": "anna", "client_id": "web", "scope": "a b", "created_at": 1_800_000_000, **changes}
    return make_family(**settings).family


def test_a_session_shows_the_login_and_nothing_secret():
    stored = family(claims='{"tenant":{"id":"north"}}', label="Anna’s phone", rotated_at=1_800_003_600)

    session = Session.from_family(stored)

    assert session == Session(
        family_id=stored.family_id, subject="anna", client_id="web", scope="a b",
        claims={"tenant": {"id": "north"}}, label="Anna’s phone", created_at=BEGAN, last_used_at=USED,
    )  # fmt: skip
    assert session.created_at.tzinfo is UTC
    assert "north" not in repr(session)
    assert not {"proof_hash", "current_hash", "previous_hash", "salt"} & set(dir(session))


def test_a_login_that_was_never_refreshed_was_last_used_when_it_began():
    session = Session.from_family(family())

    assert (session.created_at, session.last_used_at) == (BEGAN, BEGAN)
    assert (session.claims, session.label) == ({}, None)


def test_a_clock_that_was_set_back_puts_no_use_before_the_login():
    assert Session.from_family(family(rotated_at=1_799_999_000)).last_used_at == BEGAN


def test_a_session_cannot_be_changed():
    session = Session.from_family(family(claims='{"tenant":{"id":"north"},"plans":[1]}'))

    with pytest.raises(FrozenInstanceError):
        session.subject = "mallory"
    with pytest.raises(TypeError):
        session.claims["tenant"]["id"] = "south"
    assert session.claims["plans"] == (1,)
    assert json.loads(json.dumps(session.claims)) == {"tenant": {"id": "north"}, "plans": [1]}
    assert copy.deepcopy(session) == session
    assert {session} == {copy.deepcopy(session)}


def test_the_cursor_points_to_the_last_session_of_a_page():
    families = [family(), family(), family()]

    page = SessionPage.from_families(families, 2)

    assert [session.family_id for session in page.sessions] == [one.family_id for one in families[:2]]
    assert position_of(page.next) == families[1].position


@pytest.mark.parametrize("limit", [3, 4])
def test_the_last_page_has_no_cursor(limit):
    assert SessionPage.from_families([family(), family(), family()], limit).next is None


@pytest.mark.parametrize(
    "cursor",
    [
        "", ".", "5", "1800000000", "1800000000.", ".AbCdEfGhIjKlMnOpQrStUv", "1800000000.AbCdEfGhIjKlMnOpQrStU",
        "1800000000.AbCdEfGhIjKlMnOpQrStUv ", "1800000000.AbCdEfGhIjKlMnOpQrStUv\n", "-1.AbCdEfGhIjKlMnOpQrStUv",
        "1_8.AbCdEfGhIjKlMnOpQrStUv", "\u0665.AbCdEfGhIjKlMnOpQrStUv", "1e9.AbCdEfGhIjKlMnOpQrStUv",
        f"{'9' * 13}.AbCdEfGhIjKlMnOpQrStUv", "1.AbCdEfGhIjKlMnOpQrSt\0v", "1.AbCdEfGhIjKlMnOpQrSt%v", 5, None, b"1.A",
        ("1", "AbCdEfGhIjKlMnOpQrStUv"), "9" * 100_000,
    ],
)  # fmt: skip
def test_text_that_is_no_cursor_is_refused_without_being_quoted(cursor):
    with pytest.raises(ValueError, match=r"^after= takes the `next` of a page of sessions$"):
        position_of(cursor)


@pytest.mark.parametrize("limit", [0, -1, 201, True, 2.0, "50", None, float("nan")])
def test_a_limit_out_of_range_is_refused(limit):
    with pytest.raises(ValueError, match="from 1 to 200"):
        page_limit(limit)


def test_limits_from_1_to_200_are_accepted():
    assert [page_limit(limit) for limit in (1, 50, 200)] == [1, 50, 200]

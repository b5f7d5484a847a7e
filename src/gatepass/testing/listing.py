"""The tests of `RefreshStore.live_families`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatepass.refresh.family import Family, RefreshToken
from gatepass.refresh.store import RefreshStore
from gatepass.testing.base import ODD_TEXTS, IssuedFamily, StoreContractBase, make_family, seconds_from_now

__all__ = ["ListingTests"]

_ALL = 1_000


class ListingTests(StoreContractBase):
    """`live_families` returns the families that work, each once, page by page."""

    def test_the_newest_login_comes_first(self, store: RefreshStore) -> None:
        subject, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        older, newest, oldest = (put_login(store, subject, now - age).family for age in (60, 0, 600))

        assert listed(store, subject) == [newest, older, oldest]

    def test_only_families_that_work_are_listed(self, store: RefreshStore) -> None:
        subject, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        live = put_login(store, subject, now - 60, expires_at=now + 1, idle_expires_at=now + 1).family
        put_login(store, subject, now - 60, idle_expires_at=now)
        put_login(store, subject, now - 60, expires_at=now)
        put_login(store, subject, now - 60, revoked_at=now - 5)
        store.revoke(put_login(store, subject, now - 30).family_id, at=now)

        assert store.live_families(subject, at=now, limit=_ALL, after=None) == [live]
        assert store.live_families(subject, at=now + 1, limit=_ALL, after=None) == []

    def test_a_rotated_family_is_listed_as_it_is_now_and_in_its_place(self, store: RefreshStore) -> None:
        subject, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        first, second = put_login(store, subject, now - 60), put_login(store, subject, now - 30)
        later, rotation = first.next(salt=b"")
        store.rotate(first.family_id, rotation)

        assert listed(store, subject) == [second.family, later.family]

    @pytest.mark.parametrize("text", ODD_TEXTS)
    def test_another_subject_is_not_listed(self, store: RefreshStore, text: str) -> None:
        name, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        others = [name + text, name + "anna", f"{text}{name}"]
        families = [put_login(store, other, now).family for other in others]

        assert [listed(store, other) for other in others] == [[family] for family in families]
        assert listed(store, name) == []

    def test_pages_list_each_family_once(self, store: RefreshStore) -> None:
        subject, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        logins = [put_login(store, subject, now - age).family_id for age in (0, 0, 0, 0, 0, 7, 7, 7, 9, 30, 30)]

        for size in (1, 2, 3, len(logins)):
            found = [family.family_id for page in pages(store, subject, size) for family in page]
            assert sorted(found) == sorted(logins)
            assert set(found[:5]) == set(logins[:5])
            assert found[-3] == logins[8]

    def test_more_logins_of_one_second_than_a_page_has_are_listed_once(self, store: RefreshStore) -> None:
        subject, moment = RefreshToken.fresh().family_id, seconds_from_now(0)
        logins = [put_login(store, subject, moment).family_id for _ in range(40)]

        found = [family.family_id for page in pages(store, subject, 3) for family in page]

        assert sorted(found) == sorted(logins)
        assert found == [family.family_id for family in listed(store, subject)]

    @pytest.mark.parametrize("ages", [(0, 10, 20, 30), (5, 5, 5, 5)], ids=["apart", "of-one-second"])
    def test_a_page_goes_on_behind_a_family_that_has_ended(self, store: RefreshStore, ages: tuple[int, ...]) -> None:
        subject, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        for age in ages:
            put_login(store, subject, now - age)
        first, second, *others = listed(store, subject)

        store.revoke(second.family_id, at=seconds_from_now(0))
        after_revoked = page(store, subject, after=second)
        after_unknown = page(store, subject, after=replace(first, created_at=first.created_at + 1, family_id="gone"))

        assert after_revoked == others
        assert after_unknown == [first, *others]

    def test_a_login_between_two_pages_repeats_no_family(self, store: RefreshStore) -> None:
        subject, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        for age in (10, 20, 30):
            put_login(store, subject, now - age)
        first = page(store, subject, limit=2)
        put_login(store, subject, now)

        rest = page(store, subject, after=first[-1])

        assert [len(first), len(rest)] == [2, 1]
        assert rest[0].created_at < first[-1].created_at

    def test_ended_families_do_not_shorten_a_page(self, store: RefreshStore) -> None:
        subject, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        oldest = put_login(store, subject, now - 900).family
        for age in range(30):
            put_login(store, subject, now - age, revoked_at=now)

        assert page(store, subject, limit=1) == [oldest]

    def test_a_purged_family_is_not_listed(self, store: RefreshStore) -> None:
        subject, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        live = put_login(store, subject, now - 60).family
        put_login(store, subject, now - 90, revoked_at=now - 80)
        while store.purge(before=now - 60, limit=500).more:
            pass

        assert listed(store, subject) == [live]

    def test_a_revocation_of_all_empties_the_list(self, store: RefreshStore) -> None:
        subject, now = RefreshToken.fresh().family_id, seconds_from_now(0)
        for age in range(3):
            put_login(store, subject, now - age)
        store.revoke_subject(subject, at=seconds_from_now(0))

        assert listed(store, subject) == []
        later = put_login(store, subject, now).family
        assert listed(store, subject) == [later]


def put_login(store: RefreshStore, subject: str, created_at: int, **changes: object) -> IssuedFamily:
    """Create a family of *subject*, who logged in at *created_at*."""
    one = make_family(subject=subject, created_at=created_at, **changes)
    store.create(one.family)
    return one


def listed(store: RefreshStore, subject: str) -> list[Family]:
    """Return all live families of *subject*."""
    return page(store, subject, limit=_ALL)


def page(store: RefreshStore, subject: str, *, limit: int = _ALL, after: Family | None = None) -> list[Family]:
    """Return one page of live families."""
    position = None if after is None else after.position
    return list(store.live_families(subject, at=seconds_from_now(0), limit=limit, after=position))


def pages(store: RefreshStore, subject: str, size: int) -> list[list[Family]]:
    """Return all pages of *size* families."""
    found = [page(store, subject, limit=size)]
    while len(found[-1]) == size:
        assert len(found) < _ALL, "the pages do not end: `after` is not respected"
        found.append(page(store, subject, limit=size, after=found[-1][-1]))
    return found

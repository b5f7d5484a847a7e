"""The tests of `RefreshStore.revoke`, its variants, and `purge`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatepass.keys import Key
from gatepass.refresh.family import Family, RefreshToken, Rotation
from gatepass.refresh.service import TokenService
from gatepass.refresh.store import PurgeResult, RefreshStore
from gatepass.testing.base import ODD_TEXTS, StoreContractBase, make_family, put_family, seconds_from_now
from gatepass.tokens.issuer import TokenIssuer

__all__ = ["ExpiryTests"]


class ExpiryTests(StoreContractBase):
    """Revoked families stay revoked, and `purge` deletes only families that ended."""

    def test_a_revoked_family_is_kept_and_cannot_be_rotated(self, store: RefreshStore) -> None:
        first = put_family(store)
        at = seconds_from_now(0)

        assert store.revoke(first.family_id, at=at) is True
        assert store.rotate(first.family_id, first.next()[1]) is False
        assert store.get(first.family_id) == replace(first.family, revoked_at=at)

    def test_a_second_revocation_does_not_change_the_time(self, store: RefreshStore) -> None:
        first = put_family(store)
        at = seconds_from_now(0)
        store.revoke(first.family_id, at=at)

        assert store.revoke(first.family_id, at=at + 60) is False
        assert store.revoke_subject(first.family.subject, at=at + 60) == 0
        assert store.revoke_client(first.family.client_id, at=at + 60) == 0
        assert store.get(first.family_id) == replace(first.family, revoked_at=at)

    def test_an_unknown_family_is_not_revoked(self, store: RefreshStore) -> None:
        assert store.revoke(make_family().family_id, at=seconds_from_now(0)) is False

    def test_a_rotated_family_can_be_revoked(self, store: RefreshStore) -> None:
        first = put_family(store)
        second, rotation = first.next()
        store.rotate(first.family_id, rotation)

        assert store.revoke(first.family_id, at=seconds_from_now(0)) is True
        assert store.rotate(first.family_id, second.next()[1]) is False

    @pytest.mark.parametrize("member", ["subject", "client_id"])
    def test_all_families_of_a_subject_or_client_are_revoked(self, store: RefreshStore, member: str) -> None:
        name = RefreshToken.fresh().family_id
        theirs = [make_family(**{member: name}) for _ in range(3)]
        others = [make_family(**{member: name + text}) for text in (" ", "x", "\n")] + [
            make_family(**{member: name.swapcase()}),
            make_family(),
        ]
        for one in (*theirs, *others):
            store.create(one.family)
        store.revoke(theirs[0].family_id, at=seconds_from_now(-10))
        revoke = store.revoke_subject if member == "subject" else store.revoke_client
        at = seconds_from_now(0)

        assert revoke(name, at=at) == 2
        assert revoke(name, at=at) == 0
        assert [store.rotate(one.family_id, one.next()[1]) for one in theirs] == [False] * 3
        assert [store.rotate(one.family_id, one.next()[1]) for one in others] == [True] * 5
        assert store.get(theirs[1].family_id) == replace(theirs[1].family, revoked_at=at)

    def test_similar_names_are_different_subjects_and_clients(self, store: RefreshStore) -> None:
        mark = RefreshToken.fresh().family_id
        people = [put_family(store, subject=mark + text, client_id=mark + text) for text in ["anna", *ODD_TEXTS]]

        for one in people[::2]:
            assert store.revoke_subject(one.family.subject, at=seconds_from_now(0)) == 1
        for one in people[1::2]:
            assert store.revoke_client(one.family.client_id, at=seconds_from_now(0)) == 1

    def test_purge_deletes_ended_families_only(self, store: RefreshStore) -> None:
        before = seconds_from_now(1_000)
        absolute = make_family(expires_at=before - 1, idle_expires_at=before + 50)
        idle = make_family(expires_at=before + 50, idle_expires_at=before - 1)
        revoked = make_family(revoked_at=before - 1)
        alive = [make_family(expires_at=before, idle_expires_at=before), make_family(revoked_at=before), make_family()]
        for one in (absolute, idle, revoked, *alive):
            store.create(one.family)

        deleted = store.purge(before=before, limit=100).deleted

        assert [store.get(one.family_id) for one in alive] == [one.family for one in alive]
        if self.purges:
            assert deleted == 3
            assert [store.get(one.family_id) for one in (absolute, idle, revoked)] == [None] * 3
        assert store.purge(before=before, limit=100).deleted == 0

    def test_purge_deletes_no_more_than_its_limit(self, store: RefreshStore) -> None:
        dying = [put_family(store, idle_expires_at=seconds_from_now(10)) for _ in range(7)]

        results = [store.purge(before=seconds_from_now(100), limit=3) for _ in range(4)]

        if self.purges:
            assert [result.deleted for result in results] == [3, 3, 1, 0]
            assert [store.get(one.family_id) for one in dying] == [None] * 7
        assert all(result.deleted <= 3 for result in results)

    def test_purge_says_whether_to_call_it_again(self, store: RefreshStore) -> None:
        dying = [put_family(store, idle_expires_at=seconds_from_now(10)) for _ in range(7)]

        results = [store.purge(before=seconds_from_now(100), limit=3)]
        while results[-1].more and len(results) < 10:
            results.append(store.purge(before=seconds_from_now(100), limit=3))

        assert all(isinstance(result, PurgeResult) for result in results)
        assert results[-1].more is False
        if self.purges:
            assert [store.get(one.family_id) for one in dying] == [None] * 7

    def test_purge_uses_the_times_of_the_latest_rotation(self, store: RefreshStore) -> None:
        longer, shorter = (
            make_family(idle_expires_at=seconds_from_now(100)),
            make_family(idle_expires_at=seconds_from_now(3_000)),
        )
        for one, idle in ((longer, seconds_from_now(3_000)), (shorter, seconds_from_now(100))):
            store.create(one.family)
            assert store.rotate(one.family_id, one.next(idle_expires_at=idle)[1])

        deleted = store.purge(before=seconds_from_now(1_000), limit=100).deleted

        assert store.get(longer.family_id) is not None
        assert store.purge(before=seconds_from_now(1_000), limit=100).deleted == 0
        if self.purges:
            assert deleted == 1
            assert store.get(shorter.family_id) is None

    def test_purge_finds_an_ended_family_behind_many_that_have_not_ended(self, store: RefreshStore) -> None:
        for _ in range(10):
            one = put_family(store, idle_expires_at=seconds_from_now(100))
            assert store.rotate(one.family_id, one.next(idle_expires_at=seconds_from_now(3_000))[1])
        dead = put_family(store, idle_expires_at=seconds_from_now(200))

        deleted = store.purge(before=seconds_from_now(1_000), limit=2).deleted

        if self.purges:
            assert deleted == 1
            assert store.get(dead.family_id) is None

    def test_a_purge_deletes_the_salts_that_no_window_needs(self, store: RefreshStore) -> None:
        """From the salt and a spent token, a reader of the database can compute the current token."""
        before = seconds_from_now(1_000)
        teams = [(before - Rotation.MAX_GRACE - 1, b""), (before - Rotation.MAX_GRACE, None)]
        rotated: list[Family] = []
        for at, salt in teams:
            one = put_family(store, idle_expires_at=seconds_from_now(100))
            after, rotation = one.next(rotated_at=at, idle_expires_at=seconds_from_now(3_000))
            assert store.rotate(one.family_id, rotation)
            rotated.append(after.family if salt is None else replace(after.family, salt=salt))

        assert store.purge(before=before, limit=100).deleted == 0

        if self.purges:
            assert [store.get(family.family_id) for family in rotated] == rotated

    def test_a_purge_deletes_the_salts_that_another_process_left(self, store: RefreshStore) -> None:
        """This includes families that live long, and applies again after each rotation."""
        now = seconds_from_now(0)
        issuer = TokenIssuer(
            issuer="https://auth.example", audience="https://api.example", keys=Key.generate("ES256"), client_id="web"
        )
        ours, theirs = (
            TokenService(issuer, store, check_subject=lambda _subject: True, grace=30, clock=lambda: now)
            for _ in range(2)
        )
        held_back = issuer.access_ttl.total_seconds() + 2 * Rotation.MAX_GRACE
        pair = ours.grant("anna")
        token = RefreshToken.parse(pair.refresh_token)
        assert token is not None
        for _ in range(2):
            pair = ours.refresh(pair.refresh_token)
            for waited, forgotten in ((held_back, False), (1, True)):
                now += int(waited)
                assert theirs.purge().deleted == 0
                family = store.get(token.family_id)
                assert family is not None
                if self.purges:
                    assert (family.salt == b"") is forgotten

    def test_a_purge_leaves_a_salt_that_a_window_needs_to_a_later_purge(self, store: RefreshStore) -> None:
        one = put_family(store)
        for at in (seconds_from_now(100), seconds_from_now(500)):
            one, rotation = one.next(rotated_at=at)
            assert store.rotate(one.family_id, rotation)

        for before, forgotten in ((seconds_from_now(400), False), (seconds_from_now(700), True)):
            assert store.purge(before=before, limit=100).deleted == 0
            if self.purges:
                expected = replace(one.family, salt=b"") if forgotten else one.family
                assert store.get(one.family_id) == expected

    def test_purge_finds_a_family_revoked_after_its_creation(self, store: RefreshStore) -> None:
        name = RefreshToken.fresh().family_id
        three = [put_family(store, subject=name), put_family(store, client_id=name), put_family(store)]
        store.revoke_subject(name, at=seconds_from_now(1))
        store.revoke_client(name, at=seconds_from_now(1))
        store.revoke(three[2].family_id, at=seconds_from_now(1))

        deleted = store.purge(before=seconds_from_now(50), limit=100).deleted

        if self.purges:
            assert deleted == 3

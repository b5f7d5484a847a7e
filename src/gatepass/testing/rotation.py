"""The tests of `RefreshStore.rotate`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatepass.refresh.store import RefreshStore
from gatepass.testing.base import StoreContractBase, make_family, put_family, revoked, seconds_from_now

__all__ = ["RotationTests"]


class RotationTests(StoreContractBase):
    """`rotate` compares every octet of the current hash, and replaces it once."""

    def test_a_rotation_changes_only_its_members(self, store: RefreshStore) -> None:
        first = put_family(store, auth_time=1, acr="a", amr=("pwd",))
        second, rotation = first.next()

        assert store.rotate(first.family_id, rotation) is True
        assert store.get(first.family_id) == second.family

    def test_a_family_can_be_rotated_repeatedly(self, store: RefreshStore) -> None:
        one = put_family(store)
        for _ in range(5):
            one, rotation = one.next()
            assert store.rotate(one.family_id, rotation) is True

        assert store.get(one.family_id) == one.family

    def test_an_empty_salt_is_stored_empty(self, store: RefreshStore) -> None:
        first = put_family(store)
        second, with_salt = first.next()
        third, without_salt = second.next()
        store.rotate(first.family_id, with_salt)
        store.rotate(first.family_id, replace(without_salt, salt=b""))

        assert store.get(first.family_id) == replace(third.family, salt=b"")

    def test_a_rotation_succeeds_once(self, store: RefreshStore) -> None:
        first = put_family(store)
        second, rotation = first.next()

        assert store.rotate(first.family_id, rotation) is True
        assert store.rotate(first.family_id, rotation) is False
        assert store.get(first.family_id) == second.family

    def test_a_spent_or_invented_hash_changes_nothing(self, store: RefreshStore) -> None:
        first = put_family(store)
        second, rotation = first.next()
        store.rotate(first.family_id, rotation)
        before = store.get(first.family_id)

        assert store.rotate(first.family_id, first.next()[1]) is False
        assert store.rotate(first.family_id, second.next(previous_hash=bytes(32))[1]) is False
        assert store.rotate(first.family_id, second.next(previous_hash=b"")[1]) is False
        assert store.get(first.family_id) == before

    def test_the_current_token_can_be_written_again_repeatedly(self, store: RefreshStore) -> None:
        """The service writes a successor once more before it issues it again, each time with another salt."""
        first = put_family(store)
        second, rotation = first.next()
        store.rotate(first.family_id, rotation)

        for _ in range(3):
            second, again = second.again()
            assert store.rotate(first.family_id, again) is True
            assert store.get(first.family_id) == second.family

    def test_a_spent_or_revoked_token_is_not_written_again(self, store: RefreshStore) -> None:
        first = put_family(store)
        second, rotation = first.next()
        store.rotate(first.family_id, rotation)

        assert store.rotate(first.family_id, first.again()[1]) is False
        assert store.get(first.family_id) == second.family
        at = seconds_from_now(0)
        store.revoke(first.family_id, at=at)
        assert store.rotate(first.family_id, second.again()[1]) is False
        assert revoked(store.get(first.family_id)) == revoked(second.family, at=at)

    def test_hashes_are_compared_to_the_last_octet(self, store: RefreshStore) -> None:
        first = put_family(store, current_hash=b"A" * 31 + b" ")

        for other in (b"a" * 31 + b" ", b"A" * 31, b"A" * 31 + b"\0", b"A" * 31 + b"  "):
            assert store.rotate(first.family_id, first.next(previous_hash=other)[1]) is False
        assert store.rotate(first.family_id, first.next(previous_hash=b"A" * 31 + b" ")[1]) is True

    @pytest.mark.parametrize(
        "octets", [bytes(32), b"\xff" * 32, b"\r\n\x1a\\'\"%_ \t\0\x80\xc3(\xe2\x82\xf0\x9f\x92" + bytes(13)]
    )
    def test_any_octets_can_be_a_hash_and_a_salt(self, store: RefreshStore, octets: bytes) -> None:
        first = put_family(store, current_hash=octets, proof_hash=octets)
        after, rotation = first.next(previous_hash=octets, salt=octets)

        assert store.rotate(first.family_id, rotation) is True
        assert store.get(first.family_id) == after.family

    def test_an_unknown_family_is_not_rotated(self, store: RefreshStore) -> None:
        first = make_family()

        assert store.rotate(first.family_id, first.next()[1]) is False
        assert store.get(first.family_id) is None

    def test_only_the_times_of_the_caller_count(self, store: RefreshStore) -> None:
        first = put_family(store)
        back, rotation = first.next(rotated_at=seconds_from_now(-86_400), idle_expires_at=seconds_from_now(3_000))
        assert store.rotate(first.family_id, rotation) is True
        ahead, rotation = back.next(rotated_at=seconds_from_now(86_400), idle_expires_at=seconds_from_now(9_000))
        assert store.rotate(first.family_id, rotation) is True

        assert store.get(first.family_id) == ahead.family

    def test_times_are_kept_beyond_32_bits(self, store: RefreshStore) -> None:
        family = put_family(store, expires_at=2**33, idle_expires_at=2**33 - 1, auth_time=-1).family

        assert store.get(family.family_id) == family

"""The tests of `RevocationStore`: inherit `RevocationStoreContract` and define the fixture `store`."""

from __future__ import annotations

import secrets
import time
from typing import Any, ClassVar

import pytest

from gatepass.revocation.store import RevocationStore
from gatepass.testing.base import seconds_from_now
from gatepass.testing.racing import in_threads, rounds

__all__ = ["RevocationStoreContract"]


def _key(suffix: str = "") -> str:
    return f"jti:https://auth.example {secrets.token_hex(8)}{suffix}"


class RevocationStoreContract:
    """A test of every guarantee of `RevocationStore`.

    The fixture `store` returns an empty store, or one that no other test uses.
    """

    purges_revocations: ClassVar[bool] = True
    """False if the database itself deletes past entries, so that `purge_revocations` may delete none."""

    @pytest.fixture
    def store(self) -> Any:
        raise NotImplementedError("define a fixture `store`")

    def test_it_is_a_revocation_store(self, store: RevocationStore) -> None:
        assert isinstance(store, RevocationStore)

    def test_a_key_without_an_entry_is_not_revoked(self, store: RevocationStore) -> None:
        store.put_revocation(_key(), issued_until=seconds_from_now(0), keep_until=seconds_from_now(900))

        assert store.revoked_until([_key()], now=seconds_from_now(0)) is None
        assert store.revoked_until([], now=seconds_from_now(0)) is None

    def test_an_entry_is_found(self, store: RevocationStore) -> None:
        key, until = _key(), seconds_from_now(0)
        store.put_revocation(key, issued_until=until, keep_until=seconds_from_now(900))

        assert store.revoked_until([key], now=seconds_from_now(0)) == until
        assert store.revoked_until([_key(), key, _key()], now=seconds_from_now(0)) == until

    def test_of_several_keys_the_latest_counts(self, store: RevocationStore) -> None:
        keys = [_key() for _ in range(3)]
        until = seconds_from_now(0)
        for key, ahead in zip(keys, (5, 7, 6), strict=True):
            store.put_revocation(key, issued_until=until + ahead, keep_until=seconds_from_now(900))

        assert store.revoked_until(keys, now=seconds_from_now(0)) == until + 7
        assert store.revoked_until([*keys, *keys], now=seconds_from_now(0)) == until + 7

    def test_an_entry_counts_up_to_its_last_second(self, store: RevocationStore) -> None:
        key, until, keep = _key(), seconds_from_now(0), seconds_from_now(900)
        store.put_revocation(key, issued_until=until, keep_until=keep)

        assert store.revoked_until([key], now=keep) == until
        assert store.revoked_until([key], now=keep + 1) is None

    def test_an_expired_entry_does_not_hide_another(self, store: RevocationStore) -> None:
        past, present, until = _key(), _key(), seconds_from_now(0)
        store.put_revocation(past, issued_until=until + 50, keep_until=until + 100)
        store.put_revocation(present, issued_until=until, keep_until=until + 900)

        assert store.revoked_until([past, present], now=until + 500) == until

    @pytest.mark.parametrize("swapped", ["earlier first", "later first"])
    def test_of_two_entries_for_one_key_the_later_times_win(self, store: RevocationStore, swapped: str) -> None:
        key, until = _key(), seconds_from_now(0)
        entries = [(until, until + 900), (until + 10, until + 500)]
        for issued, keep in entries if swapped == "earlier first" else reversed(entries):
            store.put_revocation(key, issued_until=issued, keep_until=keep)

        assert store.revoked_until([key], now=until + 900) == until + 10
        assert store.revoked_until([key], now=until + 901) is None

    def test_the_future_can_be_revoked(self, store: RevocationStore) -> None:
        key, until = _key(), seconds_from_now(2_000)
        store.put_revocation(key, issued_until=until, keep_until=until)

        assert store.revoked_until([key], now=seconds_from_now(0)) == until

    def test_keys_are_compared_character_by_character(self, store: RevocationStore) -> None:
        key, until = _key("-Anna"), seconds_from_now(0)
        store.put_revocation(key, issued_until=until, keep_until=seconds_from_now(900))

        for other in (key + " ", key.swapcase(), key.lower(), key + "\n", key[:-1], key.replace("a", "ä"), " " + key):
            assert store.revoked_until([other], now=seconds_from_now(0)) is None

    @pytest.mark.parametrize(
        "suffix", ["", " ", "é", "e\u0301", "😀", "{tag}", "*", "%", "'", '"', "\\", "\n", "k" * 8_000, "😀" * 1_000]
    )
    def test_any_text_can_be_a_key(self, store: RevocationStore, suffix: str) -> None:
        key, until = _key(suffix), seconds_from_now(0)
        store.put_revocation(key, issued_until=until, keep_until=seconds_from_now(900))

        assert store.revoked_until([key], now=seconds_from_now(0)) == until

    def test_times_are_kept_beyond_32_bits(self, store: RevocationStore) -> None:
        key = _key()
        store.put_revocation(key, issued_until=2**33, keep_until=2**33)

        assert store.revoked_until([key], now=seconds_from_now(0)) == 2**33

    def test_purge_deletes_expired_entries_only(self, store: RevocationStore) -> None:
        before = seconds_from_now(1_000)
        past, last, present = _key(), _key(), _key()
        for key, keep in ((past, before - 1), (last, before), (present, before + 500)):
            store.put_revocation(key, issued_until=before, keep_until=keep)

        deleted = store.purge_revocations(before=before, limit=100)

        assert store.revoked_until([last], now=seconds_from_now(0)) == before
        assert store.revoked_until([present], now=seconds_from_now(0)) == before
        if self.purges_revocations:
            assert deleted == 1
            assert store.revoked_until([past], now=seconds_from_now(0)) is None
        assert store.purge_revocations(before=before, limit=100) == 0

    def test_purge_deletes_no_more_than_its_limit(self, store: RevocationStore) -> None:
        for _ in range(7):
            store.put_revocation(_key(), issued_until=seconds_from_now(0), keep_until=seconds_from_now(10))

        counts = [store.purge_revocations(before=seconds_from_now(100), limit=3) for _ in range(4)]

        if self.purges_revocations:
            assert counts == [3, 3, 1, 0]
        assert all(count <= 3 for count in counts)

    def test_purge_uses_the_times_of_the_latest_entry(self, store: RevocationStore) -> None:
        key, until = _key(), seconds_from_now(0)
        store.put_revocation(key, issued_until=until, keep_until=seconds_from_now(10))
        store.put_revocation(key, issued_until=until, keep_until=seconds_from_now(900))

        assert store.purge_revocations(before=seconds_from_now(100), limit=100) == 0
        assert store.revoked_until([key], now=seconds_from_now(500)) == until

    def test_an_entry_that_is_renewed_during_a_purge_stays(self, store: RevocationStore) -> None:
        keys = [[_key() for _ in range(8)] for _ in range(rounds())]
        until, before = seconds_from_now(0), seconds_from_now(100)
        for key in (key for run in keys for key in run):
            store.put_revocation(key, issued_until=until, keep_until=seconds_from_now(10))

        def renew_or_purge(run: int, number: int) -> None:
            if number == 0:
                for _ in range(4):
                    store.purge_revocations(before=before, limit=1_000)
                return
            for key in keys[run]:
                store.put_revocation(key, issued_until=until, keep_until=until + 900)
                time.sleep(0.000_2)  # so that some are renewed between a purge's SELECT and its DELETE

        in_threads(2, len(keys), renew_or_purge)

        assert {store.revoked_until([key], now=until + 900) for run in keys for key in run} == {until}

    def test_of_many_entries_at_once_the_latest_wins(self, store: RevocationStore) -> None:
        keys = [_key() for _ in range(rounds())]
        base = seconds_from_now(0)

        def put(run: int, number: int) -> None:
            store.put_revocation(keys[run], issued_until=base + number, keep_until=base + 900 - number)

        in_threads(16, len(keys), put)

        assert {store.revoked_until([key], now=base + 900) for key in keys} == {base + 15}

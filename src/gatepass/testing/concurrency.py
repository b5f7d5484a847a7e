"""The tests of `RefreshStore` under concurrent callers: threads, processes and forks."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Final

import pytest

from gatepass.refresh.family import Family, Rotation
from gatepass.refresh.store import RefreshStore
from gatepass.testing.base import IssuedFamily, StoreContractBase, make_family, put_family, revoked, seconds_from_now
from gatepass.testing.racing import in_forks, in_processes, in_threads, rounds

__all__ = ["ConcurrencyTests"]

_THREADS: Final = 50
_PROCESSES: Final = 8


def _rotate(turns: list[list[tuple[str, Rotation]]], store: RefreshStore, run: int, number: int) -> bool:
    family_id, rotation = turns[run][number]
    return store.rotate(family_id, rotation)


def _last_of_chain(store: RefreshStore, one: IssuedFamily) -> IssuedFamily:
    """Rotate until the store refuses, and return what the client then holds."""
    for _ in range(200):
        after, rotation = one.next()
        if not store.rotate(one.family_id, rotation):
            break
        one = after
    return one


class ConcurrencyTests(StoreContractBase):
    """Of any number of callers with one token, exactly one succeeds."""

    def test_of_50_threads_with_one_token_exactly_one_wins(self, store: RefreshStore) -> None:
        turns = self._make_rotations(store, _THREADS)

        results = in_threads(_THREADS, len(turns), partial(_rotate, turns, store))

        self._assert_one_winner(store, turns, results)

    def test_of_8_processes_with_one_token_exactly_one_wins(
        self, store: RefreshStore, reopen: Callable[[], RefreshStore] | None
    ) -> None:
        if reopen is None:
            pytest.skip("this store cannot be shared by processes")
        turns = self._make_rotations(store, _PROCESSES)

        results = in_processes(_PROCESSES, len(turns), reopen, partial(_rotate, turns))

        self._assert_one_winner(store, turns, results)

    def test_of_8_forks_of_one_process_with_one_token_exactly_one_wins(
        self, store: RefreshStore, reopen: Callable[[], RefreshStore] | None
    ) -> None:
        """A server may load the application and then fork its workers, which must share no state."""
        if reopen is None or not hasattr(os, "fork"):
            pytest.skip("this store cannot be shared by processes, or no process forks here")
        turns = self._make_rotations(store, _PROCESSES)

        results = in_forks(_PROCESSES, len(turns), store, partial(_rotate, turns))

        self._assert_one_winner(store, turns, results)

    def test_writing_the_current_token_again_undoes_no_rotation(self, store: RefreshStore) -> None:
        """One caller requests the successor again while another already uses it."""
        firsts = [put_family(store) for _ in range(rounds())]
        nexts = [one.next() for one in firsts]

        def repeat_or_rotate(run: int, number: int) -> bool:
            family_id = firsts[run].family_id
            if number == 0:
                return store.rotate(family_id, nexts[run][1])
            return any(not store.rotate(family_id, firsts[run].again()[1]) for _ in range(200))

        results = in_threads(4, len(firsts), repeat_or_rotate)

        assert [run[0] for run in results] == [True] * len(firsts)
        for after, _ in nexts:
            assert store.get(after.family_id) == after.family
            assert store.rotate(after.family_id, after.next()[1]) is True

    def test_families_rotate_independently(self, store: RefreshStore) -> None:
        families = [make_family() for _ in range(8)]

        def live(run: int, number: int) -> bool:
            if run == 0:
                store.create(families[number].family)
            families[number], rotation = families[number].next()
            return store.rotate(families[number].family_id, rotation)

        results = in_threads(8, rounds(), live)

        assert all(all(run) for run in results)
        assert [store.get(one.family_id) for one in families] == [one.family for one in families]

    def test_no_rotation_follows_a_revocation(self, store: RefreshStore) -> None:
        firsts = [put_family(store) for _ in range(rounds())]
        at = seconds_from_now(0)

        def rotate_or_revoke(run: int, number: int) -> bool | Family | None:
            family_id, rotation = firsts[run].family_id, firsts[run].next()[1]
            if number:
                return store.rotate(family_id, rotation)
            assert store.revoke(family_id, at=at)
            return store.get(family_id)

        for run, (stored, *rotated) in enumerate(in_threads(4, len(firsts), rotate_or_revoke)):
            family = store.get(firsts[run].family_id)
            assert family is not None
            assert family == stored, "the family changed after its revocation"
            assert family.revoked_at == at
            assert rotated.count(True) <= 1
            assert (family.current_hash == firsts[run].family.current_hash) is (True not in rotated)

    @pytest.mark.parametrize("member", ["subject", "client_id"])
    def test_no_family_escapes_a_revocation_of_all_by_rotating(self, store: RefreshStore, member: str) -> None:
        """The revocation must not undo a rotation: that would make a spent token valid again."""
        names = [make_family().family_id for _ in range(rounds())]
        teams = [[put_family(store, **{member: name}) for _ in range(4)] for name in names]
        revoke = store.revoke_subject if member == "subject" else store.revoke_client
        at = seconds_from_now(0)

        def rotate_or_revoke(run: int, number: int) -> IssuedFamily | int:
            if number == 0:
                return revoke(names[run], at=at)
            return _last_of_chain(store, teams[run][number - 1])

        for run, (ended, *chains) in enumerate(in_threads(5, len(names), rotate_or_revoke)):
            assert ended == 4
            for last in chains:
                assert revoked(store.get(last.family_id)) == revoked(last.family, at=at)
                assert not store.rotate(last.family_id, last.next()[1])
            assert revoke(names[run], at=at) == 0

    def test_a_family_that_is_rotated_during_a_purge_stays(self, store: RefreshStore) -> None:
        before = seconds_from_now(100)
        teams = [[put_family(store, idle_expires_at=seconds_from_now(10)) for _ in range(8)] for _ in range(rounds())]

        def rotate_or_purge(run: int, number: int) -> list[tuple[IssuedFamily, bool]] | None:
            if number == 0:
                for _ in range(4):
                    store.purge(before=before, limit=1_000)
                return None
            nexts = [one.next(idle_expires_at=seconds_from_now(3_000)) for one in teams[run][number - 1 :: 2]]
            return [(after, store.rotate(after.family_id, rotation)) for after, rotation in nexts]

        for _, *results in in_threads(3, len(teams), rotate_or_purge):
            for after, rotated in (one for result in results for one in result):
                stored = store.get(after.family_id)
                assert stored == after.family if rotated else stored is None or stored.rotated_at == 0
        store.purge(before=before, limit=1_000)

    def test_of_many_revocations_exactly_one_is_the_first(self, store: RefreshStore) -> None:
        families = [put_family(store).family for _ in range(rounds())]

        results = in_threads(
            8, len(families), lambda run, _number: store.revoke(families[run].family_id, at=seconds_from_now(0))
        )

        assert [run.count(True) for run in results] == [1] * len(families)

    def test_concurrent_purges_count_each_family_once(self, store: RefreshStore) -> None:
        for _ in range(20):
            put_family(store, idle_expires_at=seconds_from_now(10))

        (results,) = in_threads(4, 1, lambda _run, _number: store.purge(before=seconds_from_now(100), limit=100))

        if self.purges:
            assert sum(result.deleted for result in results) == 20

    def _make_rotations(self, store: RefreshStore, racers: int) -> list[list[tuple[str, Rotation]]]:
        """Create a family for each round, and for each racer its own rotation of the family's one token."""
        turns: list[list[tuple[str, Rotation]]] = []
        for _ in range(rounds()):
            one = put_family(store)
            turns.append([(one.family_id, one.next()[1]) for _ in range(racers)])
        return turns

    def _assert_one_winner(
        self, store: RefreshStore, turns: list[list[tuple[str, Rotation]]], results: list[list[bool]]
    ) -> None:
        assert len(results) == len(turns)
        for turn, outcomes in zip(turns, results, strict=True):
            assert outcomes.count(True) == 1, f"{outcomes.count(True)} of {len(outcomes)} won"
            assert outcomes.count(False) == len(outcomes) - 1
            family = store.get(turn[0][0])
            assert family is not None
            assert family.current_hash == turn[outcomes.index(True)][1].current_hash, "the winner's hash is not stored"

"""The published contracts detect stores that read first and then write back what they read."""

import threading
from dataclasses import replace

import pytest
from tests.support.databases.services import PATIENCE

from gatepass.refresh import PurgeResult
from gatepass.stores.memory import MemoryStore
from gatepass.testing import RefreshStoreContract, RevocationStoreContract

Contract = RefreshStoreContract()
RevocationContract = RevocationStoreContract()


class Interrupted(MemoryStore):
    """Another thread always writes between its read and its write. In a race, a writer waits until the rows that it
    writes were read, and a reader waits until some of them were written.
    """

    def __init__(self):
        super().__init__()
        self._main_thread = threading.current_thread()
        self._met, self._seen, self._written = threading.Condition(), set(), set()

    def rotate(self, family_id, rotation):
        self._wait_for(lambda: family_id in self._seen)
        rotated = super().rotate(family_id, rotation)
        self._record(self._written, [family_id])
        return rotated

    def put_revocation(self, key, **times):
        self._wait_for(lambda: key in self._seen)
        super().put_revocation(key, **times)
        self._record(self._written, [key])

    def _pause(self, names):
        self._record(self._seen, names)
        self._wait_for(lambda: not names or not self._written.isdisjoint(names))

    def _record(self, those, names):
        if self._races():
            with self._met:
                those.update(names)
                self._met.notify_all()

    def _wait_for(self, true):
        if self._races():
            with self._met:
                if not self._met.wait_for(true, PATIENCE):
                    raise TimeoutError

    def _races(self):
        return threading.current_thread() is not self._main_thread


class RevokesStaleRows(Interrupted):
    """Writes back whole rows, which undoes a concurrent rotation and makes its spent token valid again."""

    def _revoke(self, applies, at):
        found = [one for one in list(self._families.values()) if one.revoked_at is None and applies(one)]
        self._pause([family.family_id for family in found])
        for family in found:
            self._families[family.family_id] = replace(family, revoked_at=at)
        return len(found)

    def revoke_subject(self, subject, *, at):
        return self._revoke(lambda family: family.subject == subject, at)

    def revoke_client(self, client_id, *, at):
        return self._revoke(lambda family: family.client_id == client_id, at)


class SkipsRotatingFamilies(RevokesStaleRows):
    """Compares before it writes, and skips families that are being rotated."""

    def _revoke(self, applies, at):
        found = [one for one in list(self._families.values()) if one.revoked_at is None and applies(one)]
        self._pause([family.family_id for family in found])
        with self._lock:
            still = [family for family in found if self._families[family.family_id] is family]
            for family in still:
                self._families[family.family_id] = replace(family, revoked_at=at)
            return len(still)


class PurgesStaleRows(Interrupted):
    def purge(self, *, before, limit):
        dead = [name for name, family in list(self._families.items()) if family.ended_before(before)][:limit]
        self._pause(dead)
        deleted = sum(self._families.pop(name, None) is not None for name in dead)
        return PurgeResult(deleted, more=len(dead) == limit)

    def purge_revocations(self, *, before, limit):
        past = [key for key, (_, keep_until) in list(self._revocations.items()) if keep_until < before][:limit]
        self._pause(past)
        return sum(self._revocations.pop(key, None) is not None for key in past)


class RefusesSameHash(MemoryStore):
    """Treats a hash that stays current as spent."""

    def rotate(self, family_id, rotation):
        return rotation.current_hash != rotation.previous_hash and super().rotate(family_id, rotation)


class SkipsSameHash(MemoryStore):
    """Treats a hash that stays current as already written, and does not wait for the disk."""

    def rotate(self, family_id, rotation):
        family = self.get(family_id)
        if rotation.current_hash == rotation.previous_hash:
            return family is not None and family.revoked_at is None and family.current_hash == rotation.current_hash
        return super().rotate(family_id, rotation)


class TruncatesSalts(MemoryStore):
    """Truncates the salt, as a database does with a column that is too short."""

    def rotate(self, family_id, rotation):
        return super().rotate(family_id, replace(rotation, salt=rotation.salt[:32]))


class RepeatsStaleRows(Interrupted):
    def rotate(self, family_id, rotation):
        if rotation.current_hash != rotation.previous_hash:
            return super().rotate(family_id, rotation)
        family = self.get(family_id)
        if family.current_hash != rotation.previous_hash:
            return False
        self._pause([family_id])
        self._families[family_id] = family.rotated(rotation)
        return True


@pytest.mark.parametrize("broken", [RefusesSameHash, SkipsSameHash, TruncatesSalts])
def test_the_contract_detects_a_store_that_does_not_rewrite_a_hash(broken):
    Contract.test_the_current_token_can_be_written_again_repeatedly(MemoryStore())
    with pytest.raises(AssertionError):
        Contract.test_the_current_token_can_be_written_again_repeatedly(broken())


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        *(
            (
                broken,
                lambda store, member=member: Contract.test_no_family_escapes_a_revocation_of_all_by_rotating(
                    store, member
                ),
            )
            for broken in (RevokesStaleRows, SkipsRotatingFamilies)
            for member in ("subject", "client_id")
        ),
        (RepeatsStaleRows, Contract.test_writing_the_current_token_again_undoes_no_rotation),
        (PurgesStaleRows, Contract.test_a_family_that_is_rotated_during_a_purge_stays),
        (PurgesStaleRows, RevocationContract.test_an_entry_that_is_renewed_during_a_purge_stays),
    ],
)
def test_the_contract_detects_a_store_that_trusts_an_earlier_read(broken, sentence):
    sentence(MemoryStore())
    with pytest.raises(AssertionError):
        sentence(broken())

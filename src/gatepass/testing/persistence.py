"""The tests of `RefreshStore.create` and `get`, and of the data in a copy of the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from gatepass.refresh.store import CONTRACT_VERSION, RefreshStore
from gatepass.testing.base import ODD_TEXTS, StoreContractBase, make_family, put_family, seconds_from_now

__all__ = ["PersistenceTests"]


class PersistenceTests(StoreContractBase):
    """`get` returns families as they were created, and no token is stored."""

    def test_it_is_a_refresh_store(self, store: RefreshStore) -> None:
        assert isinstance(store, RefreshStore)
        assert store.contract_version == CONTRACT_VERSION

    def test_get_returns_the_family_that_was_created(self, store: RefreshStore) -> None:
        family = put_family(store, auth_time=seconds_from_now(-5), acr="urn:level:2", amr=("pwd", "otp")).family

        assert store.get(family.family_id) == family

    def test_an_unknown_family_is_none(self, store: RefreshStore) -> None:
        put_family(store)

        assert store.get(make_family().family_id) is None

    def test_absent_facts_stay_absent_and_empty_ones_empty(self, store: RefreshStore) -> None:
        absent = put_family(
            store, auth_time=None, acr=None, amr=(), client_id="", scope="", claims=None, label=None, refresh_ttl=None
        ).family
        empty = put_family(store, auth_time=0, acr="", amr=("",), claims="", label="", refresh_ttl=0).family

        assert store.get(absent.family_id) == absent
        assert store.get(empty.family_id) == empty

    def test_a_family_is_not_created_twice(self, store: RefreshStore) -> None:
        first = put_family(store)
        with pytest.raises(Exception):  # noqa: B017, PT011 - each database raises its own class
            store.create(replace(first.family, subject="mallory"))

        assert store.get(first.family_id) == first.family

    def test_a_rotated_and_revoked_family_can_be_created(self, store: RefreshStore) -> None:
        after, _ = make_family().next()
        family = replace(after.family, revoked_at=seconds_from_now(-1))
        store.create(family)

        assert store.get(family.family_id) == family

    @pytest.mark.parametrize("text", ODD_TEXTS)
    def test_text_is_stored_unchanged(self, store: RefreshStore, text: str) -> None:
        family = put_family(
            store, subject=text, client_id=text, scope=text, audience=text, acr=text, amr=(text, text), claims=text,
            label=text,
        ).family  # fmt: skip

        assert store.get(family.family_id) == family

    def test_large_values_are_stored_whole(self, store: RefreshStore) -> None:
        scope = " ".join(f"scope:{number}" for number in range(3_000))
        family = put_family(
            store,
            subject="s" * 1_000 + "é😀" * 200,
            client_id="https://client.example/" + "c" * 2_000,
            scope=scope,
            audience="https://api.example/" + "a" * 2_000,
            acr="r" * 2_000,
            amr=tuple(f"method-{number}" for number in range(200)),
            claims=json.dumps({"tenant": "é😀" * 1_000}, ensure_ascii=False),
            label="📱" * 64,
            refresh_ttl=31_622_400,
        ).family

        assert store.get(family.family_id) == family
        assert store.revoke_subject(family.subject, at=seconds_from_now(0)) == 1
        assert store.revoke_client(family.client_id, at=seconds_from_now(0)) == 0

    def test_a_rotation_keeps_the_facts_of_the_login(self, store: RefreshStore) -> None:
        one = put_family(store, claims='{"tenant":"north"}', label="Anna’s phone", refresh_ttl=3_600)
        later, rotation = one.next()
        store.rotate(one.family_id, rotation)

        assert store.get(one.family_id) == later.family
        assert later.family.claims == '{"tenant":"north"}'

    def test_family_ids_are_compared_octet_by_octet(self, store: RefreshStore) -> None:
        family = put_family(store, family_id="AbCdEfGhIjKlMnOpQrStUv").family

        for other in (
            "aBcDeFgHiJkLmNoPqRsTuV",
            "abcdefghijklmnopqrstuv",
            "AbCdEfGhIjKlMnOpQrStUv ",
            "AbCdEfGhIjKlMnOpQrStU",
        ):
            assert store.get(other) is None
            assert not store.revoke(other, at=seconds_from_now(0))
        assert store.get(family.family_id) == family

    def test_a_copy_of_the_store_contains_no_token(
        self, store: RefreshStore, dump: Callable[[], Iterable[bytes]] | None
    ) -> None:
        if dump is None:
            pytest.skip("this store has no dump")
        one = put_family(store)
        tokens = [one.token]
        for _ in range(3):
            one, rotation = one.next()
            store.rotate(one.family_id, rotation)
            tokens.append(one.token)

        dumped = b"\n".join(dump())

        assert one.family.current_hash in dumped, "the dump does not contain the stored hash"
        for token in tokens:
            for part in (token.secret, token.proof):
                assert part not in dumped
                assert part.hex().encode() not in dumped.lower()
            assert token.text().encode() not in dumped
            assert token.text()[24:].encode() not in dumped

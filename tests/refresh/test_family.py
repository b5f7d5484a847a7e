"""Refresh tokens and families as values: one encoding, no secret in a repr, no usable token in the store."""

import dataclasses
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.refresh import Family, RefreshToken, Rotation
from gatepass.refresh.family import seed_of


def family(token, **changes):
    members = {
        "family_id": token.family_id,
        "subject": "anna",
        "client_id": "web",
        "scope": "a b",
        "audience": "https://api.example",
        "auth_time": 5,
        "acr": "high",
        "amr": ("pwd",),
        "created_at": 10,
        "expires_at": 1_000,
        "idle_expires_at": 500,
        "proof_hash": token.proof_hash,
        "current_hash": token.secret_hash,
    }
    return Family(**{**members, **changes})


def test_a_token_is_64_octets_in_base64url_256_bits_of_them_secret():
    token = RefreshToken.fresh()

    assert len(token.text()) == 86
    assert (len(token.name), len(token.proof), len(token.secret)) == (16, 16, 32)
    assert set(token.text()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_tokens_are_unique():
    tokens = [RefreshToken.fresh() for _ in range(1_000)]

    assert len({token.name for token in tokens}) == len({token.proof for token in tokens}) == 1_000
    assert len({token.secret for token in tokens}) == 1_000


def test_a_token_is_parsed_from_its_text():
    token = RefreshToken.fresh()

    assert RefreshToken.parse(token.text()) == token


@given(st.text(max_size=100) | st.binary(max_size=100) | st.none() | st.integers())
def test_malformed_tokens_are_unknown_and_raise_nothing(text):
    found = RefreshToken.parse(text)

    assert found is None or found.text() == text


def test_a_token_has_one_encoding():
    text = RefreshToken.fresh().text()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    same = [last for last in alphabet if RefreshToken.parse(text[:-1] + last) is not None]

    assert same == ["A", "Q", "g", "w"]  # four bits of the last character are unused
    for spelling in (
        f"{text}=",
        f"{text}==",
        f" {text}",
        f"{text}\n",
        text[:-1],
        f"{text}A",
        text.replace(text[5], "+", 1),
    ):
        assert RefreshToken.parse(spelling) is None


def test_a_successor_belongs_to_the_family_and_is_derived_from_token_and_salt():
    token = RefreshToken.fresh()
    successor = token.successor(b"salt")

    assert (successor.family_id, successor.proof_hash) == (token.family_id, token.proof_hash)
    assert successor == token.successor(b"salt")
    assert successor != token.successor(b"other salt")
    assert successor.secret not in (token.secret, RefreshToken.fresh().successor(b"salt").secret)
    assert successor.secret_hash != token.secret_hash


def test_a_hash_depends_on_every_part_of_the_token():
    token = RefreshToken(bytes(16), bytes(16), bytes(32))
    others = [
        RefreshToken(b"\1" * 16, bytes(16), bytes(32)),
        RefreshToken(bytes(16), b"\1" * 16, bytes(32)),
        RefreshToken(bytes(16), bytes(16), b"\1" * 32),
    ]

    assert len({token.secret_hash, *(other.secret_hash for other in others)}) == 4
    assert len({token.proof_hash, *(other.proof_hash for other in others)}) == 3
    assert {len(token.secret_hash), len(token.proof_hash)} == {32}


def test_a_repr_does_not_contain_the_token():
    token = RefreshToken.fresh()

    assert repr(token) == str(token) == f"{token}" == "<RefreshToken, not shown>"


def test_a_rotation_changes_the_token_and_the_idle_time_only():
    token = RefreshToken.fresh()
    before = family(token)
    rotation = Rotation(
        current_hash=b"new", previous_hash=token.secret_hash, salt=b"salt", rotated_at=100, idle_expires_at=600
    )

    after = before.rotated(rotation)

    changed = {one.name for one in dataclasses.fields(Family) if getattr(after, one.name) != getattr(before, one.name)}
    assert changed == {"current_hash", "previous_hash", "salt", "rotated_at", "idle_expires_at"}
    assert (
        dataclasses.replace(
            after, current_hash=before.current_hash, previous_hash=b"", salt=b"", rotated_at=0, idle_expires_at=500
        )
        == before
    )


@pytest.mark.parametrize("window", [True, False])
def test_a_repeated_rotation_differs_only_in_the_expiry_of_its_salt(window):
    token, salt = RefreshToken.fresh(), secrets.token_bytes(32)
    rotation = Rotation(
        current_hash=token.successor(salt).secret_hash, previous_hash=token.secret_hash,
        salt=salt if window else b"", rotated_at=100, idle_expires_at=600,
    )  # fmt: skip
    once = Rotation.rewriting(rotation)
    twice = Rotation.rewriting(family(token).rotated(once))

    for again in (once, twice):
        assert (again.previous_hash, again.current_hash) == (rotation.current_hash, rotation.current_hash)
        assert (again.rotated_at, again.idle_expires_at) == (100, 600)
        assert seed_of(again.salt) == rotation.salt
        assert len(again.salt) == len(rotation.salt) + 16
    assert len({rotation.salt, once.salt, twice.salt}) == 3
    assert not window or token.successor(twice.salt) == token.successor(salt)


@pytest.mark.parametrize(
    ("changes", "first"),
    [({}, 500), ({"idle_expires_at": 2_000}, 1_000), ({"revoked_at": 20}, 20), ({"revoked_at": 700}, 500)],
)
def test_a_family_ends_at_the_earliest_of_its_ends(changes, first):
    one = family(RefreshToken.fresh(), **changes)

    assert not one.ended_before(first)
    assert one.ended_before(first + 1)

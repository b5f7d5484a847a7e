"""Wycheproof's JSON Web Signature and JSON Web Key vectors, and each case in which we are stricter.

The vectors (C2SP/wycheproof, Apache-2.0) are not part of this repository. Point GATEPASS_WYCHEPROOF at the directory
`testvectors_v1` of a checkout to run them. Their payloads are only text, so the tests cover the strict parsing of
segments and header, the loading of keys, and the key's own check of the signature.

The vectors for HMAC are tested here too. Those for the other primitives come in a package that has none for HMAC, and
are tested in test_wycheproof_primitives.py.
"""

import hmac
import json
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.needs import missing

from gatepass import ANY_AUDIENCE, ANY_ISSUER, ConfigurationError, Key, KeySet, Profile, TokenVerifier
from gatepass.errors import AuthError, InvalidSignature, MalformedToken, UnsupportedToken
from gatepass.jose.compact import decode_base64url, parse_compact
from gatepass.jose.strict_json import parse_object
from gatepass.keys.algorithms import ALGORITHMS, bind_verify

STRICTER = {
    346: "the token says PS384 and its key PS256: a key is bound to one algorithm",
    347: "the key says ES521, which no RFC registers",
    350: "as 346",
    351: "as 347",
    372: "'?' is no character of base64url, and skipping it would give a token two spellings",
    373: "as 372",
}
"""Signatures that Wycheproof calls valid and we refuse, by tcId (standards V-42)."""

NOT_AS_NAMED = {367, 370}
"""Called padded and invalid, but their text is that of 357, which is valid: the padding is missing in the file."""

SEQUENTIAL_SECRET = "the secret is 00 01 02 03 ..., which is refused as guessable"
STRICTER_KEYS = dict.fromkeys((13, 14, 15), SEQUENTIAL_SECRET)
LAXER_KEYS = {7: "a modulus made by the flawed chips of CVE-2017-15361: moduli are measured here and not fingerprinted"}

BASE64_GROUP = range(357, 378)
"""All of these use one sequential secret, which every `Key` refuses. Their encoding is checked without a `Key`."""

HMAC = {"HS256": "hmac_sha256_test.json", "HS384": "hmac_sha384_test.json", "HS512": "hmac_sha512_test.json"}
JUDGED_BY_A_KEY = "judged by a key"
TRUNCATED = "a tag cut to half its length, which no JWS has: refused by the key"
SHORT = "a secret of fewer bytes than the hash has, which makes no key"
GUESSABLE = "the sequential secret of every invalid vector, which is guessable and makes no key"
HMAC_MIN = {JUDGED_BY_A_KEY: 30, TRUNCATED: 30, SHORT: 6, GUESSABLE: 108}
"""The categories of the vectors of each of these files, and the minimum number in each. Secrets that make no key are
passed to the function that a key would be bound to.
"""


class Vector(NamedTuple):
    number: int
    comment: str
    key: dict[str, Any]
    token: str
    valid: bool


@cache
def groups(name: str) -> list[dict[str, Any]]:
    directory = os.environ.get("GATEPASS_WYCHEPROOF")
    if not directory:
        missing("Wycheproof's JOSE files")
    return json.loads((Path(directory) / name).read_text(encoding="utf-8"))["testGroups"]


@cache
def vectors(name: str) -> tuple[Vector, ...]:
    return tuple(_read(name))


def _read(name: str) -> Iterator[Vector]:
    for group in groups(name):
        for test in group["tests"]:
            token = test["jws"] if isinstance(test["jws"], str) else json.dumps(test["jws"])
            comment = f"{group['comment']}: {test['comment']}"
            key = group.get("public", group["private"])
            yield Vector(test["tcId"], comment, key, token, test["result"] == "valid")


def segments(token: str) -> tuple[dict[str, Any], bytes, bytes]:
    """Return header, signing input and signature, parsed as strictly as by `parse_compact`."""
    parts = token.encode().split(b".")
    if len(parts) != 3:
        with pytest.raises((MalformedToken, UnsupportedToken)):
            parse_compact(token)
        raise MalformedToken
    header, payload, signature = parts
    decode_base64url(payload)
    return parse_object(decode_base64url(header)), header + b"." + payload, decode_base64url(signature)


def accept(keys: KeySet, token: str) -> None:
    """Do what a verifier does before it reads claims. Raise `AuthError` for an invalid token."""
    header, signing_input, signature = segments(token)
    verifier = TokenVerifier(issuer=ANY_ISSUER, audience=ANY_AUDIENCE, profile=Profile.GENERIC, keys=keys)
    if not any(key.verifies(signing_input, signature) for key in verifier.candidates(header)):
        raise InvalidSignature


def accepted(key: dict[str, Any], token: str) -> bool:
    try:
        accept(KeySet([Key.from_jwk(member) for member in key.get("keys", [key])]), token)
    except (AuthError, ConfigurationError):
        return False
    return True


def test_the_results_for_signature_vectors_equal_those_of_wycheproof():
    found = vectors("json_web_signature_test.json")
    disagreements = {
        vector.number: vector.comment
        for vector in found
        if vector.number not in BASE64_GROUP and accepted(vector.key, vector.token) != vector.valid
    }

    assert len(found) >= 401
    assert disagreements.keys() == STRICTER.keys() - set(BASE64_GROUP), disagreements


def test_no_signature_vector_that_is_invalid_is_accepted():
    assert [
        v.comment for v in vectors("json_web_signature_test.json") if not v.valid and accepted(v.key, v.token)
    ] == []


def test_the_results_for_encoding_vectors_equal_those_of_wycheproof():
    found = [vector for vector in vectors("json_web_signature_test.json") if vector.number in BASE64_GROUP]
    disagreements = {}
    for vector in found:
        secret = decode_base64url(vector.key["k"].encode())
        try:
            _header, signing_input, signature = segments(vector.token)
            good = hmac.digest(secret, signing_input, "sha256") == signature
        except AuthError:
            good = False
        if good != vector.valid:
            disagreements[vector.number] = vector.comment

    assert len(found) == len(BASE64_GROUP)
    assert disagreements.keys() == STRICTER.keys() & set(BASE64_GROUP) | NOT_AS_NAMED, disagreements


def test_the_vectors_called_padded_are_not_accepted_because_of_padding():
    texts = {vector.number: vector.token for vector in vectors("json_web_signature_test.json")}
    assert {texts[number] for number in NOT_AS_NAMED} == {texts[357]}
    header, payload, signature = texts[357].split(".")
    for padded in (f"{header}=.{payload}.{signature}", f"{header}.{payload}==.{signature}", f"{texts[357]}="):
        with pytest.raises(MalformedToken):
            segments(padded)


def test_the_sequential_secret_of_the_encoding_vectors_is_refused_as_a_key():
    for vector in vectors("json_web_signature_test.json"):
        if vector.number in BASE64_GROUP:
            with pytest.raises(ConfigurationError, match="guessable"):
                Key.from_jwk(vector.key)


def test_the_results_for_key_vectors_equal_those_of_wycheproof():
    found = vectors("json_web_key_test.json")
    disagreements = {v.number: v.comment for v in found if accepted(v.key, v.token) != v.valid}

    assert len(found) >= 26
    assert disagreements.keys() == STRICTER_KEYS.keys() | LAXER_KEYS.keys(), disagreements


@pytest.mark.parametrize("algorithm", HMAC)
def test_the_results_for_hmac_vectors_equal_those_of_wycheproof(algorithm):
    row = ALGORITHMS[algorithm]
    counts, disagreements = Counter(), {}
    for group in groups(HMAC[algorithm]):
        for test in group["tests"]:
            secret, message, tag = (bytes.fromhex(test[name]) for name in ("key", "msg", "tag"))
            whole = group["tagSize"] == 8 * row.hash_bytes
            kind = JUDGED_BY_A_KEY if whole else TRUNCATED
            try:
                verifies = Key.from_secret(secret, algorithm=algorithm).verifies
            except ConfigurationError as error:
                kind = GUESSABLE if "guessable" in str(error) else SHORT
                verifies = bind_verify(row, secret)
            counts[kind] += 1
            if verifies(message, tag) != (test["result"] == "valid" and whole):
                disagreements[test["tcId"]] = test["comment"]

    assert disagreements == {}
    assert counts.keys() == HMAC_MIN.keys()
    assert counts >= Counter(HMAC_MIN), counts

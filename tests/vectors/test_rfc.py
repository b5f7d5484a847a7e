"""The examples printed in RFC 7515, 7520, 7638 and 8037, applied to keys, parsing and verifier.

Most payloads are prose and no claims, so the key itself checks the signatures. The JWTs also go through a verifier
whose clock is before the printed expiry.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.keys import printed_key, refusal

from gatepass import ANY_AUDIENCE, ANY_ISSUER, Key, KeySet, Profile, TokenVerifier
from gatepass.errors import AuthError, DisallowedAlgorithm, ExpiredToken, MalformedToken, UnsupportedToken
from gatepass.jose.compact import decode_base64url, encode_base64url, parse_compact

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("rfc.json").read_text(encoding="utf-8"))
CLAIMS = {"RFC 7515 A.1", "RFC 7515 A.2", "RFC 7515 A.3", "RFC 7520 6.3"}
"""The signed examples whose payload is a claims set."""
EXPIRY = 1300819380
PAYLOADS = {
    "RFC 7515 A.4": "Payload",
    "RFC 8037 A.4": "Example of Ed25519 signing",
    **dict.fromkeys(
        ("RFC 7520 4.1", "RFC 7520 4.2", "RFC 7520 4.3", "RFC 7520 4.4"),
        "It\u2019s a dangerous business, Frodo, going out your door. You step onto the road, and if you don't keep "
        "your feet, there\u2019s no knowing where you might be swept off to.",
    ),
}


def each(group: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[group], ids=lambda vector: vector["name"])


def key_of(vector: dict[str, Any]) -> Key:
    return printed_key(vector["key"], vector["algorithm"])


def segments_of(vector: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """Return the signing input of header and payload, and the signature."""
    header, payload, signature = vector["compact"].encode().split(b".")
    return header, payload, decode_base64url(signature)


def verifier_for(key: Key, *, now: float) -> TokenVerifier:
    return TokenVerifier(
        issuer=ANY_ISSUER,
        audience=ANY_AUDIENCE,
        keys=KeySet([key]),
        profile=Profile.GENERIC,
        leeway=0,
        clock=lambda: now,
    )


def test_every_kind_of_example_is_included():
    assert len(VECTORS["signed"]) == 10
    assert {vector["algorithm"] for vector in VECTORS["signed"]} >= {
        "HS256",
        "RS256",
        "PS256",
        "PS384",
        "ES256",
        "ES512",
        "EdDSA",
    }
    assert {vector["name"] for vector in VECTORS["signed"]} == CLAIMS | PAYLOADS.keys()


@each("signed")
def test_the_printed_signature_is_valid(vector):
    header, payload, signature = segments_of(vector)
    assert key_of(vector).verifies(header + b"." + payload, signature)
    assert json.loads(decode_base64url(header))["alg"] == vector["algorithm"]


@each("signed")
def test_the_printed_signature_is_valid_with_the_public_key_only(vector):
    key = key_of(vector)
    if not key.is_secret:
        header, payload, signature = segments_of(vector)
        published = Key.from_jwk(key.to_jwk())
        assert not published.can_sign
        assert published.verifies(header + b"." + payload, signature)


@each("signed")
def test_one_flipped_bit_anywhere_invalidates_the_signature(vector):
    key = key_of(vector)
    header, payload, signature = segments_of(vector)
    signing_input = header + b"." + payload
    for position in (0, len(signature) // 2, len(signature) - 1):
        spoiled = bytearray(signature)
        spoiled[position] ^= 1
        assert not key.verifies(signing_input, bytes(spoiled))
    for position in (0, len(header), len(signing_input) - 1):
        altered = bytearray(signing_input)
        altered[position] ^= 1
        assert not key.verifies(bytes(altered), signature)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "EdDSA"])
def test_deterministic_signatures_equal_the_printed_ones(algorithm):
    for vector in VECTORS["signed"]:
        if vector["algorithm"] == algorithm:
            header, payload, signature = segments_of(vector)
            assert key_of(vector).sign(header + b"." + payload) == signature


@each("signed")
def test_an_example_that_is_a_jwt_passes_the_verifier_until_it_expires(vector):
    key, token = key_of(vector), vector["compact"]
    if vector["name"] not in CLAIMS:
        with pytest.raises(MalformedToken):
            verifier_for(key, now=EXPIRY - 1).verify(token)
        assert decode_base64url(segments_of(vector)[1]).decode() == PAYLOADS[vector["name"]]
        return
    accepted = verifier_for(key, now=EXPIRY - 1).verify(token)
    assert accepted.claims["http://example.com/is_root"] is True
    with pytest.raises(ExpiredToken):
        verifier_for(key, now=EXPIRY).verify(token)


@each("signed")
def test_no_example_is_an_access_token_of_rfc_9068(vector):
    key = key_of(vector)
    with pytest.raises(AuthError):
        TokenVerifier(issuer=ANY_ISSUER, audience=ANY_AUDIENCE, keys=KeySet([key]), clock=lambda: EXPIRY - 1).verify(
            vector["compact"]
        )


@each("signatures")
def test_each_of_several_signatures_over_one_payload_is_valid(vector):
    signing_input = f"{vector['protected']}.{vector['payload']}".encode()
    signature = decode_base64url(vector["signature"].encode())
    assert key_of(vector).verifies(signing_input, signature)


@each("json_serialized")
def test_the_json_serialization_is_refused(vector):
    with pytest.raises((MalformedToken, UnsupportedToken)):  # the dots in key ids may add up to five segments
        parse_compact(json.dumps(vector["document"]))


def test_an_unsecured_token_is_refused():
    (unsecured,) = (vector for vector in VECTORS["refused"] if "A.5" in vector["name"])
    for vector in VECTORS["signed"]:
        with pytest.raises(DisallowedAlgorithm):
            verifier_for(key_of(vector), now=EXPIRY - 1).verify(unsecured["compact"])


def test_an_unknown_critical_extension_is_refused_even_with_a_valid_signature():
    (critical,) = (vector for vector in VECTORS["refused"] if "critical" in vector["name"])
    key = Key.generate("HS256")
    with pytest.raises(AuthError):
        verifier_for(key, now=0).verify(critical["compact"])
    header = json.loads(decode_base64url(critical["compact"].split(".")[0].encode())) | {"alg": "HS256"}
    signing_input = b".".join(encode_base64url(json.dumps(part).encode()) for part in (header, {"sub": "a", "exp": 1}))
    token = (signing_input + b"." + encode_base64url(key.sign(signing_input))).decode()
    with pytest.raises(UnsupportedToken):
        verifier_for(key, now=0).verify(token)


def test_a_detached_payload_is_refused():
    (detached,) = (vector for vector in VECTORS["refused"] if "detached" in vector["name"])
    with pytest.raises(MalformedToken):
        verifier_for(printed_key(detached["key"], "HS256"), now=0).verify(detached["compact"])


def test_an_encrypted_token_is_refused():
    (encrypted,) = (vector for vector in VECTORS["refused"] if "encrypted" in vector["name"])
    with pytest.raises(UnsupportedToken):
        parse_compact(encrypted["compact"])


@each("thumbprints")
def test_the_printed_thumbprint_equals_ours(vector):
    key = Key.from_jwk(vector["key"], algorithm=vector["key"].get("alg", "EdDSA"))
    assert key.thumbprint() == vector["thumbprint"]
    assert key.public().thumbprint() == vector["thumbprint"]


def test_the_kid_of_a_public_key_without_one_is_its_thumbprint():
    for vector in VECTORS["thumbprints"]:
        nameless = {name: value for name, value in vector["key"].items() if name != "kid"}
        assert Key.from_jwk(nameless, algorithm=nameless.get("alg", "EdDSA")).kid == vector["thumbprint"]


@each("signed")
def test_a_secret_that_an_rfc_prints_is_refused(vector):
    if vector["key"]["kty"] == "oct":
        assert "a well-known example" in refusal(lambda: Key.from_jwk(vector["key"], algorithm=vector["algorithm"]))

"""Public keys on the Edwards curves for which signatures can be made without a private key."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.keys import base64url, key_for, refusal

from gatepass import Key, KeySet

SMALL = "this public key is not valid: it is a point of small order, or not in canonical form"
P25519, P448 = 2**255 - 19, 2**448 - 2**224 - 1
D25519 = -121665 * pow(121666, -1, P25519) % P25519
SIGN25519, SIGN448 = 1 << 255, 1 << 455


def square_root(number: int) -> int:
    """Return a square root in the field of Ed25519 (RFC 8032 section 5.1.3)."""
    root = pow(number, (P25519 + 3) // 8, P25519)
    if root * root % P25519 != number % P25519:
        root = root * pow(2, (P25519 - 1) // 4, P25519) % P25519
    assert root * root % P25519 == number % P25519
    return root


# A point of order 8, doubled, has y = 0: then x^2 = -y^2, and the curve says that d*y^4 + 2*y^2 = 1.
_, ORDER_8 = (
    candidates := [
        (root, square_root(square))
        for root in (square_root(1 + D25519), -square_root(1 + D25519))
        for square in [(root - 1) * pow(D25519, -1, P25519) % P25519]
        if pow(square, (P25519 - 1) // 2, P25519) == 1
    ]
)[0]
YS25519 = [0, 1, P25519 - 1, ORDER_8, P25519 - ORDER_8, P25519, P25519 + 1]  # the last two in a second encoding
YS448 = [0, 1, P448 - 1, P448, P448 + 1]
POINTS = [
    *(("Ed25519", (y | sign).to_bytes(32, "little")) for y in YS25519 for sign in (0, SIGN25519)),
    *(("Ed448", (y | sign).to_bytes(57, "little")) for y in YS448 for sign in (0, SIGN448)),
]
READERS = {"Ed25519": Ed25519PublicKey.from_public_bytes, "Ed448": Ed448PublicKey.from_public_bytes}


@pytest.mark.parametrize(("curve", "octets"), POINTS)
def test_a_point_of_small_order_is_refused_by_every_constructor(curve, octets):
    public = READERS[curve](octets)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = {"kty": "OKP", "crv": curve, "x": base64url(octets)}

    for algorithm in (curve, "EdDSA"):
        assert refusal(lambda algorithm=algorithm: Key(public, algorithm=algorithm)) == SMALL
        assert refusal(lambda algorithm=algorithm: Key.from_pem(pem, algorithm=algorithm)) == SMALL
        assert refusal(lambda algorithm=algorithm: Key.from_jwk(jwk, algorithm=algorithm)) == SMALL


@pytest.mark.parametrize(("curve", "octets"), POINTS)
def test_a_point_of_small_order_is_ignored_in_a_set(curve, octets):
    good = key_for(curve).to_jwk()
    weak = {"kty": "OKP", "crv": curve, "x": base64url(octets), "kid": "weak"}

    for labels in ({}, {"alg": curve}, {"alg": "EdDSA"}):
        assert {key.kid for key in KeySet.from_jwks({"keys": [{**weak, **labels}, good]})} == {"k1"}


def test_a_signature_for_such_a_key_needs_no_private_key():
    """R is the neutral point and S is zero: at least one of eight messages has that signature."""
    public = READERS["Ed25519"](ORDER_8.to_bytes(32, "little"))
    forged = (1).to_bytes(32, "little") + bytes(32)

    assert any(holds(public, forged, b"message %d" % number) for number in range(400))


def holds(public: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(("curve", "size", "prime"), [("Ed25519", 32, P25519), ("Ed448", 57, P448)])
def test_a_point_whose_y_is_not_below_the_prime_is_refused(curve, size, prime):
    """RFC 8032 sections 5.1.3 and 5.2.3: there is only one encoding."""
    for y in (prime + 2, prime + 3, prime + 18, 2 ** (8 * size - 1) - 1):
        octets = y.to_bytes(size, "little")
        assert refusal(lambda octets=octets: Key(READERS[curve](octets), algorithm=curve)) == SMALL


@pytest.mark.parametrize("algorithm", ["Ed25519", "Ed448"])
def test_a_generated_key_is_accepted(algorithm):
    for _ in range(20):
        assert Key.generate(algorithm).public().algorithm == algorithm

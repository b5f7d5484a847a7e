"""Nearly valid signatures, made by hand from the private key, are refused, and their correct counterparts are accepted.

Every group begins with a control, so that a mistake in the forgery is not counted as a refusal.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gatepass import ANY_AUDIENCE, ANY_ISSUER, Key, Profile, TokenVerifier
from gatepass.errors import InvalidSignature, MalformedToken
from gatepass.jose.compact import decode_base64url, encode_base64url

PRINTED = json.loads(Path(__file__).with_name("rfc.json").read_text(encoding="utf-8"))["signed"]
RSA_JWK, EC_JWK, OKP_JWK = (
    next(vector["key"] for vector in PRINTED if vector["name"] == name)
    for name in ("RFC 7515 A.2", "RFC 7515 A.3", "RFC 8037 A.4")
)
N, D = (int.from_bytes(decode_base64url(RSA_JWK[name].encode())) for name in ("n", "d"))
SIZE = (N.bit_length() + 7) // 8
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493

OID = {
    "sha1": "06052b0e03021a",
    "sha256": "0609608648016503040201",
    "sha384": "0609608648016503040202",
    "sha512": "0609608648016503040203",
}


def compact(key: Key, *, number: int = 0) -> list[str]:
    """Return a valid token of these segments."""
    parts = ({"alg": key.algorithm}, {"iss": "a", "aud": "b", "exp": 2**32, "n": number})
    header, payload = (encode_base64url(json.dumps(part).encode()) for part in parts)
    signature = encode_base64url(key.sign(header + b"." + payload))
    return [header.decode(), payload.decode(), signature.decode()]


def verifier_of(key: Key) -> TokenVerifier:
    return TokenVerifier(issuer=ANY_ISSUER, audience=ANY_AUDIENCE, profile=Profile.GENERIC, keys=key)


def accepts(key: Key, signature_of: Callable[[bytes], bytes]) -> bool:
    """Return whether a verifier with *key* accepts a token signed by *signature_of*."""
    header, payload, _ = compact(key)
    signing_input = f"{header}.{payload}"
    signature = encode_base64url(signature_of(signing_input.encode())).decode()
    try:
        return verifier_of(key).verify(f"{signing_input}.{signature}").claims["exp"] == 2**32
    except InvalidSignature:
        return False


def rsa_raw(encoded: bytes) -> bytes:
    return pow(int.from_bytes(encoded), D, N).to_bytes(SIZE)


# --- RSASSA-PKCS1-v1_5 (RFC 8017 section 9.2) ---


def der(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


def digest_info(
    message: bytes, *, oid: str = "sha256", digest: str = "sha256", parameters: bytes = b"\x05\x00"
) -> bytes:
    algorithm = der(0x30, bytes.fromhex(OID[oid]) + parameters)
    return der(0x30, algorithm + der(0x04, hashlib.new(digest, message).digest()))


def block(tail: bytes, *, start: bytes = b"\x00\x01", filler: bytes = b"\xff", garbage: bytes = b"") -> bytes:
    room = SIZE - len(start) - 1 - len(tail) - len(garbage)
    return start + filler * room + b"\x00" + tail + garbage


PKCS1 = {
    "no NULL after the hash's name": lambda m: block(digest_info(m, parameters=b"")),
    "a NULL that is not empty": lambda m: block(digest_info(m, parameters=b"\x05\x01\x00")),
    "something else than NULL": lambda m: block(digest_info(m, parameters=b"\x04\x00")),
    "two NULLs": lambda m: block(digest_info(m, parameters=b"\x05\x00\x05\x00")),
    "another hash by name": lambda m: block(digest_info(m, oid="sha384")),
    "another hash by value": lambda m: block(digest_info(m, digest="sha384")),
    "another hash altogether": lambda m: block(digest_info(m, oid="sha512", digest="sha512")),
    "SHA-1": lambda m: block(digest_info(m, oid="sha1", digest="sha1")),
    "the bare hash": lambda m: block(hashlib.sha256(m).digest()),
    "a length in long form": lambda m: block(b"\x30\x81" + digest_info(m)[1:]),
    "an indefinite length": lambda m: block(b"\x30\x80" + digest_info(m)[2:] + b"\x00\x00"),
    "garbage after the hash": lambda m: block(digest_info(m), garbage=b"\x00"),
    "garbage instead of padding": lambda m: (
        b"\x00\x01" + b"\xff" * 8 + b"\x00" + digest_info(m).ljust(SIZE - 11, b"\x01")
    ),
    "no padding": lambda m: (b"\x00\x01\x00" + digest_info(m)).ljust(SIZE, b"\x00"),
    "padding of zeros": lambda m: block(digest_info(m), filler=b"\x00"),
    "padding for encryption": lambda m: block(digest_info(m), start=b"\x00\x02", filler=b"\x55"),
    "block type 0": lambda m: block(digest_info(m), start=b"\x00\x00"),
    "a first octet that is not zero": lambda m: block(digest_info(m), start=b"\x01\x01"),
    "no octet between padding and hash": lambda m: block(digest_info(m)).replace(b"\xff\x00\x30", b"\xff\xff\x30"),
    "one flipped bit of the hash": lambda m: block(digest_info(m)[:-1] + bytes([digest_info(m)[-1] ^ 1])),
}


def test_the_correct_pkcs1_block_is_accepted():
    assert accepts(Key.from_jwk(RSA_JWK, algorithm="RS256"), lambda message: rsa_raw(block(digest_info(message))))


@pytest.mark.parametrize("forged", PKCS1.values(), ids=PKCS1.keys())
def test_a_modified_pkcs1_block_is_refused(forged):
    assert forged(b"") != block(digest_info(b""))
    assert not accepts(Key.from_jwk(RSA_JWK, algorithm="RS256"), lambda message: rsa_raw(forged(message)))


# --- RSASSA-PSS (RFC 8017 section 9.1), with the salt as long as the hash (RFC 7518 section 3.5) ---


def mgf1(seed: bytes, length: int, digest: str) -> bytes:
    count = -(-length // hashlib.new(digest).digest_size)
    return b"".join(hashlib.new(digest, seed + i.to_bytes(4)).digest() for i in range(count))[:length]


def pss(
    message: bytes,
    *,
    digest: str = "sha256",
    mask: str = "sha256",
    salt: int = 32,
    trailer: int = 0xBC,
    gap: int = 0,
    mark: int = 1,
) -> bytes:
    salted = b"\x5a" * salt
    inner = hashlib.new(digest, b"\x00" * 8 + hashlib.new(digest, message).digest() + salted).digest()
    clear = (bytes([gap]) * (SIZE - salt - len(inner) - 2)) + bytes([mark]) + salted
    masked = bytes(a ^ b for a, b in zip(clear, mgf1(inner, len(clear), mask), strict=True))
    return bytes([masked[0] & 0x7F]) + masked[1:] + inner + bytes([trailer])


PSS = {
    "no salt": {"salt": 0},
    "a salt of 20": {"salt": 20},
    "a salt one too short": {"salt": 31},
    "a salt one too long": {"salt": 33},
    "the longest salt": {"salt": SIZE - 34},
    "another hash": {"digest": "sha384", "mask": "sha384", "salt": 48},
    "another hash, our salt": {"digest": "sha512", "mask": "sha512"},
    "another hash in the mask": {"mask": "sha384"},
    "SHA-1 in the mask": {"mask": "sha1"},
    "SHA-1": {"digest": "sha1", "mask": "sha1"},
    "another trailer": {"trailer": 0xCC},
    "a gap that is not zero": {"gap": 1},
    "another mark before the salt": {"mark": 2},
}


def test_the_correct_pss_block_is_accepted():
    assert accepts(Key.from_jwk(RSA_JWK, algorithm="PS256"), lambda message: rsa_raw(pss(message)))


@pytest.mark.parametrize("bent", PSS.values(), ids=PSS.keys())
def test_a_modified_pss_block_is_refused(bent):
    assert not accepts(Key.from_jwk(RSA_JWK, algorithm="PS256"), lambda message: rsa_raw(pss(message, **bent)))


@pytest.mark.parametrize(
    ("signed", "checked"), [("RS256", "PS256"), ("PS256", "RS256"), ("RS384", "RS256"), ("PS512", "PS256")]
)
def test_a_signature_for_one_rsa_algorithm_is_refused_for_another(signed, checked):
    signer, key = (Key.from_jwk(RSA_JWK, algorithm=name) for name in (signed, checked))
    assert accepts(signer, signer.sign)
    assert not accepts(key, signer.sign)


# --- lengths and special numbers, for every kind ---


@pytest.mark.parametrize(
    "key",
    [
        Key.from_jwk(RSA_JWK, algorithm="RS256"),
        Key.from_jwk(RSA_JWK, algorithm="PS256"),
        Key.from_jwk(EC_JWK),
        Key.from_jwk(OKP_JWK, algorithm="Ed25519"),
        Key.generate("ES512"),
        Key.generate("Ed448"),
        Key.generate("HS256"),
    ],
    ids=lambda key: key.algorithm,
)
def test_a_signature_of_another_length_is_refused(key):
    assert accepts(key, key.sign)
    bends = {
        "empty": lambda s: b"",
        "one octet": lambda s: s[:1],
        "truncated": lambda s: s[:-1],
        "half": lambda s: s[: len(s) // 2],
        "extended": lambda s: s + b"\x00",
        "led by a zero": lambda s: b"\x00" + s,
        "a zero between its halves": lambda s: s[: len(s) // 2] + b"\x00" + s[len(s) // 2 :],
        "doubled": lambda s: s + s,
        "zeros": lambda s: bytes(len(s)),
        "ones": lambda s: b"\xff" * len(s),
        "reversed": lambda s: s[::-1],
    }
    taken = [name for name, bend in bends.items() if accepts(key, lambda message, bend=bend: bend(key.sign(message)))]
    assert taken == []


@pytest.mark.parametrize("number", [0, 1, N - 1, N, N + 1], ids=["0", "1", "n-1", "n", "n+1"])
@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_an_rsa_signature_that_is_a_special_number_is_refused(algorithm, number):
    assert not accepts(Key.from_jwk(RSA_JWK, algorithm=algorithm), lambda message: number.to_bytes(SIZE))


def test_an_rsa_signature_beyond_the_modulus_is_refused():
    key = Key.from_jwk(RSA_JWK, algorithm="RS256")
    beyond = lambda message: (int.from_bytes(key.sign(message)) + N).to_bytes(SIZE + 1)  # noqa: E731
    assert not accepts(key, beyond)


# --- ECDSA: R || S, each in 1 .. n-1 ---


def split(signature: bytes) -> tuple[int, int]:
    return int.from_bytes(signature[:32]), int.from_bytes(signature[32:])


@pytest.mark.parametrize("s", [0, 1, P256_ORDER - 1, P256_ORDER, 2**256 - 1], ids=["0", "1", "n-1", "n", "max"])
@pytest.mark.parametrize("r", [0, 1, P256_ORDER - 1, P256_ORDER, 2**256 - 1], ids=["0", "1", "n-1", "n", "max"])
def test_an_ecdsa_signature_of_special_numbers_is_refused(r, s):
    assert not accepts(Key.from_jwk(EC_JWK), lambda message: r.to_bytes(32) + s.to_bytes(32))


def test_an_ecdsa_signature_in_der_is_refused():
    key = Key.from_jwk(EC_JWK)
    assert not accepts(key, lambda message: encode_dss_signature(*split(key.sign(message))))


def test_an_ecdsa_signature_with_r_and_s_swapped_is_refused():
    key = Key.from_jwk(EC_JWK)
    assert not accepts(key, lambda message: key.sign(message)[32:] + key.sign(message)[:32])


def test_the_ecdsa_signature_with_the_negated_s_is_valid_too():
    """RFC 7518 section 3.4 requires no low S: the holder of a token can make a second one with the same claims."""
    key = Key.from_jwk(EC_JWK)

    def mirrored(message: bytes) -> bytes:
        r, s = split(key.sign(message))
        return r.to_bytes(32) + (P256_ORDER - s).to_bytes(32)

    assert accepts(key, mirrored)


# --- EdDSA: R || S, S below the group's order (RFC 8032 section 5.1.7) ---


def test_an_eddsa_signature_beyond_the_order_is_refused():
    key = Key.from_jwk(OKP_JWK, algorithm="Ed25519")

    def beyond(message: bytes) -> bytes:
        signature = key.sign(message)
        return signature[:32] + (int.from_bytes(signature[32:], "little") + ED25519_ORDER).to_bytes(32, "little")

    assert not accepts(key, beyond)


# --- one token, one encoding ---


@pytest.mark.parametrize("position", [0, 1, 2], ids=["header", "payload", "signature"])
@pytest.mark.parametrize("suffix", ["=", "==", " ", "\n", "\r\n", "%3D", "+", "/", "?", "~", "\x00", "\u212a", "A"])
def test_a_valid_token_with_additional_characters_is_refused(position, suffix):
    key = Key.generate("HS256")
    segments = compact(key)
    assert verifier_of(key).verify(".".join(segments))
    segments[position] += suffix
    with pytest.raises((MalformedToken, InvalidSignature)):
        verifier_of(key).verify(".".join(segments))


@pytest.mark.parametrize("first", ["A", "-", "_", "9"])
def test_no_other_character_replaces_the_signed_one(first):
    """Also `+` for `-` and `/` for `_`, which belong to another alphabet."""
    key = Key.generate("HS256")
    spelled = (compact(key, number=number) for number in range(100_000))
    header, payload, signature = next(segments for segments in spelled if segments[2].startswith(first))
    verifier = verifier_of(key)
    taken = []
    for other in map(chr, range(0x100)):
        try:
            verifier.verify(f"{header}.{payload}.{other}{signature[1:]}")
        except (MalformedToken, InvalidSignature):
            continue
        taken.append(other)
    assert taken == [first]


def test_the_unused_bits_of_the_last_character_are_zero():
    key = Key.generate("HS256")
    header, payload, signature = compact(key)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(signature[-1])
    assert last % 4 == 0  # 32 octets leave two bits over
    for neighbour in (last + 1, last + 2, last + 3):
        with pytest.raises(MalformedToken):
            verifier_of(key).verify(f"{header}.{payload}.{signature[:-1]}{alphabet[neighbour]}")

"""The signature algorithms, one row each, and the functions that a key is bound to once and for all.

A row fixes key type, curve, hash and least size (RFC 7518 section 3, RFC 8037, RFC 9864 section 2).
`none` is not a row, so it does not exist. No algorithm is ever chosen by what a token says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC

from gatepass.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

__all__ = ["ALGORITHMS", "Algorithm", "algorithm_named", "bind_sign", "bind_verify", "likeliest"]

KeyType = Literal["oct", "RSA", "EC", "OKP"]
Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One row of the table. `kty` and `curve` are the JWK names, `hash_bytes` the digest's length."""

    name: str
    kty: KeyType
    curve: str | None = None
    hash_bytes: int = 0
    padding: Literal["", "PKCS1v15", "PSS"] = ""
    coordinate_bytes: int = 0


ALGORITHMS = {
    row.name: row
    for row in (
        Algorithm("HS256", "oct", hash_bytes=32),
        Algorithm("HS384", "oct", hash_bytes=48),
        Algorithm("HS512", "oct", hash_bytes=64),
        Algorithm("RS256", "RSA", hash_bytes=32, padding="PKCS1v15"),
        Algorithm("RS384", "RSA", hash_bytes=48, padding="PKCS1v15"),
        Algorithm("RS512", "RSA", hash_bytes=64, padding="PKCS1v15"),
        Algorithm("PS256", "RSA", hash_bytes=32, padding="PSS"),
        Algorithm("PS384", "RSA", hash_bytes=48, padding="PSS"),
        Algorithm("PS512", "RSA", hash_bytes=64, padding="PSS"),
        Algorithm("ES256", "EC", curve="P-256", hash_bytes=32, coordinate_bytes=32),
        Algorithm("ES384", "EC", curve="P-384", hash_bytes=48, coordinate_bytes=48),
        Algorithm("ES512", "EC", curve="P-521", hash_bytes=64, coordinate_bytes=66),
        Algorithm("Ed25519", "OKP", curve="Ed25519"),
        Algorithm("Ed448", "OKP", curve="Ed448"),
        # The deprecated name of RFC 8037, which says no curve: the key does.
        Algorithm("EdDSA", "OKP"),
    )
}

_MISSPELT = 0.8
_LONGEST_TYPED = 32

_HASHES = {32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512()}


def algorithm_named(name: object) -> Algorithm:
    """The row named *name*, byte for byte. Raises `ConfigurationError` for any other."""
    row = ALGORITHMS.get(name) if isinstance(name, str) else None
    if row is not None:
        return row
    meant = likeliest(name, alike=_MISSPELT) if isinstance(name, str) else None
    if meant is not None and not str(name).startswith(meant):  # ES256K is another algorithm, and not misspelt
        raise ConfigurationError(f"unknown algorithm; did you mean {meant}?")
    raise ConfigurationError(f"unknown algorithm; choose one of {', '.join(ALGORITHMS)}")


def likeliest(typed: str, *, alike: float) -> str | None:
    """The name that *typed* is most like, of several the first, if the two are at least so much *alike* (0 to 1)."""
    if len(typed) > _LONGEST_TYPED:
        return None
    from difflib import SequenceMatcher  # noqa: PLC0415 - for a name that is written correctly it is not needed

    found = [(SequenceMatcher(None, name.casefold(), typed.casefold()).ratio(), name) for name in ALGORITHMS]
    ratio, name = max(found, key=lambda each: each[0])
    return name if ratio >= alike else None


def bind_verify(row: Algorithm, key: PublicKeyTypes | bytes) -> Verify:
    """`verify(signing_input, signature)` for *key* under *row*, and under nothing else."""
    if isinstance(key, bytes):
        return _hmac_verify(key, _HASHES[row.hash_bytes])
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_verify(row, key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ecdsa_verify(row, key)
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return _eddsa_verify(key)
    raise ConfigurationError("this kind of key cannot verify signatures")


def bind_sign(row: Algorithm, key: PrivateKeyTypes | bytes) -> Sign:
    """`sign(signing_input)` for *key* under *row*."""
    if isinstance(key, bytes):
        return _hmac_sign(key, _HASHES[row.hash_bytes])
    if isinstance(key, rsa.RSAPrivateKey):
        scheme, digest = _rsa_padding(row), _HASHES[row.hash_bytes]
        return lambda message: key.sign(message, scheme, digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _ecdsa_sign(row, key)
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return key.sign
    raise ConfigurationError("this kind of key cannot sign")


def _hmac_verify(secret: bytes, digest: hashes.HashAlgorithm) -> Verify:
    keyed = HMAC(secret, digest)  # keyed once, copied for each message

    def verify(message: bytes, signature: bytes) -> bool:
        mac = keyed.copy()
        mac.update(message)
        try:
            mac.verify(signature)  # in constant time
        except InvalidSignature:
            return False
        return True

    return verify


def _hmac_sign(secret: bytes, digest: hashes.HashAlgorithm) -> Sign:
    keyed = HMAC(secret, digest)

    def sign(message: bytes) -> bytes:
        mac = keyed.copy()
        mac.update(message)
        return mac.finalize()

    return sign


def _rsa_padding(row: Algorithm) -> padding.AsymmetricPadding:
    if row.padding == "PKCS1v15":
        return padding.PKCS1v15()
    # RFC 7518 section 3.5: the salt is as long as the hash, never "whatever fits".
    return padding.PSS(mgf=padding.MGF1(_HASHES[row.hash_bytes]), salt_length=row.hash_bytes)


def _rsa_verify(row: Algorithm, key: rsa.RSAPublicKey) -> Verify:
    scheme, digest, length = _rsa_padding(row), _HASHES[row.hash_bytes], (key.key_size + 7) // 8

    def verify(message: bytes, signature: bytes) -> bool:
        if len(signature) != length:
            return False
        try:
            key.verify(signature, message, scheme, digest)
        except InvalidSignature:
            return False
        return True

    return verify


def _ecdsa_verify(row: Algorithm, key: ec.EllipticCurvePublicKey) -> Verify:
    scheme, size = ec.ECDSA(_HASHES[row.hash_bytes]), row.coordinate_bytes

    def verify(message: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * size:  # R || S of fixed length; DER is another spelling
            return False
        r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
        try:
            key.verify(encode_dss_signature(r, s), message, scheme)
        except InvalidSignature:
            return False
        return True

    return verify


def _ecdsa_sign(row: Algorithm, key: ec.EllipticCurvePrivateKey) -> Sign:
    digest, size = _HASHES[row.hash_bytes], row.coordinate_bytes
    scheme = ec.ECDSA(digest, deterministic_signing=True)
    try:
        key.sign(b"", scheme)
    except UnsupportedAlgorithm:  # OpenSSL before 3.2: random nonces, which verify just as well
        scheme = ec.ECDSA(digest)

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, scheme))
        return r.to_bytes(size) + s.to_bytes(size)

    return sign


def _eddsa_verify(key: ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) -> Verify:
    def verify(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return verify

"""The table of signature algorithms, and the functions that sign and verify with a key under one of them.

PyJWT signs and verifies RSA, PSS and EdDSA, and verifies ECDSA; cryptography does the rest. A row fixes key type,
curve, hash and PyJWT's class (RFC 7518 section 3, RFC 8037, RFC 9864 section 2). The table has no row `none`. A token's
header never selects the algorithm of a key.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC

from gatepass.common.settings import wrong_module
from gatepass.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

__all__ = [
    "ALGORITHMS",
    "EC_CURVES",
    "Algorithm",
    "Sign",
    "Verify",
    "algorithm_named",
    "bind_sign",
    "bind_verify",
    "closest_algorithm",
    "load_pyjwt",
]

KeyType = Literal["oct", "RSA", "EC", "OKP"]
Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One row of the table. `kty` and `curve` are the JWK names, `hash_bytes` is the digest's length.

    `pyjwt_class` names the class of `jwt.algorithms` whose object signs and verifies. HMAC has none, and `_ecdsa_sign`
    makes ECDSA signatures.
    """

    name: str
    kty: KeyType
    pyjwt_class: Literal["", "RSAAlgorithm", "RSAPSSAlgorithm", "ECAlgorithm", "OKPAlgorithm"] = ""
    hash_bytes: int = 0
    curve: str | None = None


ALGORITHMS = {
    row.name: row
    for row in (
        Algorithm("HS256", "oct", hash_bytes=32),
        Algorithm("HS384", "oct", hash_bytes=48),
        Algorithm("HS512", "oct", hash_bytes=64),
        Algorithm("RS256", "RSA", "RSAAlgorithm", hash_bytes=32),
        Algorithm("RS384", "RSA", "RSAAlgorithm", hash_bytes=48),
        Algorithm("RS512", "RSA", "RSAAlgorithm", hash_bytes=64),
        # RFC 7518 section 3.5: the salt is as long as the hash. PyJWT does the same.
        Algorithm("PS256", "RSA", "RSAPSSAlgorithm", hash_bytes=32),
        Algorithm("PS384", "RSA", "RSAPSSAlgorithm", hash_bytes=48),
        Algorithm("PS512", "RSA", "RSAPSSAlgorithm", hash_bytes=64),
        Algorithm("ES256", "EC", "ECAlgorithm", hash_bytes=32, curve="P-256"),
        Algorithm("ES384", "EC", "ECAlgorithm", hash_bytes=48, curve="P-384"),
        Algorithm("ES512", "EC", "ECAlgorithm", hash_bytes=64, curve="P-521"),
        Algorithm("Ed25519", "OKP", "OKPAlgorithm", curve="Ed25519"),
        Algorithm("Ed448", "OKP", "OKPAlgorithm", curve="Ed448"),
        # The deprecated name of RFC 8037. It names no curve: the key determines it.
        Algorithm("EdDSA", "OKP", "OKPAlgorithm"),
    )
}

EC_CURVES: dict[str | None, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}

_HASHES: dict[int, type[hashes.HashAlgorithm]] = {32: hashes.SHA256, 48: hashes.SHA384, 64: hashes.SHA512}

_MIN_SIMILARITY = 0.8
_MAX_NAME_LENGTH = 32


def algorithm_named(name: object) -> Algorithm:
    """Return the row with exactly this *name*. Raises `ConfigurationError` for other names."""
    row = ALGORITHMS.get(name) if isinstance(name, str) else None
    if row is not None:
        return row
    meant = closest_algorithm(name, alike=_MIN_SIMILARITY) if isinstance(name, str) else None
    if meant is not None and not str(name).startswith(meant):  # ES256K is another algorithm, not a misspelling
        raise ConfigurationError(f"unknown algorithm; did you mean {meant}?")
    raise ConfigurationError(f"unknown algorithm; choose one of {', '.join(ALGORITHMS)}")


def closest_algorithm(typed: str, *, alike: float) -> str | None:
    """Return the name most similar to *typed*, the first of several, if they are at least this *alike* (0 to 1)."""
    if len(typed) > _MAX_NAME_LENGTH:
        return None
    from difflib import SequenceMatcher  # noqa: PLC0415 - only a misspelt name needs it

    found = [(SequenceMatcher(None, name.casefold(), typed.casefold()).ratio(), name) for name in ALGORITHMS]
    ratio, name = max(found, key=lambda each: each[0])
    return name if ratio >= alike else None


def bind_verify(row: Algorithm, key: PublicKeyTypes | bytes) -> Verify:
    """Return `verify(signing_input, signature)` for *key*. Raises `ConfigurationError` if *row* does not fit it."""
    if isinstance(key, bytes) and row.kty == "oct":
        return _hmac_verify(key, row)
    verify, length = _pyjwt_algorithm(row, key, "verify").verify, _signature_bytes(key)

    def verifies(message: bytes, signature: bytes) -> bool:
        # For ECDSA the length check accepts R || S and refuses DER. PyJWT returns False for an invalid signature.
        return len(signature) == length and verify(message, key, signature)

    return verifies


def bind_sign(row: Algorithm, key: PrivateKeyTypes | bytes) -> Sign:
    """Return `sign(signing_input)` for *key*. Raises `ConfigurationError` if *row* does not fit the key."""
    if isinstance(key, bytes) and row.kty == "oct":
        return _hmac_sign(key, row)
    algorithm = _pyjwt_algorithm(row, key, "sign")  # checks that the key fits, for ECDSA too
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _ecdsa_sign(row, key)
    sign = algorithm.sign
    return lambda message: sign(message, key)


def load_pyjwt() -> Any:
    """Import PyJWT, for the first key that needs it, and return it.

    PyJWT imports urllib.request and ssl. With these `import gatepass` would take a twelfth longer (15 ms of 195 under
    `python -X importtime`), and HMAC needs none of them. Raises `ConfigurationError` if another module has its name.
    """
    try:
        import jwt  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError("PyJWT is missing: pip install pyjwt") from None
    except Exception as error:
        raise ConfigurationError("the module jwt cannot be imported: is there a jwt.py of your own?") from error
    with suppress(ImportError):
        if hasattr(importlib.import_module("jwt.algorithms"), "ECAlgorithm") and hasattr(jwt, "PyJWTError"):
            return jwt
    raise ConfigurationError(f"{wrong_module(jwt)}, PyJWT: rename or remove it, then pip install pyjwt")


def _pyjwt_algorithm(row: Algorithm, key: PublicKeyTypes | PrivateKeyTypes | bytes, operation: str) -> Any:
    """Return PyJWT's object for *row*, after it has checked the type and the curve of *key*."""
    library = load_pyjwt()
    if row.pyjwt_class and not isinstance(key, bytes) and hasattr(key, operation):
        parameters = filter(None, (_HASHES.get(row.hash_bytes), EC_CURVES.get(row.curve)))
        try:
            algorithm = getattr(library.algorithms, row.pyjwt_class)(*parameters)
        except TypeError:
            raise ConfigurationError("this version of PyJWT is too old: pip install -U pyjwt") from None
        with suppress(library.PyJWTError, TypeError):
            algorithm.prepare_key(key)
            return algorithm
    raise ConfigurationError(f"this kind of key cannot {operation} with {row.name}")


def _signature_bytes(key: PublicKeyTypes | bytes) -> int:
    """Return the length that every signature of *key* has (RFC 7518 sections 3.3 to 3.5, RFC 8032 section 5)."""
    if isinstance(key, rsa.RSAPublicKey):
        return (key.key_size + 7) // 8
    if isinstance(key, ec.EllipticCurvePublicKey):
        return 2 * ((key.key_size + 7) // 8)
    return 114 if isinstance(key, ed448.Ed448PublicKey) else 64


# HMAC uses cryptography: copying an object that has the key is 0.9 microseconds cheaper than PyJWT's new object.
def _hmac_verify(secret: bytes, row: Algorithm) -> Verify:
    keyed = HMAC(secret, _HASHES[row.hash_bytes]())

    def verify(message: bytes, signature: bytes) -> bool:
        mac = keyed.copy()
        mac.update(message)
        try:
            mac.verify(signature)  # in constant time
        except InvalidSignature:
            return False
        return True

    return verify


def _hmac_sign(secret: bytes, row: Algorithm) -> Sign:
    keyed = HMAC(secret, _HASHES[row.hash_bytes]())

    def sign(message: bytes) -> bytes:
        mac = keyed.copy()
        mac.update(message)
        return mac.finalize()

    return sign


def _ecdsa_sign(row: Algorithm, key: ec.EllipticCurvePrivateKey) -> Sign:
    """Return a function for deterministic signatures (RFC 6979). PyJWT's object signs with random nonces only."""
    digest, size = _HASHES[row.hash_bytes](), (key.key_size + 7) // 8
    scheme = ec.ECDSA(digest, deterministic_signing=True)
    try:
        key.sign(b"", scheme)
    except UnsupportedAlgorithm:  # OpenSSL before 3.2: random nonces, which are valid too
        scheme = ec.ECDSA(digest)

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, scheme))
        return r.to_bytes(size) + s.to_bytes(size)

    return sign

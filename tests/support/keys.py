"""Keys of each kind, generated once a run, and `refusal`, which returns the text of a `ConfigurationError`."""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gatepass import ConfigurationError, Key
from gatepass.jose.compact import decode_base64url, encode_base64url
from gatepass.keys.algorithms import algorithm_named, bind_sign, bind_verify

SECRET = "kX3-vT9_Qm2pZ7cL5wR8yB1nJ4hG6fD0sA-uE_iOtKqWzYxV"  # 48 bytes
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
ES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
RSA_NAMES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ASYMMETRIC = (*RSA_NAMES, *ES, "Ed25519", "Ed448", "EdDSA")
HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
UNKNOWN_ALGORITHM = (
    "unknown algorithm; choose one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, "
    "ES256, ES384, ES512, Ed25519, Ed448, EdDSA"
)


def refusal(make: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        make()
    return str(caught.value)


@cache
def rsa_private(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def _on_curve(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve)


def ec_private(curve: ec.EllipticCurve = CURVES["P-256"]) -> ec.EllipticCurvePrivateKey:
    return _on_curve(curve)


@cache
def ed25519_private() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@cache
def ed448_private() -> ed448.Ed448PrivateKey:
    return ed448.Ed448PrivateKey.generate()


def private_for(algorithm: str):
    """Return the private key of this run that fits *algorithm*."""
    if algorithm in RSA_NAMES:
        return rsa_private()
    if algorithm in ES:
        return ec_private(CURVES[ES[algorithm]])
    return ed448_private() if algorithm == "Ed448" else ed25519_private()


def key_for(algorithm: str, *, kid: str | None = "k1") -> Key:
    if algorithm in HMAC_BYTES:
        return Key.from_secret(SECRET + SECRET[::-1], algorithm=algorithm, kid=kid)
    return Key(private_for(algorithm), algorithm=algorithm, kid=kid)


def printed_key(jwk: Mapping[str, str], algorithm: str) -> Key:
    """Return the key in *jwk*, even if it is a secret printed in a standard, which `Key` refuses for that reason."""
    if jwk["kty"] != "oct":
        return Key.from_jwk(jwk, algorithm=algorithm)
    row, secret = algorithm_named(algorithm), decode_base64url(jwk["k"].encode())
    key = Key.generate(algorithm)
    for name, value in {
        "_material": secret,
        "_sign": bind_sign(row, secret),
        "verifies": bind_verify(row, secret),
        "kid": jwk.get("kid"),
    }.items():
        object.__setattr__(key, name, value)
    return key


def private_pem(key, *, password: bytes | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(password) if password else NoEncryption())


def public_pem(key, *, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, form)


def certificate(key, *, encoding: Encoding = Encoding.PEM) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "auth.example.com")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, day, day + dt.timedelta(days=400))
    return builder.sign(key, hashes.SHA256()).public_bytes(encoding)


def rsa_public(n: int, e: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(e, n).public_key()


def rsa_jwk(n: int, e: int = 65537) -> dict[str, str]:
    return {"kty": "RSA", "n": base64url(n), "e": base64url(e)}


def base64url(value: bytes | int) -> str:
    octets = value.to_bytes((value.bit_length() + 7) // 8) if isinstance(value, int) else value
    return encode_base64url(octets).decode()

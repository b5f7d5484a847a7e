"""What a key is made of, and which algorithms may use it.

Refused: a key of another type or curve than the algorithm's, RSA outside 2048 to 8192 bits (RFC 7518
sections 3.3 and 8.6), with an unusual exponent or a modulus that hides nothing, points of small order, and secrets
that `secret` refuses.
"""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from gatepass.errors import ConfigurationError
from gatepass.jose.compact import encode_base64url
from gatepass.keys.algorithms import Algorithm
from gatepass.keys.edwards import check_edwards_point
from gatepass.keys.jwk import public_members, thumbprint
from gatepass.keys.rsa import check_rsa_modulus, check_rsa_modulus_quickly, check_rsa_public
from gatepass.keys.secret import check_secret

__all__ = [
    "PRIVATE_KEYS",
    "Material",
    "check_material",
    "check_material_quickly",
    "fitting_algorithms",
    "generate_material",
    "material_thumbprint",
    "public_half",
    "public_material",
    "usual_algorithm",
]

PRIVATE_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
Material = PrivateKeyTypes | PublicKeyTypes | bytes

_EC_ALGORITHMS = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
_EC_CURVES: dict[str | None, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}


def fitting_algorithms(material: Material) -> tuple[str, ...]:
    """The algorithms that key type and curve admit, the usual one first; none for a key that is not for signatures."""
    if isinstance(material, bytes):
        return ("HS256", "HS384", "HS512")
    half = public_material(material)
    if isinstance(half, rsa.RSAPublicKey):
        return ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
    if isinstance(half, ec.EllipticCurvePublicKey):
        return _EC_ALGORITHMS.get(half.curve.name, ())
    if isinstance(half, ed25519.Ed25519PublicKey):
        return ("Ed25519", "EdDSA")
    return ("Ed448", "EdDSA") if isinstance(half, ed448.Ed448PublicKey) else ()


def usual_algorithm(material: Material) -> str:
    """The algorithm to bind *material* to when nobody named one. Edwards keys have two names and no usual one."""
    fitting = fitting_algorithms(material)
    if not fitting:
        raise ConfigurationError("this kind of key or curve is not used for signing tokens")
    if "EdDSA" in fitting:
        raise ConfigurationError(
            f"say which name the tokens use: algorithm={' or algorithm='.join(map(repr, fitting))}"
        )
    return fitting[0]


def check_material(row: Algorithm, material: Material) -> None:
    """Raise `ConfigurationError` unless *material* may be used with *row*."""
    check_material_quickly(row, material)
    half = public_material(material)
    if isinstance(half, rsa.RSAPublicKey):
        check_rsa_modulus(half.public_numbers().n)


def check_material_quickly(row: Algorithm, material: Material) -> None:
    """As `check_material`, without what costs the cube of an RSA key's length."""
    if row.name not in fitting_algorithms(material):
        raise ConfigurationError(f"this key does not fit {row.name}, which takes {_taken_by(row, material)}")
    if isinstance(material, bytes):
        check_secret(material, algorithm=row.name, least=row.hash_bytes)
    half = public_material(material)
    if isinstance(half, rsa.RSAPublicKey):
        numbers = half.public_numbers()
        check_rsa_public(bits=half.key_size, exponent=numbers.e)
        check_rsa_modulus_quickly(numbers.n)
    if isinstance(half, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        check_edwards_point(half)


def _taken_by(row: Algorithm, material: Material) -> str:
    if row.kty == "oct":
        return "a secret: use Key.from_secret"
    return f"{row.curve or row.kty} keys{': use Key.from_pem' if isinstance(material, bytes) else ''}"


def generate_material(row: Algorithm) -> PrivateKeyTypes | bytes:
    """Fresh material for *row*: RSA of 3072 bits, a secret as long as the hash, or the curve's."""
    if row.kty == "oct":
        # Text, so that the same secret can go through an environment variable.
        return secrets.token_urlsafe(row.hash_bytes).encode()
    if row.kty == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    if row.kty == "EC":
        return ec.generate_private_key(_EC_CURVES[row.curve])
    return ed448.Ed448PrivateKey.generate() if row.curve == "Ed448" else ed25519.Ed25519PrivateKey.generate()


def public_material(material: Material) -> PublicKeyTypes | bytes:
    """What verifies: a private key's public half, a secret or a public key itself."""
    return material.public_key() if isinstance(material, PRIVATE_KEYS) else material  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def public_half(material: Material) -> PublicKeyTypes:
    """What may be published. A secret raises `ConfigurationError`."""
    half = public_material(material)
    if isinstance(half, bytes):
        raise ConfigurationError("a secret has no public half; use an asymmetric algorithm to publish keys")
    return half


def material_thumbprint(material: Material) -> str:
    """The thumbprint of RFC 7638; a private key has its public half's."""
    if isinstance(material, bytes):
        return thumbprint({"k": encode_base64url(material).decode(), "kty": "oct"})
    return thumbprint(public_members(public_half(material)))

"""The signature alone, by `cryptography` with prepared objects: a lower bound for every library."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC

from benchmarks.sample import KeyMaterial

__all__ = ["PRIMITIVE", "signing", "verifying"]

PRIMITIVE = "signature alone"

_DIGEST = hashes.SHA256()


def verifying(material: KeyMaterial, signature: bytes) -> Callable[[bytes], object]:
    if material.private is None:
        return _hmac_verifying(material.secret, signature)
    key = material.public
    if isinstance(key, ed25519.Ed25519PublicKey):
        return lambda message: key.verify(signature, message)
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve_scheme = ec.ECDSA(_DIGEST)
        der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
        return lambda message: key.verify(der, message, curve_scheme)
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError(material.algorithm)
    scheme = _rsa_scheme(material.algorithm)
    return lambda message: key.verify(signature, message, scheme, _DIGEST)


def signing(material: KeyMaterial) -> Callable[[bytes], object]:
    key = material.private
    if key is None:
        keyed = HMAC(material.secret, _DIGEST)

        def sign(message: bytes) -> bytes:
            mac = keyed.copy()
            mac.update(message)
            return mac.finalize()

        return sign
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(material.algorithm)
    scheme = _rsa_scheme(material.algorithm)
    return lambda message: key.sign(message, scheme, _DIGEST)


def _hmac_verifying(secret: bytes, signature: bytes) -> Callable[[bytes], object]:
    keyed = HMAC(secret, _DIGEST)

    def verify(message: bytes) -> None:
        mac = keyed.copy()
        mac.update(message)
        mac.verify(signature)

    return verify


def _rsa_scheme(algorithm: str) -> padding.AsymmetricPadding:
    if algorithm == "PS256":
        return padding.PSS(mgf=padding.MGF1(_DIGEST), salt_length=32)
    return padding.PKCS1v15()

"""Key material: which algorithms may use it, how it is generated, and how it is loaded from PEM (RFC 7468).

Refused: a key of another type or curve than the algorithm's, RSA outside 2048 to 8192 bits (RFC 7518 sections 3.3
and 8.6), with an unusual exponent or a modulus that is easy to factor, points of small order, secrets that
`keys.secret` refuses, a second key in a PEM, and certificates that do not form a chain. A PEM is also accepted in the
forms of deployment tools: base64 of the PEM or of its DER, escaped line breaks, indentation, a byte order mark, UTF-16.
"""

from __future__ import annotations

import base64
import re
import secrets
from contextlib import suppress
from itertools import pairwise
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, load_pem_public_key

from gatepass.errors import ConfigurationError
from gatepass.jose.compact import encode_base64url
from gatepass.keys.algorithms import EC_CURVES, Algorithm
from gatepass.keys.encodings import decodings, first_sequence
from gatepass.keys.jwk import public_members, thumbprint
from gatepass.keys.public_numbers import (
    check_edwards_point,
    check_rsa_modulus,
    check_rsa_modulus_quickly,
    check_rsa_public,
)
from gatepass.keys.secret import check_secret

__all__ = [
    "PRIVATE_KEYS",
    "Loaded",
    "Material",
    "check_material",
    "check_material_quickly",
    "fitting_algorithms",
    "generate_material",
    "load_pem",
    "material_thumbprint",
    "plain_pem",
    "public_half",
    "public_material",
    "usual_algorithm",
]

PRIVATE_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
Material = PrivateKeyTypes | PublicKeyTypes | bytes

_EC_ALGORITHMS = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}

_BEGIN: Final = b"-----BEGIN "
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
# `openssl ecparam -genkey` writes them before the key. They are redundant: the key names its curve.
_PARAMETERS: Final = re.compile(rb"-----BEGIN EC PARAMETERS-----[^-]*-----END EC PARAMETERS-----")
_ESCAPED_RETURN: Final = re.compile(rb"\\{1,4}r")
_ESCAPED_BREAK: Final = re.compile(rb"\\{1,4}n")
_UNSUPPORTED_LABELS: Final = {
    b"-----BEGIN OPENSSH PRIVATE KEY": "this is a private key of OpenSSH: ssh-keygen -p -m PKCS8 -f FILE replaces one "
    "of RSA or EC by a PEM, and gatepass keygen makes a new key",
    b"CERTIFICATE REQUEST-----": "this is a certificate request: give the key or the certificate; "
    "openssl req -pubkey -noout -in FILE writes its public key",
    b"-----BEGIN TRUSTED CERTIFICATE": "this is a certificate with OpenSSL's notes: openssl x509 -in FILE writes it "
    "without them",
    b"-----BEGIN PKCS7": "this is a bundle of certificates: openssl pkcs7 -print_certs -in FILE writes them as PEM",
}
_SSH_PUBLIC: Final = re.compile(rb"(?:ssh-|ecdsa-sha2-)[a-z0-9-]+ AAAA|---- BEGIN SSH2")
_BODY: Final = re.compile(rb"-----([A-Za-z0-9+/=\s]+)-----END ")
_RSA: Final = bytes.fromhex("06092a864886f70d010101")  # rsaEncryption, RFC 8017 appendix A.1
_RSA_PSS: Final = bytes.fromhex("06092a864886f70d01010a")  # id-RSASSA-PSS, RFC 4055 section 1.2
_HASHES_OF_PSS: Final = {
    bytes.fromhex(f"60864801650304020{number}"): name for number, name in ((1, "PS256"), (2, "PS384"), (3, "PS512"))
}


def fitting_algorithms(material: Material) -> tuple[str, ...]:
    """Return the algorithms for the key's type and curve, the usual one first; none for a key not for signatures."""
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
    """Return the algorithm for *material* when the caller names none.

    Raises `ConfigurationError` for Edwards keys, which have two names and no usual one.
    """
    fitting = fitting_algorithms(material)
    if not fitting:
        raise ConfigurationError("this kind of key or curve cannot sign tokens")
    if "EdDSA" in fitting:
        raise ConfigurationError(
            f"give the name that the tokens use: algorithm={' or algorithm='.join(map(repr, fitting))}"
        )
    return fitting[0]


def check_material(row: Algorithm, material: Material) -> None:
    """Raise `ConfigurationError` unless *material* may be used with *row*."""
    check_material_quickly(row, material)
    half = public_material(material)
    if isinstance(half, rsa.RSAPublicKey):
        check_rsa_modulus(half.public_numbers().n)


def check_material_quickly(row: Algorithm, material: Material) -> None:
    """Check as `check_material` does, without the tests that take cubic time in the length of an RSA key."""
    if row.name not in fitting_algorithms(material):
        raise ConfigurationError(f"this key does not fit {row.name}, which takes {_accepted_material(row, material)}")
    if isinstance(material, bytes):
        check_secret(material, algorithm=row.name, minimum=row.hash_bytes)
    half = public_material(material)
    if isinstance(half, rsa.RSAPublicKey):
        numbers = half.public_numbers()
        check_rsa_public(bits=half.key_size, exponent=numbers.e)
        check_rsa_modulus_quickly(numbers.n)
    if isinstance(half, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        check_edwards_point(half)


def generate_material(row: Algorithm) -> PrivateKeyTypes | bytes:
    """Generate material for *row*: RSA of 3072 bits, a secret as long as the hash, or a key on the curve."""
    if row.kty == "oct":
        # Text, so that the same secret can go through an environment variable.
        return secrets.token_urlsafe(row.hash_bytes).encode()
    if row.kty == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    if row.kty == "EC":
        return ec.generate_private_key(EC_CURVES[row.curve]())
    return ed448.Ed448PrivateKey.generate() if row.curve == "Ed448" else ed25519.Ed25519PrivateKey.generate()


def public_material(material: Material) -> PublicKeyTypes | bytes:
    """Return the material that verifies: the public half of a private key, or a secret or public key unchanged."""
    return material.public_key() if isinstance(material, PRIVATE_KEYS) else material  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def public_half(material: Material) -> PublicKeyTypes:
    """Return the public key to publish. A secret raises `ConfigurationError`."""
    half = public_material(material)
    if isinstance(half, bytes):
        raise ConfigurationError("a secret has no public half; use an asymmetric algorithm to publish keys")
    return half


def material_thumbprint(material: Material) -> str:
    """Return the thumbprint (RFC 7638), of the public half for a private key."""
    if isinstance(material, bytes):
        return thumbprint({"k": encode_base64url(material).decode(), "kty": "oct"})
    return thumbprint(public_members(public_half(material)))


class Loaded(NamedTuple):
    """The key in a PEM; *pss* names the algorithm for an RSA key that the PEM restricts to PSS, else it is None."""

    material: PrivateKeyTypes | PublicKeyTypes
    pss: str | None


def plain_pem(data: bytes) -> bytes | None:
    """Return the PEM in *data* without extra encodings, escapes and indentation, or None if there is none."""
    text = data.replace(b"\0", b"")
    if _BEGIN not in text:
        layers = decodings(data)
        text = next((layer for layer in layers if _BEGIN in layer), b"") or _der_to_pem(layers)
    if not text:
        return None
    text = _ESCAPED_BREAK.sub(b"\n", _ESCAPED_RETURN.sub(b"", text))
    return b"\n".join(line.strip() for line in text.splitlines()) + b"\n"


def load_pem(pem: bytes, password: bytes | None) -> Loaded:
    """Load the private key, public key or certificate's public key in *pem*. Raises `ConfigurationError`."""
    if password == b"":
        raise ConfigurationError("password= is empty: omit it for a PEM that is not encrypted")
    text = plain_pem(pem)
    if text is None:
        raise ConfigurationError(_not_pem_error(pem))
    text = _PARAMETERS.sub(b"", text)
    _check_blocks(text)
    try:
        if _CERTIFICATE in text:
            return _load_certificate(x509.load_pem_x509_certificates(text))
        material = _load_private(text, password) if b"PRIVATE KEY-----" in text else load_pem_public_key(text)
        body = _BODY.search(text)
        return Loaded(material, _pss(material, b"" if body is None else decodings(body[1])[-1]))
    except ConfigurationError:
        raise
    except TypeError:
        problem = (
            "this private key is encrypted: give password= to Key.from_pem or Key.from_env"
            if password is None
            else "password= is for an encrypted PEM, and this one is not: omit it"
        )
    except Exception:  # noqa: BLE001 - certificates raise many types of errors
        problem = "this PEM cannot be read: it is damaged, of an unsupported kind, or the password is wrong"
    raise ConfigurationError(problem)


def _accepted_material(row: Algorithm, material: Material) -> str:
    if row.kty == "oct":
        return "a secret: use Key.from_secret"
    return f"{row.curve or row.kty} keys{': use Key.from_pem' if isinstance(material, bytes) else ''}"


def _check_blocks(text: bytes) -> None:
    begins = text.count(_BEGIN)
    if not begins:
        raise ConfigurationError("no key found in this PEM: it contains only parameters")
    if begins > 1 and text.count(_CERTIFICATE) != begins:
        raise ConfigurationError("more than one PEM block: give one key")
    for label, advice in _UNSUPPORTED_LABELS.items():
        if label in text:
            raise ConfigurationError(advice)


def _der_to_pem(layers: list[bytes]) -> bytes:
    """Return the first of *layers* that is the DER of a key (RFC 5958, RFC 5280 section 4.1) as PEM; else b""."""
    for der in layers:
        body = base64.b64encode(der)
        for label, load in ((b"PRIVATE KEY", _load_unchecked), (b"PUBLIC KEY", load_pem_public_key)):
            pem = b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, body, label)
            with suppress(Exception):  # the loaders raise many types of errors
                load(pem)
                return pem
    return b""


def _not_pem_error(data: bytes) -> str:
    """Return the error text for *data*, which is not PEM."""
    if _SSH_PUBLIC.match(data):
        return "this is a public key of OpenSSH: ssh-keygen -e -m PKCS8 -f FILE writes one of RSA or EC as PEM"
    if first_sequence(data) == data and not data.isascii():
        return (
            "this is DER, not PEM: openssl pkey -inform der -in FILE writes a private key as PEM, with -pubin a "
            "public one, and openssl x509 -inform der -in FILE a certificate"
        )
    return "no PEM block found: it begins with -----BEGIN"


def _load_unchecked(pem: bytes) -> PrivateKeyTypes:
    return load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)


def _load_private(pem: bytes, password: bytes | None) -> PrivateKeyTypes:
    """Load the private key in *pem*. OpenSSL checks an RSA key only if its size keeps that fast."""
    key = load_pem_private_key(pem, password, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        return key
    check_rsa_public(bits=key.key_size, exponent=key.public_key().public_numbers().e)
    return key.private_numbers().private_key()


def _load_certificate(chain: list[x509.Certificate]) -> Loaded:
    """Load the key of the first certificate. Each must be issued by the next (RFC 8446 section 4.4.2)."""
    if any(one.issuer != after.subject for one, after in pairwise(chain)):
        raise ConfigurationError(
            "these certificates do not form a chain that begins with the signer's own: give only that one"
        )
    material = chain[0].public_key()
    return Loaded(material, _pss(material, chain[0].public_bytes(Encoding.DER)))


def _pss(material: object, der: bytes) -> str | None:
    """Return the algorithm of an RSA key that *der* restricts to PSS, and perhaps to one hash; else None.

    cryptography drops this restriction. The last identifier before the modulus in *der* is the key's own.
    """
    if not isinstance(material, (RSAPrivateKey, RSAPublicKey)):
        return None
    public = material.public_key() if isinstance(material, RSAPrivateKey) else material
    modulus = public.public_numbers().n.to_bytes((public.key_size + 7) // 8)
    before = der[: max(der.find(modulus), 0)]
    start = before.rfind(_RSA_PSS)
    if start <= before.rfind(_RSA):
        return None
    return next((name for digest, name in _HASHES_OF_PSS.items() if digest in before[start:]), "PS256")

"""Keys and certificates in PEM (RFC 7468): one key, or a certificate and the chain that vouches for it.

What deployment tools make of a PEM is read too: base64 of the whole or of its DER, line breaks written out, quotes,
indentation, a byte order mark, UTF-16. Refused: a second key, and certificates that are no chain.
"""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, load_pem_public_key

from gatepass.errors import ConfigurationError
from gatepass.keys.layers import decodings, first_sequence
from gatepass.keys.rsa import check_rsa_public

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

__all__ = ["Loaded", "load_pem", "plain_pem"]

_BEGIN: Final = b"-----BEGIN "
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
# What `openssl ecparam -genkey` writes before the key, which says its curve itself.
_PARAMETERS: Final = re.compile(rb"-----BEGIN EC PARAMETERS-----[^-]*-----END EC PARAMETERS-----")
_WRITTEN_RETURN: Final = re.compile(rb"\\{1,4}r")
_WRITTEN_BREAK: Final = re.compile(rb"\\{1,4}n")
_OTHER_FRAMES: Final = {
    b"-----BEGIN OPENSSH PRIVATE KEY": "this is a private key of OpenSSH: ssh-keygen -p -m PKCS8 -f FILE writes one of "
    "RSA or EC as PEM in its place, and gatepass keygen makes a new key",
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


class Loaded(NamedTuple):
    """The key in a PEM; *pss* names the algorithm for an RSA key that the PEM restricts to PSS, else it is None."""

    material: PrivateKeyTypes | PublicKeyTypes
    pss: str | None


def plain_pem(data: bytes) -> bytes | None:
    """The PEM in *data* as a file would have it, or None if there is none."""
    text = data.replace(b"\0", b"")
    if _BEGIN not in text:
        layers = decodings(data)
        text = next((layer for layer in layers if _BEGIN in layer), b"") or _framed(layers)
    if not text:
        return None
    text = _WRITTEN_BREAK.sub(b"\n", _WRITTEN_RETURN.sub(b"", text))
    return b"\n".join(line.strip() for line in text.splitlines()) + b"\n"


def load_pem(pem: bytes, password: bytes | None) -> Loaded:
    """The private key, public key or certificate's public key in *pem*. Raises `ConfigurationError`."""
    if password == b"":
        raise ConfigurationError("password= is empty: leave it out for a PEM that is not encrypted")
    text = plain_pem(pem)
    if text is None:
        raise ConfigurationError(_advice(pem))
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
            else "password= given for a PEM that is not encrypted"
        )
    except Exception:  # noqa: BLE001 - the reader of certificates has errors of many families
        problem = "this PEM cannot be read: it is damaged, of an unsupported kind, or the password is wrong"
    raise ConfigurationError(problem)


def _check_blocks(text: bytes) -> None:
    begins = text.count(_BEGIN)
    if not begins:
        raise ConfigurationError("no key found in this PEM: it holds parameters alone")
    if begins > 1 and text.count(_CERTIFICATE) != begins:
        raise ConfigurationError("more than one PEM block: give one key")
    for frame, advice in _OTHER_FRAMES.items():
        if frame in text:
            raise ConfigurationError(advice)


def _framed(layers: list[bytes]) -> bytes:
    """The first of *layers* that is the DER of a key (RFC 5958, RFC 5280 section 4.1), as PEM; empty if none is."""
    for der in layers:
        body = base64.b64encode(der)
        for label, load in ((b"PRIVATE KEY", _load_unchecked), (b"PUBLIC KEY", load_pem_public_key)):
            pem = b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, body, label)
            with suppress(Exception):  # the readers have errors of many families
                load(pem)
                return pem
    return b""


def _advice(data: bytes) -> str:
    """What to do with *data*, which is no PEM."""
    if _SSH_PUBLIC.match(data):
        return "this is a public key of OpenSSH: ssh-keygen -e -m PKCS8 -f FILE writes one of RSA or EC as PEM"
    if first_sequence(data) == data and not data.isascii():
        return (
            "this is DER and no PEM: openssl pkey -inform der -in FILE writes a private key as PEM, with -pubin a "
            "public one, and openssl x509 -inform der -in FILE a certificate"
        )
    return "no PEM block found: it begins with -----BEGIN"


def _load_unchecked(pem: bytes) -> PrivateKeyTypes:
    return load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)


def _load_private(pem: bytes, password: bytes | None) -> PrivateKeyTypes:
    """The private key in *pem*, checked by OpenSSL if its size lets that end soon."""
    key = load_pem_private_key(pem, password, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        return key
    check_rsa_public(bits=key.key_size, exponent=key.public_key().public_numbers().e)
    return key.private_numbers().private_key()


def _load_certificate(chain: list[x509.Certificate]) -> Loaded:
    """The key of the first: it is the signer's own if each is issued by the next (RFC 8446 section 4.4.2)."""
    if any(one.issuer != after.subject for one, after in pairwise(chain)):
        raise ConfigurationError(
            "these certificates are no chain that begins with the signer's own: give that one alone"
        )
    material = chain[0].public_key()
    return Loaded(material, _pss(material, chain[0].public_bytes(Encoding.DER)))


def _pss(material: object, der: bytes) -> str | None:
    """The algorithm of an RSA key that says in *der* that it is for PSS alone, and perhaps with which hash.

    cryptography forgets it. What stands before the modulus ends with the key's own identifier.
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

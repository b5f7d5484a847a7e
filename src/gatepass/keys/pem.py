"""Keys and certificates in PEM (RFC 7468): the first block is what is loaded, and there must be no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from gatepass.errors import ConfigurationError
from gatepass.keys.rsa import check_rsa_public

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

__all__ = ["load_pem"]


def load_pem(pem: bytes, password: bytes | None) -> PrivateKeyTypes | PublicKeyTypes:
    """The private key, public key or certificate's public key in *pem*. Raises `ConfigurationError`."""
    if password == b"":
        raise ConfigurationError("password= is empty: leave it out for a PEM that is not encrypted")
    begins = pem.count(b"-----BEGIN ")
    if begins != 1:
        raise ConfigurationError(
            "no PEM block found: it begins with -----BEGIN" if begins == 0 else "more than one PEM block: give one key"
        )
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()
        if b"PRIVATE KEY-----" in pem:
            return _load_private(pem, password)
        return load_pem_public_key(pem)
    except ConfigurationError:
        raise
    except TypeError:
        problem = (
            "this private key is encrypted: give password="
            if password is None
            else "password= given for a PEM that is not encrypted"
        )
    except Exception:  # noqa: BLE001 - the reader of certificates has errors of many families
        problem = "this PEM cannot be read: it is damaged, of an unsupported kind, or the password is wrong"
    raise ConfigurationError(problem)


def _load_private(pem: bytes, password: bytes | None) -> PrivateKeyTypes:
    """The private key in *pem*, checked by OpenSSL if its size lets that end soon."""
    key = load_pem_private_key(pem, password, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        return key
    check_rsa_public(bits=key.key_size, exponent=key.public_key().public_numbers().e)
    return key.private_numbers().private_key()

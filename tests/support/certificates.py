"""A certificate authority created anew in each run, and server certificates with and without its signature."""

import datetime as dt
import ipaddress
import ssl
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.key_server import PATIENCE

from gatepass import JWKSClient

DAY = dt.timedelta(days=1)
AUTHORITY = ec.generate_private_key(ec.SECP256R1())


@cache
def authority_certificate() -> x509.Certificate:
    return _certificate("an authority", AUTHORITY, AUTHORITY, ca=True)


def trusting() -> ssl.SSLContext:
    """Return the context of a client that trusts the authority alone."""
    return ssl.create_default_context(cadata=authority_certificate().public_bytes(Encoding.PEM).decode())


def trusted_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the clients of the library trust the authority, and wait long enough for a busy machine."""
    monkeypatch.setattr("gatepass.jwks.http._trusted_certificates", trusting)
    monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", PATIENCE)
    monkeypatch.setitem(JWKSClient.__init__.__kwdefaults__, "timeout", PATIENCE)


def vouched_for(*, address: str = "127.0.0.1", ends: dt.timedelta = DAY) -> ssl.SSLContext:
    """Return the context of a server whose certificate the authority signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _server(_certificate("a key server", key, AUTHORITY, address=address, ends=ends), key)


def self_signed() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    return _server(_certificate("an authority", key, key, address="127.0.0.1"), key)


def _certificate(
    name: str, key: Any, signer: Any, *, address: str = "", ends: dt.timedelta = DAY, ca: bool = False
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    named = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, "an authority"))
    made = x509.CertificateBuilder(*reversed(list(named)), key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - 9 * DAY).not_valid_after(now + ends)
    made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    if ca:
        signs = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        made = made.add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **signs), critical=True
        )
    if address:
        host = x509.IPAddress(ipaddress.ip_address(address)) if address[0].isdigit() else x509.DNSName(address)
        made = made.add_extension(x509.SubjectAlternativeName([host]), critical=False)
    return made.sign(signer, hashes.SHA256())


def _server(certificate: x509.Certificate, key: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
        context.load_cert_chain(chain)
    return context

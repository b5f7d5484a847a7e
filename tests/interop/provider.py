"""A certified OpenID provider, the npm package oidc-provider, on https with a certificate made for the tests."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.interop.toolchains import JSONLines, json_lines

from gatepass import Key

AUDIENCE = "https://api.example"
CLIENT = ("machine", "for these tests only")


class Provider:
    """The provider's address, its keys and its tokens."""

    def __init__(self, process: JSONLines, certificate: Path) -> None:
        self._process = process
        self.trust = ssl.create_default_context(cafile=certificate)
        self.issuer = f"https://localhost:{process.receive('listening')['port']}"

    def publish(self, *keys: Key) -> None:
        """Sign with the first of *keys* from now on, and publish all of them."""
        self._process.request("publish", keys=[key.to_private_jwk() for key in keys], algorithm=keys[0].algorithm)

    def serve(self, *, answers: bool) -> None:
        self._process.request("serve", answers=answers)

    def requests(self, path: str) -> int:
        return self._process.request("counts")["counts"].get(path, 0)

    def token(self, scope: str = "orders:read") -> str:
        """Request an access token with client credentials (RFC 6749 section 4.4)."""
        form = {"grant_type": "client_credentials", "scope": scope}
        answer = httpx.post(f"{self.issuer}/token", data=form, auth=CLIENT, verify=self.trust, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def transport(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=self.trust)


@contextmanager
def running_provider(node_directory: Path, scratch: Path) -> Iterator[Provider]:
    certificate, key = _certificate(scratch)
    with json_lines("node", "provider.mjs", certificate, key, AUDIENCE, cwd=node_directory) as process:
        yield Provider(process, certificate)


def _certificate(directory: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for localhost and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths

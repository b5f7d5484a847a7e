"""The token, the keys and the policy for all contenders."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

ISSUER = "https://auth.example.com/realms/shop"
AUDIENCE = "https://api.example.com/orders"
CLIENT = "3f0c5d1e-0b7c-4a7e-9f4b-5b1e6f6f2a90"
SUBJECT = "8d7f3b52-6a0f-4a5b-9f57-7a1c1f0c2f11"
SCOPES = ("openid", "profile", "email", "offline_access", "orders:read", "orders:write", "invoices:read")
KID = "2026-11-key-1"
LIFETIME = 900
LEEWAY = 30
REQUIRED = ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"]
HEADER_EXTRA = {"typ": "at+jwt", "kid": KID}

VERIFIED = ("HS256", "RS256", "ES256", "EdDSA", "PS256")
AGAIN = ("HS256", "RS256", "ES256")
FETCHED = ("ES256", "RS256")
ISSUED = ("HS256", "RS256")


@dataclass(frozen=True)
class KeyMaterial:
    """New key material for one algorithm, in the raw forms that the libraries load."""

    algorithm: str
    secret: bytes = b""
    private: PrivateKeyTypes | None = None

    @property
    def private_pem(self) -> bytes:
        return self._asymmetric.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public(self) -> PublicKeyTypes:
        return self._asymmetric.public_key()

    @property
    def public_pem(self) -> bytes:
        return self.public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def _asymmetric(self) -> PrivateKeyTypes:
        if self.private is None:
            raise TypeError("a secret has no PEM")
        return self.private


def fresh_materials() -> dict[str, KeyMaterial]:
    """Return one key for each algorithm; the RSA key has 2048 bits."""
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "HS256": KeyMaterial("HS256", secret=secrets.token_urlsafe(32).encode()),
        "RS256": KeyMaterial("RS256", private=rsa_key),
        "PS256": KeyMaterial("PS256", private=rsa_key),
        "ES256": KeyMaterial("ES256", private=ec.generate_private_key(ec.SECP256R1())),
        "EdDSA": KeyMaterial("EdDSA", private=ed25519.Ed25519PrivateKey.generate()),
    }


def new_claims() -> dict[str, Any]:
    """Return the claims that an application builds by hand for each token."""
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": SUBJECT,
        "client_id": CLIENT,
        "scope": " ".join(SCOPES),
        "iat": now,
        "exp": now + LIFETIME,
        "jti": str(uuid.uuid4()),
    }

"""gatepass. In addition to the others it checks strict base64url and JSON, token type, `crit` and all claim types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.sample import AUDIENCE, CLIENT, ISSUER, KID, LEEWAY, LIFETIME, SCOPES, SUBJECT, KeyMaterial
from gatepass import Key, TokenIssuer, TokenVerifier

NAME = "gatepass"


def key(material: KeyMaterial) -> Key:
    if material.private is None:
        return Key.from_secret(material.secret, algorithm=material.algorithm, kid=KID)
    return Key.from_pem(material.private_pem, algorithm=material.algorithm, kid=KID)


def sample_token(material: KeyMaterial) -> str:
    """Return the token that every contender verifies; it is valid longer than the run."""
    issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key(material), client_id=CLIENT, access_ttl=86_400)
    return issuer.issue(SUBJECT, scope=SCOPES)


def verifier(material: KeyMaterial, **more: Any) -> TokenVerifier:
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=key(material), leeway=LEEWAY, **more)


def verifying(material: KeyMaterial) -> Callable[[str], object]:
    return verifier(material).verify


def issuing(material: KeyMaterial) -> Callable[[], object]:
    issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key(material), client_id=CLIENT, access_ttl=LIFETIME)
    return lambda: issuer.issue(SUBJECT, scope=SCOPES)

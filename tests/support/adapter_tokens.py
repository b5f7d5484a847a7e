"""Tokens and resource servers for the tests of the adapters."""

import base64
import json
import time
from typing import Any

from gatepass import Key, ResourceServer, TokenVerifier

ISSUER = "https://auth.example"
AUDIENCE = "https://api.example"
KEY = Key.from_secret("8d0c1ab2e8f64d2f9a0b5f6c7d1e3a48", kid="2026")
OTHER_KEY = Key.from_secret("f17e9b30c6a2458d8e4b71d05a93c2f6", kid="2026")
FAR = 86_400


def token(
    subject: str = "anna", *, key: Key = KEY, header: dict[str, Any] | None = None, without: str = "", **claims: Any
) -> str:
    """Return a valid token with other *claims* and members of *header* (None removes one), and without one claim."""
    now = int(time.time())
    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "client_id": "web",
        "iat": now,
        "exp": now + 86_400,
        "jti": "a1",
        **claims,
    }
    payload.pop(without, None)
    members = {"alg": key.algorithm, "typ": "at+jwt", "kid": key.kid, **(header or {})}
    signing_input = ".".join(
        (_segment({name: value for name, value in members.items() if value is not None}), _segment(payload))
    )
    return f"{signing_input}.{_base64url(key.sign(signing_input.encode()))}"


def bearer(raw: str | None = None) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token() if raw is None else raw}")]


def resource_server(verifier: dict[str, Any] | None = None, **settings: Any) -> ResourceServer:
    """Return the resource server of the contract, changed by the options of *verifier* and by *settings*."""
    made = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=KEY, **(verifier or {}))
    return ResourceServer(made, **{"https": "off", **settings})


def _segment(members: dict[str, Any]) -> str:
    return _base64url(json.dumps(members).encode())


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

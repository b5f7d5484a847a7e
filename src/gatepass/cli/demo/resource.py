"""What the demo's four applications share: one issuer, API and key, and one SQLite file that knows who is signed in."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from datetime import timedelta
from typing import NamedTuple

from gatepass import (
    AccessTokenRevocation,
    Challenge,
    Key,
    ResourceServer,
    TokenEndpoints,
    TokenIssuer,
    TokenService,
    TokenVerifier,
)
from gatepass.adapter import Response
from gatepass.stores.sqlite import SQLiteStore

__all__ = [
    "AUDIENCE",
    "CLIENT",
    "ISSUER",
    "KEY_VARIABLE",
    "LONGEST_TTL",
    "PASSWORD",
    "STORE_VARIABLE",
    "USERNAME",
    "Parts",
    "log_in",
    "parts",
]

ISSUER = "https://auth.example"
AUDIENCE = "https://orders.example"
CLIENT = "demo"
USERNAME = "anna"
KEY_VARIABLE = "JWT_PRIVATE_KEY"
STORE_VARIABLE = "SESSIONS_DB"
LONGEST_TTL = timedelta(hours=1)


class Parts(NamedTuple):
    """What an application is put together from."""

    server: ResourceServer
    service: TokenService
    endpoints: TokenEndpoints


def parts() -> Parts:
    """The parts that the environment describes. The file has its tables already."""
    key, store = Key.from_env(KEY_VARIABLE), SQLiteStore(os.environ[STORE_VARIABLE])
    issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key, client_id=CLIENT)
    revocation = AccessTokenRevocation(store, access_ttl=LONGEST_TTL)  # the mint's tokens live longer
    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=key.public(), is_revoked=revocation)
    service = TokenService(issuer, store, check_subject=lambda name: name == USERNAME, revocation=revocation)
    return Parts(ResourceServer(verifier), service, TokenEndpoints(service))


PASSWORD = "tea and biscuits"  # noqa: S105 - anybody may know it

_SALT = secrets.token_bytes(16)


def _digest(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=_SALT, n=2**14, r=8, p=5)


_DIGEST = _digest(PASSWORD)


def log_in(parts: Parts, username: str, password: str) -> Response:
    """A new pair of tokens, or a refusal. Slow on purpose: an event loop calls it in a worker thread."""
    right = hmac.compare_digest(_digest(password), _DIGEST)  # for an unknown name, too: both take as long
    if username == USERNAME and right:
        return parts.endpoints.login_response(parts.service.grant(USERNAME, scope="orders:read"))
    headers = (
        ("WWW-Authenticate", str(Challenge(realm="api"))),
        ("Cache-Control", "no-store"),
        ("Content-Type", "application/json"),
    )
    return Response(401, headers, b'{"error":"invalid_grant","error_description":"Incorrect username or password"}')

"""What the demo's four applications share: issuer, audience, key, one account, and a SQLite file with the sessions.

`log_in` is the part that a real application writes itself: it checks a password and grants a pair of tokens.
"""

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
    "MAX_TTL",
    "PASSWORD",
    "STORE_VARIABLE",
    "USERNAME",
    "Parts",
    "build",
    "log_in",
]

ISSUER = "https://auth.example"
AUDIENCE = "https://orders.example"
CLIENT = "demo"
USERNAME = "anna"
PASSWORD = "tea and biscuits"  # noqa: S105 - the demo prints it
KEY_VARIABLE = "JWT_PRIVATE_KEY"
STORE_VARIABLE = "SESSIONS_DB"
MAX_TTL = timedelta(hours=1)


class Parts(NamedTuple):
    """The objects from which each application is built."""

    server: ResourceServer
    service: TokenService
    endpoints: TokenEndpoints


def build() -> Parts:
    """Build the parts from the key and the file in the environment. The file must have its tables already."""
    key, store = Key.from_env(KEY_VARIABLE), SQLiteStore(os.environ[STORE_VARIABLE])
    issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key, client_id=CLIENT)
    revocation = AccessTokenRevocation(store, access_ttl=MAX_TTL)  # the tokens in CASES live longer than the issuer's
    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=key.public(), is_revoked=revocation)
    service = TokenService(issuer, store, check_subject=lambda name: name == USERNAME, revocation=revocation)
    return Parts(ResourceServer(verifier), service, TokenEndpoints(service))


def log_in(parts: Parts, username: str, password: str) -> Response:
    """Return a new pair of tokens, or a refusal. Hashing is slow on purpose: call it in a worker thread under ASGI."""
    right = hmac.compare_digest(_digest(password), _DIGEST)  # for an unknown name too: both take equally long
    if username == USERNAME and right:
        return parts.endpoints.login_response(parts.service.grant(USERNAME, scope="orders:read"))
    headers = (
        ("WWW-Authenticate", str(Challenge(realm="api"))),
        ("Cache-Control", "no-store"),
        ("Content-Type", "application/json"),
    )
    return Response(401, headers, b'{"error":"invalid_grant","error_description":"Incorrect username or password"}')


_SALT = secrets.token_bytes(16)


def _digest(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=_SALT, n=2**14, r=8, p=5)


_DIGEST = _digest(PASSWORD)

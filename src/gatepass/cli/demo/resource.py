"""What the demo's four applications share: one issuer, API and key, and one SQLite file that knows who is signed in."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import NamedTuple

from gatepass import (
    AccessTokenRevocation,
    Key,
    ResourceServer,
    TokenEndpoints,
    TokenIssuer,
    TokenService,
    TokenVerifier,
)
from gatepass.stores.sqlite import SQLiteStore

__all__ = [
    "AUDIENCE",
    "CLIENT",
    "ISSUER",
    "KEY_VARIABLE",
    "LONGEST_TTL",
    "STORE_VARIABLE",
    "USERNAME",
    "Parts",
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

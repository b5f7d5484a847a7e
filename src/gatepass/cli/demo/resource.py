"""Whose tokens the demo's four applications take: one issuer's, for one API, checked with one public key."""

from __future__ import annotations

from gatepass import Key, ResourceServer, TokenVerifier

__all__ = ["AUDIENCE", "ISSUER", "KEY_VARIABLE", "resource_server"]

ISSUER = "https://auth.example"
AUDIENCE = "https://orders.example"
KEY_VARIABLE = "JWT_PUBLIC_KEY"


def resource_server() -> ResourceServer:
    """The server of an application: it can check tokens, and could not make one."""
    return ResourceServer(TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=Key.from_env(KEY_VARIABLE)))

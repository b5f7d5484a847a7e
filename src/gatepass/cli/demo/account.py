"""The demo's one account, and its login: the part that an application writes itself."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from gatepass import Challenge, Response
from gatepass.cli.demo.resource import USERNAME, Parts

__all__ = ["PASSWORD", "log_in"]

PASSWORD = "tea and biscuits"  # noqa: S105 - anybody may know it

_SALT = secrets.token_bytes(16)


def _digest(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=_SALT, n=2**14, r=8, p=5)


_DIGEST = _digest(PASSWORD)


def log_in(parts: Parts, username: str, password: str) -> Response:
    """A new pair of tokens, or a refusal. Slow on purpose: an event loop calls it in a worker thread."""
    right = hmac.compare_digest(_digest(password), _DIGEST)  # for an unknown name, too: both take as long
    if username == USERNAME and right:
        return parts.endpoints.signed_in(parts.service.grant(USERNAME, scope="orders:read"))
    headers = (
        ("WWW-Authenticate", str(Challenge(realm="api"))),
        ("Cache-Control", "no-store"),
        ("Content-Type", "application/json"),
    )
    return Response(401, headers, b'{"error":"invalid_grant","error_description":"Incorrect username or password"}')

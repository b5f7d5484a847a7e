"""The demo's one account, and its login: the part that an application writes itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

from gatepass import Challenge, Response, TokenService

__all__ = ["PASSWORD", "USERNAME", "log_in"]

USERNAME = "anna"
PASSWORD = "tea and biscuits"  # noqa: S105 - anybody may know it

_SALT = secrets.token_bytes(16)


def _digest(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=_SALT, n=2**14, r=8, p=5)


_DIGEST = _digest(PASSWORD)


def log_in(service: TokenService, username: str, password: str) -> Response:
    """A new pair of tokens, or a refusal. Slow on purpose: an event loop calls it in a worker thread."""
    right = hmac.compare_digest(_digest(password), _DIGEST)  # for an unknown name, too: both take as long
    if username != USERNAME or not right:
        refusal = {"error": "invalid_grant", "error_description": "Incorrect username or password"}
        return _answer(401, refusal, ("WWW-Authenticate", str(Challenge(realm="api"))))
    pair = service.grant(USERNAME, scope="orders:read")
    granted: dict[str, str | int] = {
        "access_token": pair.access_token,
        "token_type": pair.token_type,
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
        "scope": pair.scope,
    }
    return _answer(200, granted)


def _answer(status: int, members: Mapping[str, str | int], *headers: tuple[str, str]) -> Response:
    no_store = (("Cache-Control", "no-store"), ("Content-Type", "application/json"))
    return Response(status, (*headers, *no_store), json.dumps(members, separators=(",", ":")).encode())

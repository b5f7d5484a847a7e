"""What the demo's four applications share: issuer, audience, key, accounts, and a SQLite file with the sessions.

The functions are the parts that a real application writes itself: `log_in` checks a password and grants a pair of
tokens, `list_sessions`, `end_session` and `log_out_everywhere` are for the user of an access token, and `set_role`
says which scopes the user has from now on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from gatepass import (
    AccessToken,
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
from gatepass.refresh import Session
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
    "USERNAMES",
    "Parts",
    "build",
    "end_session",
    "list_sessions",
    "log_in",
    "log_out_everywhere",
    "set_role",
]

ISSUER = "https://auth.example"
AUDIENCE = "https://orders.example"
CLIENT = "demo"
USERNAME = "anna"
USERNAMES = (USERNAME, "berta", "carl", "dora", "emil")  # one password for all
PASSWORD = "tea and biscuits"  # noqa: S105 - the demo prints it
KEY_VARIABLE = "JWT_PRIVATE_KEY"
STORE_VARIABLE = "SESSIONS_DB"
MAX_TTL = timedelta(hours=1)

_ROLES = {"clerk": "orders:read", "manager": "orders:read orders:write"}
_NO_STORE = ("Cache-Control", "no-store")
_JSON = ("Content-Type", "application/json")


class Parts(NamedTuple):
    """The objects from which each application is built."""

    server: ResourceServer
    service: TokenService
    endpoints: TokenEndpoints
    roles: Path


def build() -> Parts:
    """Build the parts from the key and the file in the environment. The file must have its tables already."""
    key, file = Key.from_env(KEY_VARIABLE), Path(os.environ[STORE_VARIABLE])
    store = SQLiteStore(file)
    issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key, client_id=CLIENT)
    revocation = AccessTokenRevocation(store, access_ttl=MAX_TTL)  # the tokens in CASES live longer than the issuer's
    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=key.public(), is_revoked=revocation)
    roles = file.parent  # the application's own database; the four applications share it

    def scopes_for(session: Session) -> str:
        demoted = _demotion(roles, session.subject).exists()
        return _ROLES["clerk" if demoted else "manager"]

    service = TokenService(
        issuer, store, check_subject=USERNAMES.__contains__, scopes_for=scopes_for, revocation=revocation
    )
    return Parts(ResourceServer(verifier), service, TokenEndpoints(service), roles)


def log_in(parts: Parts, username: str, password: str, device: str) -> Response:
    """Return a new pair of tokens, or a refusal. Hashing is slow on purpose: call it in a worker thread under ASGI."""
    right = hmac.compare_digest(_digest(password), _DIGEST)  # for an unknown name too: both take equally long
    if username in USERNAMES and right:
        label = "".join(filter(str.isprintable, device))[:64]
        return parts.endpoints.login_response(parts.service.grant(username, scope=_ROLES["manager"], label=label))
    headers = (("WWW-Authenticate", str(Challenge(realm="api"))), _NO_STORE, _JSON)
    return Response(401, headers, b'{"error":"invalid_grant","error_description":"Incorrect username or password"}')


def list_sessions(parts: Parts, token: AccessToken) -> Response:
    """Return the sessions of the token's user, by label: several logins of the demo have the same time."""
    sessions = [
        {"family_id": one.family_id, "label": one.label or "", "current": one.family_id == token.family_id}
        for one in parts.service.sessions(token.subject).sessions
    ]
    return _json(200, {"sessions": sorted(sessions, key=lambda one: str(one["label"]))})


def end_session(parts: Parts, token: AccessToken, family_id: str) -> Response:
    """Log out one device. The id of another user's session gets the same 404 as an invented one."""
    if parts.service.revoke_family(family_id, subject=token.subject):
        return Response(204, (_NO_STORE,), b"")
    return _json(404, {"error": "not_found"})


def log_out_everywhere(parts: Parts, token: AccessToken) -> Response:
    """Log out every device of the token's user."""
    parts.service.revoke_subject(token.subject)
    return Response(204, (_NO_STORE,), b"")


def set_role(parts: Parts, token: AccessToken, role: str) -> Response:
    """Make the token's user a clerk or a manager. A real application lets an administrator do this."""
    if role not in _ROLES:
        return _json(404, {"error": "not_found"})
    demotion = _demotion(parts.roles, token.subject)
    if role == "clerk":
        demotion.touch()
    else:
        demotion.unlink(missing_ok=True)
    return Response(204, (_NO_STORE,), b"")


def _demotion(roles: Path, subject: str) -> Path:
    return roles / f"{subject} is a clerk"


def _json(status: int, members: dict[str, object]) -> Response:
    return Response(status, (_NO_STORE, _JSON), json.dumps(members, separators=(",", ":")).encode())


_SALT = secrets.token_bytes(16)


def _digest(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=_SALT, n=2**14, r=8, p=5)


_DIGEST = _digest(PASSWORD)

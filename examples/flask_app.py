"""Flask: log in, call, refresh, log out. Every path that is not public is protected, and /orders needs a scope.

export JWT_SECRET_KEY="$(gatepass keygen HS256)"
flask --app examples/flask_app.py run
"""

import hashlib
import hmac
import os
import secrets
from datetime import timedelta

from flask import Flask, request
from flask.typing import ResponseReturnValue

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
from gatepass.stores.sqlite import SQLiteStore
from gatepass_flask import AccessTokenMiddleware, access_token, public, require_auth, to_response, token_endpoints

# --- the users: your database, which stores a salted and slow hash of each password


def digest_of(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=5)


def new_user(password: str) -> tuple[bytes, bytes]:
    salt = secrets.token_bytes(16)
    return salt, digest_of(password, salt)


USERS = {"anna": new_user("tea and biscuits")}
UNKNOWN_USER = new_user(secrets.token_urlsafe())  # so that an unknown name takes as long as a wrong password


def password_is_right(name: str, password: str) -> bool:
    salt, digest = USERS.get(name, UNKNOWN_USER)
    return hmac.compare_digest(digest_of(password, salt), digest) and name in USERS


# --- tokens: issuing, verifying, revoking

ISSUER, AUDIENCE = "https://auth.example.com", "https://api.example.com"

key = Key.from_env("JWT_SECRET_KEY")
store = SQLiteStore(os.environ.get("SESSIONS_DB", "sessions.db"))
store.create_schema()  # in a real service: once, when you deploy
issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key, client_id="web", access_ttl=timedelta(minutes=30))
revocation = AccessTokenRevocation(store, access_ttl=issuer.access_ttl)
verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=key, is_revoked=revocation)
service = TokenService(issuer, store, check_subject=lambda name: name in USERS, revocation=revocation)
endpoints = TokenEndpoints(service, verifier=verifier)

# --- the application

app = Flask(__name__)
app.wsgi_app = AccessTokenMiddleware(  # type: ignore[method-assign]
    app.wsgi_app, ResourceServer(verifier), public=["/healthz"]
)
app.register_blueprint(token_endpoints(endpoints))  # POST /token refreshes, POST /revoke ends the login of a token


@app.post("/login")
@public
def login() -> ResponseReturnValue:
    name = request.form.get("username", "")
    if not password_is_right(name, request.form.get("password", "")):
        refusal = {"error": "invalid_grant", "error_description": "Incorrect username or password"}
        return refusal, 401, {"WWW-Authenticate": str(Challenge(realm="api")), "Cache-Control": "no-store"}
    return to_response(endpoints.login_response(service.grant(name, scope="orders:read")))


@app.post("/logout")
def logout() -> ResponseReturnValue:
    if access_token.family_id is None:  # the token is not from a login: revoke it alone
        revocation.revoke_token(access_token)
    else:
        service.revoke_family(access_token.family_id)
    return "", 204


@app.get("/orders")
@require_auth(scopes=["orders:read"])
def orders() -> ResponseReturnValue:
    return {"for": access_token.subject, "orders": ["tea", "biscuits"]}


@app.get("/healthz")
def healthz() -> ResponseReturnValue:
    return {"well": True}

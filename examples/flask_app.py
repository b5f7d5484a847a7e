"""Flask: log in, refresh, list sessions, log out. Every path is protected unless public, and /orders needs a scope.

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
    AccessToken,
    AccessTokenRevocation,
    Challenge,
    Key,
    ResourceServer,
    TokenEndpointError,
    TokenEndpoints,
    TokenIssuer,
    TokenPair,
    TokenService,
    TokenVerifier,
)
from gatepass.stores.sqlite import SQLiteStore
from gatepass_flask import AccessTokenMiddleware, access_token, public, require_auth, to_response, token_endpoints

# --- the users: your database, which stores a salted and slow hash of each password


def digest_of(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(errors="replace"), salt=salt, n=2**14, r=8, p=5)


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

SHORT_LOGIN = timedelta(hours=8)  # how long a login without "remember me" may be unused


def new_login(name: str, scope: str, device: str, remember: str) -> TokenPair:
    label = "".join(filter(str.isprintable, device))[:64]  # it may come from a stranger; grant() refuses other labels
    return service.grant(name, scope=scope, label=label, refresh_ttl=None if remember else SHORT_LOGIN)


def sessions_of(token: AccessToken, after: str | None) -> dict[str, object]:
    page = service.sessions(token.subject, after=after)  # a ValueError if `after` is not the `next` of a page
    sessions = [
        {
            "family_id": session.family_id,
            "label": session.label,
            "created_at": session.created_at.isoformat(),
            "last_used_at": session.last_used_at.isoformat(),
            "current": session.family_id == token.family_id,
        }
        for session in page.sessions
    ]
    return {"sessions": sessions, "next": page.next}


NO_SUCH_PAGE = {"error": "invalid_request", "error_description": "The value of after is not valid"}
NO_SUCH_SESSION = {"error": "not_found", "error_description": "You have no such session"}

# --- the application

app = Flask(__name__)
app.wsgi_app = AccessTokenMiddleware(  # type: ignore[method-assign]
    app.wsgi_app, ResourceServer(verifier), public=["/healthz"]
)
app.register_blueprint(token_endpoints(endpoints))  # POST /token refreshes, POST /revoke ends the login of a token


@app.errorhandler(TokenEndpointError)  # 503 if the store is unreachable
def refused(error: TokenEndpointError) -> ResponseReturnValue:
    return to_response(endpoints.error_response(error))


@app.post("/login")
@public
def login() -> ResponseReturnValue:
    name = request.form.get("username", "")
    if not password_is_right(name, request.form.get("password", "")):
        refusal = {"error": "invalid_grant", "error_description": "Incorrect username or password"}
        return refusal, 401, {"WWW-Authenticate": str(Challenge(realm="api")), "Cache-Control": "no-store"}
    form = request.form
    pair = new_login(name, "orders:read", form.get("device", ""), form.get("remember", ""))
    return to_response(endpoints.login_response(pair))


@app.post("/logout")
def logout() -> ResponseReturnValue:
    if access_token.family_id is None:  # the token is not from a login: revoke it alone
        revocation.revoke_token(access_token)
    else:
        service.revoke_family(access_token.family_id)
    return "", 204


@app.post("/logout-everywhere")
def logout_everywhere() -> ResponseReturnValue:
    service.revoke_subject(access_token.subject)
    return "", 204


@app.get("/sessions")
def sessions() -> ResponseReturnValue:
    try:
        return sessions_of(access_token, request.args.get("after"))
    except ValueError:
        return NO_SUCH_PAGE, 400


@app.delete("/sessions/<family_id>")
def end_session(family_id: str) -> ResponseReturnValue:
    if service.revoke_family(family_id, subject=access_token.subject):  # no other user's session
        return "", 204
    return NO_SUCH_SESSION, 404


@app.get("/orders")
@require_auth(scopes=["orders:read"])
def orders() -> ResponseReturnValue:
    return {"for": access_token.subject, "orders": ["tea", "biscuits"]}


@app.get("/healthz")
def healthz() -> ResponseReturnValue:
    return {"well": True}

"""FastAPI: log in with a password, refresh, list sessions, log out. Try it at http://127.0.0.1:8000/docs

export JWT_SECRET_KEY="$(gatepass keygen HS256)"
uvicorn --app-dir examples fastapi_app:app
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, FastAPI, Form, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm

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
from gatepass_fastapi import AccessTokenBearer, to_response, token_endpoints

# --- the users: your database, which stores a salted and slow hash of each password


@dataclass(frozen=True)
class User:
    name: str
    salt: bytes
    digest: bytes


def digest_of(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(errors="replace"), salt=salt, n=2**14, r=8, p=5)


def new_user(name: str, password: str) -> User:
    salt = secrets.token_bytes(16)
    return User(name, salt, digest_of(password, salt))


USERS = {"anna": new_user("anna", "tea and biscuits")}
UNKNOWN_USER = new_user("", secrets.token_urlsafe())  # so that an unknown name takes as long as a wrong password


def password_is_right(name: str, password: str) -> bool:
    user = USERS.get(name, UNKNOWN_USER)
    return hmac.compare_digest(digest_of(password, user.salt), user.digest) and user is not UNKNOWN_USER


# --- tokens: issuing, verifying, revoking

ISSUER, AUDIENCE = "https://auth.example.com", "https://api.example.com"
SCOPES = {"orders:read": "Read your orders"}

key = Key.from_env("JWT_SECRET_KEY")
store = SQLiteStore(os.environ.get("SESSIONS_DB", "sessions.db"))
store.create_schema()  # in a real service: once, when you deploy
issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key, client_id="web", access_ttl=timedelta(minutes=30))
revocation = AccessTokenRevocation(store, access_ttl=issuer.access_ttl)
verifier = TokenVerifier(
    issuer=ISSUER,
    audience=AUDIENCE,
    keys=key,
    check_subject=lambda token: token.subject in USERS,
    is_revoked=revocation,
)
service = TokenService(issuer, store, check_subject=lambda name: name in USERS, revocation=revocation)
endpoints = TokenEndpoints(service, verifier=verifier)

SHORT_LOGIN = timedelta(hours=8)  # how long a login without "remember me" may be unused


def new_login(name: str, scope: list[str], device: str, remember: str) -> TokenPair:
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

bearer = AccessTokenBearer(ResourceServer(verifier), openapi=OAuth2PasswordBearer(tokenUrl="token", scopes=SCOPES))
app = FastAPI(title="Orders")
app.include_router(token_endpoints(endpoints, token_path="/refresh"))  # and POST /revoke ends the login of a token


@app.exception_handler(TokenEndpointError)  # 503 if the store is unreachable
async def refused(_request: Request, error: TokenEndpointError) -> Response:
    return to_response(endpoints.error_response(error))


@app.post("/token")
def log_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    device: Annotated[str, Form()] = "",
    remember: Annotated[str, Form()] = "",
) -> Response:
    if not password_is_right(form.username, form.password):
        refusal = {"error": "invalid_grant", "error_description": "Incorrect username or password"}
        headers = {"WWW-Authenticate": str(Challenge(realm="api")), "Cache-Control": "no-store"}
        return JSONResponse(refusal, 401, headers)
    granted = [scope for scope in form.scopes if scope in SCOPES]
    return to_response(endpoints.login_response(new_login(form.username, granted, device, remember)))


@app.post("/logout", status_code=204)
def log_out(token: Annotated[AccessToken, Security(bearer)]) -> None:
    if token.family_id is None:  # the token is not from a login: revoke it alone
        revocation.revoke_token(token)
    else:
        service.revoke_family(token.family_id)


@app.post("/logout-everywhere", status_code=204)
def log_out_everywhere(token: Annotated[AccessToken, Security(bearer)]) -> None:
    service.revoke_subject(token.subject)


@app.get("/sessions")
def sessions(token: Annotated[AccessToken, Security(bearer)], after: str | None = None) -> Response:
    try:
        return JSONResponse(sessions_of(token, after))
    except ValueError:
        return JSONResponse(NO_SUCH_PAGE, 400)


@app.delete("/sessions/{family_id}", status_code=204)
def end_session(family_id: str, token: Annotated[AccessToken, Security(bearer)]) -> Response:
    if service.revoke_family(family_id, subject=token.subject):  # no other user's session
        return Response(status_code=204)
    return JSONResponse(NO_SUCH_SESSION, 404)


def get_current_user(token: Annotated[AccessToken, Security(bearer)]) -> User:
    return USERS[token.subject]


@app.get("/users/me")
def me(user: Annotated[User, Depends(get_current_user)]) -> dict[str, str]:
    return {"name": user.name}


@app.get("/orders")
def orders(token: Annotated[AccessToken, Security(bearer, scopes=["orders:read"])]) -> dict[str, str | list[str]]:
    return {"for": token.subject, "orders": ["tea", "biscuits"]}


@app.get("/healthz")
def healthz() -> dict[str, bool]:
    return {"well": True}

"""FastAPI: log in with a password, get an access token for 30 minutes, use it. Try it at http://127.0.0.1:8000/docs

export JWT_SECRET_KEY="$(gatepass keygen HS256)"
uvicorn --app-dir examples fastapi_app:app
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, FastAPI, Security
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm

from gatepass import AccessToken, Challenge, Key, ResourceServer, TokenIssuer, TokenVerifier
from gatepass_fastapi import AccessTokenBearer

ISSUER, AUDIENCE = "https://auth.example.com", "https://api.example.com"
SCOPES = {"orders:read": "Read your orders"}


@dataclass(frozen=True)
class User:
    name: str
    salt: bytes
    digest: bytes


def digest_of(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=5)


def new_user(name: str, password: str) -> User:
    salt = secrets.token_bytes(16)
    return User(name, salt, digest_of(password, salt))


USERS = {"anna": new_user("anna", "tea and biscuits")}  # your database
NOBODY = new_user("", secrets.token_urlsafe())  # an unknown name costs a login as much time as a wrong password

key = Key.from_env("JWT_SECRET_KEY")
issuer = TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key, client_id="docs", access_ttl=timedelta(minutes=30))
verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=key, check_subject=lambda token: token.subject in USERS)
bearer = AccessTokenBearer(ResourceServer(verifier), openapi=OAuth2PasswordBearer(tokenUrl="token", scopes=SCOPES))
app = FastAPI(title="Orders")


def get_current_user(token: Annotated[AccessToken, Security(bearer)]) -> User:
    return USERS[token.subject]


@app.post("/token")
def log_in(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> JSONResponse:
    user = USERS.get(form.username, NOBODY)
    right = hmac.compare_digest(digest_of(form.password, user.salt), user.digest)
    if user is NOBODY or not right:
        return JSONResponse(
            {"error": "invalid_grant", "error_description": "Incorrect username or password"},
            status_code=401,
            headers={"WWW-Authenticate": str(Challenge(realm="api")), "Cache-Control": "no-store"},
        )
    granted = [scope for scope in form.scopes if scope in SCOPES]
    return JSONResponse(
        {
            "access_token": issuer.issue(user.name, scope=granted),
            "token_type": "bearer",
            "expires_in": int(issuer.access_ttl.total_seconds()),
            "scope": " ".join(granted),
        },
        headers={"Cache-Control": "no-store"},
    )


@app.get("/users/me")
def me(user: Annotated[User, Depends(get_current_user)]) -> dict[str, str]:
    return {"name": user.name}


@app.get("/orders")
def orders(token: Annotated[AccessToken, Security(bearer, scopes=["orders:read"])]) -> dict[str, list[str]]:
    return {token.subject: ["tea", "biscuits"]}

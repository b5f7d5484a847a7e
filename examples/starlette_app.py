"""Starlette: log in, call, refresh, log out. Every path that is not public is protected, and /orders needs a scope.

export JWT_SECRET_KEY="$(gatepass keygen HS256)"
uvicorn --app-dir examples starlette_app:app
"""

import hashlib
import hmac
import os
import secrets
from datetime import timedelta

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

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
from gatepass.stores.sqlite import SQLiteStore
from gatepass_starlette import AccessTokenMiddleware, public, require_auth, to_response, token_endpoints

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


@public
async def login(request: Request) -> Response:
    async with request.form() as form:
        name, password = str(form.get("username", "")), str(form.get("password", ""))
    return await run_in_threadpool(answer_to_login, name, password)  # the hash and the store would block the event loop


def answer_to_login(name: str, password: str) -> Response:
    if not password_is_right(name, password):
        refusal = {"error": "invalid_grant", "error_description": "Incorrect username or password"}
        headers = {"WWW-Authenticate": str(Challenge(realm="api")), "Cache-Control": "no-store"}
        return JSONResponse(refusal, 401, headers)
    return to_response(endpoints.login_response(service.grant(name, scope="orders:read")))


def logout(request: Request) -> Response:  # not async: Starlette runs it in a worker thread
    token: AccessToken = request.state.access_token
    if token.family_id is None:  # the token is not from a login: revoke it alone
        revocation.revoke_token(token)
    else:
        service.revoke_family(token.family_id)
    return Response(status_code=204)


@require_auth(scopes=["orders:read"])
async def orders(request: Request) -> Response:
    return JSONResponse({"for": request.state.access_token.subject, "orders": ["tea", "biscuits"]})


@public
async def healthz(_request: Request) -> Response:
    return JSONResponse({"well": True})


app = Starlette(
    routes=[
        Route("/login", login, methods=["POST"]),
        *token_endpoints(endpoints),  # POST /token refreshes, POST /revoke ends the login of a token
        Route("/logout", logout, methods=["POST"]),
        Route("/orders", orders),
        Route("/healthz", healthz),
    ],
    middleware=[Middleware(AccessTokenMiddleware, server=ResourceServer(verifier))],
)

"""Starlette: log in, refresh, list sessions, log out. Every path is protected unless public, and /orders needs a scope.

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
    TokenEndpointError,
    TokenEndpoints,
    TokenIssuer,
    TokenPair,
    TokenService,
    TokenVerifier,
)
from gatepass.stores.sqlite import SQLiteStore
from gatepass_starlette import AccessTokenMiddleware, public, require_auth, to_response, token_endpoints

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


@public
async def login(request: Request) -> Response:
    async with request.form() as form:
        sent = [str(form.get(name, "")) for name in ("username", "password", "device", "remember")]
    return await run_in_threadpool(answer_to_login, *sent)  # the hash and the store would block the event loop


def answer_to_login(name: str, password: str, device: str, remember: str) -> Response:
    if not password_is_right(name, password):
        refusal = {"error": "invalid_grant", "error_description": "Incorrect username or password"}
        headers = {"WWW-Authenticate": str(Challenge(realm="api")), "Cache-Control": "no-store"}
        return JSONResponse(refusal, 401, headers)
    return to_response(endpoints.login_response(new_login(name, "orders:read", device, remember)))


def logout(request: Request) -> Response:  # not async: Starlette runs it in a worker thread
    token: AccessToken = request.state.access_token
    if token.family_id is None:  # the token is not from a login: revoke it alone
        revocation.revoke_token(token)
    else:
        service.revoke_family(token.family_id)
    return Response(status_code=204)


def logout_everywhere(request: Request) -> Response:
    service.revoke_subject(request.state.access_token.subject)
    return Response(status_code=204)


def sessions(request: Request) -> Response:
    try:
        return JSONResponse(sessions_of(request.state.access_token, request.query_params.get("after")))
    except ValueError:
        return JSONResponse(NO_SUCH_PAGE, 400)


def end_session(request: Request) -> Response:
    if service.revoke_family(request.path_params["family_id"], subject=request.state.access_token.subject):
        return Response(status_code=204)
    return JSONResponse(NO_SUCH_SESSION, 404)  # or another user's


@require_auth(scopes=["orders:read"])
async def orders(request: Request) -> Response:
    return JSONResponse({"for": request.state.access_token.subject, "orders": ["tea", "biscuits"]})


async def refused(_request: Request, error: Exception) -> Response:  # 503 if the store is unreachable
    if not isinstance(error, TokenEndpointError):
        raise error
    return to_response(endpoints.error_response(error))


@public
async def healthz(_request: Request) -> Response:
    return JSONResponse({"well": True})


app = Starlette(
    routes=[
        Route("/login", login, methods=["POST"]),
        *token_endpoints(endpoints),  # POST /token refreshes, POST /revoke ends the login of a token
        Route("/logout", logout, methods=["POST"]),
        Route("/logout-everywhere", logout_everywhere, methods=["POST"]),
        Route("/sessions", sessions),
        Route("/sessions/{family_id}", end_session, methods=["DELETE"]),
        Route("/orders", orders),
        Route("/healthz", healthz),
    ],
    exception_handlers={TokenEndpointError: refused},
    middleware=[Middleware(AccessTokenMiddleware, server=ResourceServer(verifier))],
)

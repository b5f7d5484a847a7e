"""Django in one file: log in, refresh, list sessions, log out. Every path is protected, except views marked `public`.

export JWT_SECRET_KEY="$(gatepass keygen HS256)"
python examples/django_app.py runserver
"""

import hashlib
import hmac
import os
import secrets
import sys
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

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

# --- the users: in a project django.contrib.auth, which stores a salted and slow hash of each password


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

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", "not used in this example"),
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=["gatepass_django.AccessTokenMiddleware", f"{__name__}.Refusals"],
    GATEPASS={"RESOURCE_SERVER": ResourceServer(verifier)},
)

from gatepass_django import (  # noqa: E402 - in a project, settings come first
    AccessTokenRequest,
    public,
    require_auth,
    to_response,
    token_endpoints,
)


class Refusals:
    """503 if the store is unreachable."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        return to_response(endpoints.error_response(error)) if isinstance(error, TokenEndpointError) else None


@public
@csrf_exempt  # the response sets no cookie, so a forged request gains nothing
@require_POST
def login(request: HttpRequest) -> HttpResponse:
    name = request.POST.get("username", "")
    if not password_is_right(name, request.POST.get("password", "")):
        refusal = {"error": "invalid_grant", "error_description": "Incorrect username or password"}
        headers = {"WWW-Authenticate": str(Challenge(realm="api")), "Cache-Control": "no-store"}
        return JsonResponse(refusal, status=401, headers=headers)
    pair = new_login(name, "orders:read", request.POST.get("device", ""), request.POST.get("remember", ""))
    return to_response(endpoints.login_response(pair))


@csrf_exempt  # a forged request has no access token
@require_POST
def logout(request: AccessTokenRequest) -> HttpResponse:
    token = request.access_token
    if token.family_id is None:  # the token is not from a login: revoke it alone
        revocation.revoke_token(token)
    else:
        service.revoke_family(token.family_id)
    return HttpResponse(status=204)


@csrf_exempt  # the same
@require_POST
def logout_everywhere(request: AccessTokenRequest) -> HttpResponse:
    service.revoke_subject(request.access_token.subject)
    return HttpResponse(status=204)


@require_GET
def sessions(request: AccessTokenRequest) -> HttpResponse:
    try:
        return JsonResponse(sessions_of(request.access_token, request.GET.get("after")))
    except ValueError:
        return JsonResponse(NO_SUCH_PAGE, status=400)


@csrf_exempt  # the same
@require_http_methods(["DELETE"])
def end_session(request: AccessTokenRequest, family_id: str) -> HttpResponse:
    if service.revoke_family(family_id, subject=request.access_token.subject):  # no other user's session
        return HttpResponse(status=204)
    return JsonResponse(NO_SUCH_SESSION, status=404)


@require_auth(scopes=["orders:read"])
def orders(request: AccessTokenRequest) -> HttpResponse:
    return JsonResponse({"for": request.access_token.subject, "orders": ["tea", "biscuits"]})


@public
def healthz(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"well": True})


urlpatterns = [
    path("login", login),
    *token_endpoints(endpoints),  # POST /token refreshes, POST /revoke ends the login of a token
    path("logout", logout),
    path("logout-everywhere", logout_everywhere),
    path("sessions", sessions),
    path("sessions/<family_id>", end_session),
    path("orders", orders),
    path("healthz", healthz),
]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)

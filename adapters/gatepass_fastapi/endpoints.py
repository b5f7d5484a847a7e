"""The endpoints as routers: `app.include_router(token_endpoints(endpoints))`, and `jwks_endpoint(keys)` likewise.

OpenAPI shows them. They are public: a client that refreshes has no valid access token. Starlette's routes, which follow
FastAPI's, take the methods that OpenAPI does not show. Coroutine functions of the application are awaited on the event
loop, and the rest runs in worker threads.
"""

# No postponed annotations here: FastAPI reads those of the views.
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gatepass import Key, KeyRing, KeySet, TokenEndpoints, public
from gatepass.adapter import JWKSEndpoint
from gatepass.adapter import Response as Answer
from gatepass_starlette.endpoints import jwks_endpoint as jwks_routes
from gatepass_starlette.endpoints import serve_jwks_request, serve_token_request
from gatepass_starlette.endpoints import token_endpoints as routes

__all__ = ["jwks_endpoint", "token_endpoints"]

_TEXT: Final = {"type": "string"}
_CLIENT: Final = {"client_id": _TEXT, "client_secret": _TEXT}
_GRANT: Final = {"type": "string", "enum": ["refresh_token"]}
_TOKEN_FORM: Final = {"grant_type": _GRANT, "refresh_token": _TEXT, "scope": _TEXT, "resource": _TEXT, **_CLIENT}
_REVOCATION_FORM: Final = {"token": _TEXT, "token_type_hint": _TEXT, **_CLIENT}
_PAIR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["access_token", "token_type", "expires_in", "refresh_token"],
    "properties": {
        "access_token": _TEXT,
        "token_type": _TEXT,
        "expires_in": {"type": "integer"},
        "refresh_token": _TEXT,
        "scope": _TEXT,
    },
}
_ERROR: Final = {
    "type": "object",
    "required": ["error", "error_description"],
    "properties": {"error": _TEXT, "error_description": _TEXT},
}
_REVOKED: Final[dict[str, Any]] = {
    "description": "Revoked, or never there",
    "content": {"application/json": {"schema": {"type": "object"}}},
}
_IN_COOKIES: Final = {"access_token", "refresh_token"}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "Refused", "content": {"application/json": {"schema": _ERROR}}},
    401: {"description": "Client authentication failed", "content": {"application/json": {"schema": _ERROR}}},
    503: {"description": "Try again later"},
}
_JWKS: Final = {
    "type": "object",
    "required": ["keys"],
    "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
}
_PUBLISHED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The public keys", "content": {"application/jwk-set+json": {"schema": _JWKS}}},
    304: {"description": "The keys that the caller has"},
    503: {"description": "Try again later"},
}
_REFUSED_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    403: {"description": "Not from a page of this service", "content": {"application/json": {"schema": _ERROR}}}
}


def token_endpoints(
    endpoints: TokenEndpoints,
    *,
    token_path: str = "/token",  # noqa: S107 - a path
    revocation_path: str = "/revoke",
) -> APIRouter:
    """Return a router with both endpoints; `prefix=` at its inclusion precedes both paths."""
    TokenEndpoints.expect(endpoints)
    router = APIRouter()
    by_cookies = endpoints.cookies is not None
    refusals = {**_REFUSALS, **_REFUSED_PAGE} if by_cookies else _REFUSALS
    pair = {**_PAIR, "required": [name for name in _PAIR["required"] if not by_cookies or name not in _IN_COOKIES]}
    router.add_api_route(
        token_path,
        _view(endpoints.token_async),
        methods=["POST"],
        response_class=Response,
        responses={**refusals, 200: {"description": "A new pair", "content": {"application/json": {"schema": pair}}}},
        openapi_extra=_form(_TOKEN_FORM, "grant_type", *(() if by_cookies else ("refresh_token",))),
        name="token",
        summary="Refresh",
    )
    router.add_api_route(
        revocation_path,
        _view(endpoints.revoke_async),
        methods=["POST"],
        response_class=Response,
        responses={**refusals, 200: _REVOKED},
        openapi_extra=_form(_REVOCATION_FORM, *(() if by_cookies else ("token",))),
        name="revoke",
        summary="Revoke",
    )
    router.routes.extend(routes(endpoints, token_path=token_path, revocation_path=revocation_path))
    return router


def jwks_endpoint(
    keys: KeyRing | Key | KeySet | Iterable[Key],
    *,
    path: str = "/.well-known/jwks.json",
    cache_ttl: float | timedelta | None = None,
) -> APIRouter:
    """Return a router that publishes *keys*; others may cache them for *cache_ttl*, which a ring sets itself."""
    keys = tuple(keys) if isinstance(keys, Iterator) else keys  # two routes read it
    endpoint = JWKSEndpoint(keys, cache_ttl=cache_ttl)

    @public
    async def view(request: Request) -> Response:
        return await serve_jwks_request(endpoint, request)

    router = APIRouter()
    router.add_api_route(
        path, view, methods=["GET"], response_class=Response, responses=_PUBLISHED, name="jwks", summary="Public keys"
    )
    router.routes.extend(jwks_routes(keys, path=path, cache_ttl=cache_ttl))
    return router


def _view(serve: Callable[..., Awaitable[Answer]]) -> Callable[..., Any]:
    @public
    async def view(request: Request) -> Response:
        return await serve_token_request(serve, request)

    return view


def _form(fields: dict[str, Any], *required: str) -> dict[str, Any]:
    schema = {"type": "object", "required": list(required), "properties": fields}
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}

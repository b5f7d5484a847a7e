"""The endpoints as URL patterns: `urlpatterns = [*token_endpoints(endpoints), *jwks_endpoint(keys), ...]`.

They are public, and exempt from Django's login and CSRF checks: a client that refreshes has no session, and no other
site can send the refresh token in the form. For a refresh token in a cookie, the core checks `Origin`.

Under ASGI, Django runs the views in a thread. If a function of the application is a coroutine function, the views are
coroutine functions too: Django awaits them under ASGI, and under WSGI it runs an event loop for each request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.db import connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern
from django.urls import path as url_path
from django.views.decorators.csrf import csrf_exempt

from gatepass import Key, KeyRing, KeySet, TokenEndpoints, public
from gatepass.adapter import JWKSEndpoint, Response, TokenRequest
from gatepass_django.http import (
    CoreResponse,
    browser_request,
    header_lines,
    in_request_thread,
    is_forwarded,
    wire_method,
)

__all__ = ["jwks_endpoint", "token_endpoints"]

_View = TypeVar("_View", bound=Callable[..., Any])


def token_endpoints(
    endpoints: TokenEndpoints,
    *,
    token_path: str = "token",  # noqa: S107 - a path
    revocation_path: str = "revoke",
) -> list[URLPattern]:
    """Return the two patterns, named `token` and `revoke`. For a prefix, put them into an `include`."""
    TokenEndpoints.expect(endpoints)
    if endpoints.needs_event_loop:
        token, revoke = _async_view(endpoints.token_async), _async_view(endpoints.revoke_async)
    else:
        token, revoke = _view(endpoints.token), _view(endpoints.revoke)
    return [
        url_path(token_path.lstrip("/"), token, name="token"),
        url_path(revocation_path.lstrip("/"), revoke, name="revoke"),
    ]


def jwks_endpoint(
    keys: KeyRing | Key | KeySet | Iterable[Key],
    *,
    path: str = ".well-known/jwks.json",
    cache_ttl: float | timedelta | None = None,
) -> list[URLPattern]:
    """Return a pattern `jwks` that publishes *keys*; others may cache them for *cache_ttl*, which a ring sets."""
    endpoint = JWKSEndpoint(keys, cache_ttl=cache_ttl)

    @_exempt
    def view(request: HttpRequest) -> HttpResponseBase:
        if_none_match = header_lines(request, "HTTP_IF_NONE_MATCH")
        return CoreResponse(endpoint.answer(wire_method(request), if_none_match=if_none_match))

    return [url_path(path.lstrip("/"), view, name="jwks")]


def _view(serve: Callable[[TokenRequest], Response]) -> Callable[..., Any]:
    @_exempt
    def view(request: HttpRequest) -> HttpResponseBase:
        return CoreResponse(serve(_token_request(request)))

    return view


def _async_view(serve: Callable[..., Awaitable[Response]]) -> Callable[..., Any]:
    @_exempt
    async def view(request: HttpRequest) -> HttpResponseBase:
        return CoreResponse(await serve(_token_request(request), run_blocking=in_request_thread))

    return view


def _exempt(view: _View) -> _View:
    """Return *view* without the checks of Django and of the middleware, because the core responds to every request.

    It runs outside the request's transactions: the response must stay true if they are rolled back.
    """
    for alias in connections:
        view = non_atomic_requests(using=alias)(view)
    return public(csrf_exempt(login_not_required(view)))


def _token_request(request: HttpRequest) -> TokenRequest:
    method = wire_method(request)
    return TokenRequest(
        method=method,
        content_type=request.META.get("CONTENT_TYPE", ""),
        authorization=header_lines(request, "HTTP_AUTHORIZATION"),
        body=request.read(TokenEndpoints.body_limit) if method == "POST" else b"",
        browser=browser_request(request),
        url_scheme=request.scheme,
        peer=request.META.get("REMOTE_ADDR"),
        forwarded=is_forwarded(request),
    )

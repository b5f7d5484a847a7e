"""The endpoints as URL patterns: `urlpatterns = [*token_endpoints(endpoints), *jwks_endpoint(keys), ...]`.

They are public, and exempt from Django's login and CSRF checks: a client that refreshes has no session, and no other
site can send the refresh token in the form. For a refresh token in a cookie, the core checks `Origin`. Async Django
runs them in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from django.contrib.auth.decorators import login_not_required
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern
from django.urls import path as url_path
from django.views.decorators.csrf import csrf_exempt

from gatepass import Key, KeyRing, KeySet, TokenEndpoints, public
from gatepass.adapter import JWKSEndpoint, Response, TokenRequest
from gatepass_django.http import CoreResponse, browser_request, header_lines, is_forwarded, wire_method

__all__ = ["jwks_endpoint", "token_endpoints"]


def token_endpoints(
    endpoints: TokenEndpoints,
    *,
    token_path: str = "token",  # noqa: S107 - a path
    revocation_path: str = "revoke",
) -> list[URLPattern]:
    """Return the two patterns, named `token` and `revoke`. For a prefix, put them into an `include`."""
    limit = TokenEndpoints.expect(endpoints).body_limit
    return [
        url_path(token_path.lstrip("/"), _view(endpoints.token, limit), name="token"),
        url_path(revocation_path.lstrip("/"), _view(endpoints.revoke, limit), name="revoke"),
    ]


def jwks_endpoint(
    keys: KeyRing | Key | KeySet | Iterable[Key],
    *,
    path: str = ".well-known/jwks.json",
    cache_ttl: float | timedelta | None = None,
) -> list[URLPattern]:
    """Return a pattern `jwks` that publishes *keys*; others may cache them for *cache_ttl*, which a ring sets."""
    endpoint = JWKSEndpoint(keys, cache_ttl=cache_ttl)

    @csrf_exempt  # the core responds to every method
    @login_not_required
    @non_atomic_requests
    def view(request: HttpRequest) -> HttpResponseBase:
        if_none_match = header_lines(request, "HTTP_IF_NONE_MATCH")
        return CoreResponse(endpoint.answer(wire_method(request), if_none_match=if_none_match))

    return [url_path(path.lstrip("/"), public(view), name="jwks")]


def _view(serve: Callable[[TokenRequest], Response], limit: int) -> Callable[[HttpRequest], HttpResponseBase]:
    @csrf_exempt
    @login_not_required
    @non_atomic_requests  # the response must stay true if the request's transaction is rolled back
    def view(request: HttpRequest) -> HttpResponseBase:
        method = wire_method(request)
        token_request = TokenRequest(
            method=method,
            content_type=request.META.get("CONTENT_TYPE", ""),
            authorization=header_lines(request, "HTTP_AUTHORIZATION"),
            body=request.read(limit) if method == "POST" else b"",
            browser=browser_request(request),
            url_scheme=request.scheme,
            peer=request.META.get("REMOTE_ADDR"),
            forwarded=is_forwarded(request),
        )
        return CoreResponse(serve(token_request))

    return public(view)

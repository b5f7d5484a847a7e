"""The token and the revocation endpoint as URL patterns: `urlpatterns = [*token_endpoints(endpoints), ...]`.

They are public, and exempt from Django's own login and CSRF checks: who refreshes has no session, and the refresh token
in the form is what no other site can send; of one in a cookie the core asks the `Origin`. Django runs them in a thread
where it is asynchronous.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from gatepass import Response, TokenEndpoints, TokenRequest, public
from gatepass_django.http import Refusal, browser_request

__all__ = ["token_endpoints"]


def token_endpoints(
    endpoints: TokenEndpoints,
    *,
    token_path: str = "token",  # noqa: S107 - a path
    revocation_path: str = "revoke",
) -> list[URLPattern]:
    """The two patterns, named `token` and `revoke`; put them into an `include` for a prefix."""
    limit = endpoints.body_limit
    return [
        path(token_path.lstrip("/"), _view(endpoints.token, limit), name="token"),
        path(revocation_path.lstrip("/"), _view(endpoints.revoke, limit), name="revoke"),
    ]


def _view(serve: Callable[[TokenRequest], Response], limit: int) -> Callable[[HttpRequest], HttpResponseBase]:
    @csrf_exempt
    @login_not_required
    @non_atomic_requests  # what the answer says must have happened, whatever becomes of the request
    def view(request: HttpRequest) -> HttpResponseBase:
        authorization: str | None = request.META.get("HTTP_AUTHORIZATION")
        method = request.method or ""
        asked = TokenRequest(
            method=method,
            content_type=request.META.get("CONTENT_TYPE", ""),
            authorization=() if authorization is None else (authorization,),
            body=request.read(limit) if method == "POST" else b"",
            browser=browser_request(request),
        )
        return Refusal(serve(asked))

    return public(view)

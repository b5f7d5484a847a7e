"""The middleware: authenticates each request before it calls the rest of the project. The core makes the decisions.

Every path is protected, unknown paths too, except exact public paths and views marked `public` or `optional_auth`.
It is native in sync and async Django: only a hook that may block runs in a thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Final, final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponseBase
from django.urls import get_resolver, resolve

from gatepass import AuthError
from gatepass.adapter import AccessLevel, Identity, access_level, check_guards
from gatepass.errors import refusal_in
from gatepass_django.conf import configuration
from gatepass_django.http import (
    CoreResponse,
    add_cache_headers,
    begin,
    begin_async,
    credentials,
    identify,
    identity_of,
    in_request_thread,
    is_preflight,
    wire_method,
    without_body,
)
from gatepass_django.internals import views_of

__all__ = ["AccessTokenMiddleware"]

_RAISED: Final = "_gatepass_raised"


@final
class AccessTokenMiddleware:
    """Middleware that admits requests with a valid access token, and sets `request.access_token`.

    It reads the setting `GATEPASS`, and raises `ConfigurationError` if that is missing or invalid. Middleware that
    responds to CORS preflights may be listed before or after this one. Behind a proxy that terminates TLS, set
    `SECURE_PROXY_SSL_HEADER`.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        configured = configuration()
        self._get_response = get_response
        self._server = configured.server
        self._public = configured.public
        self._urlconfs_with_marks: dict[Any, bool] = {}
        self._is_async = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated] - see views
        self.process_view: Callable[..., Any] = self._process_view
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view = self._process_view_async
        else:
            self._server.require_sync()
        got_request_exception.connect(self._record_refusal)

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._call_async(request)
        access = self._access(request)
        passes_preflight = access == "protected" and is_preflight(request)
        refusal = self._authenticate(request, "public" if passes_preflight else access)
        if refusal is not None:
            return refusal
        try:
            response = self._get_response(request)
            if getattr(response, "streaming", False):
                begin(request, response)
        except Exception as error:  # from a stream, or with DEBUG_PROPAGATE_EXCEPTIONS
            raised = refusal_in(error)
            if raised is None:
                raise
            response = self._refusal(request, raised)
        return self._finish(request, response, access, passes_preflight=passes_preflight)

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        access = self._access(request)
        passes_preflight = access == "protected" and is_preflight(request)
        refusal = await self._authenticate_async(request, "public" if passes_preflight else access)
        if refusal is not None:
            return refusal
        try:
            response = await self._get_response(request)
            if getattr(response, "streaming", False):
                await begin_async(response)
        except Exception as error:  # as above
            raised = refusal_in(error)
            if raised is None:
                raise
            response = self._refusal(request, raised)
        return self._finish(request, response, access, passes_preflight=passes_preflight)

    def process_exception(self, request: HttpRequest, exception: Exception) -> CoreResponse | None:
        """Respond to a refusal that a view raised, or the late rendering of a template."""
        refusal = refusal_in(exception)
        return self._refusal(request, refusal) if refusal is not None and self._has_authenticated(request) else None

    def _record_refusal(self, request: HttpRequest | None = None, **_: Any) -> None:
        """Record a refusal that middleware below raised: Django passes on only the 500 that it made from it."""
        refusal = refusal_in(sys.exc_info()[1])
        if refusal is not None and request is not None and self._has_authenticated(request):
            setattr(request, _RAISED, refusal)

    def _has_authenticated(self, request: HttpRequest) -> bool:
        identity = identity_of(request)
        return identity is not None and identity.server is self._server

    def _refusal(self, request: HttpRequest, error: AuthError) -> CoreResponse:
        return CoreResponse(self._server.respond(error, method=wire_method(request)))

    def _authenticate(self, request: HttpRequest, access: AccessLevel) -> CoreResponse | None:
        server = self._server
        try:
            token = server.admit(access, **credentials(request, server))
        except AuthError as error:
            return self._refusal(request, error)
        identify(request, Identity(server, token))
        return None

    async def _authenticate_async(self, request: HttpRequest, access: AccessLevel) -> CoreResponse | None:
        server = self._server
        try:
            token = await server.admit_async(access, run_blocking=in_request_thread, **credentials(request, server))
        except AuthError as error:
            return self._refusal(request, error)
        identify(request, Identity(server, token))
        return None

    def _finish(
        self, request: HttpRequest, response: HttpResponseBase, access: AccessLevel, *, passes_preflight: bool
    ) -> HttpResponseBase:
        raised: AuthError | None = getattr(request, _RAISED, None)
        if raised is not None and response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            response = self._refusal(request, raised)
        if passes_preflight and not _has_token(request) and not isinstance(response, CoreResponse):
            return without_body(response)  # from other middleware, not from a view
        add_cache_headers(response, self._server.caching[access])
        return response

    def _access(self, request: HttpRequest) -> AccessLevel:
        if request.path_info in self._public:
            return "public"
        urlconf = _urlconf_of(request)
        if not self._has_marks(urlconf):
            return "protected"
        try:
            return access_level(resolve(request.path_info, urlconf).func)
        except Exception:  # noqa: BLE001 - of a converter, perhaps: Django raises it again for admitted requests
            return "protected"

    def _has_marks(self, urlconf: Any) -> bool:
        """Return whether a view of *urlconf* is marked. Raises `ConfigurationError` if a view lacks its guard."""
        found = self._urlconfs_with_marks.get(urlconf)
        if found is None:
            views = list(views_of(get_resolver(urlconf)))
            check_guards(views)
            found = self._urlconfs_with_marks[urlconf] = any(access_level(view) != "protected" for view in views)
        return found

    def _is_open(self, request: HttpRequest, view: object) -> bool:
        """Check the view that will actually run: without a token, it must be open itself.

        This stops preflights to which no CORS middleware responded, and paths or URLconfs that middleware changed.
        """
        if request.path_info in self._public:
            return True
        self._has_marks(_urlconf_of(request))  # middleware may have set another URLconf: its guards are checked too
        return _has_token(request) or access_level(view) != "protected"

    def _process_view(self, request: HttpRequest, view: object, *_: object) -> CoreResponse | None:
        return None if self._is_open(request, view) else self._authenticate(request, "protected")

    async def _process_view_async(self, request: HttpRequest, view: object, *_: object) -> CoreResponse | None:
        return None if self._is_open(request, view) else await self._authenticate_async(request, "protected")


def _urlconf_of(request: HttpRequest) -> Any:
    return getattr(request, "urlconf", None) or settings.ROOT_URLCONF


def _has_token(request: HttpRequest) -> bool:
    identity = identity_of(request)
    return identity is not None and identity.token is not None

"""Django REST framework: an authentication class and permissions whose refusals are the core's, byte for byte.

    REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["gatepass_django.rest_framework.AccessTokenAuthentication"]}

    class Orders(APIView):
        permission_classes = [requires(scopes=["orders:read"])]

The class works alone, and behind `AccessTokenMiddleware`, whose result it uses. REST framework and the project's
`EXCEPTION_HANDLER` rewrite the responses to exceptions. A handler on the view that serves the request prevents that for
refusals; it also responds to an `AuthError` that the view raises.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Never, Unpack

from gatepass.adapter import extra_hint
from gatepass.errors import MissingCredentials, refusal_in

if find_spec("rest_framework") is None:
    raise ImportError(
        f"gatepass_django.rest_framework needs Django REST framework; install it with: {extra_hint('drf')}"
    )

from django.conf import settings
from django.db import connections, transaction
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from gatepass import AccessToken, AuthError, ConfigurationError, Requirement, ResourceServer
from gatepass.adapter import Identity, Rules
from gatepass_django.conf import configuration
from gatepass_django.http import CoreResponse, add_cache_headers, credentials, identify, identity_of, wire_method
from gatepass_django.internals import django_request, drop_headers, is_forced, replace_denial, view_of
from gatepass_django.permissions import RequiresToken, requires_credentials
from gatepass_django.user import AccessTokenUser

if TYPE_CHECKING:
    from rest_framework.views import APIView

__all__ = ["AccessTokenAuthentication", "AccessTokenUser", "requires"]

_REFUSED: Final = "_gatepass_refused"


class Refused(APIException):
    """Carries the core's error out of the view, to the handler that is set on the view."""

    def __init__(self, error: AuthError) -> None:
        super().__init__(str(error), error.reason)
        self.status_code: int = error.status


class AccessTokenAuthentication(BaseAuthentication):
    """Sets `request.user` to an `AccessTokenUser` and `request.auth` to the `AccessToken`.

    A request without credentials goes on to the next authentication class.
    """

    def authenticate(self, request: Request) -> tuple[AccessTokenUser, AccessToken] | None:
        view = view_of(request)
        _answer_refusals_of(request, view)
        has_middleware = identity_of(django_request(request)) is not None
        server, token = _identified(request)
        _add_cache_headers_to(view, server, alone=not has_middleware)
        if token is None:
            return None
        user = AccessTokenUser(token)
        _set_auser(django_request(request), user)
        return user, token

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge. REST framework calls this only before it responds with 401 for this class."""
        refusal = _refusal(request, MissingCredentials())
        setattr(request, _REFUSED, refusal)
        return refusal.headers["WWW-Authenticate"]


def requires(*misplaced: Never, **rules: Unpack[Rules]) -> type[BasePermission]:
    """Return a permission class for tokens that meet *rules*, the keywords of `Requirement`."""

    class Requires(RequiresToken):
        requirement = Requirement(*misplaced, **rules)

        def has_permission(self, request: Request, view: APIView | None = None) -> bool:
            if view is None:  # REST framework called `requires` itself, as if it were a class
                raise ConfigurationError("requires() returns a permission class: permission_classes = [requires(...)]")
            _answer_refusals_of(request, view)
            _check_authentication(request)
            token = request.auth if isinstance(request.auth, AccessToken) else None
            try:
                _identified(request).server.enforce(token, self.requirement)
            except AuthError as error:
                setattr(request, _REFUSED, error)  # another permission may still admit the request
                return False
            return True

    return Requires


def _identified(request: Request) -> Identity:
    """Return the middleware's identity; without the middleware, authenticate here."""
    inner = django_request(request)
    identity = identity_of(inner)
    if identity is None and is_forced(request):
        identity = Identity(configuration().server, request.auth if isinstance(request.auth, AccessToken) else None)
        identify(inner, identity)
    if identity is None:
        server = configuration().server
        try:
            token = server.admit("optional", **credentials(inner, server))
        except AuthError as error:
            identify(inner, Identity(server, None))
            setattr(request, _REFUSED, error)
            raise Refused(error) from error
        identity = Identity(server, token)
        identify(inner, identity)
    return identity


def _check_authentication(request: Request) -> None:
    if is_forced(request):
        return
    if not any(isinstance(one, AccessTokenAuthentication) for one in request.authenticators or ()):
        raise ConfigurationError("requires() needs AccessTokenAuthentication among the view's authentication classes")


def _answer_refusals_of(request: Request, view: Any) -> None:
    """Let the core respond to this request's refusals, instead of the project's exception handler."""
    if view is None:
        return
    theirs = view.get_exception_handler()

    def deny(_: Request, *args: Any, **kwargs: Any) -> None:
        found: AuthError | None = getattr(request, _REFUSED, None)
        if found is None:
            denied(request, *args, **kwargs)
        else:
            raise Refused(found)

    def handle(exception: Exception, context: dict[str, Any]) -> Any:
        found: AuthError | CoreResponse | None = refusal_in(exception)
        if isinstance(exception, (Refused, NotAuthenticated)):
            found = getattr(request, _REFUSED, None)
        if found is None:
            return theirs(exception, context)
        _roll_back()
        drop_headers(view)
        return found if isinstance(found, CoreResponse) else _refusal(request, found)

    view.get_exception_handler = lambda: handle
    denied = replace_denial(view, deny)  # a denial by the view itself keeps its own response
    view.finalize_response = _finalizing(request, view.finalize_response, handle)


def _roll_back() -> None:
    """Roll back the request's transactions, as Django does for an exception that leaves the view."""
    for alias, options in settings.DATABASES.items():
        if options.get("ATOMIC_REQUESTS") and connections[alias].in_atomic_block:
            transaction.set_rollback(True, using=alias)


def _finalizing(request: Request, theirs: Callable[..., Any], handle: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap *theirs*, the view's `finalize_response`: REST framework calls no handler for it or for renderers."""

    def finalize(*args: Any, **kwargs: Any) -> Any:
        try:
            response = theirs(*args, **kwargs)
        except Exception as error:
            if refusal_in(error) is None:
                raise
            return handle(error, {})
        if callable(getattr(response, "render", None)) and "render" not in vars(response):
            response.render = lambda: _rendered(request, response)
        return response

    return finalize


def _rendered(request: Request, response: Any) -> Any:
    """Return *response* rendered, or the response to a refusal that a renderer raised."""
    del response.render  # a cache could not pickle it
    try:
        return response.render()
    except Exception as error:
        refusal = refusal_in(error)
        if refusal is None:
            raise
        return _refusal(request, refusal)


def _set_auser(request: HttpRequest, user: AccessTokenUser) -> None:
    """Make Django's `request.auser`, if it exists, return *user*."""
    if not hasattr(request, "auser"):
        return

    async def auser() -> AccessTokenUser:
        return user

    setattr(request, "auser", auser)  # noqa: B010 - its type is a User of the database


def _add_cache_headers_to(view: Any, server: ResourceServer, *, alone: bool) -> None:
    """Add cache headers to the responses of *view*: with cookies, or where it is *alone*, without the middleware."""
    if view is None or not (alone or server.caching["protected"].vary):
        return
    theirs = view.finalize_response

    def finalize(*args: Any, **kwargs: Any) -> Any:
        response = theirs(*args, **kwargs)
        if not isinstance(response, CoreResponse):
            is_open = alone and not any(requires_credentials(permission) for permission in view.get_permissions())
            add_cache_headers(response, server.caching["optional" if is_open else "protected"])
        return response

    view.finalize_response = finalize


def _refusal(request: Request, error: AuthError) -> CoreResponse:
    server = _identified(request).server
    return CoreResponse(server.respond(error, method=wire_method(django_request(request))))


if find_spec("drf_spectacular") is not None:
    # It finds extensions by import, and this module is imported wherever the class is used.
    import gatepass_django.spectacular  # noqa: F401  # pyright: ignore[reportUnusedImport]

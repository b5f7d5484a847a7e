"""The request's token for sync and async views: `require_auth` requires it, `current_access_token` returns it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import CO_VARARGS, isclass
from types import FunctionType
from typing import Any, Final, Never, TypeVar, Unpack, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest

from gatepass import AccessToken, AuthError, ConfigurationError, Requirement
from gatepass.adapter import Identity, Rules, mark_guard
from gatepass_django.http import CoreResponse, identity_of, wire_method

__all__ = ["current_access_token", "require_auth"]

_View = TypeVar("_View", bound=Callable[..., Any])

_ON_CLASSES: Final = (
    'require_auth decorates view functions: put @method_decorator(require_auth(...), name="dispatch") on the class, '
    "and in REST framework set permission_classes = [requires(...)]; in a view of another framework, import "
    "require_auth from the adapter of that framework"
)


def require_auth(*misplaced: Never, **rules: Unpack[Rules]) -> Callable[[_View], _View]:
    """Return a decorator that runs a view only for a token that meets *rules*, the keywords of `Requirement`.

    For a class-based view: `@method_decorator(require_auth(scopes=["orders:read"]), name="dispatch")`.
    """
    requirement = Requirement(*misplaced, **rules)

    def decorate(view: _View) -> _View:
        if isclass(view) or not callable(view) or not _takes_a_request(view):
            raise ConfigurationError(_ON_CLASSES)
        if iscoroutinefunction(view):  # pyright: ignore[reportDeprecated] - inspect's misses marks on Python 3.11

            @wraps(view)
            async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return _refusal(request, requirement) or await view(request, *args, **kwargs)

            return cast("_View", mark_guard(view, guarded_async))

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return _refusal(request, requirement) or view(request, *args, **kwargs)

        return cast("_View", mark_guard(view, guarded))

    return decorate


def current_access_token(request: HttpRequest) -> AccessToken | None:
    """Return the request's access token; None on a public route, or on an optional one without credentials."""
    return _identity(request).token


def _takes_a_request(view: Callable[..., Any]) -> bool:
    if not isinstance(view, FunctionType):  # method_decorator passes a partial at each request, and must be fast
        return True
    return bool(view.__code__.co_argcount or view.__code__.co_flags & CO_VARARGS)


def _refusal(request: HttpRequest, requirement: Requirement) -> CoreResponse | None:
    identity = _identity(request)
    try:
        identity.server.enforce(identity.token, requirement)
    except AuthError as error:
        return CoreResponse(identity.server.respond(error, method=wire_method(request)))
    return None


def _identity(request: HttpRequest) -> Identity:
    identity = identity_of(request)
    if identity is None:
        if not isinstance(getattr(request, "_request", request), HttpRequest):  # nor REST framework's request
            raise ConfigurationError(_ON_CLASSES)
        raise ConfigurationError(
            "no AccessTokenMiddleware authenticated this request: "
            'add "gatepass_django.AccessTokenMiddleware" to the setting MIDDLEWARE'
        )
    return identity

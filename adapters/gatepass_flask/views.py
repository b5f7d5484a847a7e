"""The request's token for views: `require_auth` requires it, `current_access_token` and `access_token` return it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import isclass, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, Never, TypeVar, Unpack, cast

from flask import current_app, request
from werkzeug.local import LocalProxy

from gatepass import AccessToken, AuthError, ConfigurationError, Requirement
from gatepass.adapter import Identity, Rules, mark_guard
from gatepass_flask.http import to_response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["IDENTITY", "access_token", "current_access_token", "identity_of", "require_auth"]

IDENTITY: Final = "gatepass.identity"
"""The key of the request's `Identity` in the environ."""

_View = TypeVar("_View", bound=Callable[..., Any])
_NO_REQUEST: Final = (
    "require_auth of gatepass_flask was called without a Flask request: in a view of another framework, import "
    "require_auth from the adapter of that framework"
)
_ON_CLASSES: Final = (
    "require_auth decorates view functions: in a MethodView, set decorators = [require_auth(...)], or decorate a method"
)


def require_auth(*misplaced: Never, **rules: Unpack[Rules]) -> Callable[[_View], _View]:
    """Return a decorator that runs a view only for a token that meets *rules*, the keywords of `Requirement`.

    Put it below the route's decorator: `@app.get("/orders")`, then `@require_auth(scopes=["orders:read"])`.
    """
    requirement = Requirement(*misplaced, **rules)

    def decorate(view: _View) -> _View:
        if isclass(view) or not callable(view):
            raise ConfigurationError(_ON_CLASSES)
        is_async = iscoroutinefunction(view)

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                server, token = _identity()
            except RuntimeError:
                raise ConfigurationError(_NO_REQUEST) from None
            try:
                server.enforce(token, requirement)
            except AuthError as error:
                return to_response(server.respond(error, method=request.environ["REQUEST_METHOD"]))
            return (current_app.ensure_sync(view) if is_async else view)(*args, **kwargs)

        return cast("_View", mark_guard(view, guarded))

    return decorate


def current_access_token() -> AccessToken | None:
    """Return the request's access token; None on a public route, or on an optional one without credentials."""
    return _identity().token


def identity_of(environ: WSGIEnvironment) -> Identity | None:
    """Return the identity in *environ*, or None if no middleware has authenticated the request."""
    found: Identity | None = environ.get(IDENTITY)
    return found


def _present() -> AccessToken:
    token = _identity().token
    if token is None:
        raise RuntimeError(
            "this request has no access token: on a public or optional route, use current_access_token()"
        )
    return token


access_token: AccessToken = cast("AccessToken", LocalProxy(_present))
"""The request's access token. Where a request may have none, use `current_access_token()`."""


def _identity() -> Identity:
    found = identity_of(request.environ)
    if found is None:
        raise ConfigurationError(
            "no AccessTokenMiddleware authenticated this request: "
            "add app.wsgi_app = AccessTokenMiddleware(app.wsgi_app, server)"
        )
    return found

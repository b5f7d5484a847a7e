"""Every use of undocumented parts of Django and REST framework, and what happens in a release that lacks one.

Django:

* `url_patterns` of a resolver and `callback` of a pattern: the first request and the system check raise
  `ConfigurationError`.
* `scope` of a request under ASGI, for the method on the wire: the method is empty; no CORS preflight passes, and the
  endpoints return 405.
* `_resource_closers` of a response: its resources are left to the garbage collector.
* `file_to_stream` of a response: a file is treated like any other stream.

REST framework:

* `_request`, Django's request: authentication raises `ConfigurationError`.
* `view` in `parser_context`, and `headers` of a view: REST framework sends its own refusals.
* `permission_denied` of a view: a denial without an `AuthError` is a 500.
* `ForcedAuthentication`, which `force_authenticate` uses in tests: it is ignored.
* `AND` and `OR` with `op1` and `op2`: combined permissions are unknown, and responses carry `Vary`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLResolver

from gatepass import ConfigurationError

__all__ = [
    "asgi_method",
    "close",
    "combined",
    "django_request",
    "drop_headers",
    "is_file",
    "is_forced",
    "move_closers",
    "replace_denial",
    "view_of",
    "views_of",
]


def views_of(resolver: URLResolver) -> Iterator[Callable[..., Any]]:
    """Yield every view below *resolver*, including those of included URLconfs."""
    for entry in _part(resolver, "url_patterns"):
        if isinstance(entry, URLResolver):
            yield from views_of(entry)
        else:
            yield _part(entry, "callback")


def asgi_method(request: ASGIRequest) -> str:
    """Return the method on the wire. Django's own, and that of `META`, are in capitals."""
    return str(getattr(request, "scope", {}).get("method", ""))


def move_closers(response: HttpResponseBase, other: HttpResponseBase) -> None:
    """Let *other* close the resources of *response*."""
    setattr(other, "_resource_closers", _closers(response))  # noqa: B010 - the stubs lack it


def close(response: HttpResponseBase) -> None:
    """Close the resources of *response*, as Django does, but without its signal: the request has not ended."""
    for close_resource in _closers(response):
        close_resource()


def is_file(response: HttpResponseBase) -> bool:
    """Return whether *response* is a file, which the server may send by itself."""
    return getattr(response, "file_to_stream", None) is not None


def django_request(request: Any) -> HttpRequest:
    """Return Django's request inside *request*, which is REST framework's."""
    found: HttpRequest = _part(request, "_request")
    return found


def view_of(request: Any) -> Any:
    """Return the REST framework view that serves *request*, or None."""
    context: dict[str, Any] = getattr(request, "parser_context", None) or {}
    return context.get("view")


def is_forced(request: Any) -> bool:
    """Return whether a test set the user by `force_authenticate`, without credentials."""
    forced = _of_rest_framework("request", "ForcedAuthentication")
    return forced is not None and any(isinstance(one, forced) for one in request.authenticators or ())


def replace_denial(view: Any, deny: Callable[..., None]) -> Any:
    """Replace `permission_denied` of *view* by *deny*; return the original."""
    theirs = getattr(view, "permission_denied", None)
    view.permission_denied = deny
    return theirs


def drop_headers(view: Any) -> None:
    """Remove the headers that REST framework adds to each response."""
    view.headers = {}


def combined(permission: object, by: Literal["AND", "OR"]) -> tuple[Any, Any] | None:
    """Return both operands of *permission*, if `&` or `|` made it from two; otherwise None."""
    kind = _of_rest_framework("permissions", by)
    if kind is None or not isinstance(permission, kind):
        return None
    return getattr(permission, "op1", None), getattr(permission, "op2", None)


def _closers(response: HttpResponseBase) -> list[Callable[[], object]]:
    found: list[Callable[[], object]] = getattr(response, "_resource_closers", [])
    return found


def _of_rest_framework(module: str, name: str) -> Any:
    """Return *name* of REST framework's *module*, or None if the project has not imported it."""
    return getattr(sys.modules.get(f"rest_framework.{module}"), name, None)


def _part(holder: object, name: str) -> Any:
    try:
        return getattr(holder, name)
    except AttributeError:
        raise ConfigurationError(
            f"{type(holder).__name__}.{name} is missing in this version of Django or REST framework: install one that "
            "this version of gatepass was tested with"
        ) from None

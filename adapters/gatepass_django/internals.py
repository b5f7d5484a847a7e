"""Every use of parts of Django and REST framework that they do not document, and what happens without one.

Django:

* `url_patterns` of a resolver and `callback` of a pattern: the first request, and the system check, fail with a
  `ConfigurationError`.
* `scope` of a request under ASGI, for the method on the wire: the method is none; no CORS preflight passes, and the
  endpoints answer 405.
* `_resource_closers` of a response: what it holds is left to the garbage collector.
* `file_to_stream` of a response: a file is begun like any stream.

REST framework:

* `_request`, Django's request: authentication fails with a `ConfigurationError`.
* `view` in `parser_context`, and `headers` of a view: REST framework refuses in its own words.
* `permission_denied` of a view: what is denied without a reason of ours is a 500.
* `ForcedAuthentication`, which a test forces: it counts for nothing.
* `AND` and `OR` with `op1` and `op2`: nothing is known of combined permissions, and caches are told to vary.
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
    """Every view below *resolver*, those of included URLconfs too."""
    for entry in _part(resolver, "url_patterns"):
        if isinstance(entry, URLResolver):
            yield from views_of(entry)
        else:
            yield _part(entry, "callback")


def asgi_method(request: ASGIRequest) -> str:
    """The method as it came: Django writes its own in capitals, and that of `META` too."""
    return str(getattr(request, "scope", {}).get("method", ""))


def move_closers(response: HttpResponseBase, other: HttpResponseBase) -> None:
    """Let *other* close what *response* holds."""
    setattr(other, "_resource_closers", _closers(response))  # noqa: B010 - its stubs do not know it


def close(response: HttpResponseBase) -> None:
    """What Django does in the end, but for its signal: the request has not ended."""
    for close_resource in _closers(response):
        close_resource()


def _closers(response: HttpResponseBase) -> list[Callable[[], object]]:
    found: list[Callable[[], object]] = getattr(response, "_resource_closers", [])
    return found


def is_file(response: HttpResponseBase) -> bool:
    """Whether *response* is a file, which the server may send by itself."""
    return getattr(response, "file_to_stream", None) is not None


def django_request(request: Any) -> HttpRequest:
    """Django's request in *request*, which is REST framework's."""
    found: HttpRequest = _part(request, "_request")
    return found


def view_of(request: Any) -> Any:
    """The view of REST framework that serves *request*, or None."""
    context: dict[str, Any] = getattr(request, "parser_context", None) or {}
    return context.get("view")


def is_forced(request: Any) -> bool:
    """Whether a test of the project says who makes the request, by `force_authenticate` and without credentials."""
    forced = _of_rest_framework("request", "ForcedAuthentication")
    return forced is not None and any(isinstance(one, forced) for one in request.authenticators or ())


def replace_denial(view: Any, deny: Callable[..., None]) -> Any:
    """Let *deny* say for *view* that a permission denies the request; returns what *view* says itself."""
    theirs = getattr(view, "permission_denied", None)
    view.permission_denied = deny
    return theirs


def drop_headers(view: Any) -> None:
    """Leave out the headers that REST framework adds to each answer."""
    view.headers = {}


def combined(permission: object, by: Literal["AND", "OR"]) -> tuple[Any, Any] | None:
    """Both sides of *permission*, if it was made of two *by* `&` or `|`."""
    kind = _of_rest_framework("permissions", by)
    if kind is None or not isinstance(permission, kind):
        return None
    return getattr(permission, "op1", None), getattr(permission, "op2", None)


def _of_rest_framework(module: str, name: str) -> Any:
    """What REST framework calls *name*. It is imported where a view is served, and a project may do without it."""
    return getattr(sys.modules.get(f"rest_framework.{module}"), name, None)


def _part(holder: object, name: str) -> Any:
    try:
        return getattr(holder, name)
    except AttributeError:
        raise ConfigurationError(
            f"{type(holder).__name__}.{name} is missing in this version of Django or REST framework: install one that "
            "this version of gatepass was tested with"
        ) from None

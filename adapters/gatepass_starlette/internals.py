"""Every use of undocumented parts of Starlette and FastAPI, and what happens in a release that lacks one.

* `get_route_path` in `starlette.routing`, the path that the router matches: `public=` is rejected at start-up.
* `scope["starlette.exception_handlers"]`, the handlers of an application: they are ignored, and the resource server
  responds.
* closures of `starlette.routing` and `fastapi.routing` around an endpoint: no routes are found, all are protected.
* `effective_route_contexts`, `starlette_route` and `original_route` of included routers of FastAPI: their routes are
  protected.
* `user_middleware` of an application and `Router.not_found`: no CORS preflight passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any, Final

from starlette import routing
from starlette.routing import Route, Router
from starlette.types import Scope

from gatepass import ConfigurationError

__all__ = [
    "exception_handlers",
    "is_endpoint_closure",
    "is_original",
    "lets_router_refuse",
    "members",
    "middleware_classes",
    "path_reader",
    "takes_other_methods",
]

_ROUTING: Final = ("starlette.routing", "fastapi.routing")
_OWN_PACKAGES: Final = frozenset(("fastapi", "gatepass_starlette", "starlette"))


def path_reader() -> Callable[[Scope], str]:
    """Return the function by which the router reads a path, so that `public=` matches the same path."""
    read: Callable[[Scope], str] | None = getattr(routing, "get_route_path", None)
    if read is None:
        raise ConfigurationError(
            "public= cannot be matched with this version of Starlette: mark the views with @public, or install a "
            "version of Starlette that this version of gatepass was tested with"
        )
    return read


def exception_handlers(scope: Scope) -> dict[Any, Any] | None:
    """Return the mutable handlers by class of the application that handles *scope*, or None."""
    handlers: tuple[dict[Any, Any], ...] | None = scope.get("starlette.exception_handlers")
    return None if handlers is None else handlers[0]


def is_endpoint_closure(layer: FunctionType) -> bool:
    """Return whether *layer* is the closure that Starlette or FastAPI makes around one endpoint."""
    return layer.__closure__ is not None and layer.__globals__.get("__name__") in _ROUTING


def is_original(kind: Any, method: str) -> bool:
    """Return whether the code of *kind*'s *method* is Starlette's, FastAPI's or gatepass's own."""
    # Not by __module__, which functools.wraps copies to a wrapper from another package.
    module: str = getattr(getattr(kind, method, None), "__globals__", {}).get("__name__", "")
    return module.partition(".")[0] in _OWN_PACKAGES


def members(routes: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """Yield *routes*, with those of an included FastAPI router in its place, and whether `matches` can be trusted.

    A route class of the application may match differently, which the context of an included route does not show.
    """
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield route, True
            continue
        for context in included():
            inner = getattr(context, "starlette_route", None)
            if inner is not None:
                yield inner, True
            else:
                original = _namespace(getattr(context, "original_route", None))
                yield context, original is not None and original is _namespace(context)


def takes_other_methods(route: Any) -> bool:
    """Return whether *route*, whose path matches, itself responds to the method with 405."""
    original = getattr(route, "original_route", route)
    return isinstance(original, Route) and is_original(type(original), "handle")


def lets_router_refuse(router: Any) -> bool:
    """Return whether *router*, or that of an application, itself responds where no route matches."""
    default = getattr(getattr(router, "router", router), "default", None)
    not_found = getattr(Router, "not_found", None)
    return not_found is not None and getattr(default, "__func__", None) is not_found


def middleware_classes(layer: Any) -> list[Any] | None:
    """Return the middleware that *layer*, an application, has not built yet; None if it cannot be determined."""
    if not hasattr(layer, "add_middleware"):
        return []
    middleware = getattr(layer, "user_middleware", None)
    return None if middleware is None else [one.cls for one in middleware]


def _namespace(route: object) -> object:
    """Return the namespace of the module whose code decides what *route* matches."""
    return getattr(getattr(type(route), "matches", None), "__globals__", None)

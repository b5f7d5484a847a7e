"""Every use of parts of Starlette and FastAPI that they do not document, and what happens in a release without one.

* `get_route_path` in `starlette.routing`, the path as the router sees it: `public=` is refused at start-up.
* `scope["starlette.exception_handlers"]`, the handlers of an application: no handler counts, and the server answers.
* closures of `starlette.routing` and `fastapi.routing` around an endpoint: no routes are found, all is protected.
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
    """The router's own function, so that a path is public exactly where the router would say it is that path."""
    read: Callable[[Scope], str] | None = getattr(routing, "get_route_path", None)
    if read is None:
        raise ConfigurationError(
            "public= cannot be matched with this version of Starlette: mark the views with @public, or install a "
            "version of Starlette that this version of gatepass was tested with"
        )
    return read


def exception_handlers(scope: Scope) -> dict[Any, Any] | None:
    """The handlers by class of the application that handles *scope*, to which some may be added."""
    handlers: tuple[dict[Any, Any], ...] | None = scope.get("starlette.exception_handlers")
    return None if handlers is None else handlers[0]


def is_endpoint_closure(layer: FunctionType) -> bool:
    """Whether *layer* is what Starlette and FastAPI make of one endpoint."""
    return layer.__closure__ is not None and layer.__globals__.get("__name__") in _ROUTING


def is_original(kind: Any, method: str) -> bool:
    """Whether the code of *kind*'s *method* is Starlette's, FastAPI's or our own."""
    # Not by __module__, which functools.wraps copies to the function of another package.
    module: str = getattr(getattr(kind, method, None), "__globals__", {}).get("__name__", "")
    return module.partition(".")[0] in _OWN_PACKAGES


def members(routes: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """*routes*, with those of a router that FastAPI included in its place; and whether `matches` tells what each does.

    A route class of the application may decide in its own way, which the context of an included route does not show.
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


def _namespace(route: object) -> object:
    """The namespace of the module whose code decides what *route* matches."""
    return getattr(getattr(type(route), "matches", None), "__globals__", None)


def takes_other_methods(route: Any) -> bool:
    """Whether *route*, whose path fits, answers the method 405 by itself."""
    original = getattr(route, "original_route", route)
    return isinstance(original, Route) and is_original(type(original), "handle")


def lets_router_refuse(router: Any) -> bool:
    """Whether *router*, or that of an application, answers by itself where no route fits."""
    default = getattr(getattr(router, "router", router), "default", None)
    not_found = getattr(Router, "not_found", None)
    return not_found is not None and getattr(default, "__func__", None) is not_found


def middleware_classes(layer: Any) -> list[Any] | None:
    """The middleware that *layer*, an application, has not built yet; None if that cannot be told."""
    if not hasattr(layer, "add_middleware"):
        return []
    middleware = getattr(layer, "user_middleware", None)
    return None if middleware is None else [one.cls for one in middleware]

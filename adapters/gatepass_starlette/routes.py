"""How open the endpoint is that the application's router would choose for a connection.

Asked before the router runs, and only if some endpoint below carries a mark. What cannot be found is protected:
an unknown kind of route, a router hidden behind a function, a path that the router would redirect. Routes above are
never asked: they were chosen without this middleware, and their marks speak to the middleware above.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator
from typing import Any, Final, final

from starlette.routing import Host, Match, Mount
from starlette.types import ASGIApp, Scope

from gatepass import Access, access_of

__all__ = ["Routes"]

_DEEPEST_STACK: Final = 100


@final
class Routes:
    """The routes of *app*, found below its middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._marked: bool | None = None

    def access(self, scope: Scope) -> Access:
        """How open the endpoint for *scope* is; routes marked after the first question do not count."""
        if self._marked is None:
            self._marked = _is_marked(self._app)
        return _access_below(self._app, scope) if self._marked else "protected"


def _access_below(app: Any, scope: Scope) -> Access:
    router = _router_of(app)
    if router is None:
        return "protected"
    root_path = getattr(router, "root_path", "")
    if root_path:  # FastAPI replaces the root path when it is entered
        scope = {**scope, "root_path": root_path}
    route, matched = _choose(router.routes, scope)
    if route is None:
        return "protected"
    endpoint = matched.get("endpoint")
    marked = _access_of_endpoint(endpoint, scope)
    if marked == "protected" and isinstance(route, (Mount, Host)):
        return _access_below(endpoint, {**scope, **matched})
    return marked


def _choose(routes: Iterable[Any], scope: Scope) -> tuple[Any, Scope]:
    """The route that Starlette's router would take, and what it adds to the scope."""
    partial: tuple[Any, Scope] = (None, {})
    for route in _flat(routes):
        if _is_opaque(route):
            return None, {}
        match, matched = route.matches(scope)
        if match is Match.FULL:
            return route, matched
        if match is Match.PARTIAL and partial[0] is None:
            partial = route, matched
    return partial


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    """*routes*, with the members of a router that FastAPI included in its place."""
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield route
        else:
            for context in included():
                yield context.starlette_route or context


def _is_opaque(route: Any) -> bool:
    """Whether an included route is of a class that decides in its own way what it matches, unseen from outside."""
    original: Any = getattr(route, "original_route", None)
    return original is not None and original.__class__.matches.__module__ != route.__class__.__module__


def _router_of(app: Any) -> Any:
    """The first thing with routes at or below *app*, along the `app` attribute that middleware keep."""
    for _ in range(_DEEPEST_STACK):  # a stack that leads back to itself ends here
        if app is None:
            break
        owner = getattr(app, "__self__", app)  # a router's own bound method
        if hasattr(owner, "routes"):
            return owner
        app = getattr(app, "app", None)
    return None


def _is_marked(app: Any) -> bool:
    router = _router_of(app)
    return router is not None and any(
        _carries_mark(route) or (isinstance(route, (Mount, Host)) and _is_marked(route.app))
        for route in _flat(router.routes)
    )


def _carries_mark(route: Any) -> bool:
    endpoint = getattr(route, "app" if isinstance(route, (Mount, Host)) else "endpoint", None)
    bases = inspect.getmro(endpoint) if inspect.isclass(endpoint) else ()
    members = [member for base in bases for member in vars(base).values()]
    return any(_mark_of(candidate) != "protected" for candidate in (endpoint, *members))


def _access_of_endpoint(endpoint: Any, scope: Scope) -> Access:
    access = _mark_of(endpoint)
    if access == "protected" and inspect.isclass(endpoint) and scope["type"] == "http":
        method: str = scope["method"].lower()
        if method == "head" and not hasattr(endpoint, "head"):
            method = "get"
        return _mark_of(getattr(endpoint, method, None))
    return access


def _mark_of(endpoint: Any) -> Access:
    access = access_of(endpoint)
    if access == "protected" and isinstance(endpoint, functools.partial):
        inner: Any = endpoint.func  # pyright: ignore[reportUnknownMemberType]
        return _mark_of(inner)
    return access

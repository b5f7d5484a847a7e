"""How open the endpoint is that the application's router would choose for a connection.

Asked before the router runs, and only if some endpoint below carries a mark. What cannot be found is protected:
an unknown kind of route, a mounted application without routes, a path that the router would redirect. Routes above are
never asked: they were chosen without this middleware, and their marks speak to the middleware above.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterable, Iterator
from types import EllipsisType, FunctionType
from typing import Any, Final, cast, final

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Host, Match, Mount, Router
from starlette.types import ASGIApp, Scope

from gatepass import ConfigurationError
from gatepass.adapter import AccessLevel, access_level, application_below, check_guards
from gatepass_starlette.internals import (
    is_endpoint_closure,
    is_original,
    lets_router_refuse,
    members,
    middleware_classes,
    takes_other_methods,
)

__all__ = ["Routes", "check_routes"]

_MAX_LAYERS: Final = 100
_STARLETTE: Final[type] = Starlette.__mro__[-2]  # the class itself: an instrumentor may have put an heir in its place


def check_routes(app: ASGIApp) -> None:
    """Raise `ConfigurationError` if a route of *app*, or below it, is without the guard that was made for its view."""
    Routes(app, _application_below(app)).check()


@final
class Routes:
    """The routes of *app*, found below its middleware, or those of *routes_of*."""

    def __init__(self, app: ASGIApp, routes_of: ASGIApp | EllipsisType | None) -> None:
        self._app = app
        self._below: dict[int, tuple[object, Any]] = {}
        self._marked: bool | None = None
        self._has_marks_unseen = False
        if routes_of is not ... and routes_of is not None and not _has_routes(routes_of):
            raise ConfigurationError(
                "routes_of= takes the application whose marks count, or None if no route is marked"
            )
        self._root: Any = self._found(app) if routes_of is ... else routes_of
        if self._root is None and routes_of is not None:
            raise ConfigurationError(
                "AccessTokenMiddleware found no routes below the application that it was given, and could not see "
                "which endpoints are marked: say routes_of=app where a layer hides the Starlette or FastAPI app, or "
                "routes_of=None for an application without marks"
            )

    def access(self, scope: Scope) -> AccessLevel:
        """How open the endpoint for *scope* is; routes marked after the first question do not count."""
        if self._marked is None:
            endpoints = self.check()
            if self._has_marks_unseen:
                raise ConfigurationError(
                    "a Flask with marked views is mounted, and its marks count for the middleware of gatepass_flask "
                    "alone: put that one on the Flask, and mark what is mounted as public, so that it decides there"
                )
            self._marked = any(_carries_mark(endpoint) for endpoint in endpoints)
        if not self._marked:
            return "protected"
        try:
            return self._access_below(self._root, scope)
        except Exception:  # noqa: BLE001 - a converter's, perhaps: the router meets it again, for those who come so far
            return "protected"

    def check(self) -> list[Any]:
        """The endpoints; raises `ConfigurationError` if one is without its guard."""
        endpoints = list(self._endpoints(self._root, set()))
        check_guards(endpoints)
        return endpoints

    def runs_no_endpoint(self, scope: Scope) -> bool:
        """Whether `CORSMiddleware` will answer this preflight, or the router itself: by a redirect, 404 or 405."""
        try:
            return _runs_no_endpoint(self._app, scope)
        except Exception:  # noqa: BLE001 - as above
            return False

    def _found(self, app: Any) -> Any:
        """The first thing with routes at or below *app*, or None."""
        known = self._below.get(id(app))
        if known is None:
            known = self._below[id(app)] = app, _application_below(app)
        return known[1]

    def _access_below(self, app: Any, scope: Scope) -> AccessLevel:
        scope = _entered(app, scope)
        route, matched, _ = _choose(_routes_of(app), scope)
        if route is None:
            return "protected"
        endpoint = matched.get("endpoint")
        marked = _access_of_endpoint(endpoint, scope)
        if marked == "protected" and isinstance(route, (Mount, Host)):
            return self._access_below(self._found(endpoint), {**scope, **matched})
        return marked

    def _endpoints(self, app: Any, seen: set[int]) -> Iterator[Any]:
        """What *app*'s routes lead to, and those of what is mounted there."""
        if id(app) in seen:  # an application may be mounted in itself
            return
        seen.add(id(app))
        if isinstance(app, (FunctionType, type)):  # what was made of a single endpoint
            yield app
        for route, _ in members(_routes_of(app)):
            if isinstance(route, (Mount, Host)):
                yield route.app
                below = self._found(route.app)
                if below is None and access_level(route.app) == "protected":
                    views = _flask_views(route.app)
                    self._has_marks_unseen |= any(access_level(view) != "protected" for view in views)
                    yield from views
                yield from self._endpoints(below, seen)
            else:
                yield getattr(route, "endpoint", None)


def _application_below(app: Any) -> Any:
    """The first thing with routes at or below *app*, or None."""
    return application_below(app, _has_routes, passes_to=_passes_to, parts_of=_parts_of)


def _passes_to(layer: object) -> object:
    kind = type(layer)
    if issubclass(kind, BaseHTTPMiddleware) and kind.__call__ is BaseHTTPMiddleware.__call__:
        return vars(layer).get("app")  # its dispatch may know other applications, and passes requests on to this one
    return None


def _parts_of(app: object) -> Iterable[object]:
    """The router of a Starlette, which is what the layers lead to inside it, while a layer may hold the whole."""
    return (cast("Starlette", app).router,) if issubclass(type(app), _STARLETTE) else ()


def _has_routes(layer: Any) -> bool:
    """Whether *layer* is an application with routes, a route, or what Starlette and FastAPI make of one endpoint."""
    if issubclass(type(layer), FunctionType):  # isinstance() would ask a proxy
        return is_endpoint_closure(cast("FunctionType", layer))
    if issubclass(type(layer), type):
        return issubclass(layer, (HTTPEndpoint, WebSocketEndpoint))
    return issubclass(type(layer), (_STARLETTE, Router, BaseRoute))


def _flask_views(mounted: Any) -> list[Any]:
    """The views of a Flask that is *mounted*, which no middleware but its own sees."""
    module = sys.modules.get("flask.app")
    flask = None if module is None else application_below(mounted, lambda layer: issubclass(type(layer), module.Flask))
    return [] if flask is None else list(flask.view_functions.values())


def _routes_of(app: Any) -> Iterable[Any]:
    """The routes of what `_has_routes`; none of a single endpoint, whose route has been chosen already."""
    return [app] if isinstance(app, BaseRoute) else getattr(app, "routes", ())


def _runs_no_endpoint(app: Any, scope: Scope) -> bool:
    router = _router_of(app)
    if router is None:
        return False
    for kind in _kinds(app):
        if kind is CORSMiddleware:
            return True  # it lets no preflight through
        if not is_original(kind, "__call__") or issubclass(kind, BaseHTTPMiddleware):
            return False  # it may change the path or the method, or answer the request itself
    scope = _entered(router, scope)
    route, matched, match = _choose(router.routes, scope)
    if match is Match.NONE:
        return lets_router_refuse(router)
    if match is Match.PARTIAL:  # the path is there, and takes other methods
        return takes_other_methods(route)
    return isinstance(route, (Mount, Host)) and _runs_no_endpoint(matched["endpoint"], {**scope, **matched})


def _kinds(app: Any) -> Iterator[Any]:
    """The classes of *app* and of what is below it, with the middleware that an application has not built yet."""
    for layer in _layers(app):
        yield type(layer)
        middleware = middleware_classes(layer)
        yield from (None,) if middleware is None else middleware


def _entered(router: Any, scope: Scope) -> Scope:
    """*scope* as *router* sees it: FastAPI replaces the root path when it is entered."""
    root_path = getattr(router, "root_path", "")
    return {**scope, "root_path": root_path} if root_path else scope


def _choose(routes: Iterable[Any], scope: Scope) -> tuple[Any, Scope, Match]:
    """The route that Starlette's router would take, what it adds to the scope, and how well it fits."""
    partial: tuple[Any, Scope, Match] = (None, {}, Match.NONE)
    for route, tells in members(routes):
        if not tells:
            return None, {}, Match.FULL
        match, matched = route.matches(scope)
        if match is Match.FULL:
            return route, matched, match
        if match is Match.PARTIAL and partial[0] is None:
            partial = route, matched, match
    return partial


def _layers(app: Any) -> Iterator[Any]:
    """*app* and what is below it, along the `app` attribute of stock middleware, to the first thing with routes."""
    for _ in range(_MAX_LAYERS):  # a stack that leads back to itself ends here
        if app is None:
            return
        owner = getattr(app, "__self__", app)  # a router's own bound method
        yield owner
        if hasattr(owner, "routes"):
            return
        app = getattr(app, "app", None)


def _router_of(app: Any) -> Any:
    """The first thing with routes at or below *app*."""
    return next((layer for layer in _layers(app) if hasattr(layer, "routes")), None)


def _carries_mark(endpoint: Any) -> bool:
    bases = inspect.getmro(endpoint) if inspect.isclass(endpoint) else ()
    members = [member for base in bases for member in vars(base).values()]
    return any(_mark_of(candidate) != "protected" for candidate in (endpoint, *members))


def _access_of_endpoint(endpoint: Any, scope: Scope) -> AccessLevel:
    access = _mark_of(endpoint)
    if access == "protected" and inspect.isclass(endpoint) and scope["type"] == "http":
        method: str = scope["method"].lower()
        if method == "head" and not hasattr(endpoint, "head"):
            method = "get"
        return _mark_of(getattr(endpoint, method, None))
    return access


def _mark_of(endpoint: Any) -> AccessLevel:
    access = access_level(endpoint)
    if access == "protected" and isinstance(endpoint, functools.partial):
        inner: Any = endpoint.func  # pyright: ignore[reportUnknownMemberType]
        return _mark_of(inner)
    return access

"""Find the access level of the endpoint that the application's router will choose for a connection.

This runs before the router, and only if an endpoint below is marked. Unknown endpoints are protected: an unknown kind
of route, a mounted application without routes, a path that the router would redirect. Routes above this middleware are
not read: their marks apply to the middleware above.
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
_STARLETTE: Final[type] = Starlette.__mro__[-2]  # not the name: an instrumentor may bind it to a subclass


def check_routes(app: ASGIApp) -> None:
    """Raise `ConfigurationError` if a route of *app*, or below it, lacks the guard that was made for its view."""
    Routes(app, _application_below(app)).check()


@final
class Routes:
    """The routes of the application below *app*, or those of *routes_of*."""

    def __init__(self, app: ASGIApp, routes_of: ASGIApp | EllipsisType | None) -> None:
        self._app = app
        self._below: dict[int, tuple[object, Any]] = {}
        self._marked: bool | None = None
        self._has_flask_marks = False
        if routes_of is not ... and routes_of is not None and not _has_routes(routes_of):
            raise ConfigurationError(
                "routes_of= takes the application whose marks count, or None if no route is marked"
            )
        self._root: Any = self._found(app) if routes_of is ... else routes_of
        if self._root is None and routes_of is not None:
            raise ConfigurationError(
                "AccessTokenMiddleware found no routes below the application that it was given, so it cannot read the "
                "marks on endpoints: give routes_of=app where a layer hides the Starlette or FastAPI app, or "
                "routes_of=None for an application without marks"
            )

    def access(self, scope: Scope) -> AccessLevel:
        """Return the access level of the endpoint for *scope*; marks set after the first call do not count."""
        if self._marked is None:
            endpoints = self.check()
            if self._has_flask_marks:
                raise ConfigurationError(
                    "a Flask application with marked views is mounted, and only gatepass_flask's middleware applies "
                    "its marks: give the Flask application that middleware, and mark the mounted application as public"
                )
            self._marked = any(_carries_mark(endpoint) for endpoint in endpoints)
        if not self._marked:
            return "protected"
        try:
            return self._access_below(self._root, scope)
        except Exception:  # noqa: BLE001 - of a converter, perhaps: the router raises it again for admitted requests
            return "protected"

    def check(self) -> list[Any]:
        """Return the endpoints; raise `ConfigurationError` if one lacks its guard."""
        endpoints = list(self._endpoints(self._root, set()))
        check_guards(endpoints)
        return endpoints

    def runs_no_endpoint(self, scope: Scope) -> bool:
        """Return whether `CORSMiddleware` or the router itself (redirect, 404, 405) will respond to this preflight."""
        try:
            return _runs_no_endpoint(self._app, scope)
        except Exception:  # noqa: BLE001 - as above
            return False

    def _found(self, app: Any) -> Any:
        """Return the first layer with routes at or below *app*, or None."""
        cached = self._below.get(id(app))
        if cached is None:
            cached = self._below[id(app)] = app, _application_below(app)
        return cached[1]

    def _access_below(self, app: Any, scope: Scope) -> AccessLevel:
        scope = _scope_for(app, scope)
        route, matched, _ = _choose(_routes_of(app), scope)
        if route is None:
            return "protected"
        endpoint = matched.get("endpoint")
        marked = _access_of_endpoint(endpoint, scope)
        if marked == "protected" and isinstance(route, (Mount, Host)):
            return self._access_below(self._found(endpoint), {**scope, **matched})
        return marked

    def _endpoints(self, app: Any, seen: set[int]) -> Iterator[Any]:
        """Yield the endpoints of *app*'s routes and of mounted applications."""
        if id(app) in seen:  # an application may be mounted in itself
            return
        seen.add(id(app))
        if isinstance(app, (FunctionType, type)):  # an application made from a single endpoint
            yield app
        for route, _ in members(_routes_of(app)):
            if isinstance(route, (Mount, Host)):
                yield route.app
                below = self._found(route.app)
                if below is None and access_level(route.app) == "protected":
                    views = _flask_views(route.app)
                    self._has_flask_marks |= any(access_level(view) != "protected" for view in views)
                    yield from views
                yield from self._endpoints(below, seen)
            else:
                yield getattr(route, "endpoint", None)


def _application_below(app: Any) -> Any:
    """Return the first layer with routes at or below *app*, or None."""
    return application_below(app, _has_routes, passes_to=_passes_to, parts_of=_parts_of)


def _passes_to(layer: object) -> object:
    kind = type(layer)
    if issubclass(kind, BaseHTTPMiddleware) and kind.__call__ is BaseHTTPMiddleware.__call__:
        return vars(layer).get("app")  # its dispatch may refer to other applications, but call_next leads to this one
    return None


def _parts_of(app: object) -> Iterable[object]:
    """Return the router of a Starlette application: its layers lead to the router, or hold the application."""
    return (cast("Starlette", app).router,) if issubclass(type(app), _STARLETTE) else ()


def _has_routes(layer: Any) -> bool:
    """Return whether *layer* is an application with routes, a route, or an application made from one endpoint."""
    if issubclass(type(layer), FunctionType):  # isinstance() would resolve a proxy
        return is_endpoint_closure(cast("FunctionType", layer))
    if issubclass(type(layer), type):
        return issubclass(layer, (HTTPEndpoint, WebSocketEndpoint))
    return issubclass(type(layer), (_STARLETTE, Router, BaseRoute))


def _flask_views(mounted: Any) -> list[Any]:
    """Return the views of a Flask application that is *mounted*; only its own middleware finds them."""
    module = sys.modules.get("flask.app")
    flask = None if module is None else application_below(mounted, lambda layer: issubclass(type(layer), module.Flask))
    return [] if flask is None else list(flask.view_functions.values())


def _routes_of(app: Any) -> Iterable[Any]:
    """Return the routes of *app*; none for a single endpoint, whose route is already chosen."""
    return [app] if isinstance(app, BaseRoute) else getattr(app, "routes", ())


def _runs_no_endpoint(app: Any, scope: Scope) -> bool:
    router = _router_of(app)
    if router is None:
        return False
    for kind in _kinds(app):
        if kind is CORSMiddleware:
            return True  # it responds to every preflight itself
        if not is_original(kind, "__call__") or issubclass(kind, BaseHTTPMiddleware):
            return False  # it may change the path or the method, or respond itself
    scope = _scope_for(router, scope)
    route, matched, match = _choose(router.routes, scope)
    if match is Match.NONE:
        return lets_router_refuse(router)
    if match is Match.PARTIAL:  # the path matches, but not the method
        return takes_other_methods(route)
    return isinstance(route, (Mount, Host)) and _runs_no_endpoint(matched["endpoint"], {**scope, **matched})


def _kinds(app: Any) -> Iterator[Any]:
    """Yield the classes of *app* and of the layers below, with middleware that is not built yet."""
    for layer in _layers(app):
        yield type(layer)
        middleware = middleware_classes(layer)
        yield from (None,) if middleware is None else middleware


def _scope_for(router: Any, scope: Scope) -> Scope:
    """Return *scope* as *router* receives it: FastAPI replaces the root path on entry."""
    root_path = getattr(router, "root_path", "")
    return {**scope, "root_path": root_path} if root_path else scope


def _choose(routes: Iterable[Any], scope: Scope) -> tuple[Any, Scope, Match]:
    """Return the route that Starlette's router would choose, its additions to the scope, and the match."""
    partial: tuple[Any, Scope, Match] = (None, {}, Match.NONE)
    for route, is_reliable in members(routes):
        if not is_reliable:
            return None, {}, Match.FULL
        match, matched = route.matches(scope)
        if match is Match.FULL:
            return route, matched, match
        if match is Match.PARTIAL and partial[0] is None:
            partial = route, matched, match
    return partial


def _layers(app: Any) -> Iterator[Any]:
    """Yield *app* and the layers below, by the `app` attribute of stock middleware, to the first one with routes."""
    for _ in range(_MAX_LAYERS):  # a stack that leads back to itself ends here
        if app is None:
            return
        owner = getattr(app, "__self__", app)  # a router's own bound method
        yield owner
        if hasattr(owner, "routes"):
            return
        app = getattr(app, "app", None)


def _router_of(app: Any) -> Any:
    """Return the first layer with routes at or below *app*."""
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

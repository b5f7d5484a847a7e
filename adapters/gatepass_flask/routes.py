"""Predict what Flask's router will do with a request. A view that cannot be determined counts as protected."""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType, MethodType
from typing import TYPE_CHECKING, Any, Final, cast, final

from flask.app import Flask  # not from flask, where an instrumentor may have put a subclass
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Rule

from gatepass import ConfigurationError
from gatepass.adapter import AccessLevel, access_level, application_below, check_guards, layer_below
from gatepass_flask.internals import answers_options_itself, dispatched, views

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

__all__ = ["Routes"]

_DISPATCH: Final = ("wsgi_app", "full_dispatch_request", "dispatch_request", "raise_routing_exception")


@final
class Routes:
    """The views of the Flask application below *app*, or of all those in a Werkzeug dispatcher."""

    def __init__(self, app: WSGIApplication, routes_of: Flask | EllipsisType | None) -> None:
        if not _is_valid_choice(routes_of):
            raise ConfigurationError("routes_of= takes the Flask whose marks count, or None if no view is marked")
        self._below: dict[int, tuple[object, Flask | DispatcherMiddleware | None]] = {}
        self._has_marks: bool | None = None
        self._root: object = self._found(app) if routes_of is ... else routes_of
        if self._root is None and routes_of is not None:
            raise ConfigurationError(
                "AccessTokenMiddleware found no Flask below the application that it was given, so it cannot read the "
                "marks on views: give app.wsgi_app, or routes_of=app where a layer hides the Flask app, or "
                "routes_of=None for an application without marks"
            )
        self._called_app = self._root if isinstance(self._root, Flask) and _lead_to_itself(app, self._root) else None
        called = app.wsgi_app if isinstance(app, Flask) else app
        owner = called.__self__ if isinstance(called, MethodType) else None
        self._app_without_layers: Flask | None = owner if isinstance(owner, Flask) and owner is self._root else None

    def access(self, environ: WSGIEnvironment) -> AccessLevel:
        """Return the access level of the view that the router will choose; "protected" if it chooses none."""
        if self._has_marks is None:
            registered = [view for app in self.flasks() for view in views(app).values()]
            check_guards(registered)
            self._has_marks = any(access_level(view) != "protected" for view in registered)
        if not self._has_marks:
            return "protected"
        try:
            app, environ = self._chosen(environ)
            rule = None if app is None else _rule(app, environ)
        except Exception:  # noqa: BLE001 - of a converter, perhaps: Flask raises it again for admitted requests
            return "protected"
        return access_level(None if app is None or rule is None else views(app).get(rule.endpoint))

    def lead_back_to(self, middleware: object) -> bool:
        """Return whether the layers call a Flask application itself, and *middleware* is now in its `wsgi_app`."""
        app = self._called_app
        return app is not None and layer_below(app.wsgi_app, lambda layer: layer is middleware) is not None

    def runs_no_view(self, environ: WSGIEnvironment) -> bool:
        """Return whether Flask itself will respond to this preflight: automatic `OPTIONS`, a redirect, 404 or 405."""
        app = self._app_without_layers  # a layer may change the method and the path
        if app is None or any(getattr(type(app), name, None) is not getattr(Flask, name, app) for name in _DISPATCH):
            return False  # a subclass may change the request before a view is chosen
        try:
            if app.request_class(environ).method != "OPTIONS":
                return False
            rule = _rule(app, environ)
        except HTTPException:
            return True
        except Exception:  # noqa: BLE001 - as above
            return False
        return rule is not None and answers_options_itself(rule)

    def flasks(self) -> Iterator[Flask]:
        """Yield each application once, including mounted ones."""
        waiting, seen = [self._root], set[int]()
        while waiting:
            found = waiting.pop(0)
            if found is None or id(found) in seen:
                continue
            seen.add(id(found))
            if isinstance(found, Flask):
                yield found
            elif isinstance(found, DispatcherMiddleware):
                default, mounts = dispatched(found)
                waiting += map(self._found, (default, *mounts.values()))

    def _found(self, app: Any) -> Flask | DispatcherMiddleware | None:
        cached = self._below.get(id(app))
        if cached is None:
            cached = self._below[id(app)] = app, application_below(app, _has_routes)
        return cached[1]

    def _chosen(self, environ: WSGIEnvironment) -> tuple[Flask | None, WSGIEnvironment]:
        """Return the application for the request, and the environ that it will receive."""
        found = self._root
        while isinstance(found, DispatcherMiddleware):
            default, mounts = dispatched(found)
            script, rest = environ.get("PATH_INFO", ""), ""
            while "/" in script and script not in mounts:
                script, _, last = script.rpartition("/")
                rest = f"/{last}{rest}"
            environ = {**environ, "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + script, "PATH_INFO": rest}
            found = self._found(mounts.get(script, default))
        return (found if isinstance(found, Flask) else None), environ


def _has_routes(layer: object) -> bool:
    kind = type(layer)
    is_dispatcher = issubclass(kind, DispatcherMiddleware) and kind.__call__ is DispatcherMiddleware.__call__
    return is_dispatcher or issubclass(kind, Flask)


def _lead_to_itself(layers: object, app: Flask) -> bool:
    """Return whether *layers* call *app* itself. Its bound `wsgi_app` alone would skip the layers in `app.wsgi_app`."""
    try:
        found = layer_below(layers, lambda layer: layer is app or _is_method_of(layer, app))
    except ConfigurationError:  # they call it and its bound wsgi_app
        return False
    return found is app


def _is_method_of(layer: object, app: Flask) -> bool:
    return issubclass(type(layer), MethodType) and cast("MethodType", layer).__self__ is app


def _is_valid_choice(routes_of: object) -> bool:
    return issubclass(type(routes_of), (Flask, EllipsisType, type(None)))  # isinstance() would resolve a proxy


def _rule(app: Flask, environ: WSGIEnvironment) -> Rule | None:
    adapter = app.create_url_adapter(app.request_class(environ))
    return None if adapter is None else adapter.match(return_rule=True)[0]

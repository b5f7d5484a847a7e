"""Every use of internal parts of Flask and Werkzeug, and what happens in a release that lacks one.

* `Flask.view_functions`, read only: the first request raises `ConfigurationError`.
* `Flask.error_handler_spec`: the application's error handlers are ignored, and the resource server responds.
* `provide_automatic_options` of a rule: no CORS preflight passes.
* `app` and `mounts` of `DispatcherMiddleware`: creating the middleware raises `ConfigurationError`.
* `name` and `name_prefix` of a blueprint's registration: registering raises `ConfigurationError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from flask.app import Flask
from flask.blueprints import BlueprintSetupState
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Rule

from gatepass import ConfigurationError

__all__ = ["answers_options_itself", "dispatched", "endpoint_name", "error_handlers", "views"]


def views(app: Flask) -> Mapping[str, Any]:
    """Return the views of *app* by endpoint, with those of its blueprints."""
    return cast("Mapping[str, Any]", _part(app, "view_functions"))


def error_handlers(app: Flask, blueprints: list[str]) -> Iterator[Mapping[Any, Any]]:
    """Yield the handlers by class of each of *blueprints*, then of *app*."""
    specification: Mapping[str | None, Mapping[int | None, Any]] = getattr(app, "error_handler_spec", {})
    for name in (*blueprints, None):
        yield specification.get(name, {}).get(None, {})


def answers_options_itself(rule: Rule) -> bool:
    """Return whether Flask itself responds to `OPTIONS` for *rule*, without calling its view."""
    return getattr(rule, "provide_automatic_options", False) is True


def dispatched(dispatcher: DispatcherMiddleware) -> tuple[Any, Mapping[str, Any]]:
    """Return the default application of *dispatcher*, and the mounted ones by path."""
    return _part(dispatcher, "app"), _part(dispatcher, "mounts")


def endpoint_name(state: BlueprintSetupState, endpoint: str) -> str:
    """Return the full name of a blueprint's *endpoint* in the application."""
    return f"{_part(state, 'name_prefix')}.{_part(state, 'name')}.{endpoint}".lstrip(".")


def _part(holder: object, name: str) -> Any:
    try:
        return getattr(holder, name)
    except AttributeError:
        raise ConfigurationError(
            f"{type(holder).__name__}.{name} is missing in this version of Flask or Werkzeug: install one that this "
            "version of gatepass was tested with"
        ) from None

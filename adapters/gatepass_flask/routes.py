"""What Flask's router will do with a request, asked before Flask does it. What cannot be told counts as protected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from gatepass import Access, access_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["access_to", "has_marks", "runs_no_view"]

_DISPATCH: Final = ("wsgi_app", "full_dispatch_request", "dispatch_request", "raise_routing_exception")


def has_marks(app: Flask) -> bool:
    """Whether any view of *app* is marked as open."""
    return any(access_of(view) != "protected" for view in app.view_functions.values())


def access_to(app: Flask, environ: WSGIEnvironment) -> Access:
    """How open the view is that *app* will choose; protected where it will choose none."""
    try:
        rule = _rule(app, environ)
    except Exception:  # noqa: BLE001 - a converter's, perhaps: Flask meets it again, for those who may come so far
        return "protected"
    return access_of(None if rule is None else app.view_functions.get(rule.endpoint))


def runs_no_view(app: Flask, environ: WSGIEnvironment) -> bool:
    """Whether *app* will answer this preflight by itself: by its automatic `OPTIONS`, a redirect, 404 or 405."""
    if any(getattr(type(app), name) is not getattr(Flask, name) for name in _DISPATCH):
        return False  # whatever it makes of the request before a view is chosen
    try:
        if app.request_class(environ).method != "OPTIONS":
            return False
        rule = _rule(app, environ)
    except HTTPException:
        return True
    except Exception:  # noqa: BLE001 - as above
        return False
    return rule is not None and getattr(rule, "provide_automatic_options", False) is True


def _rule(app: Flask, environ: WSGIEnvironment) -> Rule | None:
    adapter = app.create_url_adapter(app.request_class(environ))
    return None if adapter is None else adapter.match(return_rule=True)[0]

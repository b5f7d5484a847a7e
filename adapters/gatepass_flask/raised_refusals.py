"""Refusals that the application raises below the middleware: the request's resource server responds to them.

A Flask application handles the exceptions of its views itself, so this module wraps its two methods for exceptions.
From any other WSGI application, exceptions reach the middleware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, final

from flask import Flask, request

from gatepass.adapter import Caching
from gatepass.errors import refusal_in
from gatepass_flask.http import close, to_response
from gatepass_flask.internals import error_handlers
from gatepass_flask.views import identity_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Start", "answer_refusals_of", "start_body"]

_GENERAL: Final = (Exception, BaseException, object)


def answer_refusals_of(app: Flask) -> None:
    """Let the request's resource server respond to each `AuthError` of *app*, unless *app* handles that class.

    A handler for `Exception` or for 500 is ignored: it is for failures, and a refusal is not one. Extensions such as
    Flask-RESTful replace the methods of *app*, so this function is called again when all of them are installed.
    """
    for name in ("handle_user_exception", "handle_exception"):
        theirs = getattr(app, name)
        if not isinstance(theirs, _RefusalHandler):
            setattr(app, name, _RefusalHandler(app, theirs, of_views=name == "handle_user_exception"))


@final
class Start:
    """`start_response` for the application. It keeps the status until `release`, because a refusal may replace it.

    *caching*: the cache headers of a response that depends on the credentials.
    """

    __slots__ = ("_caching", "_start_response", "_waiting", "_write_on", "has_started")

    def __init__(self, start_response: StartResponse, caching: Caching) -> None:
        self._start_response = start_response
        self._caching = caching
        self._waiting: tuple[Any, ...] | None = None
        self._write_on: Callable[[bytes], object] | None = None
        self.has_started: bool = False

    def __call__(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
        if self._caching.vary:
            headers = [*headers, *self._caching.missing(headers)]
        if self.has_started:
            return self._start_response(status, headers, *exc_info)
        self._waiting = status, headers, *exc_info
        return self._write

    def release(self) -> None:
        """Send the status and headers, if the application has set them."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.has_started = True
            self._write_on = self._start_response(*waiting)

    def _write(self, data: bytes, /) -> None:
        """Write like the `write` callable of PEP 3333, for old applications."""
        self.release()
        if self._write_on is not None:
            self._write_on(data)


def start_body(body: Iterable[bytes], environ: WSGIEnvironment) -> Iterable[bytes]:
    """Run a lazy *body* up to its first byte, and return the whole of it. Raises what the body raises."""
    if _is_whole(body, environ):
        return body
    first: list[bytes] = []
    try:
        parts = iter(body)
        for part in parts:
            first.append(part)
            if part:
                break
    except BaseException:
        close(body)
        raise
    return _StartedBody(first, parts, body)


@final
class _RefusalHandler:
    """Wraps *theirs*, a method of *app* for exceptions: those *of_views*, or those of the code that runs after them."""

    def __init__(self, app: Flask, theirs: Callable[..., Any], *, of_views: bool) -> None:
        self._app = app
        self._theirs = theirs
        self._of_views = of_views

    def __call__(self, *args: Any) -> Any:
        error = args[-1]
        refusal = refusal_in(error)
        identity = None if refusal is None else identity_of(request.environ)
        if refusal is None or identity is None:
            return self._theirs(*args)
        for raised in (refusal, error) if self._of_views else ():
            handler = _handler(self._app, raised)
            if handler is not None:
                return self._app.ensure_sync(handler)(raised)
        return to_response(identity.server.respond(refusal, method=request.environ["REQUEST_METHOD"]))


def _handler(app: Flask, error: Exception) -> Any:
    """Return the application's own handler for *error*, a blueprint's first."""
    for handlers in error_handlers(app, request.blueprints):
        for kind in type(error).__mro__:
            if kind in handlers and kind not in _GENERAL:
                return handlers[kind]
    return None


def _is_whole(body: Iterable[bytes], environ: WSGIEnvironment) -> bool:
    """Return whether *body* is complete, or is a file, which a server may recognize and send by itself."""
    file_wrapper = environ.get("wsgi.file_wrapper")
    is_own = isinstance(file_wrapper, type) and isinstance(body, file_wrapper)
    return is_own or isinstance(body, (list, tuple)) or hasattr(body, "read")


@final
class _StartedBody:
    """A body of *first* and the remaining *parts* of *body*."""

    __slots__ = ("_body", "_parts")

    def __init__(self, first: list[bytes], parts: Iterator[bytes], body: Iterable[bytes]) -> None:
        self._parts = chain(first, parts)
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        close(self._body)

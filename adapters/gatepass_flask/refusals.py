"""Refusals that the application raises below the middleware: the server that judged the request answers them.

A Flask application keeps what its views raise to itself, so there the two methods that it asks about exceptions are
asked by way of ours. Every other WSGI application lets exceptions through to the middleware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, final

from flask import Flask, request

from gatepass.adapter import Caching, Response
from gatepass.errors import refusal_in
from gatepass_flask.http import close, to_response
from gatepass_flask.internals import error_handlers
from gatepass_flask.views import identity_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Start", "answer_refusals_of", "send", "start_body"]

_GENERAL: Final = (Exception, BaseException, object)


def answer_refusals_of(app: Flask) -> None:
    """Let the request's server answer each `AuthError` of *app*, unless *app* has a handler for that class.

    A handler for `Exception` or for 500 stands for mistakes, and a refusal is none. Extensions such as Flask-RESTful
    put methods of their own before those of *app*, so this is done again when all of them are there.
    """
    for name in ("handle_user_exception", "handle_exception"):
        theirs = getattr(app, name)
        if not isinstance(theirs, _RefusalHandler):
            setattr(app, name, _RefusalHandler(app, theirs, of_views=name == "handle_user_exception"))


@final
class _RefusalHandler:
    """Stands before *theirs*, a method of *app* for exceptions: *of_views*, or of all that runs after."""

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
    """The application's own handler for *error*, a blueprint's first."""
    for handlers in error_handlers(app, request.blueprints):
        for kind in type(error).__mro__:
            if kind in handlers and kind not in _GENERAL:
                return handlers[kind]
    return None


def send(answer: Response, start_response: StartResponse) -> Iterable[bytes]:
    """*answer* itself."""
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
    return [answer.body]


@final
class Start:
    """`start_response` for the application. It waits with the status until `go`, for a refusal may take its place.

    *caching*: what caches are told of an answer that depends on who asks.
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

    def go(self) -> None:
        """Begin the answer, as far as the application has."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.has_started = True
            self._write_on = self._start_response(*waiting)

    def _write(self, data: bytes, /) -> None:
        """The way of old applications."""
        self.go()
        if self._write_on is not None:
            self._write_on(data)


def start_body(body: Iterable[bytes], environ: WSGIEnvironment) -> Iterable[bytes]:
    """*body* of an application that may run only now: it has run up to its first octet. Raises what it does."""
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


def _is_whole(body: Iterable[bytes], environ: WSGIEnvironment) -> bool:
    """Whether *body* is there already, or is a file, which a server may know for its own kind and send by itself."""
    file_wrapper = environ.get("wsgi.file_wrapper")
    is_own = isinstance(file_wrapper, type) and isinstance(body, file_wrapper)
    return is_own or isinstance(body, (list, tuple)) or hasattr(body, "read")


@final
class _StartedBody:
    """*first* and the other *parts* of *body*."""

    __slots__ = ("_body", "_parts")

    def __init__(self, first: list[bytes], parts: Iterator[bytes], body: Iterable[bytes]) -> None:
        self._parts = chain(first, parts)
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        close(self._body)

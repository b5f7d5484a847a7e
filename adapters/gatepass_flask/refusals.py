"""Refusals that the application raises below the middleware: the server that judged the request answers them.

A Flask application keeps what its views raise to itself, so there the two methods that it asks about exceptions are
asked by way of ours. Every other WSGI application lets exceptions through to the middleware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, final

from flask import Flask, request

from gatepass import AuthError, Response
from gatepass_flask.answer import to_response
from gatepass_flask.identity import identity_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Answered", "answer_refusals_of", "is_whole", "send"]

_EXTENSION: Final = "gatepass"
_GENERAL: Final = (Exception, BaseException, object)


def answer_refusals_of(app: Flask) -> None:
    """Let the request's server answer each `AuthError` of *app*, unless *app* has a handler for that class.

    A handler for `Exception` or for 500 stands for mistakes, and a refusal is none.
    """
    if _EXTENSION in app.extensions:  # by another middleware around the same application
        return
    app.extensions[_EXTENSION] = True
    handle_user_exception, handle_exception = app.handle_user_exception, app.handle_exception

    def of_views(*args: Any) -> Any:
        error = args[-1]
        if not isinstance(error, AuthError) or identity_of(request.environ) is None:
            return handle_user_exception(*args)
        handler = _handler(app, error)
        return _answer(error) if handler is None else app.ensure_sync(handler)(error)

    def of_all_else(*args: Any) -> Any:
        """For what error handlers and functions after the request raise."""
        error = args[-1]
        if not isinstance(error, AuthError) or identity_of(request.environ) is None:
            return handle_exception(*args)
        return _answer(error)

    for name, ours in (("handle_user_exception", of_views), ("handle_exception", of_all_else)):
        setattr(app, name, ours)


def _handler(app: Flask, error: AuthError) -> Any:
    """The application's own handler for *error*, a blueprint's first."""
    for name in (*request.blueprints, None):
        handlers = app.error_handler_spec.get(name, {}).get(None, {})
        for kind in type(error).__mro__:
            if kind in handlers and kind not in _GENERAL:
                return handlers[kind]
    return None


def _answer(error: AuthError) -> Any:
    identity = identity_of(request.environ)
    assert identity is not None  # noqa: S101 - both callers have asked
    return to_response(identity.server.respond(error, method=request.environ["REQUEST_METHOD"]))


def send(answer: Response, start_response: StartResponse, *exc_info: Any) -> Iterable[bytes]:
    """*answer*; with *exc_info* it replaces one that was begun and of which nothing was sent yet (PEP 3333)."""
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers), *exc_info)
    return [answer.body]


def is_whole(body: Iterable[bytes], environ: WSGIEnvironment) -> bool:
    """Whether *body* is there already, or is the server's own kind of file, which it must recognize."""
    file_wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(body, (list, tuple)) or (isinstance(file_wrapper, type) and isinstance(body, file_wrapper))


@final
class Answered:
    """*body* of an application that may run only now, when it is read; *answer* sends a refusal."""

    def __init__(self, body: Iterable[bytes], answer: Callable[[AuthError], Iterable[bytes]]) -> None:
        self._body = body
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        has_sent = False
        try:
            for part in self._body:
                has_sent = has_sent or bool(part)
                yield part
        except AuthError as error:
            if has_sent:
                raise
            yield from self._answer(error)

    def close(self) -> None:
        getattr(self._body, "close", lambda: None)()

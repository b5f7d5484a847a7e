"""Convert the WSGI environ and Flask's responses to and from the plain values of the core.

A body is read even if a hook or an extension has parsed the form before. Responses to CORS preflights have no body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.datastructures import Headers

from gatepass import ConfigurationError, ResourceServer, TokenEndpoints
from gatepass.adapter import BrowserRequest
from gatepass.adapter import Response as Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = [
    "browser_request",
    "close",
    "header_lines",
    "is_forwarded",
    "read_body",
    "send",
    "to_response",
    "without_bodies",
]


_FORWARDING: Final = frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in ResourceServer.forwarding_headers)


def to_response(answer: Answer) -> Response:
    """Return *answer* as a response of Flask with the same status, header lines in their order, and body."""
    response = Response(answer.body, status=answer.status)
    response.headers = Headers(answer.headers)  # only these: Flask would add a type to an empty body
    return response


def send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    """Start the response *answer* and return its body."""
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
    return [answer.body]


def browser_request(environ: WSGIEnvironment) -> BrowserRequest:
    """Return what the cookie transport reads from the request."""
    return BrowserRequest(
        method=environ["REQUEST_METHOD"],
        cookie=header_lines(environ, "HTTP_COOKIE"),
        origin=header_lines(environ, "HTTP_ORIGIN"),
        upgrade=header_lines(environ, "HTTP_UPGRADE"),
    )


def is_forwarded(environ: WSGIEnvironment) -> bool:
    """Return whether the request has forwarding headers of a proxy."""
    return not environ.keys().isdisjoint(_FORWARDING)


def header_lines(environ: WSGIEnvironment, name: str) -> tuple[str, ...]:
    """Return the lines of the header *name*; WSGI servers join them into one."""
    value = environ.get(name)
    return () if value is None else (value,)


def read_body(limit: int) -> bytes:
    """Return at most *limit* bytes of the body, or the whole body if it was read before."""
    body = bytearray()
    while len(body) < limit and (part := request.stream.read(limit - len(body))):
        body += part
    return bytes(body) or _read_before()


def without_bodies(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call *app* for a request without a verified token; send the status and headers of its response, and no body."""

    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
        bare = [(name, "0" if name.lower() == "content-length" else value) for name, value in headers]
        start_response(status, bare, *exc_info)
        return lambda _data: None  # the `write` of old applications

    environ |= {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
    body = app(environ, start)
    try:
        next(iter(body), b"")  # PEP 3333 allows an application to send the status only when its body is read
    finally:
        close(body)
    return []


def close(body: Iterable[bytes]) -> None:
    """Close *body*, if it can be closed."""
    getattr(body, "close", lambda: None)()


def _read_before() -> bytes:
    """Return the body that Flask has cached: its bytes, or its parsed fields, encoded again."""
    body = request.get_data() or urlencode([*request.form.items(multi=True)]).encode()
    announced = TokenEndpoints.announces_body([request.environ.get("CONTENT_LENGTH", "")])
    if not body and not request.files and announced:
        raise ConfigurationError(
            "the request's body was read before the token endpoint, and not by request.form or request.get_data(): "
            "exempt the token endpoints from the code that reads it"
        )
    return body

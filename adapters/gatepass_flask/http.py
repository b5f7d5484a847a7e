"""Between the WSGI environ and Flask's responses and the plain values of the core.

A body is read even where a hook or an extension has parsed the form before, and left out of answers to CORS preflights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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

__all__ = ["browser_request", "close", "header_lines", "is_forwarded", "read_body", "to_response", "without_bodies"]


_FORWARDING: Final = frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in ResourceServer.forwarding_headers)


def to_response(answer: Answer) -> Response:
    """*answer* as it is: status, header lines in order, body."""
    response = Response(answer.body, status=answer.status)
    response.headers = Headers(answer.headers)  # ours alone: Flask would add a type to an empty body
    return response


def browser_request(environ: WSGIEnvironment) -> BrowserRequest:
    """What the cookie transport reads of the request."""
    return BrowserRequest(
        method=environ["REQUEST_METHOD"],
        cookie=header_lines(environ, "HTTP_COOKIE"),
        origin=header_lines(environ, "HTTP_ORIGIN"),
        upgrade=header_lines(environ, "HTTP_UPGRADE"),
    )


def is_forwarded(environ: WSGIEnvironment) -> bool:
    """Whether a proxy's headers are there."""
    return not environ.keys().isdisjoint(_FORWARDING)


def header_lines(environ: WSGIEnvironment, name: str) -> tuple[str, ...]:
    """The lines of the header that *environ* has under *name*: servers join them to one."""
    value = environ.get(name)
    return () if value is None else (value,)


def read_body(limit: int) -> bytes:
    """At most *limit* octets of the body, or all of one that was read before."""
    body = bytearray()
    while len(body) < limit and (part := request.stream.read(limit - len(body))):
        body += part
    return bytes(body) or _read_before()


def _read_before() -> bytes:
    """What Flask keeps of a body: its octets, or the fields that it was parsed into, spelled again."""
    body = request.get_data() or urlencode([*request.form.items(multi=True)]).encode()
    announced = TokenEndpoints.announces_body([request.environ.get("CONTENT_LENGTH", "")])
    if not body and not request.files and announced:
        raise ConfigurationError(
            "something read the request's body before the token endpoint, and not by request.form or "
            "request.get_data(): let it pass by the token endpoints"
        )
    return body


def without_bodies(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The status and headers of *app*'s answer to a request that no token vouches for."""

    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
        bare = [(name, "0" if name.lower() == "content-length" else value) for name, value in headers]
        start_response(status, bare, *exc_info)
        return lambda _data: None  # the `write` of old applications

    environ |= {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
    body = app(environ, start)
    try:
        next(iter(body), b"")  # PEP 3333 lets an application wait with the status until its body is asked for
    finally:
        close(body)
    return []


def close(body: Iterable[bytes]) -> None:
    """Tell *body* that no more of it is asked for."""
    getattr(body, "close", lambda: None)()

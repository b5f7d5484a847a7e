"""What becomes of a CORS preflight that goes on to the application: a matter of headers, as in a browser.

Browsers add no credentials to it, so it cannot be refused for having none. It takes no body along and brings none
back: an application that does not look at the method has nothing to act on and gives nothing away.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["without_bodies"]


def without_bodies(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The status and headers of *app*'s answer to a request that nobody vouched for."""

    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        bare = [(name, "0" if name.lower() == "content-length" else value) for name, value in headers]
        start_response(status, bare, *exc_info)
        return _discard

    environ |= {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
    body = app(environ, start)
    try:
        next(iter(body), b"")  # PEP 3333 lets an application wait with the status until its body is asked for
    finally:
        getattr(body, "close", lambda: None)()
    return []


def _discard(_data: bytes, /) -> None:
    """The `write` of old applications."""

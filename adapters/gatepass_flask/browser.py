"""What a WSGI environ says about a browser's request, for the check of `Origin` and the cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass import BrowserRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["browser_request"]


def browser_request(environ: WSGIEnvironment) -> BrowserRequest:
    return BrowserRequest(
        method=environ["REQUEST_METHOD"],
        cookie=_lines(environ, "HTTP_COOKIE"),
        origin=_lines(environ, "HTTP_ORIGIN"),
        upgrade=_lines(environ, "HTTP_UPGRADE"),
    )


def _lines(environ: WSGIEnvironment, name: str) -> tuple[str, ...]:
    value = environ.get(name)
    return () if value is None else (value,)

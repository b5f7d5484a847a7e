"""What a WSGI environ says about a request: for the check of `Origin` and the cookies, and of https."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gatepass import BrowserRequest, ResourceServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["browser_request", "is_forwarded"]

_FORWARDING: Final = frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in ResourceServer.forwarding_headers)


def browser_request(environ: WSGIEnvironment) -> BrowserRequest:
    return BrowserRequest(
        method=environ["REQUEST_METHOD"],
        cookie=_lines(environ, "HTTP_COOKIE"),
        origin=_lines(environ, "HTTP_ORIGIN"),
        upgrade=_lines(environ, "HTTP_UPGRADE"),
    )


def is_forwarded(environ: WSGIEnvironment) -> bool:
    """Whether a proxy says that it stands between."""
    return not environ.keys().isdisjoint(_FORWARDING)


def _lines(environ: WSGIEnvironment, name: str) -> tuple[str, ...]:
    value = environ.get(name)
    return () if value is None else (value,)

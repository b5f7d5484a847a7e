"""Reads a connection's ASGI scope for the resource server: credentials, peer, headers, and a request's body."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Scope

from gatepass import AccessToken, ConfigurationError, ResourceServer, TokenEndpoints
from gatepass.adapter import AccessLevel, BrowserRequest

__all__ = ["admit", "browser_request", "field_lines", "header", "is_forwarded", "peer_of", "read_body"]

_FORWARDING: Final = frozenset(name.encode() for name in ResourceServer.forwarding_headers)
_TLS: Final = frozenset(("https", "wss"))


async def admit(server: ResourceServer, access: AccessLevel, scope: Scope) -> AccessToken | None:
    """The verified token of the connection, or None where *access* lets it be; raises `AuthError`.

    Runs a hook that may block in a worker thread. Without hooks nothing is awaited.
    """
    lines = field_lines(scope, b"authorization")
    url_scheme = scope.get("scheme", "http")
    peer = peer_of(scope)
    forwarded = is_forwarded(scope)
    browser = browser_request(scope) if "cookie" in server.sources else None
    if not server.may_block:
        return server.admit(access, lines, url_scheme=url_scheme, peer=peer, forwarded=forwarded, browser=browser)
    return await server.admit_async(
        access,
        lines,
        run_blocking=run_in_threadpool,
        url_scheme=url_scheme,
        peer=peer,
        forwarded=forwarded,
        browser=browser,
    )


def peer_of(scope: Scope) -> str | None:
    """The address of the connection's other end; a unix socket's has none."""
    peer = scope.get("client")
    return peer[0] if peer else None


def is_forwarded(scope: Scope) -> bool:
    """Whether a proxy's headers are there; not looked for where the connection is TLS."""
    return scope.get("scheme") not in _TLS and not _FORWARDING.isdisjoint(
        [name.lower() for name, _ in scope["headers"]]
    )


def browser_request(scope: Scope) -> BrowserRequest:
    """What the cookie transport wants to know of the connection."""
    return BrowserRequest(
        # A WebSocket's scope has no method by the ASGI specification; a server may put the handshake's GET there.
        method=scope["method"] if scope["type"] == "http" else None,
        cookie=tuple(field_lines(scope, b"cookie")),
        origin=tuple(field_lines(scope, b"origin")),
        upgrade=tuple(field_lines(scope, b"upgrade")),
    )


def field_lines(scope: Scope, name: bytes) -> list[str]:
    """All values of the header *name* (in lower case), as they came."""
    # Lower-case names are a habit of ASGI servers and no promise, so they are compared in any case.
    return [value.decode("latin-1") for candidate, value in scope["headers"] if candidate.lower() == name]


def header(scope: Scope, name: bytes) -> str:
    """The first value of the header *name* (in lower case), or nothing."""
    for candidate, value in scope["headers"]:
        if candidate.lower() == name:
            text: str = value.decode("latin-1")
            return text
    return ""


async def read_body(request: Request, limit: int) -> bytes:
    """The body up to *limit* octets or a little more, or the form that was parsed before."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size >= limit:
                break
    except RuntimeError:  # read before, through this object
        return await _parsed(request)
    if not size and TokenEndpoints.announces_body(field_lines(request.scope, b"content-length")):
        raise _body_was_read()
    return b"".join(parts)


async def _parsed(request: Request) -> bytes:
    """The fields that the body was parsed into, spelled again."""
    try:
        form = await request.form()
    except (RuntimeError, AssertionError):  # it was not parsed, and cannot be any more
        raise _body_was_read() from None
    return urlencode([(name, value) for name, value in form.multi_items() if isinstance(value, str)]).encode()


def _body_was_read() -> ConfigurationError:
    return ConfigurationError(
        "something read the request's body before the token endpoint and kept it to itself: let middleware call "
        "request.body() instead of request.form(), or pass by the token endpoints"
    )

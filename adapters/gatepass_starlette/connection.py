"""Read a connection's ASGI scope for the resource server: credentials, peer, headers, and a request's body."""

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
    """Return the verified token of the connection, or None where *access* allows that. Raises `AuthError`.

    A hook that may block runs in a worker thread. Without hooks and fetched keys this function does not suspend.
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
    """Return the address of the peer, or None for a unix socket."""
    peer = scope.get("client")
    return peer[0] if peer else None


def is_forwarded(scope: Scope) -> bool:
    """Return whether a connection without TLS has forwarding headers of a proxy."""
    return scope.get("scheme") not in _TLS and not _FORWARDING.isdisjoint(
        [name.lower() for name, _ in scope["headers"]]
    )


def browser_request(scope: Scope) -> BrowserRequest:
    """Return what the cookie transport reads from the connection."""
    return BrowserRequest(
        # A WebSocket's scope has no method by the ASGI specification; a server may put the handshake's GET there.
        method=scope["method"] if scope["type"] == "http" else None,
        cookie=tuple(field_lines(scope, b"cookie")),
        origin=tuple(field_lines(scope, b"origin")),
        upgrade=tuple(field_lines(scope, b"upgrade")),
    )


def field_lines(scope: Scope, name: bytes) -> list[str]:
    """Return all values of the header *name* (in lower case), unchanged."""
    # ASGI servers usually send names in lower case, but need not.
    return [value.decode("latin-1") for candidate, value in scope["headers"] if candidate.lower() == name]


def header(scope: Scope, name: bytes) -> str:
    """Return the first value of the header *name* (in lower case), or an empty text."""
    for candidate, value in scope["headers"]:
        if candidate.lower() == name:
            text: str = value.decode("latin-1")
            return text
    return ""


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body up to *limit* bytes or slightly more, or the form that was parsed before."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size >= limit:
                break
    except RuntimeError:  # read before, through this request object
        return await _parsed(request)
    if not size and TokenEndpoints.announces_body(field_lines(request.scope, b"content-length")):
        raise _body_was_read()
    return b"".join(parts)


async def _parsed(request: Request) -> bytes:
    """Return the parsed fields of the body, encoded again."""
    try:
        form = await request.form()
    except (RuntimeError, AssertionError):  # the body was consumed without being parsed
        raise _body_was_read() from None
    return urlencode([(name, value) for name, value in form.multi_items() if isinstance(value, str)]).encode()


def _body_was_read() -> ConfigurationError:
    return ConfigurationError(
        "the request's body was read before the token endpoint and is no longer available: in that middleware call "
        "request.body() instead of request.form(), or skip the token endpoints"
    )

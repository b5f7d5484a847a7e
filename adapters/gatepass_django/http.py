"""Convert Django's requests and responses to and from the core's values, store identities, and start streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from itertools import chain
from typing import Any, Final, TypedDict, final

from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from gatepass import AccessToken, ResourceServer
from gatepass.adapter import BrowserRequest, Caching, Identity, Response
from gatepass_django.internals import asgi_method, close, is_file, move_closers

__all__ = [
    "AccessTokenRequest",
    "CoreResponse",
    "add_cache_headers",
    "begin",
    "begin_async",
    "browser_request",
    "credentials",
    "header_lines",
    "identify",
    "identity_of",
    "in_request_thread",
    "is_forwarded",
    "is_preflight",
    "to_response",
    "wire_method",
    "without_body",
]

_FORWARDING: Final = frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in ResourceServer.forwarding_headers)

_IDENTITY: Final = "_gatepass_identity"


class Credentials(TypedDict):
    """The keyword arguments of `ResourceServer.admit` for a request."""

    authorization: tuple[str, ...]
    url_scheme: str | None
    peer: str | None
    forwarded: bool
    browser: BrowserRequest | None


def credentials(request: HttpRequest, server: ResourceServer) -> Credentials:
    """Return the parts of *request* that *server* reads."""
    meta = request.META
    authorization: str | None = meta.get("HTTP_AUTHORIZATION")
    return {
        "authorization": () if authorization is None else (authorization,),
        "url_scheme": request.scheme,
        "peer": meta.get("REMOTE_ADDR"),
        "forwarded": is_forwarded(request),
        "browser": browser_request(request) if "cookie" in server.sources else None,
    }


def browser_request(request: HttpRequest) -> BrowserRequest:
    """Return what the cookie transport reads from *request*. Django's own parsing of cookies is not used."""
    return BrowserRequest(
        method=wire_method(request),
        cookie=header_lines(request, "HTTP_COOKIE"),
        origin=header_lines(request, "HTTP_ORIGIN"),
        upgrade=header_lines(request, "HTTP_UPGRADE"),
    )


def is_forwarded(request: HttpRequest) -> bool:
    """Return whether the request has forwarding headers of a proxy."""
    return not request.META.keys().isdisjoint(_FORWARDING)


def wire_method(request: HttpRequest) -> str:
    """Return the method on the wire. Django's own is in capitals, and so is that of `META` under ASGI."""
    if isinstance(request, ASGIRequest):
        return asgi_method(request)
    return request.META.get("REQUEST_METHOD") or request.method or ""


def header_lines(request: HttpRequest, name: str) -> tuple[str, ...]:
    """Return the lines of the header *name* in `META`; servers join them into one."""
    value: str | None = request.META.get(name)
    return () if value is None else (value,)


def add_cache_headers(response: HttpResponseBase, caching: Caching) -> None:
    """Add the header lines that *caching* requires and *response* lacks."""
    for name, value in caching.missing(response.items()):
        response[name] = f"{response[name]}, {value}" if name in response else value


def without_body(response: HttpResponseBase) -> HttpResponse:
    """Return *response* without its body: a CORS preflight needs only the status and the headers."""
    bare = HttpResponse(status=response.status_code)
    bare.headers, bare.cookies = response.headers, response.cookies
    move_closers(response, bare)
    if "Content-Length" in bare:
        bare["Content-Length"] = "0"
    return bare


def to_response(answer: Response) -> HttpResponse:
    """Return *answer* as a response of Django with the same status, headers, cookies and body."""
    return CoreResponse(answer)


def is_preflight(request: HttpRequest) -> bool:
    """Return whether *request* is a CORS preflight, by the method on the wire."""
    return request.method == "OPTIONS" and ResourceServer.is_preflight(
        wire_method(request),
        origin=request.META.get("HTTP_ORIGIN"),
        requested_method=request.META.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
    )


@final
class CoreResponse(HttpResponse):
    """The core's response *answer*. Django keeps one line per header name, so commas join challenges.

    It can be awaited, so that one decorator works on the `dispatch` of sync and async class-based views.
    """

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body, status=answer.status)
        del self.headers["Content-Type"]
        for name, value in answer.headers:
            if name == "Set-Cookie":
                self.cookies.load(value)  # Django stores cookies separately, and sends them unchanged
                continue
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def __await__(self) -> Generator[None, None, CoreResponse]:
        yield from ()
        return self


class AccessTokenRequest(HttpRequest):
    """The type of a request with a token, for annotations: `def orders(request: AccessTokenRequest)`."""

    access_token: AccessToken


def identify(request: HttpRequest, identity: Identity) -> None:
    """Store *identity* on *request*; views read `request.access_token`."""
    setattr(request, _IDENTITY, identity)
    setattr(request, "access_token", identity.token)  # noqa: B010 - HttpRequest declares no such attribute


def identity_of(request: HttpRequest) -> Identity | None:
    """Return the identity on *request*, or None if the request was not authenticated."""
    found: Identity | None = getattr(request, _IDENTITY, None)
    return found


def in_request_thread(function: Callable[[], Any]) -> Awaitable[Any]:
    """Run *function* in the thread that runs synchronous code of this request, which has its database connections."""
    return sync_to_async(function, thread_sensitive=True)()


def begin(request: HttpRequest, response: Any) -> None:
    """Run the stream of *response* up to its first byte, and keep that byte. Raises what the stream raises."""
    if isinstance(request, ASGIRequest):
        async_to_sync(begin_async)(response)
    elif not is_file(response):
        _begin(response)


async def begin_async(response: Any) -> None:
    """Run the stream as `begin` does, under ASGI."""
    if is_file(response) or response.get("Content-Type", "").startswith("text/event-stream"):
        return
    if not response.is_async:
        await sync_to_async(_begin)(response)
        return
    parts = aiter(response.streaming_content)
    first: list[bytes] = []
    try:
        async for part in parts:
            first.append(part)
            if part:
                break
    except Exception:
        close(response)
        raise

    async def whole() -> AsyncIterator[bytes]:
        for part in first:
            yield part
        async for part in parts:
            yield part

    response.streaming_content = whole()


def _begin(response: Any) -> None:
    first: list[bytes] = []
    try:
        parts = iter(response)  # Django turns an asynchronous stream into a list here, as for WSGI
        for part in parts:
            first.append(part)
            if part:
                break
    except Exception:
        close(response)
        raise
    response.streaming_content = chain(first, parts)

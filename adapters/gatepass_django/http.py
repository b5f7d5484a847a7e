"""Between Django's requests and responses and the plain values of the core; who makes a request; how streams begin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
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
    "Refusal",
    "add_cache_headers",
    "begin",
    "begin_async",
    "browser_request",
    "credentials",
    "header_lines",
    "identify",
    "identity_of",
    "is_forwarded",
    "is_preflight",
    "to_response",
    "wire_method",
    "without_body",
]

_FORWARDING: Final = frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in ResourceServer.forwarding_headers)

_IDENTITY: Final = "_gatepass_identity"


class Credentials(TypedDict):
    """What `ResourceServer.admit` wants to know of a request."""

    authorization: tuple[str, ...]
    url_scheme: str | None
    peer: str | None
    forwarded: bool
    browser: BrowserRequest | None


def credentials(request: HttpRequest, server: ResourceServer) -> Credentials:
    """What *request* brings that *server* looks at."""
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
    """What the cookie transport wants to know of *request*; Django's own reading of cookies is not asked."""
    return BrowserRequest(
        method=wire_method(request),
        cookie=header_lines(request, "HTTP_COOKIE"),
        origin=header_lines(request, "HTTP_ORIGIN"),
        upgrade=header_lines(request, "HTTP_UPGRADE"),
    )


def is_forwarded(request: HttpRequest) -> bool:
    """Whether a proxy's headers are there."""
    return not request.META.keys().isdisjoint(_FORWARDING)


def wire_method(request: HttpRequest) -> str:
    """The method as it came: Django writes its own in capitals, and under ASGI that of `META` too."""
    if isinstance(request, ASGIRequest):
        return asgi_method(request)
    return request.META.get("REQUEST_METHOD") or request.method or ""


def header_lines(request: HttpRequest, name: str) -> tuple[str, ...]:
    """The lines of the header that `META` has under *name*: servers join them to one."""
    value: str | None = request.META.get(name)
    return () if value is None else (value,)


def add_cache_headers(response: HttpResponseBase, caching: Caching) -> None:
    """Add the header lines that *caching* misses."""
    for name, value in caching.missing(response.items()):
        response[name] = f"{response[name]}, {value}" if name in response else value


def without_body(response: HttpResponseBase) -> HttpResponse:
    """Status and headers of *response*, which are all that a CORS preflight asks for."""
    bare = HttpResponse(status=response.status_code)
    bare.headers, bare.cookies = response.headers, response.cookies
    move_closers(response, bare)
    if "Content-Length" in bare:
        bare["Content-Length"] = "0"
    return bare


def to_response(answer: Response) -> HttpResponse:
    """*answer* as it is: status, headers, cookies, body."""
    return Refusal(answer)


def is_preflight(request: HttpRequest) -> bool:
    """Whether *request* is a CORS preflight, by the method on the wire."""
    return request.method == "OPTIONS" and ResourceServer.is_preflight(
        wire_method(request),
        origin=request.META.get("HTTP_ORIGIN"),
        requested_method=request.META.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
    )


@final
class Refusal(HttpResponse):
    """The core's *answer*, as it is. Django holds one line of each name, so challenges are joined by commas.

    It may be awaited, so that one decorator serves the `dispatch` of sync and async class-based views.
    """

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body, status=answer.status)
        del self.headers["Content-Type"]
        for name, value in answer.headers:
            if name == "Set-Cookie":
                self.cookies.load(value)  # Django holds cookies apart, and writes them as they were
                continue
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def __await__(self) -> Generator[None, None, Refusal]:
        yield from ()
        return self


class AccessTokenRequest(HttpRequest):
    """The type of a request that brought a token: for annotations, `def orders(request: AccessTokenRequest)`."""

    access_token: AccessToken


def identify(request: HttpRequest, identity: Identity) -> None:
    """Put *identity* on *request*; views read `request.access_token`."""
    setattr(request, _IDENTITY, identity)
    setattr(request, "access_token", identity.token)  # noqa: B010 - HttpRequest declares no such attribute


def identity_of(request: HttpRequest) -> Identity | None:
    """The identity on *request*, or None if the request was not judged."""
    found: Identity | None = getattr(request, _IDENTITY, None)
    return found


def begin(request: HttpRequest, response: Any) -> None:
    """Run *response*, a stream, up to its first octet, and let it begin there. Raises what the stream does."""
    if isinstance(request, ASGIRequest):
        async_to_sync(begin_async)(response)
    elif not is_file(response):
        _begin(response)


async def begin_async(response: Any) -> None:
    """`begin` under ASGI."""
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
        parts = iter(response)  # of an asynchronous stream Django makes a list here, as it does for WSGI
        for part in parts:
            first.append(part)
            if part:
                break
    except Exception:
        close(response)
        raise
    response.streaming_content = chain(first, parts)

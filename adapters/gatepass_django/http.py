"""Between Django's requests and responses and the plain values of the core."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, TypedDict, final

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from gatepass import BrowserRequest, Caching, ResourceServer, Response

__all__ = [
    "Credentials",
    "Refusal",
    "browser_request",
    "credentials",
    "is_forwarded",
    "is_preflight",
    "tell_caches",
    "to_response",
    "wire_method",
    "without_body",
]

_FORWARDING: Final = frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in ResourceServer.forwarding_headers)


class Credentials(TypedDict):
    """What `ResourceServer.admit` wants to know of a request."""

    authorization: tuple[str, ...]
    scheme: str | None
    client: str | None
    forwarded: bool
    browser: BrowserRequest | None


def credentials(request: HttpRequest, server: ResourceServer) -> Credentials:
    """What *request* brings that *server* looks at."""
    meta = request.META
    authorization: str | None = meta.get("HTTP_AUTHORIZATION")
    return {
        "authorization": () if authorization is None else (authorization,),
        "scheme": request.scheme,
        "client": meta.get("REMOTE_ADDR"),
        "forwarded": is_forwarded(request),
        "browser": browser_request(request) if "cookie" in server.sources else None,
    }


def browser_request(request: HttpRequest) -> BrowserRequest:
    """What the cookie transport wants to know of *request*; Django's own reading of cookies is not asked."""
    return BrowserRequest(
        method=wire_method(request),
        cookie=_lines(request, "HTTP_COOKIE"),
        origin=_lines(request, "HTTP_ORIGIN"),
        upgrade=_lines(request, "HTTP_UPGRADE"),
    )


def is_forwarded(request: HttpRequest) -> bool:
    """Whether a proxy says that it stands between."""
    return not request.META.keys().isdisjoint(_FORWARDING)


def wire_method(request: HttpRequest) -> str:
    """The method as it came: Django writes its own in capitals, and under ASGI that of `META` too."""
    if isinstance(request, ASGIRequest):
        return str(request.scope["method"])
    return request.META.get("REQUEST_METHOD") or request.method or ""


def _lines(request: HttpRequest, name: str) -> tuple[str, ...]:
    value: str | None = request.META.get(name)
    return () if value is None else (value,)


def tell_caches(response: HttpResponseBase, caching: Caching) -> None:
    """Add the header lines that *caching* misses."""
    for name, value in caching.missing(response.items()):
        response[name] = f"{response[name]}, {value}" if name in response else value


def without_body(response: HttpResponseBase) -> HttpResponse:
    """Status and headers of *response*, which are all that a CORS preflight asks for."""
    bare = HttpResponse(status=response.status_code)
    bare.headers, bare.cookies = response.headers, response.cookies
    bare._resource_closers = response._resource_closers  # type: ignore[attr-defined]  # noqa: SLF001
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

"""Between Django's requests and responses and the plain values of the core."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypedDict, final

from django.http import HttpRequest, HttpResponse

from gatepass import ResourceServer, Response

__all__ = ["Credentials", "Refusal", "credentials", "is_preflight"]

_LARGEST_FORM = 65_536


class Credentials(TypedDict):
    """What `ResourceServer.admit` wants to know of a request."""

    authorization: tuple[str, ...]
    scheme: str | None
    client: str | None
    form: bytes


def credentials(request: HttpRequest, server: ResourceServer) -> Credentials:
    """What *request* brings; its body is read only if it is a form, *server* wants it, and it can hold a token."""
    meta = request.META
    authorization: str | None = meta.get("HTTP_AUTHORIZATION")
    form = b""
    if server.reads_form(request.method or "", meta.get("CONTENT_TYPE", "")):
        length: str = meta.get("CONTENT_LENGTH", "")
        if length.isdecimal() and len(length) < 6 and 0 < int(length) <= _LARGEST_FORM:
            form = request.body
    return {
        "authorization": () if authorization is None else (authorization,),
        "scheme": request.scheme,
        "client": meta.get("REMOTE_ADDR"),
        "form": form,
    }


def is_preflight(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and ResourceServer.is_preflight(
        request.method,
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
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def __await__(self) -> Generator[None, None, Refusal]:
        yield from ()
        return self

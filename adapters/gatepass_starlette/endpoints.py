"""The token and the revocation endpoint as routes: `Starlette(routes=[*token_endpoints(endpoints), ...])`.

They take every method, because the core answers all of them, and are public: who refreshes has no token to show. The
core may do I/O there and runs in a worker thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gatepass import Response as Answer
from gatepass import TokenEndpoints, TokenRequest, public
from gatepass_starlette.connection import browser_request, field_lines, header
from gatepass_starlette.denial import to_response

__all__ = ["serve_token_request", "token_endpoints"]


def token_endpoints(
    endpoints: TokenEndpoints,
    *,
    token_path: str = "/token",  # noqa: S107 - a path
    revocation_path: str = "/revoke",
) -> list[Route]:
    """The two routes, named `token` and `revoke`; put them into a `Mount` for a prefix."""
    return [
        Route(token_path, public(_Endpoint(endpoints.token)), name="token"),
        Route(revocation_path, public(_Endpoint(endpoints.revoke)), name="revoke"),
    ]


async def serve_token_request(serve: Callable[[TokenRequest], Answer], request: Request) -> Response:
    """The answer of *serve*, a method of `TokenEndpoints`, which runs in a worker thread."""
    asked = TokenRequest(
        method=request.method,
        content_type=header(request.scope, b"content-type"),
        authorization=tuple(field_lines(request.scope, b"authorization")),
        body=await _body(request) if request.method == "POST" else b"",
        browser=browser_request(request.scope),
    )
    return to_response(await run_in_threadpool(serve, asked))


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size >= TokenEndpoints.body_limit:
            break
    return b"".join(parts)


@final
class _Endpoint:
    """An ASGI application, so that Starlette's route leaves all methods to it."""

    def __init__(self, serve: Callable[[TokenRequest], Answer]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await serve_token_request(self._serve, Request(scope, receive))
        await response(scope, receive, send)

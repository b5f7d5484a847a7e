"""The endpoints as routes: `Starlette(routes=[*token_endpoints(endpoints), *jwks_endpoint(keys), ...])`.

They take every method, because the core responds to all of them, and are public: a client that refreshes has no valid
access token. The core may do I/O, so it runs in a worker thread. Coroutine functions of the application are awaited on
the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gatepass import Key, KeyRing, KeySet, TokenEndpoints, public
from gatepass.adapter import JWKSEndpoint, TokenRequest
from gatepass.adapter import Response as Answer
from gatepass_starlette.connection import browser_request, field_lines, is_forwarded, peer_of, read_body
from gatepass_starlette.responses import to_response

__all__ = ["jwks_endpoint", "serve_jwks_request", "serve_token_request", "token_endpoints"]


def token_endpoints(
    endpoints: TokenEndpoints,
    *,
    token_path: str = "/token",  # noqa: S107 - a path
    revocation_path: str = "/revoke",
) -> list[Route]:
    """Return the two routes, named `token` and `revoke`. For a prefix, put them into a `Mount`."""
    TokenEndpoints.expect(endpoints)
    return [
        Route(token_path, public(_Endpoint(partial(serve_token_request, endpoints.token_async))), name="token"),
        Route(revocation_path, public(_Endpoint(partial(serve_token_request, endpoints.revoke_async))), name="revoke"),
    ]


def jwks_endpoint(
    keys: KeyRing | Key | KeySet | Iterable[Key],
    *,
    path: str = "/.well-known/jwks.json",
    cache_ttl: float | timedelta | None = None,
) -> list[Route]:
    """Return a route `jwks` that publishes *keys*; others may cache them for *cache_ttl*, which a ring sets itself."""
    endpoint = JWKSEndpoint(keys, cache_ttl=cache_ttl)
    return [Route(path, public(_Endpoint(partial(serve_jwks_request, endpoint))), name="jwks")]


async def serve_token_request(serve: Callable[..., Awaitable[Answer]], request: Request) -> Response:
    """Await *serve*, an `_async` method of `TokenEndpoints`, and return its response."""
    token_request = TokenRequest(
        method=request.method,
        content_type=",".join(field_lines(request.scope, b"content-type")),
        authorization=tuple(field_lines(request.scope, b"authorization")),
        body=await read_body(request, TokenEndpoints.body_limit) if request.method == "POST" else b"",
        browser=browser_request(request.scope),
        url_scheme=request.scope.get("scheme", "http"),
        peer=peer_of(request.scope),
        forwarded=is_forwarded(request.scope),
    )
    return to_response(await serve(token_request, run_blocking=run_in_threadpool))


async def serve_jwks_request(endpoint: JWKSEndpoint, request: Request) -> Response:
    """Run *endpoint* in a worker thread and return its response."""
    if_none_match = tuple(field_lines(request.scope, b"if-none-match"))
    return to_response(await run_in_threadpool(endpoint.answer, request.method, if_none_match=if_none_match))


@final
class _Endpoint:
    """An ASGI application, because Starlette's route passes every method to one."""

    def __init__(self, serve: Callable[[Request], Awaitable[Response]]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._serve(Request(scope, receive))
        await response(scope, receive, send)

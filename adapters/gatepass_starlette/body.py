"""The body of a request to an endpoint, even where a dependency has asked for the form already."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request

from gatepass import ConfigurationError, TokenEndpoints
from gatepass_starlette.connection import field_lines

__all__ = ["read_body"]


async def read_body(request: Request, limit: int) -> bytes:
    """Of it *limit* octets or a little more, if nobody has read it before."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size >= limit:
                break
    except RuntimeError:  # read before, by way of this very object
        return await _parsed(request)
    if not size and TokenEndpoints.announces_body(field_lines(request.scope, b"content-length")):
        raise _gone()
    return b"".join(parts)


async def _parsed(request: Request) -> bytes:
    """The fields that the body was parsed into, spelled again."""
    try:
        form = await request.form()
    except (RuntimeError, AssertionError):  # it was not parsed, and cannot be any more
        raise _gone() from None
    return urlencode([(name, value) for name, value in form.multi_items() if isinstance(value, str)]).encode()


def _gone() -> ConfigurationError:
    return ConfigurationError(
        "something read the request's body before the token endpoint and kept it to itself: let middleware call "
        "request.body() instead of request.form(), or pass by the token endpoints"
    )

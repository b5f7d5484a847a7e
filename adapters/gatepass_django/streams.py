"""A refusal that a stream meets before its first octet: Django sends the status first, so the stream begins before.

Under WSGI servers wait for the first octet themselves. Under ASGI an event stream is left as it is: its clients are to
know that they are connected, however long the first event may take.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import chain
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

__all__ = ["begin", "begin_async"]


def begin(request: HttpRequest, response: Any) -> None:
    """Run *response*, a stream, up to its first octet, and let it begin there. Raises what the stream does."""
    if isinstance(request, ASGIRequest):
        async_to_sync(begin_async)(response)
    elif _can_be_refused(response):
        _begin(response)


async def begin_async(response: Any) -> None:
    """`begin` under ASGI."""
    if not _can_be_refused(response) or response.get("Content-Type", "").startswith("text/event-stream"):
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
        _close(response)
        raise

    async def whole() -> AsyncIterator[bytes]:
        for part in first:
            yield part
        async for part in parts:
            yield part

    response.streaming_content = whole()


def _can_be_refused(response: Any) -> bool:
    """Whether *response* is no file, which the server may send by itself."""
    return getattr(response, "file_to_stream", None) is None


def _begin(response: Any) -> None:
    first: list[bytes] = []
    try:
        parts = iter(response)  # of an asynchronous stream Django makes a list here, as it does for WSGI
        for part in parts:
            first.append(part)
            if part:
                break
    except Exception:
        _close(response)
        raise
    response.streaming_content = chain(first, parts)


def _close(response: Any) -> None:
    """What Django does in the end, but for its signal: the request has not ended."""
    for close in response._resource_closers:  # noqa: SLF001 - no other way
        close()

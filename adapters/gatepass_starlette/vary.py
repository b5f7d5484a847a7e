"""What caches are told of answers that depend on who asks, so that no cache mixes them up."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from gatepass import Caching

__all__ = ["tell_caches", "varying"]


def tell_caches(headers: MutableHeaders, caching: Caching) -> None:
    """Add the header lines that *caching* misses."""
    for name, value in caching.missing(headers.items()):
        headers.append(name.lower(), value)


def varying(send: Send, caching: Caching) -> Send:
    """*send* for an application whose responses get the headers."""

    async def send_varying(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            tell_caches(MutableHeaders(scope=message), caching)
        await send(message)

    return send_varying

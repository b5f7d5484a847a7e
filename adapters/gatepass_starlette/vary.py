"""`Vary: Authorization` on answers that differ with and without a token, so that no cache mixes them up."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

__all__ = ["vary_by_authorization", "varying"]


def vary_by_authorization(headers: MutableHeaders) -> None:
    """Add the header line, unless the field says so already."""
    listed = {item.strip().lower() for line in headers.getlist("vary") for item in line.split(",")}
    if listed.isdisjoint(("*", "authorization")):
        headers.append("vary", "Authorization")


def varying(send: Send) -> Send:
    """*send* for an application whose responses get the header."""

    async def send_varying(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            vary_by_authorization(MutableHeaders(scope=message))
        await send(message)

    return send_varying

"""What becomes of a CORS preflight that goes on to the application: a matter of headers, as in a browser.

Browsers add no credentials to it, so it cannot be refused for having none. It takes no body along and brings none
back: an application that does not look at the method has nothing to act on and gives nothing away.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Send

__all__ = ["without_bodies"]

_BODIES: Final = frozenset(("http.response.body", "http.response.pathsend", "http.response.zerocopysend"))


def without_bodies(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """*receive* and *send* for an application to which a request came that nobody vouched for."""

    async def receive_bare() -> Message:
        message = await receive()
        return {"type": "http.request"} if message["type"] == "http.request" else message

    async def send_bare(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope={"headers": list(message.get("headers", ()))})
            if "content-length" in headers:
                headers["content-length"] = "0"
            await send({"type": message["type"], "status": message["status"], "headers": headers.raw})
        elif message["type"] in _BODIES:
            await send({"type": "http.response.body", "more_body": message.get("more_body", False)})

    return receive_bare, send_bare

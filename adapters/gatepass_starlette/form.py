"""The body of a form, read ahead of the application, which then receives the same messages again.

Whether there is one to read is the resource server's decision; a body that turns out longer than it says is none.
"""

from __future__ import annotations

from collections import deque

from starlette.types import Message, Receive, Scope

from gatepass import ResourceServer
from gatepass_starlette.connection import field_lines

__all__ = ["read_ahead", "wanted_length"]


async def read_ahead(scope: Scope, receive: Receive, server: ResourceServer) -> tuple[bytes, Receive]:
    """The body, if *server* wants it and it is there whole; and a *receive* that begins anew."""
    length = wanted_length(scope, server)
    if not length:
        return b"", receive
    read: deque[Message] = deque()
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= length:
        message = await receive()
        read.append(message)
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)

    async def again() -> Message:
        return read.popleft() if read else await receive()

    return b"" if more or size > length else b"".join(parts), again


def wanted_length(scope: Scope, server: ResourceServer) -> int:
    """How many octets of the connection's body *server* wants."""
    if scope["type"] != "http":
        return 0
    kind, length, coding = (  # several lines are one with commas, as other servers hand them over
        ",".join(field_lines(scope, name)) for name in (b"content-type", b"content-length", b"transfer-encoding")
    )
    return server.form_length(scope["method"], content_type=kind, content_length=length, transfer_encoding=coding)

"""The body of a form, read ahead of the application, which then receives the same messages again.

A body that does not end within the limit is no place for a token: it goes on to the application unread.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from starlette.types import Message, Receive

__all__ = ["read_ahead"]

_LIMIT: Final = 64 * 1024


async def read_ahead(receive: Receive) -> tuple[bytes, Receive]:
    """The whole body, or nothing if it is too long or cut off; and a *receive* that begins anew."""
    read: deque[Message] = deque()
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= _LIMIT:
        message = await receive()
        read.append(message)
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)

    async def again() -> Message:
        return read.popleft() if read else await receive()

    return b"" if more or size > _LIMIT else b"".join(parts), again

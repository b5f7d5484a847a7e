"""The body of a form for the resource server, if it asks for one, and without taking it from the route."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.requests import HTTPConnection, Request

from gatepass import ResourceServer

__all__ = ["form_of"]

_LIMIT: Final = 64 * 1024


async def form_of(connection: HTTPConnection, server: ResourceServer) -> bytes:
    """The body, or nothing if it is no form, of unknown length, or longer than any token needs."""
    if not isinstance(connection, Request):
        return b""
    if not server.reads_form(connection.method, connection.headers.get("content-type", "")):
        return b""
    length = connection.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < 6 and int(length) <= _LIMIT):
        return b""
    if "transfer-encoding" in connection.headers:  # then the length is a lie: servers go by the chunks
        return b""
    try:
        return await connection.body()
    except RuntimeError:  # FastAPI has parsed the form for the route, and kept the fields alone
        fields = await connection.form()
    return urlencode([(name, value) for name, value in fields.multi_items() if isinstance(value, str)]).encode()

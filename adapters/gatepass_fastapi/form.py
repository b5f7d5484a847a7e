"""The body of a form for the resource server, if it asks for one, and without taking it from the route."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import HTTPConnection, Request

from gatepass import ResourceServer
from gatepass_starlette import wanted_length

__all__ = ["form_of"]


async def form_of(connection: HTTPConnection, server: ResourceServer) -> bytes:
    """The body, or nothing where *server* wants none."""
    if not isinstance(connection, Request) or not wanted_length(connection.scope, server):
        return b""
    try:
        return await connection.body()
    except RuntimeError:  # FastAPI has parsed the form for the route, and kept the fields alone
        fields = await connection.form()
    return urlencode([(name, value) for name, value in fields.multi_items() if isinstance(value, str)]).encode()

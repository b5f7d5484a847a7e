"""The body of a request to an endpoint, even where a hook or an extension has asked for the form already."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import request

from gatepass import ConfigurationError, TokenEndpoints

__all__ = ["read_body"]


def read_body(limit: int) -> bytes:
    """At most *limit* octets of it, if nobody has read it before."""
    body = bytearray()
    while len(body) < limit and (part := request.stream.read(limit - len(body))):
        body += part
    return bytes(body) or _read_before()


def _read_before() -> bytes:
    """What Flask keeps of a body: its octets, or the fields that it was parsed into, spelled again."""
    body = request.get_data() or urlencode([*request.form.items(multi=True)]).encode()
    announced = TokenEndpoints.announces_body([request.environ.get("CONTENT_LENGTH", "")])
    if not body and not request.files and announced:
        raise ConfigurationError(
            "something read the request's body before the token endpoint, and not by request.form or "
            "request.get_data(): let it pass by the token endpoints"
        )
    return body

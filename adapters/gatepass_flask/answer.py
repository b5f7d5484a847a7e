"""The core's answers as Flask's."""

from __future__ import annotations

from flask import Response
from werkzeug.datastructures import Headers

import gatepass

__all__ = ["to_response"]


def to_response(answer: gatepass.Response) -> Response:
    """*answer* as it is: status, header lines in order, body."""
    response = Response(answer.body, status=answer.status)
    response.headers = Headers(answer.headers)  # ours alone: Flask would add a type to an empty body
    return response

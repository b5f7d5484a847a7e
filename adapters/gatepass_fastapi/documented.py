"""What OpenAPI is told of the answers to refused requests."""

from __future__ import annotations

from typing import Any, Final, Literal

__all__ = ["described"]

_TEXT: Final = {"type": "string"}
_OAUTH: Final = {"error": _TEXT, "error_description": _TEXT}
_PROBLEM: Final = {"type": {"type": "string", "format": "uri"}, "title": _TEXT, "status": {"type": "integer"}, **_OAUTH}
_BODIES: Final[dict[str, dict[str, Any]]] = {
    "problem": {
        "application/problem+json": {
            "schema": {"type": "object", "required": ["title", "status"], "properties": _PROBLEM}
        }
    },
    "oauth": {"application/json": {"schema": {"type": "object", "properties": _OAUTH}}},
    "empty": {},
}
_CHALLENGE: Final = {"WWW-Authenticate": {"schema": _TEXT}}
_PAUSE: Final = {"Retry-After": {"schema": {"type": "integer"}}}
_SITUATIONS: Final = (
    (400, "The credentials are malformed", _CHALLENGE),
    (401, "No access token, or one that is not accepted", _CHALLENGE),
    (403, "The access token does not allow this", _CHALLENGE),
    (503, "The access token cannot be judged now", _PAUSE),
)


def described(body: Literal["problem", "oauth", "empty"]) -> dict[int | str, dict[str, Any]]:
    """The refusals of a server with this *body*, in the form of FastAPI's `responses=`; new at each call."""
    return {
        status: {
            "description": text,
            "headers": headers,
            **({"content": dict(_BODIES[body])} if _BODIES[body] else {}),
        }
        for status, text, headers in _SITUATIONS
    }

"""What the token and revocation endpoints answer (RFC 6749 section 5): built here and nowhere else.

No text of the request is in any answer, and none may be cached.
"""

from __future__ import annotations

import json
from typing import Final, final

from gatepass.challenge import Challenge
from gatepass.refresh.errors import InvalidClientCredentials, ServiceUnavailable, TokenEndpointError
from gatepass.refresh.pair import TokenPair
from gatepass.response import Response

__all__ = ["Answers", "done", "not_post", "tokens"]

_NO_STORE: Final = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
_JSON: Final = (("Content-Type", "application/json"),)


def tokens(pair: TokenPair) -> Response:
    """The new pair (RFC 6749 section 5.1)."""
    members: dict[str, str | int] = {
        "access_token": pair.access_token,
        "token_type": pair.token_type,
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
    }
    if pair.scope:
        members["scope"] = pair.scope
    return _answer(200, members)


def done() -> Response:
    """Revoked, or never there (RFC 7009 section 2.2)."""
    return _answer(200, {})


def not_post() -> Response:
    """Another method than POST."""
    return _answer(405, {}, ("Allow", "POST"))


@final
class Answers:
    """The answers to refusals, with one *realm* for clients that use Basic."""

    __slots__ = ("_challenge",)

    def __init__(self, realm: str) -> None:
        self._challenge = ("WWW-Authenticate", str(Challenge("Basic", realm=realm)))

    def refusal(self, error: TokenEndpointError) -> Response:
        """The answer to *error* (RFC 6749 section 5.2)."""
        members: dict[str, str | int] = {"error": error.error, "error_description": error.description}
        if isinstance(error, InvalidClientCredentials):
            return _answer(error.status, members, self._challenge)
        if isinstance(error, ServiceUnavailable):
            return _answer(error.status, members, _retry(error))
        return _answer(error.status, members)

    def revocation_refusal(self, error: TokenEndpointError) -> Response:
        """The same at the revocation endpoint, whose 503 has no body (RFC 7009 section 2.2.1)."""
        return (
            _answer(error.status, {}, _retry(error)) if isinstance(error, ServiceUnavailable) else self.refusal(error)
        )


def _retry(error: ServiceUnavailable) -> tuple[str, str]:
    return "Retry-After", str(error.retry_after)


def _answer(status: int, members: dict[str, str | int], *headers: tuple[str, str]) -> Response:
    body = json.dumps(members, separators=(",", ":")).encode() if members else b""
    length = ("Content-Length", str(len(body)))
    return Response(status, (*headers, *_NO_STORE, *(_JSON if body else ()), length), body)

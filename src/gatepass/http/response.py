"""The response to a refused request, as a plain value that any framework can send, and the rules for caches.

The body is a problem document (RFC 9457), the short JSON of OAuth, or empty. It repeats the error of the challenge and
contains no text from the token or the request.

`Caching` has the headers that keep shared caches from giving one user's response to another. They depend on the access
level and on the sources of tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Literal, final

from gatepass.common.allow import HTTP_ON_LOOPBACK, Allow, allowed
from gatepass.common.settings import https_url
from gatepass.errors import AuthError, AuthUnavailable, ConfigurationError, MissingCredentials
from gatepass.http.access import AccessLevel
from gatepass.http.challenge import Challenge
from gatepass.http.requirement import parse_scopes

__all__ = ["Caching", "ErrorFormat", "Response", "ResponseTable", "caching_for"]

ErrorFormat = Literal["problem", "oauth", "empty"]

_MEDIA_TYPES: Final = {"problem": "application/problem+json", "oauth": "application/json"}


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: `status`, `headers` in order (a name may occur twice), and `body`.

    For a HEAD request the body is empty and the headers are those of GET (RFC 9110 section 9.3.2). The repr shows the
    status alone: the response to a login has tokens in its body or its cookies.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


@final
class ResponseTable:
    """The response to each `AuthError`, with the settings of one resource server."""

    __slots__ = (
        "_allow", "_challenge_scopes", "_extra_challenges", "_format", "_malformed_status", "_problem_base", "_realm",
        "_resource_metadata", "_vary",
    )  # fmt: skip

    def __init__(
        self,
        *,
        realm: str,
        resource_metadata: str | None,
        challenge_scopes: str | Iterable[str],
        extra_challenges: Iterable[Challenge],
        error_format: ErrorFormat,
        problem_base: str | None,
        malformed_status: Literal[400, 401],
        vary: Iterable[str] = (),
        allow: Allow = (),
    ) -> None:
        permitted = allowed(allow)
        self._allow: Allow = (HTTP_ON_LOOPBACK,) if permitted.http_on_loopback else ()
        self._vary = ", ".join(vary)
        self._realm = realm
        self._resource_metadata = resource_metadata
        self._challenge_scopes = parse_scopes(challenge_scopes, "challenge_scopes")
        listed = isinstance(extra_challenges, Iterable)
        self._extra_challenges = tuple(extra_challenges) if listed else ()
        if not listed or not all(isinstance(challenge, Challenge) for challenge in self._extra_challenges):
            raise ConfigurationError(
                'extra_challenges= takes a list of challenges, such as [Challenge("Basic", realm="api")]'
            )
        if error_format not in ("problem", "oauth", "empty"):
            raise ConfigurationError('error_format= must be "problem", "oauth" or "empty"')
        self._format: ErrorFormat = error_format
        base = None if problem_base is None else https_url(problem_base, "problem_base", permitted)
        self._problem_base = None if base is None else base.rstrip("/")
        if malformed_status not in (400, 401):
            raise ConfigurationError("malformed_status= must be 400 or 401")
        self._malformed_status = malformed_status
        self._challenge(None, None, ())  # raises now if the realm or URL cannot go into a challenge

    def answer(self, error: AuthError, *, method: str) -> Response:
        """Return the response to *error*; each has `Cache-Control: no-store` (RFC 9110 section 15.1)."""
        status, code, description = error.status, error.error, error.description
        if status == HTTPStatus.BAD_REQUEST and self._malformed_status != status:
            status, code = self._malformed_status, "invalid_token"
        body = self._body(error, status, code, description)
        headers = [
            ("WWW-Authenticate", str(challenge)) for challenge in self._challenges(error, status, code, description)
        ]
        if isinstance(error, AuthUnavailable):
            headers.append(("Retry-After", str(error.retry_after)))
        headers.append(("Cache-Control", "no-store"))
        if self._vary:
            headers.append(("Vary", self._vary))
        if body:
            headers.append(("Content-Type", _MEDIA_TYPES[self._format]))
        headers.append(("Content-Length", str(len(body))))
        return Response(status, tuple(headers), b"" if method == "HEAD" else body)

    def _challenges(self, error: AuthError, status: int, code: str | None, description: str | None) -> list[Challenge]:
        if not error.has_challenge:
            return []
        scopes = self._challenge_scopes if isinstance(error, MissingCredentials) else error.required_scopes
        first = self._challenge(code, description, scopes)
        return [first, *self._extra_challenges] if status == HTTPStatus.UNAUTHORIZED else [first]

    def _challenge(self, code: str | None, description: str | None, scopes: Sequence[str]) -> Challenge:
        return Challenge(
            realm=self._realm or None,
            error=code,
            error_description=description,
            scope=scopes,
            resource_metadata=self._resource_metadata,
            allow=self._allow,
        )

    def _body(self, error: AuthError, status: int, code: str | None, description: str | None) -> bytes:
        if self._format == "empty":
            return b""
        members: dict[str, str | int] = {}
        if self._format == "problem":
            if self._problem_base is not None and code is not None:
                members["type"] = f"{self._problem_base}/{error.reason}"
            members |= {"title": HTTPStatus(status).phrase, "status": status}
        if code is not None:
            members["error"] = code
        if description is not None:
            members["error_description"] = description
        return json.dumps(members, separators=(",", ":")).encode()


@final
@dataclass(frozen=True, slots=True)
class Caching:
    """The headers that caches need. *vary*: the request fields that a response depends on (RFC 9110 section 12.5.5);
    *control*: the `Cache-Control` (RFC 9111 section 5.2) of responses that have none.
    """

    vary: tuple[str, ...] = ()
    control: str = ""

    def missing(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the header pairs that a response with *headers* still needs.

        >>> Caching(("Authorization", "Cookie")).missing([("Vary", "Accept, cookie")])
        [('Vary', 'Authorization')]
        """
        if not self.vary:
            return []
        named = [(name.lower(), value) for name, value in headers]
        listed = {item.strip().lower() for name, value in named if name == "vary" for item in value.split(",")}
        lacking = [] if "*" in listed else [name for name in self.vary if name.lower() not in listed]
        pairs = [("Vary", ", ".join(lacking))] if lacking else []
        if self.control and all(name != "cache-control" for name, _ in named):
            pairs.append(("Cache-Control", self.control))
        return pairs


def caching_for(sources: frozenset[str]) -> Mapping[AccessLevel, Caching]:
    """Return the rules of a service that accepts tokens from *sources*, by access level."""
    return MappingProxyType(_WITH_COOKIE if "cookie" in sources else _HEADER_ONLY)


_NONE: Final = Caching()
_ANONYMOUS: Final = Caching(("Authorization",))
_PRIVATE: Final = Caching(("Authorization", "Cookie"), "private")
# Shared caches store no response to a request with `Authorization` (RFC 9111 section 3.5), but may store others.
_HEADER_ONLY: Final[dict[AccessLevel, Caching]] = {"public": _NONE, "protected": _NONE, "optional": _ANONYMOUS}
# Cookies have no such rule, and some caches ignore `Vary`.
_WITH_COOKIE: Final[dict[AccessLevel, Caching]] = {"public": _NONE, "protected": _PRIVATE, "optional": _PRIVATE}

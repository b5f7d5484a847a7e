"""Parse Bearer credentials (RFC 6750 section 2): exactly one token in the `Authorization` field, or an error.

Several field lines and one comma-joined line are equivalent in HTTP (RFC 9110 section 5.3), and servers differ in
which of the two they pass on. Lines are joined first, so that every server gives the same response.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gatepass.errors import (
    ConfigurationError,
    MalformedCredentials,
    MalformedToken,
    MissingCredentials,
    MultipleTokens,
    UnsupportedScheme,
)
from gatepass.jose.compact import MAX_TOKEN_LENGTH

__all__ = ["bearer_token"]

_TOKEN_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
# The closing quote is optional: were it required, the search would restart at each quote of an unterminated string.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*("?)', re.DOTALL)
_SCHEME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FURTHER_CREDENTIALS = re.compile(r",[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+ +[^ ]")
_MAX_VALUE_LENGTH = MAX_TOKEN_LENGTH + 64
_JWS_DOTS = 2
_NOT_A_LIST = 'the Authorization lines are a list: authenticate(["Bearer ..."])'


def bearer_token(authorization: Sequence[str]) -> str:
    """Return the token in the `Authorization` lines of one request, as received.

    Raises `MissingCredentials` (no value, an empty one, or another scheme), `MalformedCredentials`, `MultipleTokens`,
    or `MalformedToken` for a token that is too long.

    >>> bearer_token(["Bearer abc.def.ghi"])
    'abc.def.ghi'
    """
    try:
        value = authorization[0] if len(authorization) == 1 else ",".join(authorization)
        token = _credentials(value) if len(value) <= _MAX_VALUE_LENGTH else None
    except TypeError:
        raise ConfigurationError(_NOT_A_LIST) from None
    if token is None and isinstance(authorization, str):
        raise ConfigurationError(_NOT_A_LIST)
    return token or _refuse(value.strip(" \t"))


def _credentials(value: str) -> str | None:
    """Return the token if *value* is the scheme, blanks and a `b64token` (RFC 6750 section 2.1), else None."""
    scheme, _, rest = value.partition(" ")
    token = rest.lstrip(" ")
    body = token.rstrip("=")
    if scheme.lower() != "bearer" or not body or not body.isascii():
        return None
    return None if body.encode().translate(None, _TOKEN_CHARACTERS) else token


def _refuse(value: str) -> str:
    if not value:
        raise MissingCredentials
    scheme = _SCHEME.match(value)
    if scheme is None:
        raise MalformedCredentials
    is_bearer = scheme[0].lower() == "bearer"
    if len(value) > _MAX_VALUE_LENGTH:
        raise MalformedToken("longer than any token") if is_bearer else UnsupportedScheme
    if _FURTHER_CREDENTIALS.search(_QUOTED.sub(_drop_quoted, value)):
        raise MultipleTokens("more than one set of credentials")
    if not is_bearer:
        bare = scheme[0] == value and value.count(".") == _JWS_DOTS
        raise UnsupportedScheme("a token without a scheme before it: write Bearer" if bare else "")
    token = _credentials(value)
    if token is None:
        raise MalformedCredentials
    return token


def _drop_quoted(quoted: re.Match[str]) -> str:
    """Remove a quoted string; keep an unterminated one, which may hide further credentials."""
    return "" if quoted[1] else quoted[0]

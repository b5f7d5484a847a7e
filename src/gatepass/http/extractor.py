"""Extract the access token of a request: from the header always, from a cookie if the service enables it.

A request with a token in both is refused, even if the tokens are equal (RFC 6750 section 2). An invalid token in one
source is not skipped in favour of the other. Form bodies are never read: RFC 6750 section 2.2 advises against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from gatepass.errors import ConfigurationError, MissingCredentials, MultipleTokens
from gatepass.http.bearer import bearer_token
from gatepass.http.cookies import BrowserRequest, CookieTransport

__all__ = ["TokenExtractor"]


@final
class TokenExtractor:
    """The enabled sources of tokens. Raises `ConfigurationError` for *cookies* without an access cookie."""

    __slots__ = ("_cookies", "names")

    def __init__(self, cookies: CookieTransport | None) -> None:
        if cookies is not None and CookieTransport.expect(cookies).access_cookie is None:
            raise ConfigurationError("cookies= has access_cookie=None: there is no cookie for a ResourceServer to read")
        self._cookies = cookies
        self.names: frozenset[str] = frozenset({"header"} if cookies is None else {"header", "cookie"})

    def token(self, authorization: Sequence[str], browser: BrowserRequest | None) -> str:
        """Return the token of a request. Raises an `AuthError`."""
        in_cookie = None if browser is None or self._cookies is None else self._cookies.access_token(browser)
        if in_cookie is None:
            return bearer_token(authorization)
        try:
            bearer_token(authorization)
        except MissingCredentials:
            return in_cookie
        raise MultipleTokens("both in the header and in the cookie")

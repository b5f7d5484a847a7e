"""A browser's session: the pair of tokens lives in two cookies, and no script of a page ever holds either.

The endpoints take the refresh token from its cookie, after the check of `Origin`, and give tokens back by cookies
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from gatepass.errors import AuthError, ConfigurationError, UntrustedOrigin
from gatepass.http.cookies import BrowserRequest, CookieTransport
from gatepass.refresh.errors import InvalidTokenRequest, UntrustedTokenRequest
from gatepass.refresh.pair import TokenPair

__all__ = ["BrowserSession", "Headers"]

Headers = tuple[tuple[str, str], ...]


@final
class BrowserSession:
    """What *cookies* hold at one service. Without them nothing is read and nothing written."""

    __slots__ = ("_cookies",)

    def __init__(self, cookies: CookieTransport | None) -> None:
        self._cookies = None if cookies is None else CookieTransport.expect(cookies)

    @property
    def cookies(self) -> CookieTransport | None:
        return self._cookies

    @property
    def hides_access_tokens(self) -> bool:
        """Whether access tokens have a cookie too."""
        return self._cookies is not None and self._cookies.access_cookie is not None

    def refresh_token(self, request: BrowserRequest | None) -> str | None:
        """The refresh token in its cookie, or None.

        Raises `UntrustedTokenRequest`, and `InvalidTokenRequest` for a cookie that is there twice or holds no token.
        """
        if self._cookies is None or request is None:
            return None
        return _read(self._cookies.refresh_token, request)

    def any_token(self, request: BrowserRequest | None) -> str | None:
        """The refresh token, or where that cookie has gone already, the access token. Raises the same."""
        found = self.refresh_token(request)
        if found is not None or self._cookies is None or request is None:
            return found
        return _read(self._cookies.access_token, request)

    def opened(self, pair: TokenPair) -> Headers:
        """The `Set-Cookie` pairs that put *pair* into the browser. Each cookie lives as long as its token.

        Raises `ValueError` for an access token that browsers would drop.
        """
        cookies = self._configured()
        if cookies.access_cookie is None:
            return self.renewed(pair)
        access = cookies.set_cookie(cookies.access_cookie, pair.access_token, max_age=pair.expires_in)
        return (access, *self.renewed(pair))

    def renewed(self, pair: TokenPair) -> Headers:
        """The pair that puts the refresh token of *pair* into the place of the one before, and no more."""
        cookies = self._configured()
        return (cookies.set_cookie(cookies.refresh_cookie, pair.refresh_token, max_age=pair.refresh_expires_in),)

    def closed(self) -> Headers:
        """The `Set-Cookie` pairs that take both tokens out."""
        cookies = self._configured()
        names = filter(None, (cookies.access_cookie, cookies.refresh_cookie))
        return tuple(cookies.set_cookie(name, "", max_age=0) for name in names)

    def _configured(self) -> CookieTransport:
        if self._cookies is None:
            raise ConfigurationError("there are no cookies to set: make the TokenEndpoints with cookies=")
        return self._cookies


def _read(read: Callable[[BrowserRequest], str | None], request: BrowserRequest) -> str | None:
    try:
        return read(request)
    except UntrustedOrigin as error:
        raise UntrustedTokenRequest(error.reason) from error
    except AuthError as error:
        raise InvalidTokenRequest(error.reason) from error

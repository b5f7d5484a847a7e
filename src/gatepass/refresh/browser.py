"""A browser's session: the pair of tokens lives in two cookies, and no script of a page ever holds either.

The endpoints take the refresh token from its cookie, after the check of `Origin`, and give tokens back by cookies
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final

from gatepass.cookies import BrowserRequest, CookieTransport
from gatepass.errors import AuthError, ConfigurationError, UntrustedOrigin
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
        return tuple(self._lines(pair))

    def closed(self) -> Headers:
        """The `Set-Cookie` pairs that take both tokens out."""
        return tuple(self._lines(None))

    def _lines(self, pair: TokenPair | None) -> Iterator[tuple[str, str]]:
        cookies = self._cookies
        if cookies is None:
            raise ConfigurationError("there are no cookies to set: make the TokenEndpoints with cookies=")
        if cookies.access_cookie is not None:
            value, age = ("", 0) if pair is None else (pair.access_token, pair.expires_in)
            yield cookies.set_cookie(cookies.access_cookie, value, max_age=age)
        value, age = ("", 0) if pair is None else (pair.refresh_token, pair.refresh_expires_in)
        yield cookies.set_cookie(cookies.refresh_cookie, value, max_age=age)


def _read(read: Callable[[BrowserRequest], str | None], request: BrowserRequest) -> str | None:
    try:
        return read(request)
    except UntrustedOrigin as error:
        raise UntrustedTokenRequest(error.reason) from error
    except AuthError as error:
        raise InvalidTokenRequest(error.reason) from error

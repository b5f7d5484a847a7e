"""The responses of the token and revocation endpoints (RFC 6749 section 5), and the cookies of a browser's session.

No response contains text of the request, and none may be cached. In a browser session the refresh token is in a cookie
that no script can read, and so is the access token, unless the page gets it in the JSON. The refresh token is used only
after the check of `Origin`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final, final

from gatepass.errors import AuthError, ConfigurationError, UntrustedOrigin
from gatepass.http.challenge import Challenge
from gatepass.http.cookies import BrowserRequest, CookieTransport
from gatepass.http.response import Response
from gatepass.refresh.errors import (
    InvalidClientCredentials,
    InvalidTokenRequest,
    ServiceUnavailable,
    TokenEndpointError,
    UntrustedTokenRequest,
)
from gatepass.refresh.pair import TokenPair

__all__ = ["BrowserSession", "TokenResponses", "not_post"]

Headers = tuple[tuple[str, str], ...]
Members = dict[str, str | int]

_NO_STORE: Final = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
_JSON: Final = (("Content-Type", "application/json"),)


@final
class TokenResponses:
    """Builds the responses of both endpoints. *realm* is for clients that use Basic; *browser* has the cookies."""

    __slots__ = ("_browser", "_challenge", "_vary")

    def __init__(self, realm: str, browser: BrowserSession) -> None:
        self._challenge = ("WWW-Authenticate", str(Challenge("Basic", realm=realm)))
        self._browser = browser
        self._vary = () if browser.cookies is None else (("Vary", "Authorization, Cookie"),)

    def tokens(self, pair: TokenPair) -> Response:
        """Return the new pair in the body (RFC 6749 section 5.1)."""
        refresh: Members = {"refresh_token": pair.refresh_token}
        return self._response(200, {"access_token": pair.access_token, **_lifetime(pair), **refresh, **_scope(pair)})

    def session(self, pair: TokenPair) -> Response:
        """Return the new pair in cookies. The body omits tokens that are in a cookie: no script needs them."""
        cookies = self._browser.session_cookies(pair)
        access: Members = {} if self._browser.hides_access_tokens else {"access_token": pair.access_token}
        return _add_headers(self._response(200, {**access, **_lifetime(pair), **_scope(pair)}), cookies)

    def cookie_too_large(self, pair: TokenPair) -> Response:
        """Return 503 for an access token that does not fit a cookie, and set the new refresh token for the retry."""
        return _add_headers(
            self.refusal(ServiceUnavailable("access_token_too_long")), self._browser.refresh_cookie(pair)
        )

    def revoked(self) -> Response:
        """Return 200, also for unknown tokens (RFC 7009 section 2.2). The body is for clients that parse it as JSON."""
        return self._response(200, {})

    def with_cleared_cookies(self, response: Response) -> Response:
        """Return *response* with `Set-Cookie` headers that remove the cookies from the browser."""
        return _add_headers(response, self._browser.cleared_cookies())

    def refusal(self, error: TokenEndpointError) -> Response:
        """Return the response to a refused request (RFC 6749 section 5.2)."""
        members: Members = {"error": error.error, "error_description": error.description}
        if isinstance(error, InvalidClientCredentials):
            return self._response(error.status, members, self._challenge)
        if isinstance(error, ServiceUnavailable):
            return self._response(error.status, members, _retry_after(error))
        return self._response(error.status, members)

    def revocation_refusal(self, error: TokenEndpointError) -> Response:
        """Return the response of the revocation endpoint, whose 503 has no body (RFC 7009 section 2.2.1)."""
        if isinstance(error, ServiceUnavailable):
            return self._response(error.status, None, _retry_after(error))
        return self.refusal(error)

    def _response(self, status: int, members: Members | None, *headers: tuple[str, str]) -> Response:
        return _add_headers(_response(status, members, *headers), self._vary)


def not_post() -> Response:
    """Return 405, for any method other than POST."""
    return _response(405, None, ("Allow", "POST"))


@final
class BrowserSession:
    """The session that *cookies* hold in a browser. Without them no cookie is read or set."""

    __slots__ = ("cookies",)

    def __init__(self, cookies: CookieTransport | None) -> None:
        self.cookies: CookieTransport | None = None if cookies is None else CookieTransport.expect(cookies)

    @property
    def hides_access_tokens(self) -> bool:
        """Whether access tokens are kept in a cookie too."""
        return self.cookies is not None and self.cookies.access_cookie is not None

    def refresh_token(self, request: BrowserRequest | None) -> str | None:
        """Return the refresh token in its cookie, or None.

        Raises `UntrustedTokenRequest`, and `InvalidTokenRequest` for a cookie that is repeated or contains no token.
        """
        if self.cookies is None or request is None:
            return None
        return _read(self.cookies.refresh_token, request)

    def any_token(self, request: BrowserRequest | None) -> str | None:
        """Return the refresh token, or without that cookie the access token. Raises the same as `refresh_token`."""
        found = self.refresh_token(request)
        if found is not None or self.cookies is None or request is None:
            return found
        return _read(self.cookies.access_token, request)

    def session_cookies(self, pair: TokenPair) -> Headers:
        """Return the `Set-Cookie` pairs that store *pair* in the browser. Each cookie lives as long as its token.

        Raises `ValueError` for an access token that is too long for a cookie.
        """
        cookies = self._configured()
        if cookies.access_cookie is None:
            return self.refresh_cookie(pair)
        access = cookies.set_cookie(cookies.access_cookie, pair.access_token, max_age=pair.expires_in)
        return (access, *self.refresh_cookie(pair))

    def refresh_cookie(self, pair: TokenPair) -> Headers:
        """Return the `Set-Cookie` pair that replaces only the refresh token."""
        cookies = self._configured()
        return (cookies.set_cookie(cookies.refresh_cookie, pair.refresh_token, max_age=pair.refresh_expires_in),)

    def cleared_cookies(self) -> Headers:
        """Return the `Set-Cookie` pairs that remove both tokens."""
        cookies = self._configured()
        names = filter(None, (cookies.access_cookie, cookies.refresh_cookie))
        return tuple(cookies.set_cookie(name, "", max_age=0) for name in names)

    def _configured(self) -> CookieTransport:
        if self.cookies is None:
            raise ConfigurationError("there are no cookies to set: give TokenEndpoints cookies=")
        return self.cookies


def _read(read: Callable[[BrowserRequest], str | None], request: BrowserRequest) -> str | None:
    try:
        return read(request)
    except UntrustedOrigin as error:
        raise UntrustedTokenRequest(error.reason) from error
    except AuthError as error:
        raise InvalidTokenRequest(error.reason) from error


def _lifetime(pair: TokenPair) -> Members:
    return {"token_type": pair.token_type, "expires_in": pair.expires_in}


def _scope(pair: TokenPair) -> Members:
    says_scope = pair.scope or pair.narrowed  # RFC 6749 section 5.1: absent means as requested
    return {"scope": pair.scope} if says_scope else {}


def _retry_after(error: ServiceUnavailable) -> tuple[str, str]:
    return "Retry-After", str(error.retry_after)


def _add_headers(response: Response, headers: Headers) -> Response:
    return replace(response, headers=(*response.headers, *headers))


def _response(status: int, members: Members | None, *headers: tuple[str, str]) -> Response:
    """Return a response with *members* as JSON, or without a body for None."""
    body = b"" if members is None else json.dumps(members, separators=(",", ":")).encode()
    length = ("Content-Length", str(len(body)))
    return Response(status, (*headers, *_NO_STORE, *(_JSON if body else ()), length), body)

"""The responses of the token and revocation endpoints (RFC 6749 section 5), and the cookies of a browser's session.

No text of the request is in any response, and none may be cached. In a browser's session the pair of tokens lives in
two cookies that no script can read: the refresh token is taken from its cookie after the check of `Origin`.
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
    """Builds the responses of both endpoints. *realm* is for clients that use Basic; *browser* may have cookies."""

    __slots__ = ("_browser", "_challenge", "_vary")

    def __init__(self, realm: str, browser: BrowserSession) -> None:
        self._challenge = ("WWW-Authenticate", str(Challenge("Basic", realm=realm)))
        self._browser = browser
        self._vary = () if browser.cookies is None else (("Vary", "Authorization, Cookie"),)

    def tokens(self, pair: TokenPair) -> Response:
        """The new pair (RFC 6749 section 5.1)."""
        refresh: Members = {"refresh_token": pair.refresh_token}
        return self._answer(200, {"access_token": pair.access_token, **_life(pair), **refresh, **_scope(pair)})

    def session(self, pair: TokenPair) -> Response:
        """The same by cookies: the body leaves out what a cookie holds, because no script needs it."""
        given = self._browser.session_cookies(pair)
        access: Members = {} if self._browser.hides_access_tokens else {"access_token": pair.access_token}
        return _with(self._answer(200, {**access, **_life(pair), **_scope(pair)}), given)

    def cookie_too_large(self, pair: TokenPair) -> Response:
        """503 for an access token that does not fit a cookie. The new refresh token goes out, for the next try."""
        return _with(self.refusal(ServiceUnavailable("access_token_too_long")), self._browser.refresh_cookie(pair))

    def revoked(self) -> Response:
        """Revoked, or never there (RFC 7009 section 2.2). The object is for clients that read every 200 as JSON."""
        return self._answer(200, {})

    def with_cleared_cookies(self, answer: Response) -> Response:
        """*answer* with the cookies removed from the browser."""
        return _with(answer, self._browser.cleared_cookies())

    def refusal(self, error: TokenEndpointError) -> Response:
        """The refusal of a request (RFC 6749 section 5.2)."""
        members: Members = {"error": error.error, "error_description": error.description}
        if isinstance(error, InvalidClientCredentials):
            return self._answer(error.status, members, self._challenge)
        if isinstance(error, ServiceUnavailable):
            return self._answer(error.status, members, _retry(error))
        return self._answer(error.status, members)

    def revocation_refusal(self, error: TokenEndpointError) -> Response:
        """The same at the revocation endpoint, whose 503 has no body (RFC 7009 section 2.2.1)."""
        if isinstance(error, ServiceUnavailable):
            return self._answer(error.status, None, _retry(error))
        return self.refusal(error)

    def _answer(self, status: int, members: Members | None, *headers: tuple[str, str]) -> Response:
        return _with(_answer(status, members, *headers), self._vary)


def not_post() -> Response:
    """405 for any other method than POST."""
    return _answer(405, None, ("Allow", "POST"))


@final
class BrowserSession:
    """The session that *cookies* hold in a browser. Without them nothing is read or written."""

    __slots__ = ("cookies",)

    def __init__(self, cookies: CookieTransport | None) -> None:
        self.cookies: CookieTransport | None = None if cookies is None else CookieTransport.expect(cookies)

    @property
    def hides_access_tokens(self) -> bool:
        """Whether access tokens have a cookie too."""
        return self.cookies is not None and self.cookies.access_cookie is not None

    def refresh_token(self, request: BrowserRequest | None) -> str | None:
        """The refresh token in its cookie, or None.

        Raises `UntrustedTokenRequest`, and `InvalidTokenRequest` for a cookie that is there twice or holds no token.
        """
        if self.cookies is None or request is None:
            return None
        return _read(self.cookies.refresh_token, request)

    def any_token(self, request: BrowserRequest | None) -> str | None:
        """The refresh token, or where that cookie has gone already, the access token. Raises the same."""
        found = self.refresh_token(request)
        if found is not None or self.cookies is None or request is None:
            return found
        return _read(self.cookies.access_token, request)

    def session_cookies(self, pair: TokenPair) -> Headers:
        """The `Set-Cookie` pairs that put *pair* into the browser. Each cookie lives as long as its token.

        Raises `ValueError` for an access token that browsers would drop.
        """
        cookies = self._configured()
        if cookies.access_cookie is None:
            return self.refresh_cookie(pair)
        access = cookies.set_cookie(cookies.access_cookie, pair.access_token, max_age=pair.expires_in)
        return (access, *self.refresh_cookie(pair))

    def refresh_cookie(self, pair: TokenPair) -> Headers:
        """The one that replaces the refresh token alone."""
        cookies = self._configured()
        return (cookies.set_cookie(cookies.refresh_cookie, pair.refresh_token, max_age=pair.refresh_expires_in),)

    def cleared_cookies(self) -> Headers:
        """The `Set-Cookie` pairs that remove both tokens."""
        cookies = self._configured()
        names = filter(None, (cookies.access_cookie, cookies.refresh_cookie))
        return tuple(cookies.set_cookie(name, "", max_age=0) for name in names)

    def _configured(self) -> CookieTransport:
        if self.cookies is None:
            raise ConfigurationError("there are no cookies to set: make the TokenEndpoints with cookies=")
        return self.cookies


def _read(read: Callable[[BrowserRequest], str | None], request: BrowserRequest) -> str | None:
    try:
        return read(request)
    except UntrustedOrigin as error:
        raise UntrustedTokenRequest(error.reason) from error
    except AuthError as error:
        raise InvalidTokenRequest(error.reason) from error


def _life(pair: TokenPair) -> Members:
    return {"token_type": pair.token_type, "expires_in": pair.expires_in}


def _scope(pair: TokenPair) -> Members:
    return {"scope": pair.scope} if pair.scope else {}


def _retry(error: ServiceUnavailable) -> tuple[str, str]:
    return "Retry-After", str(error.retry_after)


def _with(answer: Response, headers: Headers) -> Response:
    return replace(answer, headers=(*answer.headers, *headers))


def _answer(status: int, members: Members | None, *headers: tuple[str, str]) -> Response:
    """*members* as JSON, or no body for None."""
    body = b"" if members is None else json.dumps(members, separators=(",", ":")).encode()
    length = ("Content-Length", str(len(body)))
    return Response(status, (*headers, *_NO_STORE, *(_JSON if body else ()), length), body)

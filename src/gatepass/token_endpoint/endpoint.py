"""The token endpoint (RFC 6749 section 3.2) and the revocation endpoint (RFC 7009).

The token endpoint serves only `grant_type=refresh_token`: other grants are the application's own routes, which call
`TokenService.grant`. Parameters are read from the body, never from the URL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from gatepass.common.settings import require_instance
from gatepass.common.texts import MAX_HEADER_NUMBER, header_number
from gatepass.errors import AuthError, AuthUnavailable, ConfigurationError, InsecureTransport, UnknownKey
from gatepass.http.cookies import BrowserRequest, CookieTransport
from gatepass.http.https import HTTPSMode, HTTPSRule
from gatepass.http.response import Response
from gatepass.keyring import KeyRing
from gatepass.keys import KeySet
from gatepass.keys.source import KeySource
from gatepass.refresh.errors import (
    InsecureTokenRequest,
    InvalidGrant,
    InvalidTokenRequest,
    ServiceUnavailable,
    TokenEndpointError,
    UnsupportedGrantType,
    UnsupportedTokenType,
)
from gatepass.refresh.pair import TokenPair
from gatepass.refresh.service import TokenService
from gatepass.token_endpoint.client_auth import AuthenticateClient, ClientAuthentication
from gatepass.token_endpoint.form import MAX_FORM_LENGTH, Form
from gatepass.token_endpoint.responses import BrowserSession, TokenResponses, not_post
from gatepass.tokens.profile import ANY_ISSUER
from gatepass.tokens.verifier import TokenVerifier

__all__ = ["TokenEndpoints", "TokenRequest"]

_JWS_DOTS: Final = 2
_logger = logging.getLogger("gatepass.refresh")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """The parts of a request that the endpoints read. *authorization* holds the `Authorization` lines as received.

    *method* is as received, in its own case. *browser* has the parts that cookies need; without it no cookie is read.
    Adapters need not read more than `TokenEndpoints.body_limit` octets of *body*. *url_scheme* is `"https"` or
    `"http"`, as the framework reports it, *peer* the address of the connection's other end, *forwarded* whether the
    request has one of `ResourceServer.forwarding_headers`. Adapters pass all three; without scheme and peer the rule of
    `https=` does not apply. Only the method shows in the repr.
    """

    method: str
    content_type: str = field(repr=False)
    authorization: tuple[str, ...] = field(repr=False)
    body: bytes = field(repr=False)
    browser: BrowserRequest | None = field(default=None, repr=False)
    url_scheme: str | None = field(default=None, repr=False)
    peer: str | None = field(default=None, repr=False)
    forwarded: bool = field(default=False, repr=False)


@final
class TokenEndpoints:
    """The two endpoints of *service*. Both may do I/O: call them in a worker thread from an event loop.

    *authenticate_client* takes a client's id and its secret, or None if the request has none, and returns True or
    False. It must not accept a confidential client without its secret, and may raise `UnauthorizedClient`. Without it
    only the issuer's own public client is served. *verifier* lets clients revoke access tokens too, if *service* has a
    `revocation=`. *realm* is for clients that use Basic. With *cookies* a browser's tokens are kept in cookies; clients
    without a refresh cookie get theirs in the body. *https* is the rule of `ResourceServer`, for all requests to the
    two endpoints: `"require"`, `"warn"` or `"off"`.

    Raises `ConfigurationError` when the settings contradict each other.
    """

    __slots__ = ("_browser", "_clients", "_https", "_responses", "_service", "_verifier")

    body_limit: Final = MAX_FORM_LENGTH + 1

    def __init__(
        self,
        service: TokenService,
        *,
        authenticate_client: AuthenticateClient | None = None,
        verifier: TokenVerifier | None = None,
        realm: str = "token",
        cookies: CookieTransport | None = None,
        https: HTTPSMode = "require",
    ) -> None:
        if not isinstance(service, TokenService):
            raise ConfigurationError("TokenEndpoints takes a TokenService(issuer, store, check_subject=...)")
        if authenticate_client is None and service.client_id is None:
            raise ConfigurationError("authenticate_client= is missing, and the issuer has no client_id= of its own")
        if not (verifier is None or isinstance(verifier, TokenVerifier)):
            raise ConfigurationError("verifier= takes a TokenVerifier")
        if verifier is not None and not service.revokes_access_tokens:
            raise ConfigurationError("verifier= is for revoking access tokens: give the TokenService a revocation=")
        if verifier is not None and verifier.issuer not in (service.issuer, ANY_ISSUER):
            raise ConfigurationError("verifier= has another issuer= than the TokenService, and would accept no token")
        if verifier is not None and any(hook.is_async for hook in verifier.hooks):
            raise ConfigurationError("verifier= must not have coroutine functions: the endpoints have no event loop")
        self._service = service
        self._verifier = None if verifier is None else verifier._for_revocation()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - a verifier without audience and hooks has no other use
        self._clients = ClientAuthentication(authenticate_client, own=service.client_id)
        self._browser = BrowserSession(cookies)
        self._responses = TokenResponses(realm, self._browser)
        self._https = HTTPSRule(https)

    @property
    def cookies(self) -> CookieTransport | None:
        """The cookies that keep a browser's tokens, or None."""
        return self._browser.cookies

    def token(self, request: TokenRequest) -> Response:
        """Handle a request to the token endpoint: refresh."""

        def refreshed(form: Form, stored: str | None) -> Response:
            pair = self._refresh(request, form, stored)
            if stored is None:
                return self._responses.tokens(pair)
            try:
                return self._responses.session(pair)
            except ValueError:
                _logger.error("no token response: the access token is too long for a cookie")  # noqa: TRY400 - nothing to trace
                return self._responses.cookie_too_large(pair)

        return self._handle(request, self._browser.refresh_token, refreshed, self._responses.refusal)

    def revoke(self, request: TokenRequest) -> Response:
        """Handle a request to the revocation endpoint: revoke a refresh token with its family, or one access token.

        An unknown token counts as revoked.
        """

        def revoked(form: Form, stored: str | None) -> Response:
            text = _single_token(form, "token", stored)
            form.get("token_type_hint")  # ignored, but refused if repeated
            client_id = self._clients.client(request.authorization, form)
            try:
                self._revoke(text, client_id)
            except UnsupportedTokenType:
                if stored is None:
                    raise
            return (
                self._responses.revoked()
                if stored is None
                else self._responses.with_cleared_cookies(self._responses.revoked())
            )

        return self._handle(request, self._browser.any_token, revoked, self._responses.revocation_refusal)

    def login_response(self, pair: TokenPair) -> Response:
        """Return the response of a login route to the *pair* of `TokenService.grant`, with cookies if configured.

        Raises `ValueError` for an access token that is too long for a cookie.
        """
        return self._responses.tokens(pair) if self.cookies is None else self._responses.session(pair)

    def set_cookies(self, pair: TokenPair) -> tuple[tuple[str, str], ...]:
        """Return the `Set-Cookie` pairs for a login response of your own, such as a redirect. Add `no-store`."""
        return self._browser.session_cookies(pair)

    def clear_cookies(self) -> tuple[tuple[str, str], ...]:
        """Return the `Set-Cookie` pairs that end the session in the browser, for a logout route of your own."""
        return self._browser.cleared_cookies()

    @staticmethod
    def announces_body(content_length: Sequence[str]) -> bool:
        """Return whether the `Content-Length` lines announce a body; invalid lengths do not."""
        numbers = {header_number(line.strip(" \t")) for line in content_length}
        return len(numbers) == 1 and numbers.isdisjoint((None, 0, MAX_HEADER_NUMBER))

    @staticmethod
    def expect(value: object) -> TokenEndpoints:
        """Return *value* if it is a `TokenEndpoints`. Raises `ConfigurationError`."""
        return require_instance(value, TokenEndpoints, "token_endpoints takes a TokenEndpoints(service)")

    def _handle(
        self,
        request: TokenRequest,
        find: Callable[[BrowserRequest | None], str | None],
        serve: Callable[[Form, str | None], Response],
        refuse: Callable[[TokenEndpointError], Response],
    ) -> Response:
        if request.method != "POST":
            return not_post()
        stored = None
        try:
            self._check_https(request)
            stored = find(request.browser)  # before the form: a request from another origin is refused first
            return serve(Form.parse(request.content_type, request.body), stored)
        except TokenEndpointError as error:
            level = logging.ERROR if isinstance(error, ServiceUnavailable) else logging.INFO
            _logger.log(level, "refused: %s", error.reason)
            clears = stored is not None and isinstance(error, InvalidGrant)
            return self._responses.with_cleared_cookies(refuse(error)) if clears else refuse(error)

    def _check_https(self, request: TokenRequest) -> None:
        try:
            self._https.check(request.url_scheme, request.peer, forwarded=request.forwarded)
        except InsecureTransport as error:
            raise InsecureTokenRequest(error.reason) from error

    def _refresh(self, request: TokenRequest, form: Form, stored: str | None) -> TokenPair:
        grant_type, scope = form.require("grant_type"), form.get("scope")
        form.get("refresh_token")  # refused if repeated, before other errors
        client_id = self._clients.client(request.authorization, form)
        if grant_type != "refresh_token":
            raise UnsupportedGrantType
        return self._service.refresh(
            _single_token(form, "refresh_token", stored),
            client_id=client_id,
            scope=scope,
            audience=form.every("resource"),  # may be repeated (RFC 8707 section 2)
        )

    def _revoke(self, text: str, client_id: str) -> None:
        if text.count(".") != _JWS_DOTS:
            self._service.revoke(text, client_id=client_id)
            return
        if self._verifier is None:
            raise UnsupportedTokenType
        try:
            token = self._verifier.verify(text)
        except (AuthUnavailable, UnknownKey) as error:
            if isinstance(error, UnknownKey) and _has_every_key(self._verifier.keys):
                return
            raise ServiceUnavailable(error.reason) from error  # the key may be new, and could not be fetched
        except AuthError:
            return  # no verifier accepts it, so there is nothing to revoke
        if token.token_id is None:
            raise UnsupportedTokenType  # without a jti it cannot be revoked
        self._service.revoke_access_token(token, client_id=client_id)


def _single_token(form: Form, name: str, stored: str | None) -> str:
    """Return the token of the form, or the *stored* one of a cookie. `InvalidTokenRequest` for both or neither."""
    if stored is None:
        return form.require(name)
    if form.get(name) is not None:
        raise InvalidTokenRequest("form_and_cookie")
    return stored


def _has_every_key(keys: KeySet | KeySource) -> bool:
    """Return whether *keys* are complete, so that a key not in them does not exist. A fetch may have failed."""
    if isinstance(keys, KeySet | KeyRing):
        return True
    return type(keys).fetch_missing is KeySource.fetch_missing and keys.current() is not None

"""The token endpoint (RFC 6749 section 3.2) and the revocation endpoint (RFC 7009).

The token endpoint serves only `grant_type=refresh_token`: other grants are the application's own routes, which call
`TokenService.grant`. Parameters are read from the body, never from the URL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypedDict, final

from gatepass.common.event_loop import RunBlocking
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
    """The two endpoints of *service*. Both may do I/O: on an event loop, await `token_async` and `revoke_async`.

    *authenticate_client* takes a client's id and its secret, or None if the request has none, and returns True or
    False. It must not accept a confidential client without its secret, and may raise `UnauthorizedClient`. Without it
    only the issuer's own public client is served. *verifier* lets clients revoke access tokens too, if *service* has a
    `revocation=`. *realm* is for clients that use Basic. With *cookies* a browser's tokens are kept in cookies; clients
    without a refresh cookie get theirs in the body. *https* is the rule of `ResourceServer`, for all requests to the
    two endpoints: `"require"`, `"warn"` or `"off"`.

    *authenticate_client* and the functions of *service* may be coroutine functions: then only `token_async` and
    `revoke_async` work. Raises `ConfigurationError` when the settings contradict each other.
    """

    __slots__ = ("_browser", "_clients", "_https", "_refreshing", "_responses", "_revoking", "_service")

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
        self._service = service
        self._clients = ClientAuthentication(authenticate_client, own=service.client_id)
        self._browser = BrowserSession(cookies)
        self._responses = TokenResponses(realm, self._browser)
        self._https = HTTPSRule(https)
        self._refreshing = _Refreshing(service, self._browser, self._responses)
        # A copy without audience and hooks: it decides about tokens that other services accept.
        revocable = None if verifier is None else verifier._for_revocation()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - such a copy has no other use
        self._revoking = _Revoking(service, self._browser, self._responses, revocable)

    @property
    def cookies(self) -> CookieTransport | None:
        """The cookies that keep a browser's tokens, or None."""
        return self._browser.cookies

    @property
    def needs_event_loop(self) -> bool:
        """Whether a function of the application is a coroutine function, which only the `_async` methods await."""
        return self._service.needs_event_loop or self._clients.is_async

    def token(self, request: TokenRequest) -> Response:
        """Handle a request to the token endpoint: refresh."""
        self.require_sync()
        return self._handle(self._refreshing, request)

    async def token_async(self, request: TokenRequest, *, run_blocking: RunBlocking) -> Response:
        """Do what `token` does, on an event loop: await coroutine functions, and run the rest by *run_blocking*.

        *run_blocking* takes a function and runs it in a worker thread. Without coroutine functions it is called once.
        """
        if self.needs_event_loop:
            return await self._handle_async(self._refreshing, request, run_blocking)
        return await _in_one_thread(lambda: self._handle(self._refreshing, request), run_blocking)

    def revoke(self, request: TokenRequest) -> Response:
        """Handle a request to the revocation endpoint: revoke a refresh token with its family, or one access token.

        An unknown token counts as revoked.
        """
        self.require_sync()
        return self._handle(self._revoking, request)

    async def revoke_async(self, request: TokenRequest, *, run_blocking: RunBlocking) -> Response:
        """Do what `revoke` does, on an event loop, as `token_async` does."""
        if self._clients.is_async:  # revoking calls no function of the service
            return await self._handle_async(self._revoking, request, run_blocking)
        return await _in_one_thread(lambda: self._handle(self._revoking, request), run_blocking)

    def login_response(self, pair: TokenPair) -> Response:
        """Return the response of a login route to the *pair* of `TokenService.grant`, with cookies if configured.

        Raises `ValueError` for an access token that is too long for a cookie.
        """
        return self._responses.tokens(pair) if self.cookies is None else self._responses.session(pair)

    def error_response(self, error: TokenEndpointError) -> Response:
        """Return the response to an *error* of the service in a route of your own, such as 503 with `Retry-After`.

        The two endpoints respond so themselves; in other routes, the framework would respond with a 500.
        """
        return self._responses.refusal(error)

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

    def require_sync(self) -> None:
        """Raise `ConfigurationError` if a function is a coroutine function, for adapters without an event loop."""
        if self.needs_event_loop:
            raise ConfigurationError(
                "authenticate_client= or a function of the TokenService is a coroutine function, which a synchronous "
                "adapter cannot await; give a plain function, or use the adapter for Starlette, FastAPI or Django"
            )

    def _handle(self, endpoint: _Refreshing | _Revoking, request: TokenRequest) -> Response:
        if request.method != "POST":
            return not_post()
        opened = None
        try:
            opened = self._open(endpoint, request)
            return endpoint.serve(opened, self._clients.client(request.authorization, opened.form))
        except TokenEndpointError as error:
            return self._refuse(endpoint, opened, error)

    async def _handle_async(
        self, endpoint: _Refreshing | _Revoking, request: TokenRequest, run_blocking: RunBlocking
    ) -> Response:
        if request.method != "POST":
            return not_post()
        opened = None
        try:
            opened = self._open(endpoint, request)
            client_id = await self._clients.client_async(request.authorization, opened.form, run_blocking)
            return await endpoint.serve_async(opened, client_id, run_blocking)
        except TokenEndpointError as error:
            return self._refuse(endpoint, opened, error)

    def _open(self, endpoint: _Refreshing | _Revoking, request: TokenRequest) -> _OpenedRequest:
        try:
            self._https.check(request.url_scheme, request.peer, forwarded=request.forwarded)
        except InsecureTransport as error:
            raise InsecureTokenRequest(error.reason) from error
        stored = endpoint.stored_token(request.browser)  # before the form: another origin is refused first
        opened = _OpenedRequest(Form.parse(request.content_type, request.body), stored)
        endpoint.check(opened)
        return opened

    def _refuse(
        self, endpoint: _Refreshing | _Revoking, opened: _OpenedRequest | None, error: TokenEndpointError
    ) -> Response:
        _logger.log(
            logging.ERROR if isinstance(error, ServiceUnavailable) else logging.INFO, "refused: %s", error.reason
        )
        refusal = endpoint.refusal(error)
        clears = opened is not None and opened.stored is not None and isinstance(error, InvalidGrant)
        return self._responses.with_cleared_cookies(refusal) if clears else refusal


@dataclass(frozen=True, slots=True)
class _OpenedRequest:
    """The form of a request that may use the endpoint, and the token of its cookie."""

    form: Form = field(repr=False)
    stored: str | None = field(repr=False)

    def single_token(self, name: str) -> str:
        """Return the token of the form, or that of the cookie. `InvalidTokenRequest` for both or neither."""
        if self.stored is None:
            return self.form.require(name)
        if self.form.get(name) is not None:
            raise InvalidTokenRequest("form_and_cookie")
        return self.stored


class _RefreshArguments(TypedDict):
    client_id: str
    scope: str | None
    audience: tuple[str, ...]


@final
class _Refreshing:
    """The token endpoint. `check` is called before the client is authenticated, `serve` or `serve_async` afterwards."""

    __slots__ = ("_browser", "_responses", "_service")

    def __init__(self, service: TokenService, browser: BrowserSession, responses: TokenResponses) -> None:
        self._service = service
        self._browser = browser
        self._responses = responses

    def stored_token(self, request: BrowserRequest | None) -> str | None:
        return self._browser.refresh_token(request)

    def check(self, opened: _OpenedRequest) -> None:
        opened.form.require("grant_type")
        for name in ("scope", "refresh_token"):
            opened.form.get(name)  # refused if repeated, before other errors

    def serve(self, opened: _OpenedRequest, client_id: str) -> Response:
        token, arguments = self._arguments(opened, client_id)
        return self._respond(opened, self._service.refresh(token, **arguments))

    async def serve_async(self, opened: _OpenedRequest, client_id: str, run_blocking: RunBlocking) -> Response:
        token, arguments = self._arguments(opened, client_id)
        return self._respond(opened, await self._service.refresh_async(token, run_blocking=run_blocking, **arguments))

    def refusal(self, error: TokenEndpointError) -> Response:
        return self._responses.refusal(error)

    def _arguments(self, opened: _OpenedRequest, client_id: str) -> tuple[str, _RefreshArguments]:
        form = opened.form
        if form.get("grant_type") != "refresh_token":
            raise UnsupportedGrantType
        resources = form.every("resource")  # may be repeated (RFC 8707 section 2)
        token = opened.single_token("refresh_token")
        return token, {"client_id": client_id, "scope": form.get("scope"), "audience": resources}

    def _respond(self, opened: _OpenedRequest, pair: TokenPair) -> Response:
        if opened.stored is None:
            return self._responses.tokens(pair)
        try:
            return self._responses.session(pair)
        except ValueError:
            _logger.error("no token response: the access token is too long for a cookie")  # noqa: TRY400 - nothing to trace
            return self._responses.cookie_too_large(pair)


@final
class _Revoking:
    """The revocation endpoint, with the methods of `_Refreshing`."""

    __slots__ = ("_browser", "_responses", "_service", "_verifier")

    def __init__(
        self, service: TokenService, browser: BrowserSession, responses: TokenResponses, verifier: TokenVerifier | None
    ) -> None:
        self._service = service
        self._browser = browser
        self._responses = responses
        self._verifier = verifier

    def stored_token(self, request: BrowserRequest | None) -> str | None:
        return self._browser.any_token(request)

    def check(self, opened: _OpenedRequest) -> None:
        opened.single_token("token")
        opened.form.get("token_type_hint")  # ignored, but refused if repeated

    def serve(self, opened: _OpenedRequest, client_id: str) -> Response:
        try:
            self._revoke(opened.single_token("token"), client_id)
        except UnsupportedTokenType:
            if opened.stored is None:
                raise
        revoked = self._responses.revoked()
        return revoked if opened.stored is None else self._responses.with_cleared_cookies(revoked)

    async def serve_async(self, opened: _OpenedRequest, client_id: str, run_blocking: RunBlocking) -> Response:
        return await _in_one_thread(lambda: self.serve(opened, client_id), run_blocking)

    def refusal(self, error: TokenEndpointError) -> Response:
        return self._responses.revocation_refusal(error)

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


def _has_every_key(keys: KeySet | KeySource) -> bool:
    """Return whether *keys* are complete, so that a key not in them does not exist. A fetch may have failed."""
    if isinstance(keys, KeySet | KeyRing):
        return True
    return type(keys).fetch_missing is KeySource.fetch_missing and keys.current() is not None


async def _in_one_thread(serve: Callable[[], Response], run_blocking: RunBlocking) -> Response:
    response: Response = await run_blocking(serve)
    return response

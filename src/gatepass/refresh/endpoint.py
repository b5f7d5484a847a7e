"""The token endpoint (RFC 6749 section 3.2) and the revocation endpoint (RFC 7009): a request in, an answer out.

The token endpoint serves `grant_type=refresh_token` alone: other grants are the application's own routes, which call
`TokenService.grant`. Parameters count in the body and never in the URL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, final

from gatepass.errors import AuthError, AuthUnavailable, ConfigurationError
from gatepass.refresh.answers import Answers, done, not_post, tokens
from gatepass.refresh.client_auth import AuthenticateClient, ClientAuthentication
from gatepass.refresh.errors import (
    ServiceUnavailable,
    TokenEndpointError,
    UnsupportedGrantType,
    UnsupportedTokenType,
)
from gatepass.refresh.form import MAX_FORM_LENGTH, Form
from gatepass.refresh.pair import TokenPair
from gatepass.refresh.service import TokenService
from gatepass.response import Response
from gatepass.verifier import TokenVerifier

__all__ = ["TokenEndpoints", "TokenRequest"]

_JWS_DOTS: Final = 2
_logger = logging.getLogger("gatepass.refresh")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What the endpoints want to know of a request: *authorization* holds the `Authorization` lines as they came.

    Of *body* no more need be read than `TokenEndpoints.body_limit` octets. Only the method shows in the repr.
    """

    method: str
    content_type: str = field(repr=False)
    authorization: tuple[str, ...] = field(repr=False)
    body: bytes = field(repr=False)


@final
class TokenEndpoints:
    """The two endpoints of *service*. Both may do I/O: an event loop calls them in a worker thread.

    *authenticate_client* takes a client's id and its secret, or None where it brought none, and answers True or False;
    it must not let a confidential client pass without its secret, and may raise `UnauthorizedClient`. Without it
    the issuer's own public client alone is served. *verifier* lets clients revoke access tokens too, if *service* has
    a `revocation=`. *realm* is for clients that use Basic.

    Raises `ConfigurationError` when the settings contradict each other.
    """

    __slots__ = ("_answers", "_clients", "_service", "_verifier")

    body_limit: Final = MAX_FORM_LENGTH + 1

    def __init__(
        self,
        service: TokenService,
        *,
        authenticate_client: AuthenticateClient | None = None,
        verifier: TokenVerifier | None = None,
        realm: str = "token",
    ) -> None:
        if authenticate_client is None and service.client_id is None:
            raise ConfigurationError("authenticate_client= is missing, and the issuer has no client_id= of its own")
        if verifier is not None and not service.revokes_access_tokens:
            raise ConfigurationError("verifier= is for revoking access tokens: give the TokenService a revocation=")
        if verifier is not None and any(hook.is_async for hook in verifier.hooks):
            raise ConfigurationError("verifier= must not have coroutine functions: the endpoints know no event loop")
        self._service = service
        self._verifier = verifier
        self._clients = ClientAuthentication(authenticate_client, own=service.client_id)
        self._answers = Answers(realm)

    def token(self, request: TokenRequest) -> Response:
        """Exchange a refresh token."""
        return _served(request, lambda form: tokens(self._refreshed(request, form)), self._answers.refusal)

    def revoke(self, request: TokenRequest) -> Response:
        """Revoke a refresh token with its family, or one access token. What is unknown is revoked already."""

        def revoked(form: Form) -> Response:
            text = form.require("token")
            form.get("token_type_hint")  # a hint helps nobody here, but must not come twice
            self._revoke(text, self._clients.client(request.authorization, form))
            return done()

        return _served(request, revoked, self._answers.revocation_refusal)

    def _refreshed(self, request: TokenRequest, form: Form) -> TokenPair:
        grant_type, refresh_token, scope = form.require("grant_type"), form.get("refresh_token"), form.get("scope")
        client_id = self._clients.client(request.authorization, form)
        if grant_type != "refresh_token":
            raise UnsupportedGrantType
        return self._service.refresh(
            refresh_token or form.require("refresh_token"),
            client_id=client_id,
            scope=scope,
            audience=form.every("resource"),  # may come more than once (RFC 8707 section 2)
        )

    def _revoke(self, text: str, client_id: str) -> None:
        if text.count(".") != _JWS_DOTS:
            self._service.revoke(text, client_id=client_id)
            return
        if self._verifier is None:
            raise UnsupportedTokenType
        try:
            token = self._verifier.verify(text)
        except AuthUnavailable as error:
            raise ServiceUnavailable(error.reason) from error
        except AuthError:
            return  # it is not accepted anywhere, which is all that was asked for
        self._service.revoke_access_token(token, client_id=client_id)


def _served(
    request: TokenRequest, serve: Callable[[Form], Response], refuse: Callable[[TokenEndpointError], Response]
) -> Response:
    if request.method != "POST":
        return not_post()
    try:
        return serve(Form.parse(request.content_type, request.body))
    except TokenEndpointError as error:
        level = logging.ERROR if isinstance(error, ServiceUnavailable) else logging.INFO
        _logger.log(level, "refused: %s", error.reason)
        return refuse(error)

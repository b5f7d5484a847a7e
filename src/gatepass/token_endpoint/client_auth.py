"""Authenticate the client of a request (RFC 6749 section 2.3) by id and secret, in Basic or in the form, not both.

The application's `authenticate_client(client_id, secret or None)` decides. Without it the only client is the issuer's
own, which is public: a request with a secret is refused.
"""

from __future__ import annotations

import binascii
import logging
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, final
from urllib.parse import unquote_plus

from gatepass.errors import traced
from gatepass.refresh.errors import (
    HookUnavailable,
    InvalidClient,
    InvalidClientCredentials,
    InvalidTokenRequest,
    UnauthorizedClient,
)
from gatepass.refresh.hooks import require_sync_function
from gatepass.token_endpoint.form import Form

__all__ = ["AuthenticateClient", "ClientAuthentication"]

AuthenticateClient = Callable[[str, str | None], bool]
"""Takes a client's id and its secret, or None if the request has none, and returns True or False."""

_VISIBLE: Final = re.compile(r"[\x20-\x7E]+")  # RFC 6749 appendix A.1 and A.2
_logger = logging.getLogger("gatepass.refresh")


class _Credentials(NamedTuple):
    client_id: str
    secret: str | None
    refusal: type[InvalidClient]

    def __repr__(self) -> str:
        return "<_Credentials, not shown>"


@final
class ClientAuthentication:
    """Finds the client that a request names, and authenticates it."""

    __slots__ = ("_authenticate", "_own")

    def __init__(self, authenticate_client: AuthenticateClient | None, *, own: str | None) -> None:
        if authenticate_client is not None:
            require_sync_function(authenticate_client, "authenticate_client", "a client's id and secret")
        self._authenticate = authenticate_client
        self._own = own

    def client(self, authorization: Sequence[str], form: Form) -> str:
        """Return the id of the authenticated client.

        Raises `InvalidClient`, with a challenge if the client used `Authorization`; `InvalidTokenRequest` for two
        methods at once; `HookUnavailable`; and `UnauthorizedClient` if the application raises it.
        """
        found = self._credentials(authorization, form)
        visible = _VISIBLE.fullmatch(found.client_id) and (found.secret is None or _VISIBLE.fullmatch(found.secret))
        if not visible or not self._accepts(found.client_id, found.secret):
            raise found.refusal("client_refused")
        return found.client_id

    def _credentials(self, authorization: Sequence[str], form: Form) -> _Credentials:
        named, secret = form.get("client_id"), form.get("client_secret")
        header = ",".join(authorization).strip(" \t")  # joined, as some servers do
        if not header:
            client_id = named if named is not None or secret is not None else self._own
            if client_id is None:
                raise InvalidClient("client_missing")
            return _Credentials(client_id, secret, InvalidClient)
        client_id, basic_secret = _basic(header)
        if secret is not None or named not in (None, client_id):
            raise InvalidTokenRequest("two_client_authentications")
        return _Credentials(client_id, basic_secret, InvalidClientCredentials)

    def _accepts(self, client_id: str, secret: str | None) -> bool:
        if self._authenticate is None:
            return secret is None and client_id == self._own
        try:
            accepted = self._authenticate(client_id, secret)
        except UnauthorizedClient:
            raise
        except Exception as error:
            _logger.error("authenticate_client raised %s", traced(error))  # noqa: TRY400 - a traceback quotes
            raise HookUnavailable("authenticate_client_unavailable") from error
        if accepted is not True and accepted is not False:
            _logger.error("authenticate_client returned neither True nor False")
            raise HookUnavailable("authenticate_client_unavailable")
        return accepted


def _basic(header: str) -> tuple[str, str | None]:
    """Return the id and the secret of `Basic` credentials, each of which is form-encoded (RFC 6749 section 2.3.1)."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClientCredentials("unsupported_client_authentication")
    if "," in rest:
        raise InvalidTokenRequest("two_client_authentications")
    try:
        client_id, colon, secret = binascii.a2b_base64(rest.strip(" "), strict_mode=True).decode().partition(":")
        if not colon:
            raise InvalidClientCredentials("malformed_client_credentials")
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict") or None
    except ValueError:  # not base64, not UTF-8
        raise InvalidClientCredentials("malformed_client_credentials") from None

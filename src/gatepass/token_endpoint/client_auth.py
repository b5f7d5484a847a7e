"""Which client asks (RFC 6749 section 2.3): its id, and its secret by Basic or in the form, never by both.

The application's `authenticate_client(client_id, secret or None)` decides. Without it there is one client, the
issuer's own, which is public: it has no secret, and none is taken from it.
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
"""Takes a client's id and its secret, None if it brought none, and returns True or False."""

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
    """Finds the client of a request and asks whether it is the client that it claims to be."""

    __slots__ = ("_authenticate", "_own")

    def __init__(self, authenticate_client: AuthenticateClient | None, *, own: str | None) -> None:
        if authenticate_client is not None:
            require_sync_function(authenticate_client, "authenticate_client", "a client's id and secret")
        self._authenticate = authenticate_client
        self._own = own

    def client(self, authorization: Sequence[str], form: Form) -> str:
        """The id of the authenticated client.

        Raises `InvalidClient`, with a challenge for one that used `Authorization`; `InvalidTokenRequest` for one that
        authenticates in two ways; `HookUnavailable`; and `UnauthorizedClient` if the application does.
        """
        found = self._credentials(authorization, form)
        visible = _VISIBLE.fullmatch(found.client_id) and (found.secret is None or _VISIBLE.fullmatch(found.secret))
        if not visible or not self._accepts(found.client_id, found.secret):
            raise found.refusal("client_refused")
        return found.client_id

    def _credentials(self, authorization: Sequence[str], form: Form) -> _Credentials:
        named, secret = form.get("client_id"), form.get("client_secret")
        header = ",".join(authorization).strip(" \t")  # several lines are one, as some servers join them
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
            answer = self._authenticate(client_id, secret)
        except UnauthorizedClient:
            raise
        except Exception as error:
            _logger.error("authenticate_client raised %s", traced(error))  # noqa: TRY400 - a traceback quotes
            raise HookUnavailable("authenticate_client_unavailable") from error
        if answer is not True and answer is not False:
            _logger.error("authenticate_client returned neither True nor False")
            raise HookUnavailable("authenticate_client_unavailable")
        return answer


def _basic(header: str) -> tuple[str, str | None]:
    """The id and the secret in `Basic` credentials, each form-encoded before (RFC 6749 section 2.3.1)."""
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

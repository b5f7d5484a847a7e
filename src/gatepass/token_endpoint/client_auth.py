"""Authenticate the client of a request (RFC 6749 section 2.3) by id and secret, in Basic or in the form, not both.

The application's `authenticate_client(client_id, secret or None)` decides; it may be a coroutine function. Without it
the only client is the issuer's own, which is public: a request with a secret is refused.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, final
from urllib.parse import unquote_plus

from gatepass.common.event_loop import RunBlocking
from gatepass.refresh.errors import (
    InvalidClient,
    InvalidClientCredentials,
    InvalidTokenRequest,
    UnauthorizedClient,
)
from gatepass.refresh.hooks import boolean_hook
from gatepass.token_endpoint.form import Form

__all__ = ["AuthenticateClient", "ClientAuthentication"]

AuthenticateClient = Callable[[str, str | None], bool] | Callable[[str, str | None], Awaitable[bool]]
"""Takes a client's id and its secret, or None if the request has none, and returns True or False."""

_VISIBLE: Final = re.compile(r"[\x20-\x7E]+")  # RFC 6749 appendix A.1 and A.2


class _Credentials(NamedTuple):
    client_id: str
    secret: str | None
    refusal: type[InvalidClient]

    def client(self, *, is_accepted: bool) -> str:
        if not is_accepted:
            raise self.refusal("client_refused")
        return self.client_id

    def has_visible_text(self) -> bool:
        return all(_VISIBLE.fullmatch(text) for text in (self.client_id, self.secret) if text is not None)

    def __repr__(self) -> str:
        return "<_Credentials, not shown>"


@final
class ClientAuthentication:
    """Finds the client that a request names, and authenticates it."""

    __slots__ = ("_hook", "_own", "is_async")

    def __init__(self, authenticate_client: AuthenticateClient | None, *, own: str | None) -> None:
        self._hook = (
            None
            if authenticate_client is None
            else boolean_hook(
                "authenticate_client",
                authenticate_client,
                "a client's id and secret",
                arguments=2,
                may_raise=UnauthorizedClient,
            )
        )
        self._own = own
        self.is_async: bool = self._hook is not None and self._hook.is_async

    def client(self, authorization: Sequence[str], form: Form) -> str:
        """Return the id of the authenticated client.

        Raises `InvalidClient`, with a challenge if the client used `Authorization`; `InvalidTokenRequest` for two
        methods at once; `HookUnavailable`; and `UnauthorizedClient` if the application raises it.
        """
        found = self._credentials(authorization, form)
        is_accepted = self._is_own(found) if self._hook is None else self._hook.call(found.client_id, found.secret)
        return found.client(is_accepted=is_accepted)

    async def client_async(self, authorization: Sequence[str], form: Form, run_blocking: RunBlocking) -> str:
        """Do what `client` does, on an event loop: await a coroutine function, and run a plain one in a thread."""
        found = self._credentials(authorization, form)
        if self._hook is None:
            return found.client(is_accepted=self._is_own(found))
        is_accepted: bool = await self._hook.call_async(run_blocking, found.client_id, found.secret)
        return found.client(is_accepted=is_accepted)

    def _is_own(self, found: _Credentials) -> bool:
        return found.secret is None and found.client_id == self._own

    def _credentials(self, authorization: Sequence[str], form: Form) -> _Credentials:
        found = self._find(authorization, form)
        if not found.has_visible_text():
            raise found.refusal("client_refused")
        return found

    def _find(self, authorization: Sequence[str], form: Form) -> _Credentials:
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

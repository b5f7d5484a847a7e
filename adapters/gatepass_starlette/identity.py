"""Who a connection speaks for. It lives in the ASGI scope and nowhere else.

`request.state.access_token` is the verified token or None; `request.user` and `request.auth` are what Starlette's
own `@requires` and templates expect.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final, NamedTuple, final

from starlette.authentication import AuthCredentials, BaseUser, UnauthenticatedUser
from starlette.types import Scope

from gatepass import AccessToken, ResourceServer
from gatepass_starlette.state import with_token

__all__ = ["AccessTokenUser", "Identity", "identify", "identity_of"]

_KEY: Final = "gatepass.identity"


class Identity(NamedTuple):
    """A token, if the connection has one, and the server that vouches for it."""

    server: ResourceServer
    token: AccessToken | None


@final
class AccessTokenUser(BaseUser):
    """`request.user` of a connection with a token; `access_token` is that token."""

    __slots__ = ("access_token",)

    def __init__(self, access_token: AccessToken) -> None:
        self.access_token: AccessToken = access_token

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        """The token's subject."""
        return self.access_token.subject

    @property
    def display_name(self) -> str:
        """The token's subject: an access token names nobody more kindly."""
        return self.access_token.subject


class _Credentials(AuthCredentials):
    """`request.auth` of a connection with a token: its scopes, sorted when somebody asks for them."""

    def __init__(self, access_token: AccessToken) -> None:  # without the parent's, which would set the scopes
        self._access_token = access_token

    @cached_property  # which can be set too, as the parent's attribute can
    def scopes(self) -> list[str]:  # type: ignore[override]
        return sorted(self._access_token.scopes)


def identify(scope: Scope, identity: Identity) -> None:
    """Write *identity* into *scope*, over whatever stood there."""
    scope[_KEY] = identity
    token = identity.token
    scope["state"] = with_token(scope.get("state"), token)
    if token is None:
        scope["auth"], scope["user"] = AuthCredentials(), UnauthenticatedUser()
    else:
        scope["auth"], scope["user"] = _Credentials(token), AccessTokenUser(token)


def identity_of(scope: Scope) -> Identity | None:
    """What `identify` wrote, or None where nothing has looked at the connection yet."""
    identity: Identity | None = scope.get(_KEY)
    return identity

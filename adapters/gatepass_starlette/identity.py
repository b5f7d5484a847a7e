"""The identity of a connection. It is stored in the ASGI scope alone.

`request.state.access_token` is the verified token or None. `request.user` and `request.auth` have the types that
Starlette's own `@requires` and templates expect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, final

from starlette.authentication import AuthCredentials, BaseUser, UnauthenticatedUser
from starlette.datastructures import State
from starlette.types import Scope

from gatepass import AccessToken
from gatepass.adapter import Identity

__all__ = ["AccessTokenUser", "identify", "identity_of"]

_KEY: Final = "gatepass.identity"

_OWN: Final = "access_token"


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
        """The token's subject: an access token carries no display name."""
        return self.access_token.subject


def identify(scope: Scope, identity: Identity) -> None:
    """Store *identity* in *scope*, replacing an earlier one."""
    scope[_KEY] = identity
    token = identity.token
    scope["state"] = _with_token(scope.get("state"), token)
    if token is None:
        scope["auth"], scope["user"] = AuthCredentials(), UnauthenticatedUser()
    else:
        scope["auth"], scope["user"] = _Credentials(token), AccessTokenUser(token)


def identity_of(scope: Scope) -> Identity | None:
    """Return the identity that `identify` stored, or None for a connection that was not authenticated."""
    identity: Identity | None = scope.get(_KEY)
    return identity


class _Credentials(AuthCredentials):
    """`request.auth` of a connection with a token: its scopes, sorted when they are read."""

    def __init__(self, access_token: AccessToken) -> None:  # not the parent's, which would set the scopes
        self._access_token = access_token

    @cached_property  # it can be set, like the parent's attribute
    def scopes(self) -> list[str]:  # type: ignore[override]
        return sorted(self._access_token.scopes)


def _with_token(state: Any, token: AccessToken | None) -> dict[str, Any]:
    """Return *state* with *token*; a *state* of another type is dropped."""
    if isinstance(state, (MutableMapping, State)):
        return _RequestState(state, token)
    return {**(state if isinstance(state, Mapping) else {}), _OWN: token}  # pyright: ignore[reportUnknownVariableType]


if TYPE_CHECKING:
    _Dict = dict[str, Any]
else:

    class _Dict(MutableMapping, dict):  # a dict only by its type; type checkers reject the two bases together
        __slots__ = ()


@final
class _RequestState(_Dict):
    """The state of one request: its own token, and every other item in the mapping of the server."""

    __slots__ = ("_others", "_own")

    def __init__(self, others: Any, token: AccessToken | None) -> None:
        self._others = others
        self._own: dict[str, Any] = {_OWN: token}

    def __getitem__(self, name: str) -> Any:
        return (self._own if name == _OWN else self._others)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        (self._own if name == _OWN else self._others)[name] = value

    def __delitem__(self, name: str) -> None:
        del (self._own if name == _OWN else self._others)[name]

    def __iter__(self) -> Iterator[str]:
        yield from [name for name in self._others if name != _OWN]
        yield from self._own

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __repr__(self) -> str:
        return repr(self.copy())

    def __reduce__(self) -> Any:  # for copies
        return dict, (self.copy(),)

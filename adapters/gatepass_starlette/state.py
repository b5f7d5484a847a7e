"""`scope["state"]` of one request: `access_token` is its own, and everything else is in the mapping that was there.

Some servers hand one mapping to all requests of a connection, where no token may stand. Middleware outside may hold the
same mapping already, and has to see what is written inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, final

from starlette.datastructures import State

from gatepass import AccessToken

__all__ = ["with_token"]

_OWN: Final = "access_token"


def with_token(state: Any, token: AccessToken | None) -> dict[str, Any]:
    """*state* with *token*; what can be no state is left out."""
    if isinstance(state, (MutableMapping, State)):
        return _RequestState(state, token)
    return {**(state if isinstance(state, Mapping) else {}), _OWN: token}  # pyright: ignore[reportUnknownVariableType]


if TYPE_CHECKING:
    _Dict = dict[str, Any]
else:

    class _Dict(MutableMapping, dict):  # a dict by its type alone: type checkers take the two for rivals
        __slots__ = ()


@final
class _RequestState(_Dict):
    """A dict, as ASGI has it, that keeps nothing in itself."""

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

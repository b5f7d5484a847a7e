"""The claims of a verified token as others see them: dicts and tuples that cannot be changed, at every depth.

Refused: every method of a dict that would change it. JSON encoders, `copy` and `pickle` take them for the dicts and
tuples that they are.
"""

from __future__ import annotations

from typing import Any, NoReturn, final

__all__ = ["freeze", "thaw"]


@final
class _ReadOnlyDict(dict[str, Any]):
    """A dict whose methods do not change it. `dict(claims)`, `{**claims}` and `claims | {...}` make another one.

    >>> claims = freeze({"tenant": {"id": 7}})
    >>> claims["tenant"]["id"] = 8
    Traceback (most recent call last):
    TypeError: claims are read-only: dict(claims) makes a copy, and AccessToken.to_dict() a deep one
    """

    __slots__ = ()

    def __init__(self, *_args: object, **_members: object) -> None:
        """Do nothing: `dict.__init__` would add members to one that is in use."""

    def __copy__(self) -> _ReadOnlyDict:
        return self

    def __deepcopy__(self, memo: object) -> _ReadOnlyDict:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return _read_only, (dict(self),)

    def _refuse(self, *_args: object, **_members: object) -> NoReturn:
        raise TypeError("claims are read-only: dict(claims) makes a copy, and AccessToken.to_dict() a deep one")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]


def freeze(value: Any) -> Any:
    """A deeply immutable copy: dicts become read-only, lists become tuples."""
    if isinstance(value, dict):
        return _read_only({name: freeze(member) for name, member in value.items()})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return tuple([freeze(member) for member in value])  # pyright: ignore[reportUnknownVariableType]
    return value


def thaw(value: Any) -> Any:
    """A deep copy of JSON: dicts and lists of its own, which may be changed."""
    if isinstance(value, dict):
        return {name: thaw(member) for name, member in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [thaw(member) for member in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _read_only(members: dict[str, Any]) -> _ReadOnlyDict:
    made = _ReadOnlyDict()
    super(_ReadOnlyDict, made).update(members)
    return made

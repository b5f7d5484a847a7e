"""The application below the layers that stand in front of it, found through what each layer holds.

A layer keeps the next one under any name: in an attribute or a slot, as the object that a method is bound to, in a
closure's cell. Nothing is run on the way, no property and no `__getattr__`: values are read where objects store them.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import BuiltinMethodType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Final, cast

from gatepass.errors import ConfigurationError

__all__ = ["application_below", "call_of", "held_by"]

_MOST: Final = 1_000  # objects that are looked at
_CONTAINERS: Final[dict[type, Callable[[Any], Iterable[Any]]]] = {
    dict: dict[Any, Any].values,
    list: list[Any].__iter__,
    tuple: tuple[Any].__iter__,
}
_HOLD_NOTHING: Final = (type, ModuleType, str, bytes, bytearray, int, float, complex, type(None))


def application_below(app: object, is_application: Callable[[object], bool]) -> Any:
    """*app* itself, or the one application that its layers lead to; None where they lead to none.

    Raises `ConfigurationError` if there are several, or more objects than a stack of layers has.
    """
    found: list[object] = []
    seen: dict[int, object] = {id(app): app}  # which keeps them alive, so that no two have the same id
    waiting = deque([app])
    while waiting:
        layer = waiting.popleft()
        if is_application(layer):
            found.append(layer)
            continue
        for held in held_by(layer):
            if id(held) not in seen and _may_lead_on(layer, held):
                seen[id(held)] = held
                waiting.append(held)
        if len(seen) > _MOST:
            raise ConfigurationError(
                "the layers below AccessTokenMiddleware hold too much to be searched for the application: say which "
                "it is with routes_of=app, or routes_of=None if no view is marked or guarded"
            )
    if len(found) > 1:
        raise ConfigurationError(
            "AccessTokenMiddleware stands in front of several applications, and cannot tell whose views a request "
            "reaches: put one around each of them, or name the one whose marks count with routes_of=app"
        )
    return found[0] if found else None


def held_by(holder: object) -> Iterator[Any]:
    """What *holder* wraps, is bound to, encloses or stores, in the same order each time."""
    kind = type(holder)  # isinstance() would ask a proxy, which answers for what it stands for
    if issubclass(kind, tuple(_CONTAINERS)):
        yield from next(values for container, values in _CONTAINERS.items() if issubclass(kind, container))(holder)
    elif issubclass(kind, (MethodType, BuiltinMethodType)):
        yield cast("MethodType", holder).__self__
        yield getattr(holder, "__func__", None)
    elif issubclass(kind, functools.partial):
        partial = cast("functools.partial[Any]", holder)
        yield from (partial.func, *partial.args, *partial.keywords.values())
    elif issubclass(kind, FunctionType):
        function = cast("FunctionType", holder)
        for cell in function.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # not filled yet
                continue
        yield from (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        # Beside what it wraps, functools.wraps copies all attributes of that, and they are not this layer's.
        own = vars(function)
        yield from (own["__wrapped__"],) if "__wrapped__" in own else own.values()
    elif not issubclass(kind, _HOLD_NOTHING):
        yield from _stored(holder)


def _stored(holder: object) -> Iterator[Any]:
    """The values of *holder*'s slots and attributes, what a proxy wraps, and the function that a call runs."""
    for base in type(holder).__mro__:
        own = vars(base)
        for name, member in own.items():
            is_slot = isinstance(member, MemberDescriptorType) and "__slots__" in own
            # A proxy written in C keeps what it wraps in its own way, and a dictionary that is not its own.
            is_wrapped = name == "__wrapped__" and isinstance(member, GetSetDescriptorType)
            is_dictionary = name == "__dict__" and isinstance(member, GetSetDescriptorType)
            if not (is_slot or is_wrapped or is_dictionary):
                continue
            try:
                value = member.__get__(holder)
            except (AttributeError, ValueError):  # a slot that is empty
                continue
            if is_dictionary:
                yield from value.values()
            else:
                yield value
    yield call_of(type(holder))


def call_of(kind: type) -> object:
    """What runs when an instance of *kind* is called. Not callable(), which asks a proxy."""
    return next((vars(base)["__call__"] for base in kind.__mro__ if "__call__" in vars(base)), None)


def _may_lead_on(layer: object, held: object) -> bool:
    """Whether *held* may be, or may lead to, the next layer: what cannot be called is looked into in few places."""
    kind = type(held)
    if issubclass(kind, _HOLD_NOTHING):
        return False
    is_bound = issubclass(type(layer), (MethodType, FunctionType))  # a method's object, or what a function encloses
    return is_bound or issubclass(kind, tuple(_CONTAINERS)) or call_of(kind) is not None

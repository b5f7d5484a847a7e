"""Find the application below a middleware, through the objects that each layer in between holds.

A layer may hold the next one under any name: in an attribute or a slot, as the object that a method is bound to, or in
a closure's cell. It may also call an application that it does not hold, so the globals that its code names are searched
too. The search runs no code, no property and no `__getattr__`: it reads values where objects store them.
"""

from __future__ import annotations

import dis
import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import (
    BuiltinMethodType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final, cast

from gatepass.errors import ConfigurationError

__all__ = ["application_below", "call_of", "layer_below", "referents"]

_MAX_OBJECTS: Final = 1_000  # searched, without containers
_MAX_CONTAINERS: Final = 100_000
_CONTAINERS: Final[dict[type, Callable[[Any], Iterable[Any]]]] = {
    dict: dict[Any, Any].values,
    list: list[Any].__iter__,
    tuple: tuple[Any].__iter__,
}
_LOAD_A_GLOBAL: Final = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
_LOAD_AN_ATTRIBUTE: Final = frozenset(("LOAD_ATTR", "LOAD_METHOD"))
_LEAF_TYPES: Final = (type, ModuleType, str, bytes, bytearray, int, float, complex, type(None))


def application_below(
    app: object,
    is_application: Callable[[object], bool],
    *,
    passes_to: Callable[[object], object] = lambda _: None,
    parts_of: Callable[[Any], Iterable[object]] = lambda _: (),
) -> Any:
    """Return *app* itself, or the one application that its layers hold, or None.

    *passes_to* returns the next layer, where the type of a layer determines it. *parts_of* returns the parts of an
    application, which do not count as further applications. Raises `ConfigurationError` if the layers hold several
    applications, name another one, or hold too many objects to search.
    """

    def next_to(layer: object) -> Iterable[object]:
        known = passes_to(layer)
        return referents(layer) if known is None else (known,)

    def next_and_named(layer: object) -> Iterable[object]:
        known = passes_to(layer)
        return (*referents(layer), *_called_or_named_by(layer)) if known is None else (known,)

    found = _search(app, is_application, next_to)
    if found:
        found = _search(app, is_application, next_and_named)
    parts = {id(part) for one in found for part in parts_of(one)}
    return _at_most_one([one for one in found if id(one) not in parts])


def layer_below(app: object, is_wanted: Callable[[object], bool]) -> Any:
    """Search as `application_below`, without the globals that the layers' code names."""
    return _at_most_one(_search(app, is_wanted, referents))


def referents(holder: object) -> Iterator[Any]:
    """Yield the objects that *holder* wraps, is bound to, encloses or stores, in a fixed order."""
    kind = type(holder)  # isinstance() would see the class of a proxy's target
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
            except ValueError:  # an empty cell
                continue
        yield from (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        # functools.wraps also copied the attributes of the wrapped function, which are not this layer's.
        own = vars(function)
        yield from (own["__wrapped__"],) if "__wrapped__" in own else own.values()
    elif not issubclass(kind, _LEAF_TYPES):
        yield from _stored_values(holder)


def call_of(kind: type) -> object:
    """Return the function that a call of an instance of *kind* runs. Proxies deceive callable()."""
    return next((vars(base)["__call__"] for base in kind.__mro__ if "__call__" in vars(base)), None)


def _stored_values(holder: object) -> Iterator[Any]:
    """Yield the slots and attributes of *holder*, the object that a proxy wraps, and the `__call__` of its type."""
    for base in type(holder).__mro__:
        own = vars(base)
        for name, member in own.items():
            is_slot = isinstance(member, MemberDescriptorType) and "__slots__" in own
            # A proxy written in C stores the wrapped object internally, and its `__dict__` is that object's.
            is_wrapped = name == "__wrapped__" and isinstance(member, GetSetDescriptorType)
            is_dictionary = name == "__dict__" and isinstance(member, GetSetDescriptorType)
            if not (is_slot or is_wrapped or is_dictionary):
                continue
            try:
                value = member.__get__(holder)
            except (AttributeError, ValueError):  # an empty slot
                continue
            if is_dictionary:
                yield from value.values()
            else:
                yield value
    yield call_of(type(holder))


def _search(
    app: object, is_application: Callable[[object], bool], leads_to: Callable[[object], Iterable[object]]
) -> list[object]:
    found: list[object] = []
    seen: dict[int, object] = {id(app): app}  # the values keep the objects alive, so that ids stay unique
    containers = 0
    waiting = deque([app])
    while waiting:
        layer = waiting.popleft()
        if is_application(layer):
            found.append(layer)
            continue
        for referent in leads_to(layer):
            if id(referent) not in seen and _may_lead_on(layer, referent):
                seen[id(referent)] = referent
                waiting.append(referent)
                containers += issubclass(type(referent), tuple(_CONTAINERS))
        if len(seen) - containers > _MAX_OBJECTS or containers > _MAX_CONTAINERS:
            raise ConfigurationError(
                "the layers below AccessTokenMiddleware hold too many objects to find the application: name "
                "it with routes_of=app, or give routes_of=None if no view is marked or guarded"
            )
    return found


def _at_most_one(found: list[object]) -> object:
    if len(found) > 1:
        raise ConfigurationError(
            "AccessTokenMiddleware is in front of several applications, and cannot tell whose views a request "
            "reaches: put one around each of them, or name the one whose marks count with routes_of=app"
        )
    return found[0] if found else None


def _may_lead_on(layer: object, referent: object) -> bool:
    """Return whether *referent* may be, or lead to, the next layer: callable, container, or content of a function."""
    kind = type(referent)
    if issubclass(kind, _LEAF_TYPES):
        return False
    is_bound = issubclass(type(layer), (MethodType, FunctionType))  # to an object, or to the cells of a closure
    return is_bound or issubclass(kind, tuple(_CONTAINERS)) or call_of(kind) is not None


def _called_or_named_by(layer: object) -> Iterator[Any]:
    """Yield the methods that a call of *layer* runs, or the callable globals that its code names."""
    kind = type(layer)
    if issubclass(kind, FunctionType):
        function = cast("FunctionType", layer)
        for named in _globals_named(function.__code__, function.__globals__):
            if _may_lead_on(None, named) and not _is_function_of_another_module(named, function):
                yield named
    elif not issubclass(kind, _LEAF_TYPES):
        yield from _methods_called(kind)


def _methods_called(kind: type) -> Iterator[FunctionType]:
    """Yield `__call__` of *kind* and the methods that it names, directly or through others."""
    seen: set[str] = set()
    waiting = ["__call__"]
    while waiting:
        name = waiting.pop()
        method = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
        if name not in seen and isinstance(method, FunctionType):
            seen.add(name)
            waiting.extend(method.__code__.co_names)
            yield method


def _globals_named(code: CodeType, names: dict[str, Any]) -> Iterator[Any]:
    """Yield the globals that *code* and its inner functions name, and the attributes of modules that they name."""
    module: dict[str, Any] | None = None
    for instruction in dis.get_instructions(code):
        loaded = None
        if instruction.opname in _LOAD_A_GLOBAL:
            loaded = names.get(instruction.argval)
        elif module is not None and instruction.opname in _LOAD_AN_ATTRIBUTE:
            loaded = module.get(instruction.argval)
        yield loaded
        module = vars(loaded) if issubclass(type(loaded), ModuleType) else None
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _globals_named(inner, names)


def _is_function_of_another_module(named: object, function: FunctionType) -> bool:
    """Return whether *named* is a plain function of another module than *function*: the search stops there."""
    if not issubclass(type(named), FunctionType):
        return False
    other = cast("FunctionType", named)
    return other.__closure__ is None and other.__globals__ is not function.__globals__

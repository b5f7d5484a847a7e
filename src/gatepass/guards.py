"""Whether the guards that `require_auth` makes stand before the routes that they were made for.

A decorator above the route's own returns a guard that no route has: the route kept the bare view, and runs it without
the check. Nothing at decoration can tell, so the adapters ask once, when they look over the registered views. Other
decorators may stand in between; the views behind them are found by what they wrap or enclose. A guard answers for the
registered view that contains it, and for no other: which route was meant to do without, cannot be told.
"""

from __future__ import annotations

import functools
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import CodeType, FunctionType, MethodType
from typing import Any, Final, TypeVar

from gatepass.errors import ConfigurationError
from gatepass.layers import call_of, held_by

__all__ = ["check_guards", "standing_before"]

_BARE: Final = "__gatepass_bare__"
_BARE_METHOD: Final = "__gatepass_bare_method__"
_GUARD: Final = "__gatepass_guard__"
_USED: Final = "__gatepass_used__"
_MOST: Final = 1_000  # functions that one view leads to
_FUNCTIONS: Final = (FunctionType, MethodType, functools.partial)
_Guard = TypeVar("_Guard", bound=Callable[..., Any])


def standing_before(view: Any, guard: _Guard) -> _Guard:
    """*guard*, and a note on each of the two, and on what is behind *view*, that they belong together."""
    # Each note names its bearer, because functools.wraps copies notes onto wrappers.
    setattr(guard, _GUARD, (guard, view))
    if _is_made_for_one_call(view):
        return guard
    for inner, is_decorated in _behind(view):
        with suppress(AttributeError, TypeError):  # a built-in method, or another callable that takes no notes
            if isinstance(inner, MethodType):
                _note_method(inner)
            else:
                setattr(inner, _BARE if is_decorated else _USED, (inner,))
    return guard


def check_guards(views: Iterable[object]) -> None:
    """Raise `ConfigurationError` if one of *views*, which are registered, is without the guard that was made for it."""
    registered = [view for view in views if view is not None]
    guarded: set[int] = set()
    for view in registered:
        for candidate in (view, *_members(view)):
            noted = _note(candidate, _GUARD)
            while noted is not None:
                guarded.update(id(inner) for inner, _ in _behind(noted[1]))
                noted = _note(noted[1], _GUARD)
    for view in registered:
        for inner, is_decorated in _behind(view, ends_at_guards=True):
            # What a guarded view perhaps calls only, may have a route of its own: then the guard has one as well.
            is_bare = is_decorated and _is_bare(inner)
            if is_bare or (_is_noted(inner, _USED, _BARE) and id(inner) not in guarded):
                raise ConfigurationError(
                    f"require_auth guards nothing: the view {_name_of(inner)} was registered without it. Put "
                    "@require_auth below the route's decorator, or register what require_auth returned; if this route "
                    "is meant to do without, give it a function of its own"
                )


def _behind(view: Any, *, ends_at_guards: bool = False) -> list[tuple[Any, bool]]:
    """*view*, and what it wraps or encloses, each with whether decorators alone are between: else it may be called.

    With *ends_at_guards*, not what a guard is there for, nor a function that another on the way calls by its name.
    """
    found: list[tuple[Any, bool]] = []
    seen = {id(view)}
    waiting: deque[tuple[Any, bool, bool, bool]] = deque([(view, ends_at_guards, True, False)])
    while waiting and len(seen) < _MOST:
        one, may_be_past, is_decorated, is_called = waiting.popleft()
        if not (is_called and ends_at_guards):
            found.append((one, is_decorated))
        if may_be_past and _is_guard(one):
            continue
        for inner, is_enclosed in _inside(one):
            if id(inner) not in seen:
                seen.add(id(inner))
                is_called = is_enclosed and _calls_by_name(one, inner)
                # A guard that a view encloses is perhaps called there, which guards no route that has its view.
                waiting.append((inner, ends_at_guards or is_enclosed, is_decorated and not is_called, is_called))
    return found


def _inside(view: object) -> Iterator[tuple[Any, bool]]:
    """What *view* may be a decorator's wrapper of, and whether it is so by enclosing it alone."""
    if isinstance(view, MethodType):
        return  # the function behind it is that of all instances of a class
    wrapped = getattr(view, "__wrapped__", None)
    if wrapped is not None and (_class_of(view) is None or _class_of(wrapped) is not None):
        yield wrapped, False  # not the method that a class's view took its attributes from
    kind = type(view)
    if not issubclass(kind, type):
        passed_over = (wrapped, call_of(kind))  # the latter is of all instances of a class
        for held in held_by(view):
            if issubclass(type(held), _FUNCTIONS) and not any(held is one for one in passed_over):
                yield held, True


def _calls_by_name(function: object, enclosed: object) -> bool:
    """Whether *enclosed* is a local name around *function*: what decorators decorate is their parameter."""
    if not isinstance(function, FunctionType):
        return False
    scopes = _scopes_around(function)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # not filled yet
            if cell.cell_contents is enclosed:
                scope = next((scope for scope in scopes if name in scope.co_cellvars), None)
                return scope is not None and name not in _parameters_of(scope)
    return False


def _scopes_around(function: FunctionType) -> list[CodeType]:
    """The code of the functions that *function* was written in, the innermost first; empty where it is not found."""
    first, *names = function.__code__.co_qualname.partition(".<locals>.")[0].split(".")
    found: Any = function.__globals__.get(first)
    for name in names:
        found = vars(found).get(name) if isinstance(found, type) else None
    while (wrapped := _note(found, "__wrapped__")) is not None:
        found = wrapped
    return _way_to(function.__code__, found.__code__) if isinstance(found, FunctionType) else []


def _way_to(code: CodeType, scope: CodeType) -> list[CodeType]:
    for inner in scope.co_consts:
        if inner is code:
            return [scope]
        if isinstance(inner, CodeType) and (way := _way_to(code, inner)):
            return [*way, scope]
    return []


def _parameters_of(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _is_guard(view: object) -> bool:
    return _is_noted(view, _GUARD)


def _is_bare(view: object) -> bool:
    """Whether a guard was made for *view*. Of a method, for that of the same object."""
    if isinstance(view, MethodType):
        return any(owner() is view.__self__ for owner in _owners_of(view.__func__))
    return _is_noted(view, _BARE)


def _note_method(method: MethodType) -> None:
    if not _is_bare(method):
        owners = [owner for owner in _owners_of(method.__func__) if owner() is not None]
        setattr(method.__func__, _BARE_METHOD, (method.__func__, [*owners, _reference_to(method.__self__)]))


def _owners_of(function: object) -> list[Callable[[], object]]:
    return _note(function, _BARE_METHOD)[1] if _is_noted(function, _BARE_METHOD) else []


def _reference_to(owner: object) -> Callable[[], object]:
    try:
        return weakref.ref(owner)
    except TypeError:  # it has slots, and none for that
        return lambda: owner


def _is_made_for_one_call(view: object) -> bool:
    """Whether Django's `method_decorator` has bound a method for one call: it applies the decorator at each."""
    return isinstance(view, functools.partial) and isinstance(view.func, MethodType) and "__wrapped__" in vars(view)


def _class_of(view: object) -> type | None:
    """The class that *view* was made from, or is."""
    made_from: object = view if isinstance(view, type) else _note(view, "view_class") or _note(view, "cls")
    return made_from if isinstance(made_from, type) else None


def _members(view: object) -> list[Any]:
    """The methods of the class that *view* was made from, or is."""
    made_from = _class_of(view)
    return [] if made_from is None else [member for base in made_from.__mro__ for member in vars(base).values()]


def _is_noted(view: object, *names: str) -> bool:
    return any(noted is not None and noted[0] is view for noted in (_note(view, name) for name in names))


def _note(view: object, name: str) -> Any:
    noted: dict[str, object] = getattr(view, "__dict__", {})
    return noted.get(name)


def _name_of(view: object) -> str:
    return str(getattr(view, "__qualname__", type(view).__qualname__))

"""Whether the guards that `require_auth` makes stand before the routes that they were made for.

A decorator above the route's own returns a guard that no route has: the route kept the bare view, and runs it without
the check. Nothing at decoration can tell, so the adapters ask once, when they look over the registered views. Other
decorators may stand in between; the views behind them are found by what they wrap or enclose.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import FunctionType, MethodType
from typing import Any, Final, TypeVar

from gatepass.errors import ConfigurationError
from gatepass.http.layers import call_of, held_by

__all__ = ["check_guards", "standing_before"]

_BARE: Final = "__gatepass_bare__"
_GUARDS: Final = "__gatepass_guards__"
_MOST: Final = 1_000  # functions that one view leads to
_FUNCTIONS: Final = (FunctionType, MethodType, functools.partial)
_Guard = TypeVar("_Guard", bound=Callable[..., Any])


def standing_before(view: Any, guard: _Guard) -> _Guard:
    """*guard*, and a note on each of the two that it is *view*'s."""
    vars(guard).pop(_BARE, None)  # functools.wraps copies what an earlier guard noted on the view
    setattr(guard, _GUARDS, (guard, view))
    if _is_made_for_one_call(view):
        return guard
    for inner in _behind(view):
        with suppress(AttributeError, TypeError):  # a bound method, or another callable that takes no notes
            # The function itself, because functools.wraps copies the note onto wrappers, which are not bare.
            setattr(inner, _BARE, inner)
    return guard


def check_guards(views: Iterable[object]) -> None:
    """Raise `ConfigurationError` if *views*, all that are registered, have one bare and its guard nowhere."""
    registered = [view for view in views if view is not None]
    guarded: set[int] = set()
    for view in registered:
        for candidate in (view, *_members(view)):
            noted = _note(candidate, _GUARDS)
            while noted is not None:
                guarded.update(map(id, _behind(noted[1])))
                noted = _note(noted[1], _GUARDS)
    for view in registered:
        for inner in _behind(view, ends_at_guards=True):
            if _note(inner, _BARE) is inner and id(inner) not in guarded:
                raise ConfigurationError(
                    f"require_auth guards nothing: the view {_name_of(inner)} was registered without it. Put "
                    "@require_auth below the route's decorator, or register what require_auth returned; if this route "
                    "is meant to do without, give it a function of its own"
                )


def _behind(view: Any, *, ends_at_guards: bool = False) -> list[Any]:
    """*view*, and what decorators between it and the function that was written have wrapped or enclosed.

    With *ends_at_guards*, not what a guard is there for.
    """
    found: list[Any] = []
    seen = {id(view)}
    waiting: deque[tuple[Any, bool]] = deque([(view, ends_at_guards)])
    while waiting and len(found) < _MOST:
        one, may_be_past = waiting.popleft()
        found.append(one)
        if may_be_past and _is_guard(one):
            continue
        for inner, is_enclosed in _inside(one):
            if id(inner) not in seen:
                seen.add(id(inner))
                # A guard that a view encloses is perhaps called there, which guards no route that has its view.
                waiting.append((inner, ends_at_guards or is_enclosed))
    return found


def _inside(view: object) -> Iterator[tuple[Any, bool]]:
    """What *view* may be a decorator's wrapper of, and whether it is so by enclosing it alone."""
    wrapped = getattr(view, "__wrapped__", None)
    if wrapped is not None and (_class_of(view) is None or _class_of(wrapped) is not None):
        yield wrapped, False  # not the method that a class's view took its attributes from
    kind = type(view)
    if not issubclass(kind, type):
        passed_over = (wrapped, call_of(kind))  # the latter is of all instances of a class
        for held in held_by(view):
            if issubclass(type(held), _FUNCTIONS) and not any(held is one for one in passed_over):
                yield held, True


def _is_guard(view: object) -> bool:
    noted = _note(view, _GUARDS)
    return noted is not None and noted[0] is view


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


def _note(view: object, name: str) -> Any:
    noted: dict[str, object] = getattr(view, "__dict__", {})
    return noted.get(name)


def _name_of(view: object) -> str:
    return str(getattr(view, "__qualname__", type(view).__qualname__))

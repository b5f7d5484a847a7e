"""The access level of a route, and the check that no guard was left out.

Each route is protected unless a mark on its view or its exact path says otherwise. The path `/health`
exempts neither `/healthz` nor `/health/secrets`.

A guard is the view that `require_auth` returns. An application that registers the original view instead would serve it
unprotected: `mark_guard` records the pair, and `check_guards` raises if the view is registered without its guard.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any, Final, Literal, TypeVar

from gatepass.common.texts import listed
from gatepass.errors import ConfigurationError
from gatepass.http.layers import call_of, referents

__all__ = ["AccessLevel", "access_level", "check_guards", "mark_guard", "optional_auth", "public", "public_paths"]

AccessLevel = Literal["protected", "optional", "public"]
"""`protected`: a valid token is required. `optional`: a request without credentials passes, bad ones are refused.
`public`: credentials are not read."""

_MARK: Final = "__gatepass_access__"
_View = TypeVar("_View", bound=Callable[..., Any])
_BARE: Final = "__gatepass_bare__"
_GUARDS: Final = "__gatepass_guards__"
_MAX_FUNCTIONS: Final = 1_000  # searched per view
_FUNCTIONS: Final = (FunctionType, MethodType, functools.partial)
_Guard = TypeVar("_Guard", bound=Callable[..., Any])
_MISSING: Any = None  # the default for @public(), which raises an error that says what to write


def public(view: _View = _MISSING) -> _View:
    """Mark *view* as public on all its routes: no token is read, and the request has no identity.

    >>> @public
    ... def healthz(): ...
    >>> access_level(healthz)
    'public'
    """
    return _marked(view, "public")


def optional_auth(view: _View = _MISSING) -> _View:
    """Mark *view* on all its routes to accept requests without credentials; invalid credentials are still refused."""
    return _marked(view, "optional")


def access_level(view: object) -> AccessLevel:
    """Return the access level of *view*: `"protected"` without a mark of its own.

    A class does not inherit its parent's mark, and neither does the view that Django or Flask makes from the class.
    """
    own: dict[str, Any] = getattr(view, "__dict__", {})
    mark: _Mark | None = own.get(_MARK)
    made_from = _class_of(own)
    if made_from is None or isinstance(view, type):
        return mark.level if mark is not None else "protected"
    if mark is None:
        mark = vars(made_from).get(_MARK)
        return mark.level if mark is not None else "protected"
    return _level_of_class(made_from) if _is_inherited(mark, made_from) else mark.level


def public_paths(paths: Iterable[str]) -> frozenset[str]:
    """Return *paths* as a set, to compare with the decoded path below the mount. Raises `ConfigurationError`."""
    found = listed(paths)
    if found is None:
        raise ConfigurationError('public= takes a list of paths, such as public=["/healthz"]')
    for path in found:
        if not isinstance(path, str) or not path.startswith("/") or any(sign in path for sign in "*?#%<>{}"):
            raise ConfigurationError(
                'public= takes exact decoded paths such as "/healthz": no patterns, queries or escapes'
            )
    return frozenset(found)


def mark_guard(view: Any, guard: _Guard) -> _Guard:
    """Record on *guard* and on *view* that one guards the other, and return *guard*."""
    vars(guard).pop(_BARE, None)  # functools.wraps copied what an earlier guard recorded on the view
    setattr(guard, _GUARDS, (guard, view))
    if _is_made_for_one_call(view):
        return guard
    for inner in _wrapped_functions(view):
        with suppress(AttributeError, TypeError):  # a bound method, or another callable without attributes of its own
            # functools.wraps copies the attribute to wrappers. They are not bare: the value is another function.
            setattr(inner, _BARE, inner)
    return guard


def check_guards(views: Iterable[object]) -> None:
    """Raise `ConfigurationError` if one of the registered *views* is bare and its guard is not among them."""
    registered = [view for view in views if view is not None]
    guarded: set[int] = set()
    for view in registered:
        for candidate in (view, *_members(view)):
            recorded = _own_attribute(candidate, _GUARDS)
            while recorded is not None:
                guarded.update(map(id, _wrapped_functions(recorded[1])))
                recorded = _own_attribute(recorded[1], _GUARDS)
    for view in registered:
        for inner in _wrapped_functions(view, ends_at_guards=True):
            if _own_attribute(inner, _BARE) is inner and id(inner) not in guarded:
                raise ConfigurationError(
                    f"require_auth has no effect: the view {_name_of(inner)} was registered without it. Put "
                    "@require_auth below the route's decorator, or register what require_auth returned; if this route "
                    "needs no guard, give it a function of its own"
                )


@dataclass(frozen=True, slots=True, eq=False)
class _Mark:
    """The mark that one decorator call sets. Marks compare by identity, so that a copied mark is recognized."""

    level: AccessLevel
    view_class: type | None
    """The class that the marked view was made from, if any."""


def _marked(view: _View, level: AccessLevel) -> _View:
    name = "public" if level == "public" else "optional_auth"
    if not callable(view):
        raise ConfigurationError(f"{name} takes a view and no arguments: write @{name}, without parentheses")
    try:
        setattr(view, _MARK, _Mark(level, _class_of(getattr(view, "__dict__", {}))))
    except (AttributeError, TypeError):
        raise ConfigurationError(
            f"{name} cannot mark a bound method, or an object or class that takes no attributes: give the "
            f"route a function that calls it, and write @{name} above that function"
        ) from None
    return view


def _class_of(attributes: Mapping[str, Any]) -> type | None:
    """Return the class that Django, REST framework or Flask made a view from. *attributes*: those of the view."""
    made_from = attributes.get("view_class") or attributes.get("cls")
    return made_from if isinstance(made_from, type) else None


def _level_of_class(view_class: type) -> AccessLevel:
    mark: _Mark | None = vars(view_class).get(_MARK)
    if mark is not None:
        return mark.level
    # Django's method_decorator overwrites the mark of its decorators with a parent's, but keeps them in a closure.
    decorators = [inner for referent in referents(vars(view_class).get("dispatch")) for inner in referents(referent)]
    return "public" if public in decorators else "optional" if optional_auth in decorators else "protected"


def _is_inherited(mark: _Mark, made_from: type) -> bool:
    """Return whether a view of the class *made_from* has *mark* from a parent class."""
    if mark.view_class is made_from:
        return False  # the mark was put on this view
    parents = made_from.__mro__[1:]
    # Django's as_view() copies the mark of dispatch, which a parent may have defined, or which wraps a parent's.
    if any(getattr(vars(parent).get("dispatch"), "__dict__", {}).get(_MARK) is mark for parent in parents):
        return True
    # Flask's as_view() applies the `decorators` of the class, or of a parent, to each view again.
    return hasattr(made_from, "dispatch_request") and "decorators" not in vars(made_from)


def _wrapped_functions(view: Any, *, ends_at_guards: bool = False) -> list[Any]:
    """Return *view* and the functions that its decorators wrapped or enclosed, down to the original function.

    With *ends_at_guards* the search stops at guards.
    """
    found: list[Any] = []
    seen = {id(view)}
    waiting: deque[tuple[Any, bool]] = deque([(view, ends_at_guards)])
    while waiting and len(found) < _MAX_FUNCTIONS:
        current, ends_here = waiting.popleft()
        found.append(current)
        if ends_here and _is_guard(current):
            continue
        for inner, is_enclosed in _wrapped_by(current):
            if id(inner) not in seen:
                seen.add(id(inner))
                # A view may call a guard that it encloses. That does not guard the routes of the guard's own view.
                waiting.append((inner, ends_at_guards or is_enclosed))
    return found


def _wrapped_by(view: object) -> Iterator[tuple[Any, bool]]:
    """Yield the functions that *view* may wrap as a decorator, and whether it only encloses them."""
    wrapped = getattr(view, "__wrapped__", None)
    if wrapped is not None and (_view_class(view) is None or _view_class(wrapped) is not None):
        yield wrapped, False  # else the method that a class-based view copied its attributes from
    kind = type(view)
    if not issubclass(kind, type):
        passed_over = (wrapped, call_of(kind))  # `__call__` is shared by all instances of a class
        for referent in referents(view):
            if issubclass(type(referent), _FUNCTIONS) and not any(referent is other for other in passed_over):
                yield referent, True


def _is_guard(view: object) -> bool:
    recorded = _own_attribute(view, _GUARDS)
    return recorded is not None and recorded[0] is view


def _is_made_for_one_call(view: object) -> bool:
    """Return whether *view* is the method that Django's `method_decorator` binds anew for each call."""
    return isinstance(view, functools.partial) and isinstance(view.func, MethodType) and "__wrapped__" in vars(view)


def _view_class(view: object) -> type | None:
    """Return the class that *view* was made from, or is."""
    return view if isinstance(view, type) else _class_of(getattr(view, "__dict__", {}))


def _members(view: object) -> list[Any]:
    """Return the methods of the class that *view* was made from, or is."""
    made_from = _view_class(view)
    return [] if made_from is None else [member for base in made_from.__mro__ for member in vars(base).values()]


def _own_attribute(view: object, name: str) -> Any:
    attributes: dict[str, object] = getattr(view, "__dict__", {})
    return attributes.get(name)


def _name_of(view: object) -> str:
    return str(getattr(view, "__qualname__", type(view).__qualname__))

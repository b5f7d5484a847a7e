"""Whether the guards that `require_auth` makes stand before the routes that they were made for.

A decorator above the route's own returns a guard that no route has: the route kept the bare view, and runs it without
the check. Nothing at decoration can tell, so the adapters ask once, when they look over the registered views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from gatepass.errors import ConfigurationError

__all__ = ["check_guards", "standing_before"]

_BARE = "__gatepass_bare__"
_GUARDS = "__gatepass_guards__"
_DEEPEST = 100  # decorators that lead back to themselves end here
_Guard = TypeVar("_Guard", bound=Callable[..., Any])


def standing_before(view: Any, guard: _Guard) -> _Guard:
    """*guard*, and a note on each of the two that it is *view*'s."""
    vars(guard).pop(_BARE, None)  # functools.wraps copies what an earlier guard noted on the view
    setattr(guard, _GUARDS, view)
    for inner in _wrapped(view):
        with suppress(AttributeError, TypeError):  # a bound method, or another callable that takes no notes
            # The function itself, because functools.wraps copies the note onto wrappers, which are not bare.
            setattr(inner, _BARE, inner)
    return guard


def check_guards(views: Iterable[object]) -> None:
    """Raise `ConfigurationError` if *views*, all that are registered, have one bare and its guard nowhere."""
    registered = list(views)
    guarded: set[int] = set()
    for view in registered:
        guards = _note(view, _GUARDS)
        while guards is not None:
            guarded.update(map(id, _wrapped(guards)))
            guards = _note(guards, _GUARDS)
    for view in registered:
        if view is not None and _note(view, _BARE) is view and id(view) not in guarded:
            raise ConfigurationError(
                f"require_auth guards nothing: the view {_name_of(view)} was registered without it. Put @require_auth "
                "below the route's decorator, or register what require_auth returned; if this route is meant to do "
                "without, give it a function of its own"
            )


def _wrapped(view: Any) -> list[Any]:
    """*view*, and what decorators between it and the function that was written have wrapped."""
    found: list[Any] = []
    while view is not None and len(found) < _DEEPEST:
        found.append(view)
        view = getattr(view, "__wrapped__", None)
    return found


def _note(view: object, name: str) -> object:
    noted: dict[str, object] = getattr(view, "__dict__", {})
    return noted.get(name)


def _name_of(view: object) -> str:
    return str(getattr(view, "__qualname__", type(view).__qualname__))

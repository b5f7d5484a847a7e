"""How open a route is. Everything is protected unless a route says otherwise, by a mark or by its exact path.

A path never exempts by its beginning: `/health` opens neither `/healthz` nor `/health/secrets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from gatepass.common.texts import listed
from gatepass.errors import ConfigurationError
from gatepass.http.layers import held_by

__all__ = ["Access", "access_of", "optional_auth", "public", "public_paths"]

Access = Literal["protected", "optional", "public"]
"""`protected`: a valid token or a refusal. `optional`: no credentials are fine, bad ones are not. `public`: neither is
looked at."""

_MARK: Final = "__gatepass_access__"
_View = TypeVar("_View", bound=Callable[..., Any])
_NONE: Any = None  # as in @public(), which is answered with what to write


@dataclass(frozen=True, slots=True, eq=False)
class _Mark:
    """What one decoration wrote: each is an object of its own, so that copies show where they come from."""

    access: Access
    view_class: type | None
    """The class of the view, where the mark was put on a view that a class had made already."""


def public(view: _View = _NONE) -> _View:
    """Mark *view* as open to everybody, on every route that has it: no token is looked at, and no identity is there.

    >>> @public
    ... def healthz(): ...
    >>> access_of(healthz)
    'public'
    """
    return _marked(view, "public")


def optional_auth(view: _View = _NONE) -> _View:
    """Mark *view*, on every route that has it, as open to requests without credentials; bad ones are still refused."""
    return _marked(view, "optional")


def access_of(view: object) -> Access:
    """How open *view* is: `"protected"` without a mark of its own.

    A class does not inherit its parent's mark, and neither does the view that Django or Flask makes of it.
    """
    own: dict[str, Any] = getattr(view, "__dict__", {})
    mark: _Mark | None = own.get(_MARK)
    made_from = _class_of(own)
    if made_from is None or isinstance(view, type):
        return mark.access if mark is not None else "protected"
    if mark is None:
        mark = vars(made_from).get(_MARK)
        return mark.access if mark is not None else "protected"
    return _access_borne_by(made_from) if _is_inherited(mark, made_from) else mark.access


def _marked(view: _View, access: Access) -> _View:
    name = "public" if access == "public" else "optional_auth"
    if not callable(view):
        raise ConfigurationError(f"{name} marks a view, and takes nothing else: write @{name}, without parentheses")
    try:
        setattr(view, _MARK, _Mark(access, _class_of(getattr(view, "__dict__", {}))))
    except (AttributeError, TypeError):
        raise ConfigurationError(
            f"{name} cannot mark a bound method, nor an object or a class without attributes of its own: give the "
            f"route a function that calls it, and write @{name} above that function"
        ) from None
    return view


def _class_of(own: Mapping[str, Any]) -> type | None:
    """The class that Django, REST framework or Flask made a view of, which has the attributes *own*."""
    made_from = own.get("view_class") or own.get("cls")
    return made_from if isinstance(made_from, type) else None


def _access_borne_by(view_class: type) -> Access:
    mark: _Mark | None = vars(view_class).get(_MARK)
    if mark is not None:
        return mark.access
    # Django's method_decorator copies a parent's mark over the one of its decorators, and keeps these in a closure.
    decorators = [one for held in held_by(vars(view_class).get("dispatch")) for one in held_by(held)]
    return "public" if public in decorators else "optional" if optional_auth in decorators else "protected"


def _is_inherited(mark: _Mark, made_from: type) -> bool:
    """Whether a view of the class *made_from* has *mark* because of what a parent class bears."""
    if mark.view_class is made_from:
        return False  # put on this very view
    parents = made_from.__mro__[1:]
    # Django's as_view() copies the marks of dispatch, which is perhaps a parent's, or wraps it.
    if any(getattr(vars(parent).get("dispatch"), "__dict__", {}).get(_MARK) is mark for parent in parents):
        return True
    # Flask's as_view() puts the `decorators` of the class, or of a parent, on each view anew.
    return hasattr(made_from, "dispatch_request") and "decorators" not in vars(made_from)


def public_paths(paths: Iterable[str]) -> frozenset[str]:
    """*paths* as a set for exact comparison with the decoded path below the mount. Raises `ConfigurationError`."""
    found = listed(paths)
    if found is None:
        raise ConfigurationError('public= takes a list of paths, such as public=["/healthz"]')
    for path in found:
        if not isinstance(path, str) or not path.startswith("/") or any(sign in path for sign in "*?#%<>{}"):
            raise ConfigurationError(
                'public= takes exact decoded paths such as "/healthz": no patterns, queries or escapes'
            )
    return frozenset(found)

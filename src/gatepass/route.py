"""How open a route is. Everything is protected unless a route says otherwise, by a mark or by its exact path.

A path never exempts by its beginning: `/health` opens neither `/healthz` nor `/health/secrets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from gatepass.errors import ConfigurationError
from gatepass.texts import listed

__all__ = ["Access", "access_of", "optional_auth", "public", "public_paths"]

Access = Literal["protected", "optional", "public"]
"""`protected`: a valid token or a refusal. `optional`: no credentials are fine, bad ones are not. `public`: neither is
looked at."""

_MARK = "__gatepass_access__"
_View = TypeVar("_View", bound=Callable[..., Any])


def public(view: _View) -> _View:
    """Mark *view* as open to everybody, on every route that has it: no token is looked at, and no identity is there.

    >>> @public
    ... def healthz(): ...
    >>> access_of(healthz)
    'public'
    """
    setattr(view, _MARK, "public")
    return view


def optional_auth(view: _View) -> _View:
    """Mark *view*, on every route that has it, as open to requests without credentials; bad ones are still refused."""
    setattr(view, _MARK, "optional")
    return view


def access_of(view: object) -> Access:
    """How open *view* is: `"protected"` without a mark of its own. A class does not inherit its parent's mark."""
    own: dict[str, Access] = getattr(view, "__dict__", {})
    return own.get(_MARK, "protected")


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

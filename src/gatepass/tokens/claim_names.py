"""Where a token keeps what RFC 9068 keeps in `aud`, `client_id`, `scope`, `roles` and `groups`.

Each provider has names of its own. They belong to a profile and are fixed when it is made; none is ever taken from a
token. Whoever reads here reads claims that passed the checks; what has another shape all the same counts as nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

__all__ = ["RFC9068_NAMES", "ClaimNames", "ClaimPath"]

ClaimPath = tuple[str, ...]
"""The way to a claim inside objects: `("realm_access", "roles")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNames:
    """The claims to read.

    `audience`: the first that is there says whom the token is for. `client`: the claims that name the client; all
    that are there must agree. `scope`: a text, and with `scope_list` also a list. `roles` and `groups`: what is found
    on all their paths together, lists, and with `single_role` also a text, which is one name and never split.
    A token is a client's own, with no user behind it, where `own` holds the client's name followed by `own_suffix`,
    or where it equals the claim `own_equals`.
    """

    audience: tuple[str, ...] = ("aud",)
    client: tuple[str, ...] = ("client_id",)
    scope: str = "scope"
    scope_list: bool = True
    roles: tuple[ClaimPath, ...] = (("roles",),)
    groups: tuple[ClaimPath, ...] = (("groups",),)
    single_role: bool = True
    own: str = "sub"
    own_suffix: str = ""
    own_equals: str | None = None

    def audience_in(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Whom the token is for."""
        for name in self.audience:
            if name in claims:
                found: str | list[str] = claims[name]
                return (found,) if isinstance(found, str) else tuple(found)
        return ()

    def client_in(self, claims: Mapping[str, Any]) -> str | None:
        """The client that asked for the token."""
        for name in self.client:
            if name in claims:
                client: str = claims[name]
                return client
        return None

    def is_own_in(self, claims: Mapping[str, Any]) -> bool:
        """Whether a client has the token for itself."""
        other = self.client_in(claims) if self.own_equals is None else claims.get(self.own_equals)
        return isinstance(other, str) and claims.get(self.own) == other + self.own_suffix

    def scopes_in(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """The scope tokens."""
        scope: str | list[str] | None = claims.get(self.scope)
        if not scope:
            return frozenset()
        return frozenset(scope.split(" ") if isinstance(scope, str) else scope)

    def roles_in(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """The roles on all paths."""
        return frozenset[str]().union(*(self.strings_in(found_at(path, claims)) for path in self.roles))

    def groups_in(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """The groups on all paths."""
        return frozenset[str]().union(*(self.strings_in(found_at(path, claims)) for path in self.groups))

    def is_role(self, value: Any) -> bool:
        """Whether *value* has the form of roles or groups."""
        return is_strings(value) or (self.single_role and isinstance(value, str))

    def strings_in(self, value: Any) -> frozenset[str]:
        """The strings in *value*; none where it has another form than roles have."""
        if isinstance(value, str):
            return frozenset((value,)) if self.single_role and value else frozenset()
        return frozenset(value) if is_strings(value) else frozenset()


RFC9068_NAMES: Final = ClaimNames(scope_list=False, single_role=False)
"""Those of RFC 9068, in the forms that it gives them."""


def found_at(path: ClaimPath, claims: Mapping[str, Any]) -> Any:
    """What is at *path*, None where it does not lead to anything."""
    found: Any = claims
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found  # pyright: ignore[reportUnknownVariableType]


def is_strings(value: Any) -> TypeGuard[list[str]]:
    """Whether *value* is an array of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)  # pyright: ignore[reportUnknownVariableType]

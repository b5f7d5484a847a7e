"""What the permissions of a REST framework view say beforehand: to caches, and in documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from rest_framework.permissions import AND, OR, BasePermission, IsAdminUser, IsAuthenticated

from gatepass import Requirement

if TYPE_CHECKING:
    from rest_framework.views import APIView

__all__ = ["RequiresToken", "keeps_strangers_out", "needed_scopes"]


class RequiresToken(BasePermission):
    """What all that `requires` makes have in common."""

    requirement: Requirement


def keeps_strangers_out(permission: object) -> bool:
    """Whether *permission* is known to let in no request without credentials. Of others a cache had better be told."""
    kind = type(permission)
    if isinstance(permission, AND):
        return any(map(keeps_strangers_out, _sides(permission)))
    if isinstance(permission, OR):
        return all(map(keeps_strangers_out, _sides(permission)))
    asked = getattr(kind, "has_permission", None)  # a subclass may ask for less
    return asked in (IsAuthenticated.has_permission, IsAdminUser.has_permission) or issubclass(kind, RequiresToken)


def needed_scopes(view: APIView) -> list[str]:
    """The scopes that every request to *view* must have. Those of alternatives are none of them."""
    asked = [permission for permission in _flat(view.get_permissions()) if isinstance(permission, RequiresToken)]
    return list(dict.fromkeys(scope for permission in asked for scope in permission.requirement.scopes))


def _flat(permissions: Iterable[Any]) -> Iterator[Any]:
    """*permissions*, with both sides of each that was made by `&`."""
    for permission in permissions:
        if isinstance(permission, AND):
            yield from _flat(_sides(permission))
        else:
            yield permission


def _sides(permission: AND | OR) -> tuple[Any, Any]:
    """What REST framework does not document; without it nothing is known of either side."""
    return getattr(permission, "op1", None), getattr(permission, "op2", None)

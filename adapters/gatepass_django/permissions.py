"""What the permissions of a REST framework view say beforehand: to caches, and in documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission, IsAdminUser, IsAuthenticated

from gatepass import Requirement
from gatepass_django.internals import combined

if TYPE_CHECKING:
    from rest_framework.views import APIView

__all__ = ["RequiresToken", "required_scopes", "requires_credentials"]


class RequiresToken(BasePermission):
    """What all that `requires` makes have in common."""

    requirement: Requirement


def requires_credentials(permission: object) -> bool:
    """Whether *permission* is known to let in no request without credentials; caches must vary where it is not."""
    kind = type(permission)
    both, either = combined(permission, "AND"), combined(permission, "OR")
    if both is not None:
        return any(map(requires_credentials, both))
    if either is not None:
        return all(map(requires_credentials, either))
    asked = getattr(kind, "has_permission", None)  # a subclass may ask for less
    return asked in (IsAuthenticated.has_permission, IsAdminUser.has_permission) or issubclass(kind, RequiresToken)


def required_scopes(view: APIView) -> list[str]:
    """The scopes that every request to *view* must have. Those of alternatives are none of them."""
    asked = [permission for permission in _flat(view.get_permissions()) if isinstance(permission, RequiresToken)]
    return list(dict.fromkeys(scope for permission in asked for scope in permission.requirement.scopes))


def _flat(permissions: Iterable[Any]) -> Iterator[Any]:
    """*permissions*, with both sides of each that was made by `&`."""
    for permission in permissions:
        both = combined(permission, "AND")
        if both is not None:
            yield from _flat(both)
        else:
            yield permission

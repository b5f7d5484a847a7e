"""What the permissions of a REST framework view require: for cache headers, and for OpenAPI."""

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
    """The base of the permissions that `requires` makes."""

    requirement: Requirement


def requires_credentials(permission: object) -> bool:
    """Return whether *permission* surely rejects requests without credentials; if not, responses need `Vary`."""
    kind = type(permission)
    both, either = combined(permission, "AND"), combined(permission, "OR")
    if both is not None:
        return any(map(requires_credentials, both))
    if either is not None:
        return all(map(requires_credentials, either))
    check = getattr(kind, "has_permission", None)  # a subclass may require less
    return check in (IsAuthenticated.has_permission, IsAdminUser.has_permission) or issubclass(kind, RequiresToken)


def required_scopes(view: APIView) -> list[str]:
    """Return the scopes that every request to *view* must have; those of alternatives do not count."""
    required = [permission for permission in _flat(view.get_permissions()) if isinstance(permission, RequiresToken)]
    return list(dict.fromkeys(scope for permission in required for scope in permission.requirement.scopes))


def _flat(permissions: Iterable[Any]) -> Iterator[Any]:
    """Yield *permissions*, with both operands in place of one made by `&`."""
    for permission in permissions:
        both = combined(permission, "AND")
        if both is not None:
            yield from _flat(both)
        else:
            yield permission

"""Refusals of a good token that does not hold what the operation needs."""

from __future__ import annotations

from typing import ClassVar

from gatepass.errors.base import AuthError

__all__ = ["ConcealedResource", "Forbidden", "InsufficientScope"]


class Forbidden(AuthError):
    """A role, group or entitlement is missing: no other scope would help, so none is named."""

    status = 403
    reason = "forbidden"


class InsufficientScope(Forbidden):
    """Scopes are missing. The challenge names all that the operation needs."""

    error: ClassVar[str | None] = "insufficient_scope"
    description: ClassVar[str | None] = "The access token lacks a required scope"
    reason = "insufficient_scope"

    def __init__(self, required: tuple[str, ...], log_detail: str = "") -> None:
        super().__init__(log_detail)
        self._required = required

    @property
    def needed_scopes(self) -> tuple[str, ...]:
        """Every scope that the operation needs, in the order of the rule."""
        return self._required


class ConcealedResource(Forbidden):
    """Refused with `denial="not_found"`: 404 in place of 403. Its body tells it from the framework's own 404."""

    status = 404
    reason = "concealed"
    challenged = False

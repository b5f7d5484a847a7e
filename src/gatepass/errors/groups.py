"""The refusal in an exception: itself, or what a group of tasks made of it."""

from __future__ import annotations

from typing import cast

from gatepass.errors.base import AuthError
from gatepass.errors.outage import AuthUnavailable

__all__ = ["refusal_in"]


def refusal_in(error: BaseException | None) -> AuthError | None:
    """*error* if it is a refusal, or the refusal that stands for a group of nothing else, nested or not.

    An outage comes first, then the order of the group.
    """
    if isinstance(error, AuthError):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    found: list[AuthError] = []
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseExceptionGroup):
            waiting += reversed(cast("BaseExceptionGroup[BaseException]", one).exceptions)
        elif isinstance(one, AuthError):
            found.append(one)
        else:
            return None
    return next((one for one in found if isinstance(one, AuthUnavailable)), found[0])

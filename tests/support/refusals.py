"""The errors that the views at /boom/... of the contract raise."""

from collections.abc import Callable
from typing import Final, NoReturn

from gatepass import AuthError
from gatepass.errors import (
    ConcealedResource,
    ExpiredToken,
    Forbidden,
    InsufficientScope,
    KeysUnavailable,
    MissingCredentials,
)

REFUSALS: Final[dict[str, Callable[[], AuthError]]] = {
    "auth": ExpiredToken,
    "anonymous": MissingCredentials,
    "scope": lambda: InsufficientScope(("orders:read",)),
    "role": lambda: Forbidden("roles"),
    "hidden": lambda: ConcealedResource("insufficient_scope"),
    "outage": KeysUnavailable,
}


def refuse(kind: str) -> NoReturn:
    error = REFUSALS[kind]()
    raise error

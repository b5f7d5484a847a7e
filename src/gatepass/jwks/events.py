"""Events of remote keys, for metrics and alarms: written to the log and passed to one hook.

An event holds numbers, reasons from a fixed list and the configured location, but no text from a server or a token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from gatepass.errors import ConfigurationError, traced

__all__ = [
    "EventSink", "FetchEnded", "FetchFailed", "FetchReason", "KeyEvent", "KeysChanged", "StaleKeysUsed", "UnknownKid",
]  # fmt: skip

FetchReason: TypeAlias = Literal["first", "scheduled", "unknown_kid", "asked"]
_logger = logging.getLogger("gatepass.jwks")


@dataclass(frozen=True, slots=True)
class FetchEnded:
    """A successful fetch, whether the keys changed or not. *took*: seconds; *fresh_for*: seconds."""

    source: str
    reason: FetchReason
    took: float
    keys: int
    fresh_for: float


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A failed fetch. *cause*: see the table in docs/remote-keys.md; *took*: seconds; *retry_after*: seconds until the
    next try; *usable_for*: seconds for which the cached keys may still be used, 0 if there are none; *status*: the code
    of a response with an unexpected one.
    """

    source: str
    reason: FetchReason
    cause: str
    took: float
    retry_after: float
    usable_for: float
    status: int | None = None


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """A rotation by the issuer: the number of keys added, removed and now cached."""

    source: str
    added: int
    removed: int
    keys: int


@dataclass(frozen=True, slots=True)
class StaleKeysUsed:
    """Keys were used past their freshness because no fetch has replaced them. *age*: seconds since the last success."""

    source: str
    age: float


@dataclass(frozen=True, slots=True)
class UnknownKid:
    """A token named a key that the issuer does not publish. *outcome*: `"fetched"`, a fetch has just shown it;
    `"remembered"`, a fetch less than an interval ago showed it; `"limited"`, the limit on such fetches is reached.
    """

    source: str
    outcome: Literal["fetched", "remembered", "limited"]


KeyEvent: TypeAlias = FetchEnded | FetchFailed | KeysChanged | StaleKeysUsed | UnknownKid


@final
class EventSink:
    """The destination of events: the log `gatepass.jwks` and the application's *hook*, whose errors are logged."""

    __slots__ = ("_hook",)

    def __init__(self, hook: Callable[[KeyEvent], object] | None) -> None:
        if hook is not None and not callable(hook):
            raise ConfigurationError("on_event= must be a function that takes a KeyEvent")
        self._hook = hook

    def emit(self, event: KeyEvent) -> None:
        _logger.log(_level(event), "%s", event)
        if self._hook is None:
            return
        try:
            self._hook(event)
        except Exception as error:  # noqa: BLE001 - an error in the hook must not stop the keys
            _logger.error("on_event raised %s", traced(error))  # noqa: TRY400 - a traceback may show secrets


def _level(event: KeyEvent) -> int:
    if isinstance(event, FetchFailed):
        return logging.ERROR
    if isinstance(event, StaleKeysUsed):
        return logging.WARNING
    return logging.INFO if isinstance(event, KeysChanged) else logging.DEBUG

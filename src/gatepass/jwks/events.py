"""What happens to remote keys, for metrics and alarms: small values, handed to one hook and written to the log.

An event holds numbers, reasons from a fixed list and the address that was configured: no text that came from outside.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from gatepass.common.traces import traced
from gatepass.errors import ConfigurationError

__all__ = [
    "EventSink", "FetchEnded", "FetchFailed", "FetchReason", "KeyEvent", "KeysChanged", "StaleKeysUsed", "UnknownKid",
]  # fmt: skip

FetchReason: TypeAlias = Literal["first", "scheduled", "unknown_kid", "asked"]
_logger = logging.getLogger("gatepass.jwks")


@dataclass(frozen=True, slots=True)
class FetchEnded:
    """A fetch brought keys, or the news that they are the same. *took*: seconds; *fresh_for*: seconds."""

    source: str
    reason: FetchReason
    took: float
    keys: int
    fresh_for: float


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A fetch brought nothing to use. *cause* is one of the table in the documents; *usable_for*: how many seconds
    the keys that are held will do, 0 where there are none; *retry_after*: seconds without another try; *status*: that
    of an answer that was another one than was wanted.
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
    """The issuer rotated: how many keys came, went, and are held now."""

    source: str
    added: int
    removed: int
    keys: int


@dataclass(frozen=True, slots=True)
class StaleKeysUsed:
    """Keys past their freshness were used, since no fetch has replaced them yet. *age*: seconds since the last one."""

    source: str
    age: float


@dataclass(frozen=True, slots=True)
class UnknownKid:
    """A token named a key that the issuer does not publish. *outcome*: a fetch said so just now, one said so
    a moment ago, or the limit on such fetches was reached.
    """

    source: str
    outcome: Literal["fetched", "remembered", "limited"]


KeyEvent: TypeAlias = FetchEnded | FetchFailed | KeysChanged | StaleKeysUsed | UnknownKid


@final
class EventSink:
    """Writes each event to the log `gatepass.jwks` and tells the application's hook, whose failure changes nothing."""

    __slots__ = ("_hook",)

    def __init__(self, hook: Callable[[KeyEvent], object] | None) -> None:
        if hook is not None and not callable(hook):
            raise ConfigurationError("on_event= must be a function that takes a KeyEvent")
        self._hook = hook

    def tell(self, event: KeyEvent) -> None:
        _logger.log(_level(event), "%s", event)
        if self._hook is None:
            return
        try:
            self._hook(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, the keys stand
            _logger.error("on_event raised %s", traced(error))  # noqa: TRY400 - a traceback quotes


def _level(event: KeyEvent) -> int:
    if isinstance(event, FetchFailed):
        return logging.ERROR
    if isinstance(event, StaleKeysUsed):
        return logging.WARNING
    return logging.INFO if isinstance(event, KeysChanged) else logging.DEBUG

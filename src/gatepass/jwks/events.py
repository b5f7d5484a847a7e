"""What happens to remote keys, for metrics and alarms: small values, written to the log and given to one hook.

An event holds numbers, reasons from a fixed list and the configured location: no text from a server or a token.
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
    """A fetch brought keys, or the news that they are the same. *took*: seconds; *fresh_for*: seconds."""

    source: str
    reason: FetchReason
    took: float
    keys: int
    fresh_for: float


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A fetch failed. *cause*: see the table in the documents; *retry_after*: seconds without another try;
    *usable_for*: seconds that the keys at hand may still be used, 0 if there are none; *status*: that of an answer with
    an unexpected one.
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
    """A token named a key that the issuer does not publish. *outcome*: a fetch said so just now, one said so less
    than an interval ago, or the limit on such fetches is reached.
    """

    source: str
    outcome: Literal["fetched", "remembered", "limited"]


KeyEvent: TypeAlias = FetchEnded | FetchFailed | KeysChanged | StaleKeysUsed | UnknownKid


@final
class EventSink:
    """Writes each event to the log `gatepass.jwks` and calls the application's *hook*, whose errors it logs."""

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
        except Exception as error:  # noqa: BLE001 - the hook's error must not cost the keys
            _logger.error("on_event raised %s", traced(error))  # noqa: TRY400 - a traceback quotes


def _level(event: KeyEvent) -> int:
    if isinstance(event, FetchFailed):
        return logging.ERROR
    if isinstance(event, StaleKeysUsed):
        return logging.WARNING
    return logging.INFO if isinstance(event, KeysChanged) else logging.DEBUG

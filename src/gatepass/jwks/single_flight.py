"""One fetch at a time, in its own thread, and the snapshot of the last successful fetch.

A request that waits for a fetch cannot cancel it. Requests that arrive meanwhile wait for the same fetch. A failed
fetch keeps the snapshot and delays the next fetch. A fetch counts as gone if its thread is stalled, or stayed in the
parent process after a fork: the next fetch replaces it, and its result is dropped.

Where gevent has replaced threads with greenlets, a fetch runs in a native thread of gevent's pool, because a greenlet
would expose the fetch's event loop to every other greenlet.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar, cast, final

from gatepass.common.runtime import ProcessLock
from gatepass.errors import traced
from gatepass.jwks.events import EventSink, FetchEnded, FetchFailed, FetchReason, KeysChanged
from gatepass.jwks.fetcher import Fetcher
from gatepass.jwks.http import FetchError, fingerprint
from gatepass.jwks.snapshot import EMPTY, JWKSSnapshot, refresh_delay
from gatepass.keys.source import Fetch

__all__ = ["SingleFlight"]

_FIRST_RETRY: Final = 1.0
_MAX_RETRY: Final = 60.0
"""Seconds from a failed fetch to the next: the pause doubles with each failure in a row, from the first value up to the
maximum. A lost packet costs a second, and clients do not overload a server that recovers from an outage.
"""
_GRACE: Final = 1.0
"""Seconds after its deadline at which an unfinished fetch counts as gone."""
_logger = logging.getLogger("gatepass.jwks")
_P = ParamSpec("_P")
_T = TypeVar("_T")


@final
class SingleFlight:
    """The snapshot and the running fetch of one client.

    *snapshot* is replaced as a whole and may be read without *lock*. Callers of `begin` hold *lock*. *number* counts
    the fetches begun. Requests must not begin one before *retry_at*.
    """

    __slots__ = (
        "__weakref__", "_clock", "_events", "_failures", "_fetch", "_fetcher", "_process", "lock", "number", "retry_at",
        "snapshot",
    )  # fmt: skip

    def __init__(self, fetcher: Fetcher, events: EventSink, clock: Callable[[], float]) -> None:
        self._fetcher = fetcher
        self._events = events
        self._clock = clock
        self._failures = 0
        self.snapshot: JWKSSnapshot = EMPTY
        self.lock: ProcessLock = ProcessLock()
        self.number: int = 0
        self.retry_at: float = -math.inf
        self._fetch: Fetch | None = None
        self._process = os.getpid()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_after_fork, weakref.ref(self)))

    @property
    def source(self) -> str:
        """The name of the location in events."""
        return self._fetcher.location.name

    @property
    def under_way(self) -> Fetch | None:
        """The fetch that was begun in this process and has not ended, even if its thread is stalled."""
        fetch = self._fetch
        return None if fetch is None or fetch.is_foreign else fetch

    @property
    def running(self) -> Fetch | None:
        """The fetch under way, unless it counts as gone."""
        fetch = self.under_way
        return None if fetch is None or fetch.is_gone else fetch

    @property
    def is_failing(self) -> bool:
        """Whether the last fetch failed."""
        return self._failures > 0

    def begin(self, reason: FetchReason) -> Fetch:
        """Return the running fetch, or begin one."""
        running = self.running
        if running is not None:
            return running
        if self.under_way is not None:
            self._back_off()  # the next thread may stall too: without a pause they would pile up
        self.check_fork()
        self.number += 1
        fetch = Fetch(self.number, timeout=self._fetcher.timeout + _GRACE)
        thread = threading.Thread(target=self._run, args=(fetch, reason), name="gatepass-jwks", daemon=True)
        self._fetch = fetch
        try:
            thread.start()
        except RuntimeError:  # no thread can be started, for example at interpreter shutdown
            _logger.error("a fetch failed: no thread could be started")  # noqa: TRY400 - a traceback may show secrets
            self._fetch = None
            self._back_off()
            fetch.end(succeeded=False)
        return fetch

    def check_fork(self) -> None:
        """In a forked child, discard the fetch whose thread stayed in the parent, and choose another refresh time.

        Called after a fork, and before each fetch for servers that fork without Python's hooks.
        """
        if self._process == os.getpid():
            return
        self._process, self._fetch = os.getpid(), None
        last = self.snapshot
        if last is not EMPTY:
            delay = refresh_delay(last.fresh_until - last.fetched_at)
            self.snapshot = replace(last, refresh_at=last.fetched_at + delay)

    def _run(self, fetch: Fetch, reason: FetchReason) -> None:
        before, began = self.snapshot, self._clock()
        try:
            found: JWKSSnapshot | FetchError = run_in_native_thread(self._fetcher.fetch, before, reason)
        except FetchError as error:
            found = error
        except BaseException as error:  # noqa: BLE001 - a fetch must end, even if a transport raises
            _logger.error("a fetch raised %s", traced(error))  # noqa: TRY400 - a traceback may show secrets
            found = FetchError("unexpected")
        took = self._clock() - began
        with self.lock:
            self._fetch = None if self._fetch is fetch else self._fetch
            if fetch.is_gone:  # its thread was stalled: the result is out of date
                found = FetchError("timeout")
            elif isinstance(found, JWKSSnapshot):
                self.snapshot, self._failures, self.retry_at = found, 0, -math.inf
            else:
                self._back_off()
        fetch.end(succeeded=isinstance(found, JWKSSnapshot))
        if isinstance(found, JWKSSnapshot):
            self._report_success(before, found, reason, took)
        else:
            now = self._clock()
            usable_for = max(0.0, before.usable_until - now)
            retry_after = max(0.0, self.retry_at - now)
            self._events.emit(
                FetchFailed(self.source, reason, found.cause, took, retry_after, usable_for, found.status)
            )

    def _back_off(self) -> None:
        self._failures += 1
        self.retry_at = self._clock() + min(_MAX_RETRY, _FIRST_RETRY * 2.0 ** min(self._failures - 1, 32))

    def _report_success(self, before: JWKSSnapshot, after: JWKSSnapshot, reason: FetchReason, took: float) -> None:
        old, new = fingerprint(before.keys), fingerprint(after.keys)
        self._events.emit(FetchEnded(self.source, reason, took, len(new), after.fresh_until - after.fetched_at))
        if before is not EMPTY and old != new:
            self._events.emit(KeysChanged(self.source, len(new - old), len(old - new), len(new)))


def run_in_native_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call *call* in this thread; where gevent has replaced threads, in its thread pool, while other greenlets run."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return call(*args, **kwargs)
    gevent: Any = sys.modules["gevent"]
    return cast("_T", gevent.get_hub().threadpool.apply(call, args, kwargs))


def _after_fork(reference: weakref.ref[SingleFlight]) -> None:
    flight = reference()
    if flight is not None:
        flight.check_fork()

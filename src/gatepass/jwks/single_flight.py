"""One fetch at a time, in a thread of its own, and the snapshot that the last good one left.

Whoever waits for a fetch cannot cancel it, and whoever comes meanwhile waits for the same one. A failure leaves the
snapshot as it was and forbids another try for a while. A fetch whose thread stands still, or stayed with the parent of
this process, is gone: the next one takes its place, and what the old one may still bring is dropped.
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
from typing import Any, ParamSpec, TypeVar, cast, final

from gatepass.common.runtime import ProcessLock
from gatepass.common.traces import traced
from gatepass.jwks.events import EventSink, FetchEnded, FetchFailed, FetchReason, KeysChanged
from gatepass.jwks.fetcher import Fetcher
from gatepass.jwks.http import FetchError, fingerprint
from gatepass.jwks.snapshot import NOTHING, Held, Timing
from gatepass.keys.source import Fetch

__all__ = ["SingleFlight", "in_a_real_thread"]

_logger = logging.getLogger("gatepass.jwks")


@final
class SingleFlight:
    """*held* is replaced whole and may be read without the *lock*; `begin` is called with it.

    *under_way* is the fetch that runs, *number* counts the fetches begun, and before *retry_at* none is begun.
    """

    __slots__ = (
        "__weakref__", "_begun", "_clock", "_events", "_failures", "_fetcher", "_process", "_timing", "held", "lock",
        "number", "retry_at",
    )  # fmt: skip

    def __init__(self, fetcher: Fetcher, timing: Timing, events: EventSink, clock: Callable[[], float]) -> None:
        self._fetcher = fetcher
        self._timing = timing
        self._events = events
        self._clock = clock
        self._failures = 0
        self.held: Held = NOTHING
        self.lock: ProcessLock = ProcessLock()
        self.number: int = 0
        self.retry_at: float = -math.inf
        self._begun: Fetch | None = None
        self._process = os.getpid()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_forked, weakref.ref(self)))

    @property
    def source(self) -> str:
        """The configured address, by which events name the server."""
        return self._fetcher.address.name

    @property
    def under_way(self) -> Fetch | None:
        """The fetch that was begun in this process and has not ended."""
        fetch = self._begun
        return None if fetch is None or fetch.is_foreign else fetch

    @property
    def is_fetching(self) -> bool:
        """Whether something may still come of it."""
        under_way = self.under_way
        return under_way is not None and not under_way.is_gone

    @property
    def is_failing(self) -> bool:
        """Whether the last fetch brought nothing."""
        return self._failures > 0

    def begin(self, reason: FetchReason) -> Fetch:
        """The fetch under way, or a new one."""
        under_way = self.under_way
        if under_way is not None:
            if not under_way.is_gone:
                return under_way
            self._put_off()  # for the case that this one stands still too: its threads would pile up
        self.forked()
        self.number += 1
        fetch = Fetch(self.number, timeout=self._timing.timeout + 1)
        thread = threading.Thread(target=self._run, args=(fetch, reason), name="gatepass-jwks", daemon=True)
        self._begun = fetch
        try:
            thread.start()
        except RuntimeError:  # there is no thread to be had, as at the interpreter's end
            _logger.error("a fetch found no thread to run in")  # noqa: TRY400 - a traceback quotes
            self._failed()
            fetch.end(succeeded=False)
        return fetch

    def forked(self) -> None:
        """In a child: the thread of a fetch stayed with the parent. The keys came along, but the chance by which
        processes do not refresh together is each one's own. Where a server forks without telling, this comes late.
        """
        if self._process == os.getpid():
            return
        self._process, self._begun = os.getpid(), None
        held = self.held
        if held is not NOTHING:
            ahead = self._timing.ahead(held.fresh_until - held.fetched_at)
            self.held = replace(held, refresh_at=held.fetched_at + ahead)

    def _run(self, fetch: Fetch, reason: FetchReason) -> None:
        before, began = self.held, self._clock()
        try:
            found: Held | FetchError = in_a_real_thread(self._fetcher.fetch, before, reason)
        except FetchError as error:
            found = error
        except BaseException as error:  # noqa: BLE001 - a fetch always ends, whatever a transport raises
            _logger.error("a fetch raised %s", traced(error))  # noqa: TRY400 - a traceback quotes
            found = FetchError("unexpected")
        took = self._clock() - began
        with self.lock:
            if fetch.is_gone:  # its thread stood still: nothing is known of the server, and what came is of then
                found = FetchError("timeout")
                self._begun = None if self._begun is fetch else self._begun
            elif isinstance(found, Held):
                self.held, self._begun, self._failures, self.retry_at = found, None, 0, -math.inf
            else:
                self._failed()
        fetch.end(succeeded=isinstance(found, Held))
        if isinstance(found, Held):
            self._tell_of_success(before, found, reason, took)
        else:
            now = self._clock()
            usable_for = max(0.0, before.usable_until - now)
            retry_after = max(0.0, self.retry_at - now)
            self._events.tell(
                FetchFailed(self.source, reason, found.cause, took, retry_after, usable_for, found.status)
            )

    def _failed(self) -> None:
        self._begun = None
        self._put_off()

    def _put_off(self) -> None:
        self._failures += 1
        self.retry_at = self._clock() + self._timing.back_off(self._failures)

    def _tell_of_success(self, before: Held, held: Held, reason: FetchReason, took: float) -> None:
        old, new = fingerprint(before.keys), fingerprint(held.keys)
        self._events.tell(FetchEnded(self.source, reason, took, len(new), held.fresh_until - held.fetched_at))
        if before is not NOTHING and old != new:
            self._events.tell(KeysChanged(self.source, len(new - old), len(old - new), len(new)))


def _forked(reference: weakref.ref[SingleFlight]) -> None:
    flight = reference()
    if flight is not None:
        flight.forked()


_P = ParamSpec("_P")
_T = TypeVar("_T")


def in_a_real_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """*call* in the thread that we are in, or in one of gevent's pool while this greenlet waits and others go on."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return call(*args, **kwargs)
    gevent: Any = sys.modules["gevent"]
    return cast("_T", gevent.get_hub().threadpool.apply(call, args, kwargs))

"""Keys that change while the service runs: the interface of a source, its fetches, and how a verifier waits for them.

A verifier calls `KeySource.current` for every token, and `fetch_missing` only for a token whose key is missing. `run`
waits for the fetches in a thread, `run_async` on an event loop.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from copy import copy
from typing import TypeVar, cast, final

from gatepass.common.event_loop import RunBlocking
from gatepass.keys import KeySet

__all__ = ["Fetch", "KeySource", "RunBlocking", "run", "run_async"]

_T = TypeVar("_T")


@final
class Fetch:
    """One running fetch, for the threads and tasks that wait for it. None of them can cancel it."""

    __slots__ = ("_began", "_ended", "_process", "_timeout", "number")

    def __init__(self, number: int, *, timeout: float) -> None:
        """Start a fetch. *number* orders the fetches of one source. Waiting ends *timeout* seconds from now."""
        self.number: int = number
        self._process = os.getpid()
        self._began = time.monotonic()
        self._timeout = timeout
        self._ended: Future[bool] = Future()
        self._ended.set_running_or_notify_cancel()  # from here on a cancelled waiter cannot cancel it

    @classmethod
    def already_ended(cls) -> Fetch:
        """Make a fetch that has already succeeded, so that no caller waits for it."""
        fetch = cls(0, timeout=0)
        fetch.end(succeeded=True)
        return fetch

    def with_timeout(self, timeout: float) -> Fetch:
        """Return the same fetch, for a caller that waits at most *timeout* seconds from its beginning."""
        same = copy(self)
        same._timeout = min(timeout, self._timeout)  # noqa: SLF001 - a copy of this object
        return same

    @property
    def is_foreign(self) -> bool:
        """True if its thread runs in the parent of this process, not here."""
        return self._process != os.getpid()

    @property
    def is_gone(self) -> bool:
        """True if it will not end: it is foreign, or its timeout has passed because the server froze its thread."""
        return self.is_foreign or self._left() <= 0

    @property
    def succeeded(self) -> bool:
        """True if it has ended with keys."""
        return self._ended.done() and self._ended.result()

    def end(self, *, succeeded: bool) -> None:
        """Set the result and wake every waiting caller."""
        self._ended.set_result(succeeded)

    def wait(self) -> None:
        """Block until the fetch has ended or the timeout has passed."""
        try:
            self._ended.result(self._left())
        except TimeoutError:
            return  # `succeeded` is False

    async def wait_async(self, run_blocking: RunBlocking) -> None:
        """Wait as `wait` does, without blocking the event loop. Under asyncio it uses no thread."""
        if self._ended.done():
            return
        import asyncio  # noqa: PLC0415 - only a service with an event loop needs it

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            await run_blocking(self.wait)  # another loop, such as trio's
        else:
            await asyncio.wait({asyncio.wrap_future(self._ended)}, timeout=self._left())

    def _left(self) -> float:
        return max(0.0, self._began + self._timeout - time.monotonic())


class KeySource(ABC):
    """Keys that change, for a `TokenVerifier`. A subclass defines `current`, and `fetch_missing` if it can fetch."""

    __slots__ = ()

    @abstractmethod
    def current(self) -> KeySet | None:
        """Return the current keys: the same object until they change, None while there are none to use.

        Called for every token, so it should return without a lock and without I/O while the keys stay the same. If it
        must wait, it waits for a bounded time. Raise `KeysUnavailable` if the keys cannot be read.
        """

    def fetch_missing(self, kid: str | None, seen: KeySet | None) -> Iterator[Fetch]:  # noqa: ARG002 - for subclasses
        """Yield each fetch that may bring the key *kid*, which is not among the keys *seen*.

        End when no further fetch can bring the key: it does not exist. Raise `KeysUnavailable` if that is uncertain.
        """
        return iter(())


def run(steps: Generator[Fetch, None, _T]) -> _T:
    """Run *steps* to their result. Block for each fetch that they yield."""
    while True:
        try:
            next(steps).wait()
        except StopIteration as done:
            return cast("_T", done.value)


async def run_async(steps: Generator[Fetch, None, _T], run_blocking: RunBlocking) -> _T:
    """Run *steps* as `run` does, without blocking the event loop."""
    while True:
        try:
            fetch = next(steps)
        except StopIteration as done:
            return cast("_T", done.value)
        await fetch.wait_async(run_blocking)

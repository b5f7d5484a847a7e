"""Keys that change while the service runs: where a verifier finds the ones of this instant, and how it waits for more.

A source answers `current` at once, without a lock and without I/O. Only a token whose key is not there makes the
verifier `search`, and what a search yields can be awaited by a thread and by an event loop alike.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future
from copy import copy
from typing import Any, TypeVar, cast, final

from gatepass.keys import KeySet

__all__ = ["Fetch", "KeySource", "RunBlocking", "settle", "settle_async"]

_T = TypeVar("_T")

RunBlocking = Callable[[Callable[[], Any]], Awaitable[Any]]
"""How an event loop runs a function that may block: in a worker thread."""


@final
class Fetch:
    """One fetch under way, for as many threads and tasks as wait for it. None of them can cancel it."""

    __slots__ = ("_began", "_ended", "_patience", "_process", "number")

    def __init__(self, number: int, *, patience: float) -> None:
        """*number* orders the fetches of one source; *patience*: seconds from now after which waiting has no sense."""
        self.number: int = number
        self._process = os.getpid()
        self._began = time.monotonic()
        self._patience = patience
        self._ended: Future[bool] = Future()
        self._ended.set_running_or_notify_cancel()  # from here on a cancelled waiter cannot cancel it

    @classmethod
    def already_ended(cls) -> Fetch:
        """A fetch that nobody need wait for: what it brought is there."""
        fetch = cls(0, patience=0)
        fetch.end(succeeded=True)
        return fetch

    def within(self, patience: float) -> Fetch:
        """The same fetch, for somebody with less *patience*, in seconds from its beginning: a late one goes on."""
        same = copy(self)
        same._patience = min(patience, self._patience)  # noqa: SLF001 - a copy of ourselves
        return same

    @property
    def is_foreign(self) -> bool:
        """Whether its thread stayed with the parent of this process."""
        return self._process != os.getpid()

    @property
    def is_gone(self) -> bool:
        """Whether nothing will come of it any more: that, or the thread stands still, as some servers let it."""
        return self.is_foreign or self._left() <= 0

    @property
    def succeeded(self) -> bool:
        """Whether it has ended and brought keys."""
        return self._ended.done() and self._ended.result()

    def end(self, *, succeeded: bool) -> None:
        """Let everybody who waits go on."""
        self._ended.set_result(succeeded)

    def wait(self) -> None:
        """Block until the fetch has ended, or for as long as one may take at most."""
        try:
            self._ended.result(self._left())
        except TimeoutError:
            return  # not a success, and the search says so

    async def wait_async(self, run_blocking: RunBlocking) -> None:
        """The same without blocking the event loop. Under asyncio no thread is spent on waiting either."""
        if self._ended.done():
            return
        import asyncio  # noqa: PLC0415 - a service without an event loop never pays for it

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            await run_blocking(self.wait)  # another loop, such as trio's
        else:
            await asyncio.wait({asyncio.wrap_future(self._ended)}, timeout=self._left())

    def _left(self) -> float:
        return max(0.0, self._began + self._patience - time.monotonic())


class KeySource(ABC):
    """Where a `TokenVerifier` finds keys that change. A subclass gives `current`, and `search` if it can fetch."""

    __slots__ = ()

    @abstractmethod
    def current(self) -> KeySet | None:
        """The keys of this instant: the same object until they change, None while there are none to use.

        Called for every token: neither a lock nor I/O may make it wait.
        """

    def search(self, kid: str | None, seen: KeySet | None) -> Iterator[Fetch]:  # noqa: ARG002 - for those who can
        """Yield each fetch that may bring the key *kid*, which is not among the keys *seen*.

        It ends when no fetch will help: the key does not exist. Raises `KeysUnavailable` when nobody can tell.
        """
        return iter(())


def settle(steps: Generator[Fetch, None, _T]) -> _T:
    """Run *steps* to their result, and block for each fetch that they yield."""
    while True:
        try:
            next(steps).wait()
        except StopIteration as done:
            return cast("_T", done.value)


async def settle_async(steps: Generator[Fetch, None, _T], run_blocking: RunBlocking) -> _T:
    """`settle` for an event loop, which goes on meanwhile."""
    while True:
        try:
            fetch = next(steps)
        except StopIteration as done:
            return cast("_T", done.value)
        await fetch.wait_async(run_blocking)

"""A fetch from beginning to end, in the calling thread: the address, the document, the next snapshot.

It runs on an event loop of its own, since that is how one deadline can end everything that a server may drag out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar, final

from gatepass.jwks.discovery import Address
from gatepass.jwks.events import FetchReason
from gatepass.jwks.http import Connection, FetchError, Http, fingerprint, read_key_set
from gatepass.jwks.snapshot import Held, Timing
from gatepass.keys import KeySet

if TYPE_CHECKING:
    import asyncio


__all__ = ["Fetcher"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_URGENT: Final[tuple[FetchReason, ...]] = ("unknown_kid", "asked")
_PAST_CACHES: Final = {"Cache-Control": "no-cache"}  # a cache on the way may hold a copy from before the rotation


@final
class Fetcher:
    """What a `JWKSClient` fetches with. *clock* gives seconds that never go back."""

    __slots__ = ("_algorithms", "_clock", "_http", "_timing", "address")

    def __init__(
        self,
        address: Address,
        http: Http,
        timing: Timing,
        *,
        algorithms: tuple[str, ...] | None,
        clock: Callable[[], float],
    ) -> None:
        self.address: Address = address
        self._http = http
        self._timing = timing
        self._algorithms = algorithms
        self._clock = clock

    def fetch(self, held: Held, reason: FetchReason) -> Held:
        """The snapshot that follows *held*, from the key server itself where the *reason* is that one key is missed.
        Raises `FetchError`.
        """
        import asyncio  # noqa: PLC0415 - whoever never fetches never pays for it

        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            loop.set_default_executor(_LookUps(loop))
            return runner.run(self._within_deadline(held, reason))

    async def _within_deadline(self, held: Held, reason: FetchReason) -> Held:
        import asyncio  # noqa: PLC0415 - the same

        try:
            async with asyncio.timeout(self._timing.timeout):
                async with self._http.connection(_PAST_CACHES if reason in _URGENT else {}) as connection:
                    return await self._next(connection, held)
        except TimeoutError:
            self.address.doubt(self._clock())
            raise FetchError("timeout") from None

    async def _next(self, connection: Connection, held: Held) -> Held:
        now = self._clock()
        address = await self._address(connection, now)
        try:
            return await self._found_at(address, connection, held)
        except FetchError:
            if not self.address.doubt(now):
                raise
            moved_to = await self._address(connection, now)
            if moved_to == address:
                raise
        return await self._found_at(moved_to, connection, held)

    async def _address(self, connection: Connection, now: float) -> str:
        return await self.address.resolve(
            lambda url: self._http.get(connection, url), now, patience=self._timing.timeout / 2
        )

    async def _found_at(self, address: str, connection: Connection, held: Held) -> Held:
        etag = held.etag if held.keys is not None and held.address == address else None
        document = await self._http.get(connection, address, etag=etag)
        if document.body is None:
            keys, digest = held.keys, held.digest
            if document.etag not in (None, etag):
                etag = None  # it speaks of another document: taken for ours, its tag would vouch for our keys for ever
        else:
            etag, digest = document.etag, sha256(document.body).digest()
            keys = held.keys if digest == held.digest else self._read(document.body, held)
        now = self._clock()
        fresh_for = self._timing.freshness(document.fresh_for)
        return Held(
            keys,
            address,
            digest,
            etag,
            fetched_at=now,
            refresh_at=now + self._timing.ahead(fresh_for),
            fresh_until=now + fresh_for,
            usable_until=now + self._timing.usable_for,
        )

    def _read(self, body: bytes, held: Held) -> KeySet:
        """The same object while the keys are the same, so that verifiers keep what they know about them."""
        fetched = read_key_set(body, algorithms=self._algorithms, max_keys=self._timing.max_keys)
        return held.keys if held.keys and fingerprint(held.keys) == fingerprint(fetched) else fetched


@final
class _LookUps(ThreadPoolExecutor):
    """Looks up names, which nothing can interrupt: neither the end of a fetch nor that of the process waits for it.

    A pool by its type alone, which an event loop insists on: the threads of a real one hold up the interpreter's end.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future: Future[_T] = Future()

        def look_up() -> None:
            try:
                found = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - handed to who waits, if there is anybody
                future.set_exception(error)
            else:
                future.set_result(found)
            with suppress(RuntimeError):  # the loop is closed: the fetch has ended without this name
                # From Python 3.14 on a result from a greenlet, which shares the loop's thread, leaves the loop asleep.
                self._loop.call_soon_threadsafe(_nothing)

        future.set_running_or_notify_cancel()  # a look-up that nobody waits for any more has a place for its result
        threading.Thread(target=look_up, name="gatepass-jwks-name", daemon=True).start()
        return future


def _nothing() -> None:
    """What wakes a loop."""

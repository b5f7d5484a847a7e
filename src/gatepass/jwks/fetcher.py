"""A complete fetch in the calling thread: find the URL, get the document, return the next snapshot.

A fetch runs on its own event loop, so that one deadline covers every step that a server can delay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar, final

from gatepass.jwks.discovery import JWKSLocation
from gatepass.jwks.events import FetchReason
from gatepass.jwks.http import Connection, FetchError, HttpClient, fingerprint, read_key_set
from gatepass.jwks.snapshot import CachePolicy, JWKSSnapshot, refresh_delay
from gatepass.keys import KeySet

if TYPE_CHECKING:
    import asyncio


__all__ = ["Fetcher"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_URGENT: Final[tuple[FetchReason, ...]] = ("unknown_kid", "asked")
_BYPASS_CACHES: Final = {"Cache-Control": "no-cache"}  # a cache on the path may hold a copy from before the rotation


@final
class Fetcher:
    """The fetches of one `JWKSClient`. *timeout* limits a whole fetch. *clock* returns monotonic seconds."""

    __slots__ = ("_algorithms", "_clock", "_http", "_policy", "location", "timeout")

    def __init__(
        self,
        location: JWKSLocation,
        http: HttpClient,
        policy: CachePolicy,
        *,
        timeout: float,
        algorithms: tuple[str, ...] | None,
        clock: Callable[[], float],
    ) -> None:
        self.location: JWKSLocation = location
        self.timeout: float = timeout
        self._http = http
        self._policy = policy
        self._algorithms = algorithms
        self._clock = clock

    def fetch(self, last: JWKSSnapshot, reason: FetchReason) -> JWKSSnapshot:
        """Return the snapshot that follows *last*. Raises `FetchError`.

        The reasons `unknown_kid` and `asked` bypass caches on the path.
        """
        import asyncio  # noqa: PLC0415 - loaded by services that fetch

        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            loop.set_default_executor(_NameResolver(loop))
            return runner.run(self._within_deadline(last, reason))

    async def _within_deadline(self, last: JWKSSnapshot, reason: FetchReason) -> JWKSSnapshot:
        import asyncio  # noqa: PLC0415 - the same

        try:
            async with asyncio.timeout(self.timeout):
                async with self._http.connection(_BYPASS_CACHES if reason in _URGENT else {}) as connection:
                    return await self._locate_and_fetch(connection, last)
        except TimeoutError:
            self.location.invalidate(self._clock())
            raise FetchError("timeout") from None

    async def _locate_and_fetch(self, connection: Connection, last: JWKSSnapshot) -> JWKSSnapshot:
        now = self._clock()
        url = await self._resolve(connection, now)
        try:
            return await self._fetch_from(url, connection, last)
        except FetchError:
            if not self.location.invalidate(now):
                raise
            moved_to = await self._resolve(connection, now)
            if moved_to == url:
                raise
        return await self._fetch_from(moved_to, connection, last)

    async def _resolve(self, connection: Connection, now: float) -> str:
        return await self.location.resolve(
            lambda url: self._http.get(connection, url), now, time_limit=self.timeout / 2
        )

    async def _fetch_from(self, url: str, connection: Connection, last: JWKSSnapshot) -> JWKSSnapshot:
        etag = last.etag if last.url == url else None
        document = await self._http.get(connection, url, etag=etag)
        if document.body is None:
            keys, digest = last.keys, last.digest
            if document.etag not in (None, etag):
                etag = None  # 304 for another document: if our ETag were sent again, our keys could stay forever
        else:
            etag, digest = document.etag, sha256(document.body).digest()
            keys = last.keys if digest == last.digest else self._parse(document.body, last)
        now = self._clock()
        fresh_for = self._policy.ttl(document.fresh_for)
        return JWKSSnapshot(
            keys,
            url,
            digest,
            etag,
            fetched_at=now,
            refresh_at=now + refresh_delay(fresh_for),
            fresh_until=now + fresh_for,
            usable_until=now + self._policy.usable_for,
        )

    def _parse(self, body: bytes, last: JWKSSnapshot) -> KeySet:
        """Return the keys in *body*: the same object while they are unchanged, so that verifiers keep their caches."""
        fetched = read_key_set(body, algorithms=self._algorithms)
        return last.keys if last.keys and fingerprint(last.keys) == fingerprint(fetched) else fetched


@final
class _NameResolver(ThreadPoolExecutor):
    """An executor that resolves each name in a daemon thread. A name look-up cannot be interrupted, so neither the
    fetch nor the process may wait for it; at exit, the interpreter waits for the threads of a real pool.

    It derives from a pool because an event loop accepts no other executor.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future: Future[_T] = Future()

        def look_up() -> None:
            try:
                found = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - the future raises it
                future.set_exception(error)
            else:
                future.set_result(found)
            with suppress(RuntimeError):  # the loop is closed: the fetch has ended before the look-up
                # From Python 3.14 on, a result from a greenlet, which shares the loop's thread, does not wake the loop.
                self._loop.call_soon_threadsafe(lambda: None)

        future.set_running_or_notify_cancel()  # so that a fetch that has ended cannot cancel it
        threading.Thread(target=look_up, name="gatepass-jwks-name", daemon=True).start()
        return future

"""`JWKSClient`: the keys of an issuer's key server, cached so that a request rarely waits for a fetch.

Keys are *fresh*, then *stale* but usable while fetches fail, then *dead*. A request reads one snapshot without a lock.
Fetches run in their own thread, one at a time, so that no request can cancel or multiply them. Until the keys are dead,
a token whose key is cached neither waits nor fails. The exception is a server that runs no threads between requests:
there, the request that begins a fetch waits for it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Final, Literal, final

from gatepass.common.allow import Allow, allowed
from gatepass.common.event_loop import can_block
from gatepass.common.limits import steady_clock
from gatepass.common.runtime import threads_are_frozen, warn_of_frozen_threads
from gatepass.common.settings import clock_function, seconds
from gatepass.errors import KeysUnavailable
from gatepass.jwks.discovery import FixedLocation, IssuerMetadata
from gatepass.jwks.events import EventSink, KeyEvent, StaleKeysUsed, UnknownKid
from gatepass.jwks.fetcher import Fetcher
from gatepass.jwks.http import HttpClient, Transport
from gatepass.jwks.single_flight import SingleFlight
from gatepass.jwks.snapshot import EMPTY, CachePolicy, JWKSSnapshot, KeyState
from gatepass.jwks.unknown_kids import UnknownKidLimiter
from gatepass.keys import KeySet
from gatepass.keys.key_set import asymmetric_names
from gatepass.keys.source import Fetch, KeySource

__all__ = ["JWKSClient"]

_MAX_WAIT: Final = 1.0
"""Seconds, counted from the beginning of a fetch, that a request waits for it if other keys are cached or the last
fetch failed: each waiting request may occupy a thread of the server, and forged tokens can make requests wait.
"""
_MIN_RETRY_AFTER: Final = 5
"""Seconds: clients that retry sooner would add load to an outage."""
_logger = logging.getLogger("gatepass.jwks")


@final
class JWKSClient(KeySource):
    """The keys at *jwks_uri*, for the `keys=` of a `TokenVerifier`; several verifiers may share it.

    Pass an `IssuerMetadata` instead of a URL to discover the URL from the issuer's metadata. *algorithms* restricts the
    keys, and binds keys that name no algorithm. *timeout* limits a whole fetch.
    Keys are fresh for the time that the server states, limited to between one minute and *max_ttl* (default: an hour,
    or *usable_for* if that is less). If the server states no time, they are fresh for *fresh_for* (default: 10 minutes,
    or *max_ttl* if that is less). They are dead *usable_for* after the last successful fetch. A kid that the issuer
    does not publish causes one fetch per *unknown_kid_interval*; all such kids together cause two fetches, and then one
    per interval. Times are seconds or timedeltas.
    *transport* returns a new `httpx` transport for each fetch, for a proxy or a private CA. *on_event* is called with
    every `KeyEvent`, in the thread in which it occurs. *allow*: `HTTP_ON_LOOPBACK` for development. *clock*
    returns monotonic seconds.

    The constructor does not fetch. The first token that needs a key, or `refresh`, begins the first fetch. Raises
    `ConfigurationError`.

    >>> keys = JWKSClient("https://auth.example/jwks.json", usable_for=timedelta(hours=2))
    >>> keys.state
    'empty'
    """

    __slots__ = ("_clock", "_events", "_flight", "_unknown_kids")

    def __init__(
        self,
        jwks_uri: str | IssuerMetadata,
        *,
        algorithms: Iterable[str] | None = None,
        timeout: float | timedelta = 5,
        fresh_for: float | timedelta | None = None,
        max_ttl: float | timedelta | None = None,
        usable_for: float | timedelta = 3_600,
        unknown_kid_interval: float | timedelta = 10,
        transport: Transport | None = None,
        on_event: Callable[[KeyEvent], object] | None = None,
        allow: Allow = (),
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock_function(clock, default=steady_clock)
        policy = CachePolicy(fresh_for=fresh_for, max_ttl=max_ttl, usable_for=usable_for)
        time_limit = seconds(timeout, "timeout", minimum=0.1, maximum=60)
        interval = seconds(unknown_kid_interval, "unknown_kid_interval", minimum=1, maximum=300)
        http = HttpClient(transport, timeout=time_limit)
        names = None if algorithms is None else asymmetric_names(algorithms)
        permitted = allowed(allow)
        location = jwks_uri if isinstance(jwks_uri, IssuerMetadata) else FixedLocation(jwks_uri, permitted)
        fetcher = Fetcher(location, http, policy, timeout=time_limit, algorithms=names, clock=self._clock)
        self._events = EventSink(on_event)
        warn_of_frozen_threads(_logger, "requests that need keys wait while the keys are fetched")
        self._flight = SingleFlight(fetcher, self._events, self._clock)
        self._unknown_kids = UnknownKidLimiter(interval=interval)

    @property
    def source(self) -> str:
        """The configured location: a `jwks_uri` without its query, or an issuer."""
        return self._flight.source

    @property
    def state(self) -> KeyState:
        """The state of the keys: `"empty"` before the first fetch, `"fresh"`, `"stale"` when their freshness has passed
        and no fetch has replaced them, or `"dead"` when they are too old to be used.
        """
        return self._flight.snapshot.state(self._clock())

    @property
    def age(self) -> timedelta | None:
        """The time since the last successful fetch; None before the first one."""
        snapshot = self._flight.snapshot
        return None if snapshot is EMPTY else timedelta(seconds=self._clock() - snapshot.fetched_at)

    def refresh(self) -> None:
        """Fetch now, for example at start-up, or wait for the running fetch. Raises `KeysUnavailable`."""
        with self._flight.lock:
            fetch = self._flight.begin("asked")
        fetch.wait()
        if not fetch.succeeded:
            raise self._unavailable()

    def current(self) -> KeySet | None:
        """Return the keys to use now; None before the first fetch and after `usable_for` without one.

        Does not wait, except for a fetch that it begins where the server runs no threads between requests.
        """
        flight = self._flight
        snapshot = flight.snapshot
        now = self._clock()
        if snapshot.fetched_at <= now < snapshot.refresh_at:
            return snapshot.keys
        if snapshot.usable(now) is not None and flight.running is None and now >= flight.retry_at:
            self._refresh_ahead(snapshot, now)
        return flight.snapshot.usable(now)

    def fetch_missing(self, kid: str | None, seen: KeySet | None) -> Iterator[Fetch]:
        """Yield each fetch that may bring *kid*, as `KeySource.fetch_missing` requires.

        A kid that the issuer does not publish causes at most one fetch per interval. If other keys are cached or the
        last fetch failed, the wait is at most one second.
        """
        begun_before, arrived_at = self._flight.number, self._clock()
        while True:
            usable = self._flight.snapshot.usable(self._clock())
            if usable is not seen:  # another request's fetch has replaced the keys
                seen = usable
                yield Fetch.already_ended()
                continue
            fetch = self._fetch_for(kid, seen)
            if fetch is None:
                return
            yield fetch if seen is None and not self._flight.is_failing else fetch.with_timeout(_MAX_WAIT)
            if not fetch.succeeded:
                raise self._unavailable()
            if fetch.number > begun_before:  # it began after the token arrived, so its result is final
                with self._flight.lock:
                    self._unknown_kids.remember(kid, arrived_at)  # from arrival: a key published since is fetched
                self._events.emit(UnknownKid(self.source, "fetched"))
                return

    def _fetch_for(self, kid: str | None, seen: KeySet | None) -> Fetch | None:
        """Return the fetch that may bring *kid*, or None if the kid does not exist or is assumed not to."""
        flight = self._flight
        with flight.lock:
            now = self._clock()
            if flight.snapshot.usable(now) is not seen:
                return Fetch.already_ended()
            running = flight.running
            if running is not None:
                return running
            if seen is not None and self._unknown_kids.remembers(kid, now):
                outcome: Literal["remembered", "limited"] = "remembered"
            elif now < flight.retry_at:
                raise self._unavailable()
            elif seen is None:  # without keys, a remembered kid causes a fetch too
                return flight.begin("first" if flight.snapshot is EMPTY else "scheduled")
            elif self._unknown_kids.may_fetch(now):
                return flight.begin("unknown_kid")
            elif flight.is_failing:  # the last fetch failed, so the key may exist
                raise self._unavailable()
            else:
                outcome = "limited"
        self._events.emit(UnknownKid(self.source, outcome))
        return None

    def _refresh_ahead(self, snapshot: JWKSSnapshot, now: float) -> None:
        flight = self._flight
        with flight.lock:
            flight.check_fork()  # which may postpone the refresh
            if flight.snapshot is not snapshot or flight.running is not None or now < flight.retry_at:
                return
            was_frozen = flight.under_way is not None
            fetch = flight.begin("scheduled")
        if (was_frozen or threads_are_frozen()) and can_block():  # the fetch's thread runs only while this one waits
            fetch.with_timeout(_MAX_WAIT).wait()
        if now >= snapshot.fresh_until and flight.snapshot is snapshot:
            self._events.emit(StaleKeysUsed(self.source, now - snapshot.fetched_at))

    def _unavailable(self) -> KeysUnavailable:
        pause = self._flight.retry_at - self._clock()
        return KeysUnavailable("the keys cannot be fetched", retry_after=math.ceil(max(_MIN_RETRY_AFTER, pause)))

    def __repr__(self) -> str:
        return f"<JWKSClient of {self.source}, {self.state}>"

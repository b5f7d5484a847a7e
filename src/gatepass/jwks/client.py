"""The keys of an issuer's key server, held so that a request hardly ever waits for it.

Keys are *fresh*, then *stale* but usable while fetches fail, then *dead*. A request reads one snapshot, without a lock;
a fetch runs in a thread of its own, one at a time, so that no request can cancel or multiply it. Until the keys are
dead, a token whose key is held neither waits nor fails; but where the server lets no thread run between two requests,
the request that begins a fetch waits for it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Literal, Unpack, final

from gatepass.common.allow import Allow, allowed
from gatepass.common.limits import steady_clock
from gatepass.common.runtime import may_block, threads_stand_still, warn_of_standing_threads
from gatepass.common.settings import clock_function
from gatepass.errors import KeysUnavailable
from gatepass.jwks.discovery import FixedAddress, IssuerMetadata
from gatepass.jwks.events import EventSink, KeyEvent, StaleKeysUsed, UnknownKid
from gatepass.jwks.fetcher import Fetcher
from gatepass.jwks.http import Http, Transport
from gatepass.jwks.single_flight import SingleFlight
from gatepass.jwks.snapshot import NOTHING, Held, KeyState, Timing, TimingOptions
from gatepass.jwks.unknown_kids import UnknownKids
from gatepass.keys import KeySet
from gatepass.keys.key_set import asymmetric_names
from gatepass.keys.source import Fetch, KeySource

__all__ = ["JWKSClient"]

_LEAST_RETRY_AFTER = 5
_logger = logging.getLogger("gatepass.jwks")


@final
class JWKSClient(KeySource):
    """The keys at *jwks_uri*, for the `keys=` of a `TokenVerifier`; several verifiers may share it.

    Give an `IssuerMetadata` instead of an address to find the address through the issuer's metadata.
    *algorithms* restricts the keys, and binds those that name none. *transport* makes the `httpx` transport of each
    fetch, where a proxy or a private authority must be named. *on_event* is told of every `KeyEvent`, in whatever
    thread it happens. *allow*: `HTTP_ON_LOOPBACK` for development. *clock* gives seconds that never go back.
    The other keywords are the numbers of `gatepass.jwks.snapshot`.

    Making one fetches nothing: the first token that needs a key does, or `refresh`. Raises `ConfigurationError`.

    >>> keys = JWKSClient("https://auth.example/jwks.json", usable_for=timedelta(hours=2))
    >>> keys.state
    'empty'
    """

    __slots__ = ("_clock", "_events", "_flight", "_longest_wait", "_unknown")

    def __init__(
        self,
        jwks_uri: str | IssuerMetadata,
        *,
        algorithms: Iterable[str] | None = None,
        transport: Transport | None = None,
        on_event: Callable[[KeyEvent], object] | None = None,
        allow: Allow = (),
        clock: Callable[[], float] | None = None,
        **timing: Unpack[TimingOptions],
    ) -> None:
        self._clock = told = clock_function(clock, default=steady_clock)
        numbers = Timing.of(timing)
        http = Http(transport, timeout=numbers.timeout, max_bytes=numbers.max_bytes)
        names = None if algorithms is None else asymmetric_names(algorithms)
        permitted = allowed(allow)
        address = jwks_uri if isinstance(jwks_uri, IssuerMetadata) else FixedAddress(jwks_uri, permitted)
        fetcher = Fetcher(address, http, numbers, algorithms=names, clock=told)
        self._events = EventSink(on_event)
        warn_of_standing_threads(_logger, "the requests that need keys fetch them, and wait for that")
        self._flight = SingleFlight(fetcher, numbers, self._events, told)
        self._longest_wait = numbers.longest_wait
        self._unknown = UnknownKids(
            interval=numbers.unknown_kid_interval, burst=numbers.unknown_kid_burst, capacity=numbers.remembered_kids
        )

    @property
    def source(self) -> str:
        """The configured address: a `jwks_uri`, without its query, or an issuer."""
        return self._flight.source

    @property
    def state(self) -> KeyState:
        """`"empty"` before the first fetch; `"fresh"`; `"stale"` when the last fetches failed or nobody asked for
        long; `"dead"` when that has lasted so long that the keys are no longer used.
        """
        return self._flight.held.state(self._clock())

    @property
    def age(self) -> timedelta | None:
        """How long ago a fetch succeeded; None if none has."""
        held = self._flight.held
        return None if held is NOTHING else timedelta(seconds=self._clock() - held.fetched_at)

    def refresh(self) -> None:
        """Fetch now, or wait for the fetch under way: at start-up, say. Raises `KeysUnavailable`."""
        with self._flight.lock:
            fetch = self._flight.begin("asked")
        fetch.wait()
        if not fetch.succeeded:
            raise self._unavailable()

    def current(self) -> KeySet | None:
        """The keys to use now, None before the first fetch and when the last is too long ago. Never waits."""
        flight = self._flight
        held = flight.held
        now = self._clock()
        if held.fetched_at <= now < held.refresh_at:
            return held.keys
        if held.usable(now) is not None and not flight.is_fetching and now >= flight.retry_at:
            self._refresh_ahead(held, now)
        return flight.held.usable(now)

    def fetch_missing(self, kid: str | None, seen: KeySet | None) -> Iterator[Fetch]:
        """See `KeySource.fetch_missing`. A kid that nobody publishes is looked for once an interval at most.

        With other keys, or bad news of a slow server, nobody waits long for it: each request may hold a thread.
        """
        begun_before, came_at = self._flight.number, self._clock()
        while True:
            usable = self._flight.held.usable(self._clock())
            if usable is not seen:  # another request's fetch has just brought other keys
                seen = usable
                yield Fetch.already_ended()
                continue
            fetch = self._fetch_for(kid, seen)
            if fetch is None:
                return
            yield fetch if seen is None and not self._flight.is_failing else fetch.with_timeout(self._longest_wait)
            if not fetch.succeeded:
                raise self._unavailable()
            if fetch.number > begun_before:  # it began after the token came, so what it brought is the answer
                with self._flight.lock:
                    self._unknown.remember(kid, came_at)  # it may have been published since, however long that took
                self._events.tell(UnknownKid(self.source, "fetched"))
                return

    def _fetch_for(self, kid: str | None, seen: KeySet | None) -> Fetch | None:
        flight = self._flight
        with flight.lock:
            now = self._clock()
            if flight.held.usable(now) is not seen:
                return Fetch.already_ended()
            under_way = flight.under_way
            if under_way is not None and not under_way.is_gone:
                return under_way
            if seen is not None and self._unknown.remembers(kid, now):
                outcome: Literal["remembered", "limited"] = "remembered"
            elif now < flight.retry_at:
                raise self._unavailable()
            elif seen is None:  # and what an older fetch did not bring is no news any more
                return flight.begin("first" if flight.held is NOTHING else "scheduled")
            elif self._unknown.may_fetch(now):
                return flight.begin("unknown_kid")
            elif flight.is_failing:  # the last fetch did not say that the key does not exist
                raise self._unavailable()
            else:
                outcome = "limited"
        self._events.tell(UnknownKid(self.source, outcome))
        return None

    def _refresh_ahead(self, held: Held, now: float) -> None:
        flight = self._flight
        with flight.lock:
            flight.forked()  # after which it may not be time yet
            if flight.held is not held or flight.is_fetching or now < flight.retry_at:
                return
            stood_still = flight.under_way is not None
            fetch = flight.begin("scheduled")
        if (stood_still or threads_stand_still()) and may_block():  # it runs while this one waits
            fetch.with_timeout(self._longest_wait).wait()
        if now >= held.fresh_until and flight.held is held:
            self._events.tell(StaleKeysUsed(self.source, now - held.fetched_at))

    def _unavailable(self) -> KeysUnavailable:
        pause = self._flight.retry_at - self._clock()
        return KeysUnavailable("the key server cannot be asked", retry_after=math.ceil(max(_LEAST_RETRY_AFTER, pause)))

    def __repr__(self) -> str:
        return f"<JWKSClient of {self.source}, {self.state}>"

"""The ring itself: the keys that are good at this instant, and the few things that can be done to them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, final

from gatepass.common.limits import DAY
from gatepass.common.runtime import warn_of_standing_threads
from gatepass.common.settings import clock_function, file_path
from gatepass.errors import ConfigurationError
from gatepass.keyring.changes import Emergency, begun, continued, removed, rotated
from gatepass.keyring.files import Directory, MountedFile, Turn
from gatepass.keyring.manifest import from_text, to_text
from gatepass.keyring.schedule import Schedule
from gatepass.keyring.timeline import RingKey, Timeline, listed
from gatepass.keyring.watch import DueRotation, Watch
from gatepass.keys import KeySet
from gatepass.keys.source import Fetch, KeySource

__all__ = ["KeyRing"]

_logger = logging.getLogger("gatepass.keyring")


@final
class KeyRing(KeySource):
    """A service's own signing keys, kept in *directory*, which any number of its processes share.

    *algorithm* is for new keys. *access_ttl* is the longest life of a token, *leeway* what verifiers add to it,
    *cache_ttl* how long others may keep a copy of the public keys (the `max-age` they are told), *margin* what the
    service's own clocks and processes may be apart. A new key is published *publish_ahead* before it signs, and stays
    *keep_retired* after; both follow from the other numbers unless they are to be longer. *rotate_every* is None for
    a ring that is rotated by command alone. Durations are seconds or timedeltas.
    *clock* gives the seconds since 1970, `time.time` unless given.

    The first key of an empty directory signs at once. Raises `ConfigurationError` for numbers that contradict each
    other, and for files that others can read.
    """

    __slots__ = ("_clock", "_due", "_place", "_schedule", "_watch")

    def __init__(
        self,
        directory: str | Path,
        *,
        algorithm: str = "ES256",
        access_ttl: float | timedelta = timedelta(minutes=15),
        leeway: float | timedelta = 30,
        cache_ttl: float | timedelta = timedelta(minutes=5),
        margin: float | timedelta = timedelta(minutes=1),
        rotate_every: float | timedelta | None = 90 * DAY,
        publish_ahead: float | timedelta | None = None,
        keep_retired: float | timedelta | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._schedule = Schedule.checked(
            algorithm=algorithm,
            access_ttl=access_ttl,
            leeway=leeway,
            cache_ttl=cache_ttl,
            margin=margin,
            rotate_every=rotate_every,
            publish_ahead=publish_ahead,
            keep_retired=keep_retired,
        )
        told = clock_function(clock, owner="KeyRing")
        kept = Directory(file_path(directory, "directory"))
        try:
            watch = self._started(kept, told())
        except OSError as error:
            raise ConfigurationError(
                f"the directory {directory} cannot hold a key ring: {error.strerror or 'it cannot be used'}"
            ) from error
        self._begin(self._schedule, kept, watch, told)

    @classmethod
    def open(cls, directory: str | Path, *, clock: Callable[[], float] | None = None) -> KeyRing:
        """The ring that is in *directory* already, with the numbers that the service gave it."""
        clock_function(clock)
        try:
            _, text = Directory(file_path(directory, "directory")).read()
        except OSError as error:
            raise ConfigurationError(f"there is no key ring in {directory} that can be read") from error
        schedule = from_text(text).schedule
        numbers: dict[str, Any] = {name: getattr(schedule, name) for name in Schedule.__slots__}
        return cls(directory, clock=clock, **numbers)

    @classmethod
    def mounted(cls, path: str | Path, *, clock: Callable[[], float] | None = None) -> KeyRing:
        """The ring in a file that is never written here: a mounted secret, the file itself or its directory.

        It has the numbers that the file says. Whoever makes the file rotates the ring; another file in its place is
        noticed within seconds. Raises `ConfigurationError`, also for a file that others can change or everybody read.
        """
        told = clock_function(clock, owner="KeyRing")
        file = MountedFile(file_path(path, "path"))
        try:
            stamp, text = file.read()
        except OSError as error:
            raise ConfigurationError(
                f"there is no key ring at {file.path} that can be read: {error.strerror or 'it cannot be used'}"
            ) from error
        line, ring = from_text(text), cls.__new__(cls)
        watch = Watch(file, stamp, line, told(), patience=line.schedule.cache_ttl)
        ring._begin(line.schedule, file, watch, told)  # noqa: SLF001 - what __init__ does after it has made its files
        return ring

    @property
    def access_ttl(self) -> timedelta:
        """The longest life of a token that a retired key is kept for."""
        return timedelta(seconds=self._schedule.access_ttl)

    @property
    def leeway(self) -> timedelta:
        """The largest leeway of a verifier that a retired key is kept for."""
        return timedelta(seconds=self._schedule.leeway)

    @property
    def cache_ttl(self) -> timedelta:
        """How long others may keep a copy of the public keys."""
        return timedelta(seconds=self._schedule.cache_ttl)

    def current(self) -> KeySet:
        """The keys of this instant, of which the active one signs: the same object until something changes.

        Raises `KeysUnavailable` when the directory could not be read for longer than others may keep a copy.
        """
        now, view = self._clock(), self._watch.view
        if view.since <= now < view.until:
            return view.keys
        view = self._watch.looked(now)
        if isinstance(self._place, Directory) and view.line.is_due(now, self._schedule):
            self._due.begin(self.rotate_if_due)
        return view.keys

    def fetch_missing(self, kid: str | None, seen: KeySet | None) -> Iterator[Fetch]:  # noqa: ARG002 - there is one place
        """Look at once whether another process changed the ring, as it does where a key was removed in an emergency."""
        if self._watch.is_behind():
            self._watch.look_again(self._clock())
        if self._watch.view.keys is not seen:  # another thread may have looked meanwhile
            yield Fetch.already_ended()

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JWK Set to publish now: public members alone."""
        return self.current().to_jwks()

    def all_keys(self) -> tuple[RingKey, ...]:
        """Every key with its state and times, those removed lately too, the oldest first. Raises `OSError`."""
        return listed(from_text(self._place.read()[1]), self._clock())

    def rotate(self) -> None:
        """Let another key sign as soon as everybody can have it: one that is published already, or a fresh one."""
        self._change(lambda line, now: rotated(line, now, self._schedule))

    def rotate_if_due(self) -> None:
        """Publish the next key if it is time. Of all processes that try at one moment, one does."""

        def when_due(line: Timeline, now: float) -> Timeline:
            if not line.is_due(now, self._schedule):
                return line
            return rotated(line, now, self._schedule, ahead=self._schedule.publish_ahead)

        self._change(when_due)

    def remove(self, kid: str, emergency: Emergency | None = None) -> None:
        """Remove the key *kid*, which must be one that never signed; or, with `EMERGENCY`, any key, at once.

        After an emergency the key's tokens are refused here now, and elsewhere as copies of the public keys grow old.
        If it was the one that signed, the next one does from now on; others learn a fresh one in the same time.
        """
        if not (emergency is None or isinstance(emergency, Emergency)):
            raise ConfigurationError("remove takes EMERGENCY, or nothing, beside the kid")
        self._change(lambda line, now: removed(line, now, self._schedule, kid, emergency))

    def _begin(
        self, schedule: Schedule, place: Directory | MountedFile, watch: Watch, clock: Callable[[], float]
    ) -> None:
        self._schedule = schedule
        self._place = place
        self._watch = watch
        self._clock = clock
        self._due = DueRotation(clock)
        warn_of_standing_threads(_logger, "a rotation that is due is the work of a request")

    def _started(self, directory: Directory, now: float) -> Watch:
        directory.make()
        try:
            stamp, text = directory.read()
            line = from_text(text)
        except FileNotFoundError:
            pass
        else:
            if continued(line, now, self._schedule) == line:
                return Watch(directory, stamp, line, now, patience=self._schedule.cache_ttl)

        def begin(turn: Turn) -> Watch:
            try:
                _, text = directory.read()
            except FileNotFoundError:
                _logger.info("a new key ring was begun")
                line = begun(now, self._schedule)
            else:
                line = continued(from_text(text), now, self._schedule)
            return Watch(directory, turn.replace(to_text(line)), line, now, patience=self._schedule.cache_ttl)

        return directory.change(begin)

    def _change(self, change: Callable[[Timeline, float], Timeline]) -> None:
        place = self._place
        if not isinstance(place, Directory):
            raise ConfigurationError(
                "a mounted key ring is never written: change it where its file is made, and mount the new file"
            )

        def work(turn: Turn) -> None:
            line = from_text(place.read()[1])
            changed = change(line, self._clock())
            if changed != line:
                turn.replace(to_text(changed))
                _logger.info("the key ring was changed")

        place.change(work)
        self._watch.look_again(self._clock())

    def __repr__(self) -> str:
        return f"<KeyRing in {self._place.path}, {self._schedule.algorithm}>"

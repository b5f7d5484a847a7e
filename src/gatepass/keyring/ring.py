"""`KeyRing`: the keys that are valid now, and the operations that change them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, final

from gatepass.common.limits import DAY
from gatepass.common.runtime import warn_of_frozen_threads
from gatepass.common.settings import clock_function, file_path
from gatepass.errors import ConfigurationError
from gatepass.keyring import changes
from gatepass.keyring.changes import Emergency
from gatepass.keyring.files import MountedFile, RingDirectory, WriteLock
from gatepass.keyring.manifest import from_text, to_text
from gatepass.keyring.schedule import Schedule
from gatepass.keyring.timeline import RingKey, Timeline, list_keys
from gatepass.keyring.watch import BackgroundRotation, Watch
from gatepass.keys import KeySet
from gatepass.keys.source import Fetch, KeySource

__all__ = ["KeyRing"]

_logger = logging.getLogger("gatepass.keyring")


@final
class KeyRing(KeySource):
    """A service's own signing keys in *directory*, shared by any number of the service's processes.

    *algorithm* is the algorithm of new keys. *access_ttl* is the maximum lifetime of a token, *leeway* the time that
    verifiers add to it, *cache_ttl* the time for which other services may cache the public keys (the `max-age` of the
    response), *margin* the maximum difference between the clocks of the service's own processes. A new key is
    published *publish_ahead* before it signs, and stays published *keep_retired* after it stops; both defaults follow
    from the other settings, and you may only raise them. *rotate_every* is None for a ring that is rotated only by
    command. Durations are seconds or timedeltas. *clock* returns the seconds since 1970; the default is `time.time`.

    The first key of an empty directory signs at once. Raises `ConfigurationError` for settings that contradict each
    other, and for files that other users can read.
    """

    __slots__ = ("_clock", "_place", "_rotation", "_schedule", "_watch")

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
        checked = clock_function(clock, owner="KeyRing")
        place = RingDirectory(file_path(directory, "directory"))
        try:
            watch = self._open_or_create(place, checked())
        except OSError as error:
            raise ConfigurationError(
                f"the directory {directory} cannot hold a key ring: {error.strerror or 'it cannot be used'}"
            ) from error
        self._set_up(self._schedule, place, watch, checked)

    @classmethod
    def open(cls, directory: str | Path, *, clock: Callable[[], float] | None = None) -> KeyRing:
        """Open the existing ring in *directory*, with the settings that the service gave it."""
        clock_function(clock)  # report a wrong argument before the directory is read
        try:
            _, text = RingDirectory(file_path(directory, "directory")).read()
        except OSError as error:
            raise ConfigurationError(f"there is no key ring in {directory} that can be read") from error
        schedule = from_text(text).schedule
        numbers: dict[str, Any] = {name: getattr(schedule, name) for name in Schedule.__slots__}
        return cls(directory, clock=clock, **numbers)

    @classmethod
    def mounted(cls, path: str | Path, *, clock: Callable[[], float] | None = None) -> KeyRing:
        """Open the ring in a mounted secret, read-only. *path* is the file or its directory.

        The settings come from the file. Rotate the ring where the file is created; the process notices a replaced file
        within seconds. Raises `ConfigurationError`, also for a file that other users can change, or can read without
        being in its group.
        """
        checked = clock_function(clock, owner="KeyRing")
        file = MountedFile(file_path(path, "path"))
        try:
            version, text = file.read()
        except OSError as error:
            raise ConfigurationError(
                f"there is no key ring at {file.path} that can be read: {error.strerror or 'it cannot be used'}"
            ) from error
        timeline, ring = from_text(text), cls.__new__(cls)
        watch = Watch(file, version, timeline, checked(), usable_for=timeline.schedule.cache_ttl)
        ring._set_up(timeline.schedule, file, watch, checked)  # noqa: SLF001 - as in __init__, but without a directory
        return ring

    @property
    def access_ttl(self) -> timedelta:
        """The maximum lifetime of a token for which a retired key is kept."""
        return timedelta(seconds=self._schedule.access_ttl)

    @property
    def leeway(self) -> timedelta:
        """The largest leeway of a verifier for which a retired key is kept."""
        return timedelta(seconds=self._schedule.leeway)

    @property
    def cache_ttl(self) -> timedelta:
        """The time for which other services may cache the public keys."""
        return timedelta(seconds=self._schedule.cache_ttl)

    def current(self) -> KeySet:
        """Return the keys that are valid now; the active one signs. The object stays the same until they change.

        Raises `KeysUnavailable` if the file has been unreadable for longer than `cache_ttl`.
        """
        now, view = self._clock(), self._watch.view
        if view.since <= now < view.until:
            return view.keys
        view = self._watch.view_at(now)
        if isinstance(self._place, RingDirectory) and view.timeline.is_due(now, self._schedule):
            self._rotation.begin(self.rotate_if_due)
        return view.keys

    def fetch_missing(self, kid: str | None, seen: KeySet | None) -> Iterator[Fetch]:  # noqa: ARG002 - one file has all keys
        """Check now whether another process changed the ring, for example by an emergency removal."""
        if self._watch.is_outdated():
            self._watch.refresh(self._clock())
        if self._watch.view.keys is not seen:  # this thread or another has reloaded the file
            yield Fetch.already_ended()

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the JWK Set to publish now, with public members only."""
        return self.current().to_jwks()

    def all_keys(self) -> tuple[RingKey, ...]:
        """Return every key, and the last few removed ones, with state and times, oldest first. Raises `OSError`."""
        return list_keys(from_text(self._place.read()[1]), self._clock())

    def rotate(self) -> None:
        """Make another key, published already or new, sign as soon as every cached copy can contain it."""
        self._change(lambda timeline, now: changes.rotate(timeline, now, self._schedule))

    def rotate_if_due(self) -> None:
        """Publish the next key if it is due. Of all processes that try at the same time, one publishes it."""

        def when_due(timeline: Timeline, now: float) -> Timeline:
            if not timeline.is_due(now, self._schedule):
                return timeline
            return changes.rotate(timeline, now, self._schedule, ahead=self._schedule.publish_ahead)

        self._change(when_due)

    def remove(self, kid: str, emergency: Emergency | None = None) -> None:
        """Remove the key *kid*, which must not have signed yet; or, with `EMERGENCY`, remove any key at once.

        After an emergency removal this service rejects the key's tokens now, other services when their cached copies
        expire. If the key was active, the next key signs from now on; other services get a new key when their cached
        copies expire.
        """
        if not (emergency is None or isinstance(emergency, Emergency)):
            raise ConfigurationError("the second argument of remove must be EMERGENCY, or be left out")
        self._change(lambda timeline, now: changes.remove(timeline, now, self._schedule, kid, emergency))

    def _set_up(
        self, schedule: Schedule, place: RingDirectory | MountedFile, watch: Watch, clock: Callable[[], float]
    ) -> None:
        self._schedule = schedule
        self._place = place
        self._watch = watch
        self._clock = clock
        self._rotation = BackgroundRotation(clock)
        warn_of_frozen_threads(_logger, "a request that finds a rotation due must wait for it")

    def _open_or_create(self, directory: RingDirectory, now: float) -> Watch:
        directory.make()
        try:
            version, text = directory.read()
            timeline = from_text(text)
        except FileNotFoundError:
            pass
        else:
            if changes.adopt(timeline, now, self._schedule) == timeline:
                return Watch(directory, version, timeline, now, usable_for=self._schedule.cache_ttl)

        def begin(lock: WriteLock) -> Watch:
            try:
                _, text = directory.read()
            except FileNotFoundError:
                _logger.info("a new key ring was created")
                timeline = changes.create(now, self._schedule)
            else:
                timeline = changes.adopt(from_text(text), now, self._schedule)
            return Watch(directory, lock.replace(to_text(timeline)), timeline, now, usable_for=self._schedule.cache_ttl)

        return directory.change(begin)

    def _change(self, change: Callable[[Timeline, float], Timeline]) -> None:
        place = self._place
        if not isinstance(place, RingDirectory):
            raise ConfigurationError(
                "a mounted key ring is read-only: change it where its file is created, and mount the new file"
            )

        def work(lock: WriteLock) -> None:
            timeline = from_text(place.read()[1])
            changed = change(timeline, self._clock())
            if changed != timeline:
                lock.replace(to_text(changed))
                _logger.info("the key ring was changed")

        place.change(work)
        self._watch.refresh(self._clock())

    def __repr__(self) -> str:
        return f"<KeyRing in {self._place.path}, {self._schedule.algorithm}>"

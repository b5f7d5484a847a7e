"""`KeyRing`: the keys that are valid at this instant, and the operations that change them."""

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
    """A service's own signing keys, kept in *directory*, which any number of its processes share.

    *algorithm* is for new keys. *access_ttl* is the longest life of a token, *leeway* what verifiers add to it,
    *cache_ttl* how long other services may keep a copy of the public keys (the `max-age` of the answer), *margin* what
    the service's own clocks and processes may be apart. A new key is published *publish_ahead* before it signs, and
    stays *keep_retired* after; both follow from the other numbers, and may be longer. *rotate_every* is None for a ring
    that is rotated by command alone. Durations are seconds or timedeltas.
    *clock* gives the seconds since 1970, `time.time` unless given.

    The first key of an empty directory signs at once. Raises `ConfigurationError` for numbers that contradict each
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
        """The ring that is in *directory* already, with the numbers that the service gave it."""
        clock_function(clock)  # the wrong argument is named before the place is looked at
        try:
            _, text = RingDirectory(file_path(directory, "directory")).read()
        except OSError as error:
            raise ConfigurationError(f"there is no key ring in {directory} that can be read") from error
        schedule = from_text(text).schedule
        numbers: dict[str, Any] = {name: getattr(schedule, name) for name in Schedule.__slots__}
        return cls(directory, clock=clock, **numbers)

    @classmethod
    def mounted(cls, path: str | Path, *, clock: Callable[[], float] | None = None) -> KeyRing:
        """The ring in a mounted secret, which is only read: the file itself or its directory.

        Its numbers are those in the file. It is rotated where the file is made, and a new file in its place is noticed
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
        line, ring = from_text(text), cls.__new__(cls)
        watch = Watch(file, version, line, checked(), usable_for=line.schedule.cache_ttl)
        ring._set_up(line.schedule, file, watch, checked)  # noqa: SLF001 - as __init__ does, without a directory
        return ring

    @property
    def access_ttl(self) -> timedelta:
        """The longest life of a token for which a retired key is kept."""
        return timedelta(seconds=self._schedule.access_ttl)

    @property
    def leeway(self) -> timedelta:
        """The largest leeway of a verifier for which a retired key is kept."""
        return timedelta(seconds=self._schedule.leeway)

    @property
    def cache_ttl(self) -> timedelta:
        """How long other services may keep a copy of the public keys."""
        return timedelta(seconds=self._schedule.cache_ttl)

    def current(self) -> KeySet:
        """The keys of this instant, of which the active one signs: the same object until they change.

        Raises `KeysUnavailable` when the file could not be read for longer than `cache_ttl`.
        """
        now, view = self._clock(), self._watch.view
        if view.since <= now < view.until:
            return view.keys
        view = self._watch.view_at(now)
        if isinstance(self._place, RingDirectory) and view.line.is_due(now, self._schedule):
            self._rotation.begin(self.rotate_if_due)
        return view.keys

    def fetch_missing(self, kid: str | None, seen: KeySet | None) -> Iterator[Fetch]:  # noqa: ARG002 - there is one place
        """Check now whether another process changed the ring, for example removed a key in an emergency."""
        if self._watch.is_outdated():
            self._watch.refresh(self._clock())
        if self._watch.view.keys is not seen:  # another thread may have read it meanwhile
            yield Fetch.already_ended()

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JWK Set to publish now: public members alone."""
        return self.current().to_jwks()

    def all_keys(self) -> tuple[RingKey, ...]:
        """Every key with its state and times, with the last few removed ones, the oldest first. Raises `OSError`."""
        return list_keys(from_text(self._place.read()[1]), self._clock())

    def rotate(self) -> None:
        """Let another key sign as soon as every copy can have it: one that is published already, or a new one."""
        self._change(lambda line, now: changes.rotate(line, now, self._schedule))

    def rotate_if_due(self) -> None:
        """Publish the next key if it is time. Of all processes that try at one moment, one does it."""

        def when_due(line: Timeline, now: float) -> Timeline:
            if not line.is_due(now, self._schedule):
                return line
            return changes.rotate(line, now, self._schedule, ahead=self._schedule.publish_ahead)

        self._change(when_due)

    def remove(self, kid: str, emergency: Emergency | None = None) -> None:
        """Remove the key *kid*, which must be one that never signed; or, with `EMERGENCY`, any key, at once.

        After an emergency the key's tokens are refused here now, and elsewhere when copies of the public keys expire.
        If the key was active, the next one signs from now on; other services learn a new one when their copies expire.
        """
        if not (emergency is None or isinstance(emergency, Emergency)):
            raise ConfigurationError("remove takes EMERGENCY, or nothing, beside the kid")
        self._change(lambda line, now: changes.remove(line, now, self._schedule, kid, emergency))

    def _set_up(
        self, schedule: Schedule, place: RingDirectory | MountedFile, watch: Watch, clock: Callable[[], float]
    ) -> None:
        self._schedule = schedule
        self._place = place
        self._watch = watch
        self._clock = clock
        self._rotation = BackgroundRotation(clock)
        warn_of_frozen_threads(_logger, "a rotation that is due is the work of a request")

    def _open_or_create(self, directory: RingDirectory, now: float) -> Watch:
        directory.make()
        try:
            version, text = directory.read()
            line = from_text(text)
        except FileNotFoundError:
            pass
        else:
            if changes.adopt(line, now, self._schedule) == line:
                return Watch(directory, version, line, now, usable_for=self._schedule.cache_ttl)

        def begin(lock: WriteLock) -> Watch:
            try:
                _, text = directory.read()
            except FileNotFoundError:
                _logger.info("a new key ring was begun")
                line = changes.create(now, self._schedule)
            else:
                line = changes.adopt(from_text(text), now, self._schedule)
            return Watch(directory, lock.replace(to_text(line)), line, now, usable_for=self._schedule.cache_ttl)

        return directory.change(begin)

    def _change(self, change: Callable[[Timeline, float], Timeline]) -> None:
        place = self._place
        if not isinstance(place, RingDirectory):
            raise ConfigurationError(
                "a mounted key ring is never written: change it where its file is made, and mount the new file"
            )

        def work(lock: WriteLock) -> None:
            line = from_text(place.read()[1])
            changed = change(line, self._clock())
            if changed != line:
                lock.replace(to_text(changed))
                _logger.info("the key ring was changed")

        place.change(work)
        self._watch.refresh(self._clock())

    def __repr__(self) -> str:
        return f"<KeyRing in {self._place.path}, {self._schedule.algorithm}>"

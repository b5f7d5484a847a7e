"""The automatic work of one process on a ring: watch the file for changes, and run due rotations.

Using a view costs two comparisons per token. A request checks the file every two seconds, and when a key changes its
state. While the file cannot be read, the last view is used for as long as others may cache the keys. After that, the
response is 503.

A rotation runs in its own thread, because creating and writing a key takes too long for a request. Where the server
freezes threads, a stalled thread would keep the lock, so a request runs the rotation. A failed rotation is logged and
retried later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, NamedTuple, final

from gatepass.common.event_loop import can_block
from gatepass.common.runtime import ProcessLock, threads_are_frozen
from gatepass.errors import ConfigurationError, KeysUnavailable
from gatepass.keyring.files import FileVersion, MountedFile, RingDirectory
from gatepass.keyring.manifest import from_text
from gatepass.keyring.schedule import RELOAD_INTERVAL
from gatepass.keyring.timeline import Entry, Timeline
from gatepass.keys import Key, KeySet

__all__ = ["BackgroundRotation", "Watch"]

_MAX_WAIT: Final = 5.0
"""Seconds that a request whose view is too old waits for another request that reads the file."""
_PAUSE: Final = 60.0
"""Seconds from a failed rotation to the next: a full disk stays full for a while, and each try takes the lock."""
_logger = logging.getLogger("gatepass.keyring")


class View(NamedTuple):
    """The ring from *since* up to *until*. The file was last read, or found unchanged, at *read_at*."""

    since: float
    until: float
    read_at: float
    version: FileVersion
    timeline: Timeline
    keys: KeySet


@final
class Watch:
    """The current view of the ring in *place*, whose file has *timeline* in *version*.

    Without a read of the file, a view is valid for *usable_for* seconds.
    """

    __slots__ = ("_failed_version", "_lock", "_parsed", "_place", "_usable_for", "view")

    def __init__(
        self,
        place: RingDirectory | MountedFile,
        version: FileVersion,
        timeline: Timeline,
        now: float,
        *,
        usable_for: float,
    ) -> None:
        self._place = place
        self._usable_for = usable_for
        self._parsed: dict[tuple[str, bool], Key] = {}
        self._lock = ProcessLock()
        self._failed_version: FileVersion | None = None
        self.view: View = self._view_of(version, timeline, now, None)

    def view_at(self, now: float) -> View:
        """Return a view for *now*. While another request reads the file, return the last view unless it is too old.

        Raises `KeysUnavailable`.
        """
        view = self.view
        is_old = not view.read_at <= now < view.read_at + self._usable_for
        if self._lock.acquire(timeout=_MAX_WAIT if is_old else 0):
            try:
                if not self.view.since <= now < self.view.until:
                    self.view = self._refresh(now, self.view)
            finally:
                self._lock.release()
        view = self.view
        if now >= view.read_at + self._usable_for:
            raise KeysUnavailable("the key ring cannot be read")
        return view

    def refresh(self, now: float) -> None:
        """Read the file now, because it was changed."""
        with self._lock:
            self.view = self._refresh(now, self.view)

    def is_outdated(self) -> bool:
        """Return whether the file was replaced since it was read. An unreadable file counts as unchanged."""
        try:
            return self._place.version() not in (self.view.version, self._failed_version)
        except OSError:
            return False

    def _refresh(self, now: float, last: View) -> View:
        seen: FileVersion | None = None
        try:
            seen = self._place.version()
            if seen == last.version:
                return self._view_of(last.version, last.timeline, now, last)
            version, text = self._place.read()
            return self._view_of(version, from_text(text), now, last)
        except (OSError, ConfigurationError) as error:
            self._failed_version = seen  # set after the read, so that requests for an unknown key wait for it
            if last.read_at == last.since:  # log only the first failure
                _logger.error("the key ring cannot be read: %s", type(error).__name__)  # noqa: TRY400 - a traceback may show secrets
            found, read_at = self._view_of(last.version, last.timeline, now, last), min(last.read_at, now)
            return found._replace(read_at=read_at, until=min(found.until, read_at + self._usable_for))

    def _view_of(self, version: FileVersion, timeline: Timeline, now: float, last: View | None) -> View:
        signer = timeline.signer(now)
        if signer is None:
            raise ConfigurationError("this key ring has no key that can sign: put back a copy of its file")
        keys = {one.kid: self._key(one, private=one == signer) for one in timeline.published(now)}
        if last is not None and tuple(last.keys) == tuple(keys.values()):
            current = last.keys
        else:
            current = KeySet(keys.values(), signing=keys[signer.kid])
            self._parsed = {label: key for label, key in self._parsed.items() if label[0] in keys}
        return View(now, min(now + RELOAD_INTERVAL, timeline.next_change(now)), now, version, timeline, current)

    def _key(self, entry: Entry, *, private: bool) -> Key:
        """Return the key of *entry*, parsed once: with its private half only if it signs."""
        known = self._parsed.get((entry.kid, private))
        if known is None:
            whole = self._parsed.get((entry.kid, True)) or Key.from_jwk(entry.jwk or {})
            self._parsed[entry.kid, whole.can_sign] = whole
            known = self._parsed[entry.kid, private] = whole.public() if whole.can_sign and not private else whole
        return known


@final
class BackgroundRotation:
    """The rotations of one ring in one process. *clock* is the ring's."""

    __slots__ = ("_clock", "_not_before", "_running")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._not_before = float("-inf")
        self._running = ProcessLock()

    def begin(self, rotate: Callable[[], None]) -> None:
        """Run *rotate*, unless a rotation is running or has failed within the last minute."""
        if self._clock() < self._not_before <= self._clock() + _PAUSE or not self._running.acquire(blocking=False):
            return
        if threads_are_frozen() and can_block():
            self._run(rotate)
            return
        try:
            threading.Thread(target=self._run, args=(rotate,), name="gatepass-keyring", daemon=True).start()
        except RuntimeError:  # no thread can be started, for example at interpreter shutdown: a later request retries
            self._running.release()

    def _run(self, rotate: Callable[[], None]) -> None:
        try:
            rotate()
        except (OSError, ConfigurationError) as error:
            self._not_before = self._clock() + _PAUSE
            _logger.error("the rotation of the key ring failed: %s", type(error).__name__)  # noqa: TRY400
        finally:
            self._running.release()

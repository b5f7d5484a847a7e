"""What one process sees of a ring. For every token two numbers are compared, and nothing more.

Once in a while, and at the instant at which some key changes its state, the directory is looked at. While it cannot
be read the last view holds, for as long as others may keep a copy of the keys; after that nobody can tell.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, NamedTuple, final

from gatepass.common.runtime import ProcessLock, may_block, threads_stand_still
from gatepass.errors import ConfigurationError, KeysUnavailable
from gatepass.keyring.files import Directory, MountedFile, Stamp
from gatepass.keyring.manifest import from_text
from gatepass.keyring.schedule import RELOAD
from gatepass.keyring.timeline import Entry, Timeline
from gatepass.keys import Key, KeySet

__all__ = ["DueRotation", "View", "Watch"]

_PATIENCE: Final = 5.0
_logger = logging.getLogger("gatepass.keyring")


class View(NamedTuple):
    """What was found, good for instants from *since* up to *until*; the file was read, or the same, at *read_at*."""

    since: float
    until: float
    read_at: float
    stamp: Stamp
    line: Timeline
    keys: KeySet


@final
class Watch:
    """Watches *place*, beginning with *line*, which was found there. *patience* is for when it cannot be read."""

    __slots__ = ("_known", "_looking", "_patience", "_place", "_unusable", "view")

    def __init__(
        self, place: Directory | MountedFile, stamp: Stamp, line: Timeline, now: float, *, patience: float
    ) -> None:
        self._place = place
        self._patience = patience
        self._known: dict[tuple[str, bool], Key] = {}
        self._looking = ProcessLock()
        self._unusable: Stamp | None = None
        self.view: View = self._seen(stamp, line, now, None)

    def looked(self, now: float) -> View:
        """A view for *now*. Whoever comes while another looks goes on with the last one, unless that is too old."""
        view = self.view
        is_old = not view.read_at <= now < view.read_at + self._patience
        if self._looking.acquire(timeout=_PATIENCE if is_old else 0):
            try:
                if not self.view.since <= now < self.view.until:
                    self.view = self._look(now, self.view)
            finally:
                self._looking.release()
        view = self.view
        if now >= view.read_at + self._patience:
            raise KeysUnavailable("the key ring cannot be read")
        return view

    def look_again(self, now: float) -> None:
        """Look at once, for something was changed."""
        with self._looking:
            self.view = self._look(now, self.view)

    def is_behind(self) -> bool:
        """Whether the file is another one than what was seen, or found to be of no use, as far as that can be told."""
        try:
            return self._place.stamp() not in (self.view.stamp, self._unusable)
        except OSError:
            return False

    def _look(self, now: float, last: View) -> View:
        seen: Stamp | None = None
        try:
            seen = self._place.stamp()
            if seen == last.stamp:
                return self._seen(last.stamp, last.line, now, last)
            stamp, text = self._place.read()
            return self._seen(stamp, from_text(text), now, last)
        except (OSError, ConfigurationError) as error:
            self._unusable = seen  # known only now: whoever comes while it is read must wait for what is in it
            if last.read_at == last.since:  # say it once
                _logger.error("the key ring cannot be read: %s", type(error).__name__)  # noqa: TRY400 - no traceback
            found, read_at = self._seen(last.stamp, last.line, now, last), min(last.read_at, now)
            return found._replace(read_at=read_at, until=min(found.until, read_at + self._patience))

    def _seen(self, stamp: Stamp, line: Timeline, now: float, last: View | None) -> View:
        signer = line.signer(now)
        if signer is None:
            raise ConfigurationError("this key ring has no key that can sign: put back a copy of its file")
        keys = {one.kid: self._key(one, private=one == signer) for one in line.published(now)}
        if last is not None and tuple(last.keys) == tuple(keys.values()):
            held = last.keys
        else:
            held = KeySet(keys.values(), signing=keys[signer.kid])
            self._known = {label: key for label, key in self._known.items() if label[0] in keys}
        return View(now, min(now + RELOAD, line.next_change(now)), now, stamp, line, held)

    def _key(self, entry: Entry, *, private: bool) -> Key:
        """The key of *entry*, parsed once; a private one for the key that signs, and for no other."""
        known = self._known.get((entry.kid, private))
        if known is None:
            whole = self._known.get((entry.kid, True)) or Key.from_jwk(entry.jwk or {})
            self._known[entry.kid, whole.can_sign] = whole
            known = self._known[entry.kid, private] = whole.public() if whole.can_sign and not private else whole
        return known


_PAUSE: Final = 60.0


@final
class DueRotation:
    """For one ring in one process. *clock* is the ring's."""

    __slots__ = ("_clock", "_not_before", "_running")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._not_before = float("-inf")
        self._running = ProcessLock()

    def begin(self, rotate: Callable[[], None]) -> None:
        """Let *rotate* run, unless it does already or has failed just now."""
        if self._clock() < self._not_before <= self._clock() + _PAUSE or not self._running.acquire(blocking=False):
            return
        if threads_stand_still() and may_block():
            self._run(rotate)
            return
        try:
            threading.Thread(target=self._run, args=(rotate,), name="gatepass-keyring", daemon=True).start()
        except RuntimeError:  # the interpreter is about to end, or has no thread to give: another time
            self._running.release()

    def _run(self, rotate: Callable[[], None]) -> None:
        try:
            rotate()
        except (OSError, ConfigurationError) as error:
            self._not_before = self._clock() + _PAUSE
            _logger.error("the key ring is due for a rotation, which failed: %s", type(error).__name__)  # noqa: TRY400
        finally:
            self._running.release()

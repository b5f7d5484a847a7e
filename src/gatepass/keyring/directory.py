"""The directory of a ring: one file that is read whole and replaced whole, and a lock for those who change it.

Readers take no lock, for the file is never half of anything, and see no file before a power cut would bring it back.
Refused are a directory and files that others than their owner can read, that belong to somebody else, or that are
links (`gatepass.private_files`).
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import secrets
import stat
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final, NamedTuple, final

from gatepass.errors import ConfigurationError
from gatepass.private_files import KEY_DIRECTORY, KEYS, Kept, create, open_file, refuse

__all__ = ["FILE", "Directory", "Stamp", "read_whole", "stamp_of"]

FILE: Final = "keyring.json"
_LOCK: Final = "lock"
_UNFINISHED: Final = ".unfinished"
_LONGEST_FILE: Final = 1_000_000
_PATIENCE: Final = 10.0

_of_this_process: set[int] = set()
"""Descriptors of lock files, open at this moment. A fork copies them, and the lock lasts as long as any copy."""


class Stamp(NamedTuple):
    """By which a file that was replaced is told from the one before."""

    device: int
    inode: int
    size: int
    changed: int


@final
class Directory:
    """The place at *path*, which is made if it is not there (its parent must be)."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        if importlib.util.find_spec("fcntl") is None:
            raise ConfigurationError("a key ring needs the file locks and modes of POSIX, which this system lacks")
        self.path: Path = path

    def make(self) -> None:
        """Make the directory, and see that it is the owner's alone."""
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        self._check()

    def stamp(self) -> Stamp:
        """Cheap to ask, and another one after each change. Raises `OSError`."""
        return stamp_of(os.stat(self.path / FILE))  # noqa: PTH116 - asked often, and a Path is slower

    def read(self) -> tuple[Stamp, bytes]:
        """The file's content, which no power cut takes back. Raises `OSError`, or `ConfigurationError` where others
        could read it too.
        """
        self._check()
        found = read_whole(self.path / FILE, KEYS)
        self._keep_names()  # who replaced the file may not have come so far
        return found

    @contextlib.contextmanager
    def locked(self) -> Generator[None, None, None]:
        """For one process and thread at a time. Raises `TimeoutError` if another one keeps the lock."""
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise ConfigurationError(f"{self.path} belongs to another user, who must be the one to change it")
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _of_this_process.add(descriptor)
        try:
            os.fchmod(descriptor, 0o600)  # whatever the umask left of it
            _lock(descriptor, self.path / _LOCK)
            self._sweep()
            yield
        finally:
            if descriptor in _of_this_process:
                _of_this_process.discard(descriptor)
                _unlock(descriptor)

    def replace(self, text: bytes) -> None:
        """Put *text* in the file's place, under the lock: whoever reads sees the old or the new, and keeps it."""
        unfinished = self.path / f"{secrets.token_hex(8)}{_UNFINISHED}"
        try:
            with os.fdopen(create(unfinished), "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, self.path / FILE)  # noqa: PTH105 - said as fsync beside it is
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        self._keep_names()

    def _check(self) -> None:
        found = self.path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise ConfigurationError(f"{self.path} is a link, which may lead elsewhere tomorrow: name the directory")
        refuse(found, self.path, KEY_DIRECTORY)

    def _keep_names(self) -> None:
        """Return when the file that has the name now keeps it: a power cut might bring the one before it back."""
        directory = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EINVAL):  # where nothing is written, nothing was replaced
                raise
        finally:
            os.close(directory)

    def _sweep(self) -> None:
        """What a process left that was killed while it wrote: it holds keys that no ring has."""
        for left in self.path.glob(f"*{_UNFINISHED}"):
            left.unlink(missing_ok=True)


def _forked() -> None:
    """In a child: the lock is the parent's, and must not live on in here when the parent is killed."""
    for descriptor in _of_this_process:
        os.close(descriptor)  # and not unlocked, which would take the lock from the parent
    _of_this_process.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def read_whole(path: Path, kept: Kept, *, follow_links: bool = False) -> tuple[Stamp, bytes]:
    """The file at *path*, if it may hold what it keeps. Raises `OSError`, or `ConfigurationError`."""
    with open_file(path, kept, follow_links=follow_links) as file:
        found = os.fstat(file.fileno())
        text = file.read(_LONGEST_FILE + 1)
    if len(text) > _LONGEST_FILE:
        raise ConfigurationError(f"{path} is too large for a key ring: put back a copy of it")
    return stamp_of(found), text


def stamp_of(found: os.stat_result) -> Stamp:
    """By what *found* is told from another file."""
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _lock(descriptor: int, path: Path) -> None:
    import fcntl  # noqa: PLC0415 - without it this module can be imported all the same

    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT, "another process does not let go of the key ring", str(path)
                ) from None
            time.sleep(0.01)
        else:
            return


def _unlock(descriptor: int) -> None:
    import fcntl  # noqa: PLC0415 - the same

    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # to close it is not enough where a child was forked meanwhile
    finally:
        os.close(descriptor)

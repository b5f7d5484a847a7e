"""The directory of a ring: one file that is read whole and replaced whole, and a lock for those who change it.

Readers take no lock, for the file is never half of anything. Refused are a directory and a file that others than
their owner can read, or that belong to somebody else.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import secrets
import stat
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, NamedTuple, final

from gatepass.errors import ConfigurationError

__all__ = ["FILE", "Directory", "Stamp", "read_whole", "stamp_of"]

FILE: Final = "keyring.json"
_LOCK: Final = "lock"
_UNFINISHED: Final = ".unfinished"
_LONGEST_FILE: Final = 1_000_000
_PATIENCE: Final = 10.0
_OTHERS: Final = 0o077

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
        _refuse_others(self.path.stat(), self.path, "chmod 700")

    def stamp(self) -> Stamp:
        """Cheap to ask, and another one after each change. Raises `OSError`."""
        return stamp_of(os.stat(self.path / FILE))  # noqa: PTH116 - asked often, and a Path is slower

    def read(self) -> tuple[Stamp, bytes]:
        """The file's content. Raises `OSError`, or `ConfigurationError` where others could read it too."""
        return read_whole(self.path / FILE, lambda found, path: _refuse_others(found, path, "chmod 600"))

    @contextlib.contextmanager
    def locked(self) -> Generator[None, None, None]:
        """For one process and thread at a time. Raises `TimeoutError` if another one keeps the lock."""
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise ConfigurationError(f"{self.path} belongs to another user, who must be the one to change it")
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _of_this_process.add(descriptor)
        try:
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
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, self.path / FILE)  # noqa: PTH105 - said as fsync beside it is
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        directory = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)  # without it a power cut may bring the old file back
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


def read_whole(path: Path, refuse: Callable[[os.stat_result, Path], None]) -> tuple[Stamp, bytes]:
    """The file at *path*, if *refuse* has nothing against it. Raises `OSError`."""
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        refuse(found, path)
        text = file.read(_LONGEST_FILE + 1)
    if len(text) > _LONGEST_FILE:
        raise ConfigurationError(f"{path} is too large for a key ring: put back a copy of it")
    return stamp_of(found), text


def stamp_of(found: os.stat_result) -> Stamp:
    """By what *found* is told from another file."""
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _refuse_others(found: os.stat_result, path: Path, remedy: str) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(f"{path} belongs to another user, who can read the private keys")
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise ConfigurationError(f"others can read or change {path}, and with it the private keys: {remedy} {path}")


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

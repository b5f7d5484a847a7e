"""The files of a ring: a directory with a lock for the processes that change it, or a file mounted by the platform.

The ring is one file, which is read and replaced as a whole. Readers take no lock: the file is never incomplete, and its
content is durable before they use it. A process that is stopped while it holds the lock delays others for some seconds;
then they take the lock over. Rejects a directory or file that other users can read or replace, that belongs to another
user, or that is a link (`gatepass.common.private_files`).

A mounted file, such as a Kubernetes or Docker secret, is never written. It may be a link, and its group may read it,
because platforms mount secrets this way. Other users must not be able to read it, and only its owner to change it.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import logging
import os
import secrets
import stat
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar, final

from gatepass.common.private_files import (
    KEY_DIRECTORY,
    KEYS,
    FilePolicy,
    check_access,
    check_directory,
    create_file,
    link_error,
    open_file,
)
from gatepass.errors import ConfigurationError

__all__ = ["FILE", "FileVersion", "MountedFile", "RingDirectory", "WriteLock", "read_ring_file"]

FILE: Final = "keyring.json"
_LOCK: Final = "lock"
_UNFINISHED: Final = ".unfinished"
_MAX_BYTES: Final = 1_000_000
_LOCK_TIMEOUT: Final = 10.0
"""Seconds that a process may hold the lock: much longer than a change takes, but short enough for a request."""
_MAX_ATTEMPTS: Final = 3
_MOUNTED_KEYS: Final = FilePolicy("the private keys", 0o027, "mount it with the mode 0440 or 0400")
_T = TypeVar("_T")
_logger = logging.getLogger("gatepass.keyring")


class FileVersion(NamedTuple):
    """The identity of a file, which differs from that of the file it replaced."""

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileVersion:
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


@final
class RingDirectory:
    """The directory at *path* with a ring that the processes of one service share and change."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        if importlib.util.find_spec("fcntl") is None:
            raise ConfigurationError("a key ring needs the file locks and modes of POSIX, which this system lacks")
        self.path: Path = path

    def make(self) -> None:
        """Create the directory, accessible only by its owner, if it does not exist. Its parent must exist."""
        check_directory(self.path.parent)
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(mode=0o700)

    def version(self) -> FileVersion:
        """Return the version of the file without reading it. Raises `OSError`."""
        return FileVersion.of(os.stat(self.path / FILE))  # noqa: PTH116 - called often, and a Path is slower

    def read(self) -> tuple[FileVersion, bytes]:
        """Return the file's content, once it is durable.

        Raises `OSError`, or `ConfigurationError` if other users can read it.
        """
        self._check()
        found = read_ring_file(self.path / FILE, KEYS)
        _sync_directory(self.path)  # the process that replaced the file may not have synced it yet
        return found

    def change(self, work: Callable[[WriteLock], _T]) -> _T:
        """Run *work* under the lock, again if it loses the lock, and return its result. Raises `OSError`."""
        for _ in range(_MAX_ATTEMPTS):
            with contextlib.suppress(LockLost), self.locked() as lock:
                return work(lock)
        raise LockLost

    @contextlib.contextmanager
    def locked(self) -> Generator[WriteLock, None, None]:
        """Hold the lock, in one process and thread at a time. A process that holds it for too long loses it.

        Raises `TimeoutError` if another thread of this process holds it for too long. Raises `LockLost`.
        """
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise ConfigurationError(f"{self.path} belongs to another user: run this as its owner")
        lock = WriteLock(self.path, self._acquire())
        try:
            lock.sweep()
            yield lock
        finally:
            if _lock_files.pop(lock.descriptor, None) is not None:
                _release_lock(lock.descriptor)

    def _check(self) -> None:
        found = self.path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise ConfigurationError(f"{self.path} is a link, which may point elsewhere later: give the target's path")
        check_access(found, self.path, KEY_DIRECTORY)
        check_directory(self.path.parent)

    def _acquire(self) -> int:
        """Acquire the lock and return its descriptor."""
        import fcntl  # noqa: PLC0415 - only POSIX has it, and all systems import this module

        _close_inherited()
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while True:
            descriptor = _open_lock(self.path / _LOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _close_lock(descriptor)
                if time.monotonic() > deadline:
                    return self._take_over()
                time.sleep(0.01)
            else:
                if _is_same_file(descriptor, self.path / _LOCK):
                    return _mark_held(descriptor)
                _close_lock(descriptor)  # another process has just taken it over

    def _take_over(self) -> int:
        """Replace the lock file of a process that was stopped, or whose fork has a copy of the lock.

        When that process resumes, it finds another lock file, or its unfinished file removed, and changes nothing.
        """
        import fcntl  # noqa: PLC0415 - the same

        place = self.path / _LOCK
        if _is_held_here(place):  # by a thread of this process, which is not stopped
            raise TimeoutError(errno.ETIMEDOUT, "another thread holds the lock of the key ring", str(place))
        fresh = self.path / f"{secrets.token_hex(8)}{_UNFINISHED}"
        descriptor = _open_lock(fresh)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.replace(fresh, place)  # noqa: PTH105 - like flock and fsync beside it
        except FileNotFoundError:  # another process took over first and removed the file
            _close_lock(descriptor)
            raise LockLost from None
        except BaseException:
            _close_lock(descriptor)
            raise
        _logger.warning("the lock of a key ring was taken from a process that held it for %g seconds", _LOCK_TIMEOUT)
        return _mark_held(descriptor)


@final
class WriteLock:
    """The right to replace the file, while the lock file in the directory is the one that *descriptor* has open.

    Replacing the file is one step, which fails if another process has swept the directory since. So of two processes
    that both assume the lock, the one that lost it changes nothing.
    """

    __slots__ = ("_path", "descriptor")

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self.descriptor: int = descriptor

    def sweep(self) -> None:
        """Remove the unfinished files of processes that were killed or lost the lock. No ring uses their keys."""
        for left in self._path.glob(f"*{_UNFINISHED}"):
            left.unlink(missing_ok=True)

    def replace(self, text: bytes) -> FileVersion:
        """Replace the file by *text*, durably. Readers see the old or the new text. Raises `LockLost`."""
        unfinished = self._path / f"{secrets.token_hex(8)}{_UNFINISHED}"
        try:
            with os.fdopen(create_file(unfinished), "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                version = FileVersion.of(os.fstat(file.fileno()))
            if not _is_same_file(self.descriptor, self._path / _LOCK):  # from here on, a sweep makes os.replace fail
                raise LockLost
            try:
                os.replace(unfinished, self._path / FILE)  # noqa: PTH105 - the same
            except FileNotFoundError:
                raise LockLost from None
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_directory(self._path)
        return version


class LockLost(TimeoutError):
    """This thread was stopped for so long that another process took over the lock. The file is unchanged."""

    def __init__(self) -> None:
        super().__init__(errno.ETIMEDOUT, "another process took over the lock of the key ring")


@final
class MountedFile:
    """A read-only ring: the file at *path*, or `keyring.json` in the directory at *path*."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        if not hasattr(os, "geteuid"):
            raise ConfigurationError("a key ring needs the file modes of POSIX, which this system lacks")
        self.path: Path = path / FILE if path.is_dir() else path

    def version(self) -> FileVersion:
        """Return the version of the file behind all links without reading it. Raises `OSError`."""
        return FileVersion.of(os.stat(self.path))  # noqa: PTH116 - called often, and a Path is slower

    def read(self) -> tuple[FileVersion, bytes]:
        """Return the file's content. Raises `OSError`, or `ConfigurationError` if other users can change or read it."""
        return read_ring_file(self.path, _MOUNTED_KEYS, follow_links=True)  # Kubernetes updates it by replacing a link


def read_ring_file(path: Path, policy: FilePolicy, *, follow_links: bool = False) -> tuple[FileVersion, bytes]:
    """Return the content of the file at *path*, if *policy* allows it. Raises `OSError`, or `ConfigurationError`."""
    with open_file(path, policy, follow_links=follow_links) as file:
        found = os.fstat(file.fileno())
        text = file.read(_MAX_BYTES + 1)
    if len(text) > _MAX_BYTES:
        raise ConfigurationError(f"{path} is too large for a key ring: put back a copy of it")
    return FileVersion.of(found), text


class _LockFile(NamedTuple):
    """A lock file that *process* opened, and whether it holds the lock."""

    process: int
    device: int
    inode: int
    held: bool


_lock_files: dict[int, _LockFile] = {}
"""By descriptor. A fork copies the descriptors, and the lock lasts as long as any copy is open."""


def _open_lock(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        if path.is_symlink():
            raise link_error(path) from None
        raise
    os.fchmod(descriptor, 0o600)  # the umask may have removed more bits
    found = os.fstat(descriptor)
    _lock_files[descriptor] = _LockFile(os.getpid(), found.st_dev, found.st_ino, held=False)
    return descriptor


def _mark_held(descriptor: int) -> int:
    _lock_files[descriptor] = _lock_files[descriptor]._replace(held=True)
    return descriptor


def _close_lock(descriptor: int) -> None:
    if _lock_files.pop(descriptor, None) is not None:
        os.close(descriptor)


def _release_lock(descriptor: int) -> None:
    import fcntl  # noqa: PLC0415 - the same

    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough if a child was forked meanwhile
    finally:
        os.close(descriptor)


def _is_held_here(path: Path) -> bool:
    """Return whether a thread of this process holds the lock at *path*."""
    found = path.stat()
    own_locks = [lock for lock in list(_lock_files.values()) if lock.held and lock.process == os.getpid()]
    return any((lock.device, lock.inode) == (found.st_dev, found.st_ino) for lock in own_locks)


def _is_same_file(descriptor: int, path: Path) -> bool:
    """Return whether *descriptor* has the file at *path* open."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _close_inherited() -> None:
    """In a forked child, close the parent's lock, or the child would hold it after the parent was killed."""
    for descriptor, lock in list(_lock_files.items()):
        if lock.process != os.getpid() and _lock_files.pop(descriptor, None) is not None:
            with contextlib.suppress(OSError):  # a server may have closed it and reused the number
                found = os.fstat(descriptor)
                if (found.st_dev, found.st_ino) == (lock.device, lock.inode):
                    os.close(descriptor)  # do not unlock: that would release the parent's lock


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)  # at once, if the server runs Python's fork hooks


def _sync_directory(directory: Path) -> None:
    """Make the names in *directory* durable, or a power cut may bring back the previous file."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EINVAL):  # a read-only file system: no file was replaced
            raise
    finally:
        os.close(descriptor)

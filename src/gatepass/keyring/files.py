"""The directory of a ring: one file that is read whole and replaced whole, and a lock for those who change it.

Readers take no lock, for the file is never half of anything, and see no file before a power cut would bring it back.
A process that is stopped under the lock holds others up for some seconds, after which they take it over. Refused are a
directory and files that others than their owner can read, or put aside, that belong to another user, or that are links
(`gatepass.common.private_files`).
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

from gatepass.common.private_files import KEY_DIRECTORY, KEYS, Kept, check_directory, create, link, open_file, refuse
from gatepass.errors import ConfigurationError

__all__ = ["FILE", "Directory", "MountedFile", "Overtaken", "Stamp", "Turn", "read_whole", "stamp_of"]

FILE: Final = "keyring.json"
_LOCK: Final = "lock"
_UNFINISHED: Final = ".unfinished"
_LONGEST_FILE: Final = 1_000_000
_PATIENCE: Final = 10.0
_TRIES: Final = 3
_T = TypeVar("_T")


class _Lock(NamedTuple):
    """A lock file that was opened by *process*, and whether it is held."""

    process: int
    device: int
    inode: int
    held: bool


_of_this_process: dict[int, _Lock] = {}
"""By their descriptors, which a fork copies: the lock lasts as long as any copy."""
_logger = logging.getLogger("gatepass.keyring")


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
        check_directory(self.path.parent)
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
        _keep_names(self.path)  # who replaced the file may not have come so far
        return found

    def change(self, work: Callable[[Turn], _T]) -> _T:
        """What *work* makes of its turn under the lock; again, if it was overtaken. Raises `OSError`."""
        for _ in range(_TRIES):
            with contextlib.suppress(Overtaken), self.locked() as turn:
                return work(turn)
        raise Overtaken

    @contextlib.contextmanager
    def locked(self) -> Generator[Turn, None, None]:
        """For one process and thread at a time. A process that keeps it for longer than any change takes loses it.

        Raises `TimeoutError` if a thread of this one does, and `Overtaken`.
        """
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise ConfigurationError(f"{self.path} belongs to another user, who must be the one to change it")
        turn = Turn(self.path, self._lock())
        try:
            turn.sweep()
            yield turn
        finally:
            if _of_this_process.pop(turn.descriptor, None) is not None:
                _unlock(turn.descriptor)

    def _check(self) -> None:
        found = self.path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise ConfigurationError(f"{self.path} is a link, which may lead elsewhere tomorrow: name the directory")
        refuse(found, self.path, KEY_DIRECTORY)
        check_directory(self.path.parent)

    def _lock(self) -> int:
        """The descriptor of the lock, which is this thread's now."""
        import fcntl  # noqa: PLC0415 - without it this module can be imported all the same

        _close_inherited()
        deadline = time.monotonic() + _PATIENCE
        while True:
            descriptor = _opened(self.path / _LOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _closed(descriptor)
                if time.monotonic() > deadline:
                    return self._taken_over()
                time.sleep(0.01)
            else:
                if _is_at(descriptor, self.path / _LOCK):
                    return _held(descriptor)
                _closed(descriptor)  # it was taken over a moment ago

    def _taken_over(self) -> int:
        """A lock in the place of the one that another process keeps, which was stopped, or whose fork has a copy.

        When that process goes on, it finds that the lock is another one, or its new file gone, and changes nothing.
        """
        import fcntl  # noqa: PLC0415 - the same

        place = self.path / _LOCK
        if _is_ours(place):  # a thread's: it has gone on while this one waited, and is at work
            raise TimeoutError(errno.ETIMEDOUT, "another thread does not let go of the key ring", str(place))
        fresh = self.path / f"{secrets.token_hex(8)}{_UNFINISHED}"
        descriptor = _opened(fresh)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.replace(fresh, place)  # noqa: PTH105 - beside its siblings
        except FileNotFoundError:  # another one that took over has swept it
            _closed(descriptor)
            raise Overtaken from None
        except BaseException:
            _closed(descriptor)
            raise
        _logger.warning("the lock of a key ring was taken from a process that kept it for %g seconds", _PATIENCE)
        return _held(descriptor)


@final
class Turn:
    """The right to change the file, for as long as the lock in the directory is the one that *descriptor* has open.

    To put a new file in place is one step, and fails if the directory was swept since: so of two that
    believe it is their turn, the one that was overtaken changes nothing.
    """

    __slots__ = ("_path", "descriptor")

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self.descriptor: int = descriptor

    def sweep(self) -> None:
        """Remove what a process left that was killed or overtaken while it wrote: it holds keys that no ring has."""
        for left in self._path.glob(f"*{_UNFINISHED}"):
            left.unlink(missing_ok=True)

    def replace(self, text: bytes) -> Stamp:
        """Put *text* in the file's place: readers see the old or the new, and keep it. Raises `Overtaken`."""
        unfinished = self._path / f"{secrets.token_hex(8)}{_UNFINISHED}"
        try:
            with os.fdopen(create(unfinished), "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                stamp = stamp_of(os.fstat(file.fileno()))
            if not _is_at(self.descriptor, self._path / _LOCK):  # only now: from here on a sweep is what stops us
                raise Overtaken
            try:
                os.replace(unfinished, self._path / FILE)  # noqa: PTH105 - said as fsync beside it is
            except FileNotFoundError:
                raise Overtaken from None
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _keep_names(self._path)
        return stamp


class Overtaken(TimeoutError):
    """This thread was stopped for so long that another took the lock. Nothing was changed."""

    def __init__(self) -> None:
        super().__init__(errno.ETIMEDOUT, "others come first at the key ring")


def _opened(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        if path.is_symlink():
            raise link(path) from None
        raise
    os.fchmod(descriptor, 0o600)  # the umask may have left less
    found = os.fstat(descriptor)
    _of_this_process[descriptor] = _Lock(os.getpid(), found.st_dev, found.st_ino, held=False)
    return descriptor


def _held(descriptor: int) -> int:
    _of_this_process[descriptor] = _of_this_process[descriptor]._replace(held=True)
    return descriptor


def _is_ours(path: Path) -> bool:
    """Whether a thread of this process holds the lock at *path*."""
    found = path.stat()
    mine = [lock for lock in list(_of_this_process.values()) if lock.held and lock.process == os.getpid()]
    return any((lock.device, lock.inode) == (found.st_dev, found.st_ino) for lock in mine)


def _closed(descriptor: int) -> None:
    if _of_this_process.pop(descriptor, None) is not None:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file that *descriptor* has open is the one at *path*."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _close_inherited() -> None:
    """In a child: the lock is the parent's, and must not live on in here when the parent is killed."""
    for descriptor, lock in list(_of_this_process.items()):
        if lock.process != os.getpid() and _of_this_process.pop(descriptor, None) is not None:
            with contextlib.suppress(OSError):  # a server may have closed it, and opened something else there
                found = os.fstat(descriptor)
                if (found.st_dev, found.st_ino) == (lock.device, lock.inode):
                    os.close(descriptor)  # and not unlocked, which would take the lock from the parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)  # at once, where the server says that it forks


def _keep_names(directory: Path) -> None:
    """Return when the file that has the name now keeps it: a power cut might bring the one before it back."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EINVAL):  # where nothing is written, nothing was replaced
            raise
    finally:
        os.close(descriptor)


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


def _unlock(descriptor: int) -> None:
    import fcntl  # noqa: PLC0415 - the same

    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # to close it is not enough where a child was forked meanwhile
    finally:
        os.close(descriptor)


_KEYS: Final = Kept("the private keys", 0o027, "mount it with the mode 0440 or 0400")


@final
class MountedFile:
    """The file at *path*, or `keyring.json` in the directory at *path*."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        if not hasattr(os, "geteuid"):
            raise ConfigurationError("a key ring needs the file modes of POSIX, which this system lacks")
        self.path: Path = path / FILE if path.is_dir() else path

    def stamp(self) -> Stamp:
        """Cheap to ask, and another one after each change, also of a link on the way. Raises `OSError`."""
        return stamp_of(os.stat(self.path))  # noqa: PTH116 - asked often, and a Path is slower

    def read(self) -> tuple[Stamp, bytes]:
        """The file's content. Raises `OSError`, or `ConfigurationError` where others could change or read it."""
        return read_whole(self.path, _KEYS, follow_links=True)  # Kubernetes exchanges a link

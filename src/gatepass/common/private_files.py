"""Checks of files that contain credentials: signing keys, or the sessions of signed-in users.

Such a file must be a regular file, not a link, and belong to the process's user or to root. Other users must not be
able to change it or, if it contains keys, to read it. They must not be able to replace it either: its directory, and
each directory on the path that contains a link, must belong to the same users and be writable for others only with the
sticky bit. Files created here have the mode 0600 under any umask. Systems without POSIX modes get only the checks of
the file's kind.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from gatepass.errors import ConfigurationError

__all__ = [
    "KEYS",
    "KEY_DIRECTORY",
    "SESSIONS",
    "FilePolicy",
    "check_access",
    "check_directory",
    "check_file",
    "create_file",
    "link_error",
    "open_file",
]

_WRITE: Final = 0o022
_POSIX: Final = hasattr(os, "geteuid")
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_WAITING: Final = getattr(os, "O_NONBLOCK", 0)  # opening a pipe would block until another process opens it
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_MAX_LINKS: Final = 40


class FilePolicy(NamedTuple):
    """What a file or directory contains, the mode bits that it must not have, and the command that removes them."""

    what: str
    forbidden: int
    remedy: str


KEYS: Final = FilePolicy("the private keys", 0o077, "chmod 600 {}")
KEY_DIRECTORY: Final = FilePolicy("the private keys", 0o077, "chmod 700 {}")
SESSIONS: Final = FilePolicy("who is signed in", _WRITE, "chmod 600 {}")
"""Only hashes, so other users may read them: an application's own tables may be in the same file."""


def check_access(found: os.stat_result, path: Path, policy: FilePolicy) -> None:
    """Raise `ConfigurationError` if *found*, the `stat` of *path*, gives other users access that *policy* forbids."""
    if not _POSIX:
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(
            f"{path} belongs to another user, who can read or change {policy.what}: run this as its owner, or chown it"
        )
    if stat.S_IMODE(found.st_mode) & policy.forbidden:
        can = "read or change" if policy.forbidden & ~_WRITE else "change"
        raise ConfigurationError(
            f"other users can {can} {path}, and with it {policy.what}: {policy.remedy.format(path)}"
        )


def check_file(path: Path, policy: FilePolicy) -> os.stat_result:
    """Check the file at *path* without opening it. Raises `OSError`, or `ConfigurationError` for a forbidden file."""
    found = path.lstat()
    _check_is_regular(found, path)
    check_access(found, path, policy)
    return found


def open_file(path: Path, policy: FilePolicy, *, follow_links: bool = False) -> BinaryIO:
    """Open the file at *path* for reading. The open descriptor is checked, so that the checked file is the one read.

    Raises `OSError`, or `ConfigurationError` for a forbidden file.
    """
    try:
        descriptor = os.open(path, _FLAGS | _NO_WAITING | (0 if follow_links else _NO_LINK))
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise link_error(path) from None
        raise
    file = os.fdopen(descriptor, "rb")
    try:
        found = os.fstat(descriptor)
        _check_is_regular(found, path)
        check_access(found, path, policy)
    except BaseException:
        file.close()
        raise
    return file


def check_directory(path: Path) -> None:
    """Raise `ConfigurationError` if other users can replace files in the directory *path*. Raises `OSError`.

    Links on the path are followed one by one, as the system does: a link that other users can change may point
    elsewhere later. Directories further up that contain no such link are not checked, because some systems make the
    directories of their mounts writable for all users.
    """
    if not _POSIX:
        path.stat()
        return
    top, *names = path.absolute().parts
    place, links = Path(top), 0
    names.reverse()
    while names:
        name = names.pop()
        if name == "..":
            place = place.parent  # its links are already resolved
            continue
        found = (place / name).lstat()
        if not stat.S_ISLNK(found.st_mode):
            place /= name
            continue
        _check_not_shared(place.lstat(), place)
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        if found.st_uid not in (os.geteuid(), 0):
            raise ConfigurationError(
                f"{place / name} is a link of another user, who can change its target: give the path of the target"
            )
        target = (place / name).readlink()
        place /= target.anchor
        names.extend(reversed(target.relative_to(target.anchor).parts))
    _check_not_shared(place.lstat(), place)


def create_file(path: Path) -> int:
    """Create a file that only its owner can access. Raises `FileExistsError` if the path exists, even as a link."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS
    descriptor = os.open(path, flags, 0o600)
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)  # a umask may have removed the owner's own permissions
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def link_error(path: Path) -> ConfigurationError:
    """Return the error for a link at *path*."""
    return ConfigurationError(f"{path} is a link, which may point elsewhere later: give the path of the file itself")


def _check_not_shared(found: os.stat_result, path: Path) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(
            f"the directory {path} belongs to another user, who can replace your files: use a directory of your own"
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_ISVTX:
        return
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _is_own_group(found.st_gid)):
        raise ConfigurationError(
            f"other users can replace the files in {path}: chmod go-w {path}, or use a directory of your own"
        )


def _check_is_regular(found: os.stat_result, path: Path) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise link_error(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"{path} is a device, a pipe or a socket: give the path of a file")


def _is_own_group(group_id: int) -> bool:
    """Return whether the group is the private group of the process's user, without other members.

    Debian makes directories writable for this group. The group of root does not count, because some systems put their
    administrators into it.
    """
    import grp  # noqa: PLC0415 - POSIX only
    import pwd  # noqa: PLC0415 - the same

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(group_id)
    except KeyError:
        return False
    alone = set(group.gr_mem) <= {user.pw_name}
    return user.pw_uid != 0 and user.pw_gid == group_id and group.gr_name == user.pw_name and alone

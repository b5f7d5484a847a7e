"""One rule for files that hold credentials: signing keys, or who is signed in.

Such a file is a regular one that belongs to the process's user or to root, named itself and not by a link, and others
can neither change it nor, where it holds keys, read it. Nor can they put another in its place: its directory, and each
one on the way that holds a link, belongs to the same users, and others write there only under the sticky bit. What is
made here has the mode 0600 under any umask. Systems without POSIX modes have the first half of this alone.
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
    "check_directory",
    "check_file",
    "create",
    "link",
    "open_file",
    "refuse",
]

_WRITE: Final = 0o022
_POSIX: Final = hasattr(os, "geteuid")
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_WAITING: Final = getattr(os, "O_NONBLOCK", 0)  # a pipe would keep the process until another opens it too
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_MAX_LINKS: Final = 40


class FilePolicy(NamedTuple):
    """What a file or directory holds, which bits of its mode open it to other users, and how to close it."""

    what: str
    forbidden: int
    remedy: str


KEYS: Final = FilePolicy("the private keys", 0o077, "chmod 600 {}")
KEY_DIRECTORY: Final = FilePolicy("the private keys", 0o077, "chmod 700 {}")
SESSIONS: Final = FilePolicy("who is signed in", _WRITE, "chmod 600 {}")
"""Hashes alone, so others may read them: an application's own tables may be in the same file."""


def refuse(found: os.stat_result, path: Path, policy: FilePolicy) -> None:
    """Raise `ConfigurationError` if others have a hand in *found*, which is at *path*."""
    if not _POSIX:
        return
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(
            f"{path} belongs to another user, who can read or change {policy.what}: run this as its owner, or chown it"
        )
    if stat.S_IMODE(found.st_mode) & policy.forbidden:
        can = "read or change" if policy.forbidden & ~_WRITE else "change"
        raise ConfigurationError(f"others can {can} {path}, and with it {policy.what}: {policy.remedy.format(path)}")


def check_file(path: Path, policy: FilePolicy) -> os.stat_result:
    """The file at *path*, which is not opened. Raises `OSError`, or `ConfigurationError` for one that will not do."""
    found = path.lstat()
    _refuse_other_kinds(found, path)
    refuse(found, path, policy)
    return found


def open_file(path: Path, policy: FilePolicy, *, follow_links: bool = False) -> BinaryIO:
    """The file at *path*, to be read. It is judged when it is open, so what is read is what was judged.

    Raises `OSError`, or `ConfigurationError` for a file that will not do.
    """
    try:
        descriptor = os.open(path, _FLAGS | _NO_WAITING | (0 if follow_links else _NO_LINK))
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise link(path) from None
        raise
    file = os.fdopen(descriptor, "rb")
    try:
        found = os.fstat(descriptor)
        _refuse_other_kinds(found, path)
        refuse(found, path, policy)
    except BaseException:
        file.close()
        raise
    return file


def check_directory(path: Path) -> None:
    """Raise `ConfigurationError` if others can put files in the place of those in *path*. Raises `OSError`.

    The way there is walked as the system walks it, for a link that others can change may lead elsewhere tomorrow. Where
    no link is, directories further up are not judged: some systems open those of their mounts to all.
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
            place = place.parent  # no link is in it
            continue
        found = (place / name).lstat()
        if not stat.S_ISLNK(found.st_mode):
            place /= name
            continue
        _refuse_shared(place.lstat(), place)
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        if found.st_uid not in (os.geteuid(), 0):
            raise ConfigurationError(
                f"{place / name} is a link of another user, who can lead it elsewhere: name what it leads to"
            )
        target = (place / name).readlink()
        place /= target.anchor
        names.extend(reversed(target.relative_to(target.anchor).parts))
    _refuse_shared(place.lstat(), place)


def _refuse_shared(found: os.stat_result, path: Path) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(
            f"the directory {path} belongs to another user, who can put files in the place of yours: take one of yours"
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_ISVTX:
        return
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _is_own_group(found.st_gid)):
        raise ConfigurationError(
            f"others can put files in the place of those in {path}: chmod go-w {path}, or take a directory of your own"
        )


def create(path: Path) -> int:
    """A descriptor of a new file for its owner alone. Raises `FileExistsError` if the name is taken, also by a link."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS
    descriptor = os.open(path, flags, 0o600)
    try:
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)  # a umask may have taken even the owner's rights
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_other_kinds(found: os.stat_result, path: Path) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise link(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"{path} is a device, a pipe or a socket: name a file")


def link(path: Path) -> ConfigurationError:
    """What is raised for a link at *path*."""
    return ConfigurationError(f"{path} is a link, which may lead elsewhere tomorrow: name the file itself")


def _is_own_group(group_id: int) -> bool:
    """Whether the group is the private one of the process's user, which has no other member: Debian makes directories
    writable for it. Root's is none, for some systems put their administrators there.
    """
    import grp  # noqa: PLC0415 - without POSIX there is none
    import pwd  # noqa: PLC0415 - the same

    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(group_id)
    except KeyError:
        return False
    alone = set(group.gr_mem) <= {user.pw_name}
    return user.pw_uid != 0 and user.pw_gid == group_id and group.gr_name == user.pw_name and alone

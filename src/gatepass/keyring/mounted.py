"""A ring in a file that the platform mounts, such as a secret of Kubernetes or Docker: it is read, and never written.

The file is made and rotated elsewhere, and another one is put in its place. Refused is a file that others than its
owner can change, or that everybody can read; its group may read it, for that is how platforms hand secrets over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, final

from gatepass.common.private_files import Kept
from gatepass.errors import ConfigurationError
from gatepass.keyring.files import FILE, Stamp, read_whole, stamp_of

__all__ = ["MountedFile"]

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

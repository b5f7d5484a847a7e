"""A fork as a server in C makes it: no hook of Python's runs in the child, which has all that threads were doing."""

import ctypes
import os
import sys

__all__ = ["fork_without_hooks"]


def fork_without_hooks() -> int:
    """As `os.fork`, without what `os.register_at_fork` was told."""
    if not sys.platform.startswith("linux"):
        return os.fork()
    return int(ctypes.PyDLL(None).fork())

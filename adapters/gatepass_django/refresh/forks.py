"""A connection serves one process: a fork that used its parent's would read answers that were meant for the other.

A server that loads a project and then forks its workers (gunicorn's `--preload`) hands an open connection to each.
"""

from __future__ import annotations

import os
from functools import cache, partial
from typing import Any, Final

from django.db import connections

__all__ = ["connect_anew_in_forks"]

_inherited: Final[list[Any]] = []


@cache
def connect_anew_in_forks(using: str) -> None:
    """From now on a fork of this process makes a connection of its own to the database *using*."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(_leave, using))


def _leave(using: str) -> None:
    for connection in connections.all(initialized_only=True):  # those of the thread that forked: there is no other
        if connection.alias == using:
            _inherited.append(connection)  # kept, because closing it might end the parent's
            del connections[using]

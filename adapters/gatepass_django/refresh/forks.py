"""A connection serves one process: a fork that used its parent's would read answers that were meant for the other.

A server that loads a project and then forks its workers (gunicorn's `--preload`, uWSGI) hands an open connection to
each. Whose a connection is stands beside it, for not every server that forks runs Python's hooks.
"""

from __future__ import annotations

import os
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.db import connections
from django.db.backends.signals import connection_created

__all__ = ["own_connection"]

_inherited: Final[list[Any]] = []
_loaded_by: Final = os.getpid()
_process_of: Final[WeakKeyDictionary[Any, int]] = WeakKeyDictionary()
"""By Django's wrapper: the process that connected. One that is not here connected before the application was loaded."""


def own_connection(using: str) -> Any:
    """This thread's connection to the database *using*, which no other process uses."""
    connection: Any = connections[using]
    if connection.connection is None or _process_of.get(connection, _loaded_by) == os.getpid():
        return connection
    _inherited.append(connection)  # kept, because closing it might end the parent's
    del connections[using]
    return connections[using]


def _connected(*, connection: Any, **_: object) -> None:
    _process_of[connection] = os.getpid()


connection_created.connect(_connected, dispatch_uid=__name__)

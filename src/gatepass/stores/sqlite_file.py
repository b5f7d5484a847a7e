"""Connections to one SQLite file: for any number of threads, and across a fork.

A connection serves one thread at a time and waits in a pool between. What threads write at one moment is committed
together. SQLite notes within a process what it has locked, and a fork copies the notes without the locks: the child
would take the file for locked, or itself for safe while its parent takes the log away. So a fork waits until no
connection is in use, and closes those that wait. Where a server runs no hooks at forks, the child closes them; it
refuses to work if one was in use.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, TypeVar, final

from gatepass.common.private_files import SESSIONS, check_directory, check_file, create
from gatepass.errors import ConfigurationError
from gatepass.stores.group_commit import GroupCommit

__all__ = ["SQLiteFile", "check_database"]

_T = TypeVar("_T")
_MAX_IDLE: Final = 8
_PAUSE: Final = 0.005
_PRAGMAS: Final = ("synchronous = FULL", "fullfsync = ON", "trusted_schema = OFF")
_SIDE_FILES: Final = ("-journal", "-wal", "-shm")
"""The files beside it that SQLite trusts on opening: a journal made by another user would be played back."""
_TRANSIENT: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EINTR))

_REFUSED: Final = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY))


@final
class SQLiteFile:
    """A database file. *on_connect* gets each new connection and may refuse it."""

    __slots__ = (
        "__weakref__", "_forks", "_gate", "_inside", "_is_split", "_on_connect", "_own", "_path", "_pool", "_process",
        "_timeout", "_was_there", "_write_lock", "_writers",
    )  # fmt: skip

    def __init__(self, path: Path, *, timeout: float, on_connect: Callable[[sqlite3.Connection], None]) -> None:
        self._path = path
        self._timeout = timeout
        self._on_connect = on_connect
        try:
            self._was_there = check_database(path)
        except OSError as error:
            raise _unusable(path, error) from error
        self._is_split = False
        """Whether a connection was in use as this process was forked: then nothing is known of the file's locks."""
        self._begin(_Pool())
        if hasattr(os, "register_at_fork"):
            before, parent, child = map(
                weakref.WeakMethod, (self._before_fork, self._after_fork_in_parent, self._after_fork_in_child)
            )
            os.register_at_fork(
                before=lambda: _call(before), after_in_parent=lambda: _call(parent), after_in_child=lambda: _call(child)
            )

    def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The result of *work*, which only reads."""
        here = self._enter()
        try:
            return self._with_connection(work)
        finally:
            del here

    def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The result of *work*, once it is on the disk. It may run twice, but counts once."""
        here = self._enter()
        try:
            outcome: _T = self._writers.run(work)
        finally:
            del here
        return outcome

    def create(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Make the file if it is not there, readable by its owner alone, and let *work* fill it in one transaction."""
        try:
            check_directory(self._path.parent)
            with suppress(FileExistsError):
                os.close(create(self._path))
            check_database(self._path)
        except OSError as error:
            if error.errno in _TRANSIENT:
                raise
            raise _unusable(self._path, error) from error
        self._was_there = True
        here = self._enter()
        try:
            self._fill(work)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _REFUSED:
                raise
            raise _unusable(self._path, error) from error
        finally:
            del here

    def _fill(self, work: Callable[[sqlite3.Connection], None]) -> None:
        connection = self._connect()
        try:
            if self._enable_wal(connection) != "wal":
                raise ConfigurationError("SQLite cannot keep a write-ahead log there; choose a path on a local disk")
            with self._write_lock:
                _in_transaction(connection, [work])
        finally:
            connection.close()

    def _enable_wal(self, connection: sqlite3.Connection) -> str:
        """The journal mode after the switch, which reads before it writes: SQLite refuses such an upgrade of a lock at
        once, because two connections could wait for each other. So it is tried again until the timeout has passed.
        """
        until = monotonic() + self._timeout
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() >= until:
                    raise
                sleep(_PAUSE)
            else:
                return str(mode)

    def close(self) -> None:
        """Close the connections. Those at work close when they have finished."""
        if os.getpid() != self._process:
            self._after_unhooked_fork()
        self._pool.close()

    def _transact(self, works: Sequence[Callable[[sqlite3.Connection], Any]]) -> Sequence[Any]:
        def together(connection: sqlite3.Connection) -> Sequence[Any]:
            try:
                return _in_transaction(connection, works)
            except sqlite3.OperationalError:  # disk or lock: each work alone would fail, too
                raise
            except Exception as error:  # noqa: BLE001 - retry each alone: only the failing one gets its error
                return [error] if len(works) == 1 else [_alone(connection, work) for work in works]

        with self._write_lock:
            return self._with_connection(together)

    def _with_connection(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        pool = self._pool
        connection = pool.acquire() or self._open()
        try:
            answer = work(connection)
        except BaseException:
            connection.close()  # SQLite rolls back what was not committed
            raise
        pool.release(connection)
        return answer

    def _open(self) -> sqlite3.Connection:
        if self._is_split:
            raise ConfigurationError(
                "this process was forked while another thread used the store, by a server that runs no hooks at "
                "forks: let it load the application in each worker, or run the hooks (uWSGI: --py-call-osafterfork)"
            )
        try:
            is_there = check_database(self._path)
        except OSError as error:
            raise sqlite3.OperationalError("the store's file is out of reach") from error
        if not is_there:
            if self._was_there:  # a volume that is away for a moment, and nothing that a new schema would mend
                raise sqlite3.OperationalError("the store's file is gone")
            raise ConfigurationError("the store's file does not exist; call create_schema() once")
        self._was_there = True
        connection = self._connect()
        try:
            self._on_connect(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}").close()
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin(self, pool: _Pool) -> None:
        """Begin as a process that has touched nothing yet."""
        self._pool = pool
        self._writers = GroupCommit(self._transact)
        self._write_lock = threading.Lock()
        self._gate = threading.Lock()
        self._inside: weakref.WeakSet[_Use] = weakref.WeakSet()  # weak: a thread may be interrupted anywhere
        self._own = threading.local()
        self._forks = 0
        self._process = os.getpid()

    def _enter(self) -> _Use:
        """What the caller holds while it uses connections."""
        if os.getpid() != self._process:
            self._after_unhooked_fork()
        outer: _Use | None = getattr(self._own, "inside", lambda: None)()
        if outer is not None:  # it writes while it reads: a fork that waits for one waits for both
            return outer
        here = _Use()
        self._own.inside = weakref.ref(here)
        while True:
            with self._gate:
                if not self._forks:
                    self._inside.add(here)
                    return here
            sleep(_PAUSE)

    def _before_fork(self) -> None:
        with self._gate:
            self._forks += 1
        until = monotonic() + self._timeout  # no longer than a writer waits for another
        while len(self._inside) and monotonic() < until:
            sleep(_PAUSE)
        if not len(self._inside):
            self._pool.empty()

    def _after_fork_in_parent(self) -> None:
        with self._gate:
            self._forks -= 1

    def _after_fork_in_child(self) -> None:
        self._is_split = self._is_split or len(self._inside) > 0
        self._begin(_Pool(inherited=self._pool))

    def _after_unhooked_fork(self) -> None:
        """In a child whose server runs no hooks at forks, such as uWSGI's."""
        if not len(self._inside):
            self._pool.empty()  # which frees no lock of the parent's: those are the process's own
        self._after_fork_in_child()


def check_database(path: Path) -> bool:
    """Whether there is a file at *path*. Raises `OSError`, and `ConfigurationError` if other users could change it.

    The file is not opened: closing it would drop the locks that SQLite has on it in this process.
    """
    try:
        check_directory(path.parent)
        check_file(path, SESSIONS)
    except FileNotFoundError:
        return False
    for name in _SIDE_FILES:
        with suppress(FileNotFoundError):
            check_file(path.with_name(path.name + name), SESSIONS)
    return True


class _Use:
    """A thread that uses connections."""

    __slots__ = ("__weakref__",)


class _Pool:
    """Idle connections of one process, closed when the pool goes."""

    def __init__(self, inherited: _Pool | None = None) -> None:
        self._inherited = inherited  # those that were in use are kept and left alone
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._end = weakref.finalize(self, _close_all, self._idle, os.getpid())

    def acquire(self) -> sqlite3.Connection | None:
        with self._lock:
            if self._closed:
                raise sqlite3.ProgrammingError("the store is closed")
            return self._idle.pop() if self._idle else None

    def release(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def empty(self) -> None:
        """Close those that wait. Without the lock: a fork may have copied it while another thread had it."""
        _close_all(self._idle, os.getpid())

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._end()


def _unusable(path: Path, error: OSError | sqlite3.OperationalError) -> ConfigurationError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ConfigurationError(
        f"the store's file {path} cannot be used: {reason}; "
        "its directory must be there, and this process's user must be able to read and write in it"
    )


def _close_all(connections: list[sqlite3.Connection], owner: int) -> None:
    if os.getpid() == owner:
        while connections:
            connections.pop().close()


def _call(reference: weakref.WeakMethod[Callable[[], None]]) -> None:
    method = reference()
    if method is not None:
        method()


def _in_transaction(
    connection: sqlite3.Connection, works: Sequence[Callable[[sqlite3.Connection], Any]]
) -> Sequence[Any]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [work(connection) for work in works]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _alone(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], Any]) -> Any:
    try:
        return _in_transaction(connection, [work])[0]
    except Exception as error:  # noqa: BLE001 - it is raised to the one thread that it concerns
        return error

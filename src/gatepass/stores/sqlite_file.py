"""Connections to one SQLite file, for any number of threads and across forks.

A connection serves one thread at a time and is kept in a pool otherwise. Concurrent writes of threads are committed
together. SQLite records its locks in the process, and a fork copies these records without the locks: the child would
treat the file as locked, or as its own while the parent removes the log. So a fork waits until no connection is in use,
and closes the idle ones. Under a server that runs no fork hooks, the child closes them, and refuses to work if a
connection was in use.
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

from gatepass.common.private_files import SESSIONS, check_directory, check_file, create_file
from gatepass.errors import ConfigurationError
from gatepass.stores.group_commit import GroupCommit

__all__ = ["SQLiteFile", "check_database"]

_T = TypeVar("_T")
_MAX_IDLE: Final = 8
_PAUSE: Final = 0.005
_PRAGMAS: Final = ("synchronous = FULL", "fullfsync = ON", "trusted_schema = OFF")
_SIDE_FILES: Final = ("-journal", "-wal", "-shm")
"""Files beside the database that SQLite trusts when it opens it: it would replay a journal made by another user."""
_TRANSIENT_ERRORS: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EINTR))

_ACCESS_ERRORS: Final = frozenset((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY))


@final
class SQLiteFile:
    """A database file. *on_connect* receives each new connection and may raise to reject it."""

    __slots__ = (
        "__weakref__",
        "_has_existed",
        "_locks_unknown",
        "_on_connect",
        "_path",
        "_pending_forks",
        "_pool",
        "_process",
        "_thread",
        "_timeout",
        "_uses",
        "_uses_lock",
        "_write_lock",
        "_writers",
    )  # fmt: skip

    def __init__(self, path: Path, *, timeout: float, on_connect: Callable[[sqlite3.Connection], None]) -> None:
        self._path = path
        self._timeout = timeout
        self._on_connect = on_connect
        try:
            self._has_existed = check_database(path)
        except OSError as error:
            raise _unusable(path, error) from error
        self._locks_unknown = False
        """Whether a connection was in use when this process was forked: the file's locks are then unknown."""
        self._begin(_Pool())
        if hasattr(os, "register_at_fork"):
            before, parent, child = map(
                weakref.WeakMethod, (self._before_fork, self._after_fork_in_parent, self._after_fork_in_child)
            )
            os.register_at_fork(
                before=lambda: _call(before), after_in_parent=lambda: _call(parent), after_in_child=lambda: _call(child)
            )

    def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run *work*, which only reads, and return its result."""
        use = self._enter()
        try:
            return self._with_connection(work)
        finally:
            del use

    def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run *work* and return its result once it is durable. *work* may run twice, but is committed once."""
        use = self._enter()
        try:
            outcome: _T = self._writers.run(work)
        finally:
            del use
        return outcome

    def create(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Create the file, readable only by its owner, unless it exists. Let *work* fill it in one transaction."""
        try:
            check_directory(self._path.parent)
            with suppress(FileExistsError):
                os.close(create_file(self._path))
            check_database(self._path)
        except OSError as error:
            if error.errno in _TRANSIENT_ERRORS:
                raise
            raise _unusable(self._path, error) from error
        self._alter(work, prepare=self._require_wal)

    def alter(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Let *work* change the tables of the existing file in one transaction, and return its result."""
        return self._alter(work)

    def _alter(
        self, work: Callable[[sqlite3.Connection], _T], *, prepare: Callable[[sqlite3.Connection], None] | None = None
    ) -> _T:
        use = self._enter()
        try:
            connection = self._connect_to_existing()
            try:
                if prepare is not None:
                    prepare(connection)
                with self._write_lock:
                    result: _T = _in_transaction(connection, [work])[0]
            finally:
                connection.close()
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _ACCESS_ERRORS:
                raise
            raise _unusable(self._path, error) from error
        finally:
            del use
        return result

    def _require_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to the write-ahead log.

        The switch reads before it writes. SQLite refuses such a lock upgrade at once, because two connections could
        wait for each other. So retry until the timeout has passed.
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
                if mode != "wal":
                    raise ConfigurationError(
                        "SQLite cannot keep a write-ahead log there; choose a path on a local disk"
                    )
                return

    def close(self) -> None:
        """Close the connections. A connection in use is closed when its work has finished."""
        if os.getpid() != self._process:
            self._after_unhooked_fork()
        self._pool.close()

    def _transact(self, works: Sequence[Callable[[sqlite3.Connection], Any]]) -> Sequence[Any]:
        def together(connection: sqlite3.Connection) -> Sequence[Any]:
            try:
                return _in_transaction(connection, works)
            except sqlite3.OperationalError:  # disk or lock: each work would fail alone, too
                raise
            except Exception as error:  # noqa: BLE001 - retry each alone: only the failing one gets its error
                return [error] if len(works) == 1 else [_alone(connection, work) for work in works]

        with self._write_lock:
            return self._with_connection(together)

    def _with_connection(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        pool = self._pool
        connection = pool.acquire() or self._open()
        try:
            result = work(connection)
        except BaseException:
            connection.close()  # SQLite rolls back what was not committed
            raise
        pool.release(connection)
        return result

    def _open(self) -> sqlite3.Connection:
        connection = self._connect_to_existing()
        try:
            self._on_connect(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_to_existing(self) -> sqlite3.Connection:
        if self._locks_unknown:
            raise ConfigurationError(
                "this process was forked while another thread used the store, by a server that runs no fork "
                "hooks: load the application in each worker, or enable the hooks (uWSGI: --py-call-osafterfork)"
            )
        try:
            exists = check_database(self._path)
        except OSError as error:
            raise sqlite3.OperationalError("the store's file cannot be accessed") from error
        if not exists:
            if self._has_existed:  # such as a volume unmounted for a moment, which no new schema would repair
                raise sqlite3.OperationalError("the store's file is gone")
            raise ConfigurationError("the store's file does not exist; call create_schema() once")
        self._has_existed = True
        return self._connect()

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
        """Initialize the state of a process that has used no connection yet."""
        self._pool = pool
        self._writers = GroupCommit(self._transact)
        self._write_lock = threading.Lock()
        self._uses_lock = threading.Lock()
        self._uses: weakref.WeakSet[_Use] = weakref.WeakSet()  # weak: an interrupted thread need not clean up
        self._thread = threading.local()
        self._pending_forks = 0
        self._process = os.getpid()

    def _enter(self) -> _Use:
        """Return an object that the caller references while it uses connections."""
        if os.getpid() != self._process:
            self._after_unhooked_fork()
        outer: _Use | None = getattr(self._thread, "use", lambda: None)()
        if outer is not None:  # a write within a read: a fork that waits for one waits for both
            return outer
        use = _Use()
        self._thread.use = weakref.ref(use)
        while True:
            with self._uses_lock:
                if not self._pending_forks:
                    self._uses.add(use)
                    return use
            sleep(_PAUSE)

    def _before_fork(self) -> None:
        with self._uses_lock:
            self._pending_forks += 1
        until = monotonic() + self._timeout  # no longer than a writer waits for another writer
        while len(self._uses) and monotonic() < until:
            sleep(_PAUSE)
        if not len(self._uses):
            self._pool.empty()

    def _after_fork_in_parent(self) -> None:
        with self._uses_lock:
            self._pending_forks -= 1

    def _after_fork_in_child(self) -> None:
        self._locks_unknown = self._locks_unknown or len(self._uses) > 0
        self._begin(_Pool(inherited=self._pool))

    def _after_unhooked_fork(self) -> None:
        """Reset the state in a child of a server that runs no fork hooks, such as uWSGI."""
        if not len(self._uses):
            self._pool.empty()  # this releases none of the parent's locks, which belong to its process
        self._after_fork_in_child()


def check_database(path: Path) -> bool:
    """Return whether *path* exists. Raises `OSError`, and `ConfigurationError` if other users can change it.

    The file is not opened, because closing it would release the locks that SQLite holds on it in this process.
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
    """The use of connections by one thread."""

    __slots__ = ("__weakref__",)


class _Pool:
    """The idle connections of one process, closed when the pool is garbage-collected."""

    def __init__(self, inherited: _Pool | None = None) -> None:
        self._inherited = inherited  # connections that were in use must stay open and unused
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
        """Close the idle connections, without the lock: a fork may have copied it while another thread held it."""
        _close_all(self._idle, os.getpid())

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._end()


def _unusable(path: Path, error: OSError | sqlite3.OperationalError) -> ConfigurationError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ConfigurationError(
        f"the store's file {path} cannot be used: {reason}; "
        "its directory must exist, and this process's user must be able to read and write in it"
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
    except Exception as error:  # noqa: BLE001 - raised in the thread that submitted the work
        return error

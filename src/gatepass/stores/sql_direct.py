"""The two statements of every refresh, by the driver's own cursor: SQLAlchemy's layers cost as much as the disk.

Connections come from the engine's pool and go back to it; one on which anything went wrong does not. Where the server
went away, those that were used before are not used again. No engine event tells of these statements. For drivers that
are not named here, the store asks through SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from gatepass.stores.rows import COLUMNS

__all__ = ["DirectStatements"]

_GET: Final = f"SELECT {', '.join(COLUMNS)} FROM gatepass_families WHERE family_id = %(name)s"  # noqa: S608 - names of our own
_ROTATE: Final = """UPDATE gatepass_families
    SET current_hash = %(new)s, previous_hash = %(old)s, salt = %(new_salt)s, rotated_at = %(moment)s,
        idle_expires_at = %(idle)s, purge_at = CASE WHEN purge_at > %(look)s THEN %(look)s ELSE purge_at END
    WHERE family_id = %(name)s AND current_hash = %(old)s AND revoked_at IS NULL"""
_NAME: Final = COLUMNS.index("family_id")
_KEPT: Final = "gatepass"
_DRIVERS: Final = frozenset(("psycopg", "pymysql"))


@final
class DirectStatements:
    """Reads and rotates families by *engine*, whose connections commit by themselves or are told to (*commits*)."""

    __slots__ = ("_binary_names", "_commits", "_engine", "_errors", "_last_loss")

    @staticmethod
    def fits(engine: Engine) -> bool:
        """Whether the driver is one whose cursor is known."""
        return engine.dialect.driver in _DRIVERS

    def __init__(self, engine: Engine, *, commits: bool) -> None:
        self._engine = engine
        self._commits = commits
        self._errors: Any = engine.dialect.loaded_dbapi.Error
        self._binary_names = engine.dialect.driver == "pymysql"
        self._last_loss = object()
        """Another after each loss of the server. A cursor keeps it; with an older one its connection may be dead."""

    def get(self, values: dict[str, Any]) -> Sequence[Any]:
        """The rows of the family that *values* name, in the order of `COLUMNS`."""
        rows: list[Any] = self._carry_out(_GET, values, _all_rows)
        if not self._binary_names:
            return rows
        return [(*row[:_NAME], row[_NAME].decode(), *row[_NAME + 1 :]) for row in rows]

    def rotate(self, values: dict[str, Any]) -> int:
        """How many rows the rotation changed, once it is durable."""
        changed: int = self._carry_out(_ROTATE, values, _row_count)
        return changed

    def _carry_out(self, statement: str, values: dict[str, Any], answer: Callable[[Any], Any]) -> Any:
        if self._binary_names:
            values = values | {"name": values["name"].encode()}
        while True:
            with self._engine.connect() as connection:
                last_loss = self._last_loss
                cursor, known = connection.connection.info.get(_KEPT, (None, last_loss))
                if known is last_loss:
                    if self._commits and statement is not _ROTATE:
                        connection.begin()  # whatever the pool does: SQLAlchemy ends it with the connection's use
                    return self._executed(connection, cursor, statement, values, answer)
                connection.invalidate()

    def _executed(
        self, connection: Connection, cursor: Any, statement: str, values: dict[str, Any], answer: Callable[[Any], Any]
    ) -> Any:
        pooled = connection.connection
        try:
            if cursor is None:  # kept beside its connection: a new one forgets how to send what is sent every time
                cursor = pooled.cursor()
                pooled.info[_KEPT] = (cursor, self._last_loss)
            cursor.execute(statement, values)
            if self._commits and statement is _ROTATE:
                pooled.commit()
            return answer(cursor)
        except self._errors as error:
            gone = self._engine.dialect.is_disconnect(error, pooled, None)
            if gone:  # a plain refusal must not write: it would take back what another thread has noticed
                self._last_loss = object()
            connection.invalidate(error)
            raise DBAPIError.instance(
                None, None, error, self._errors, hide_parameters=True, connection_invalidated=gone,
                dialect=self._engine.dialect,
            ) from error  # fmt: skip
        except BaseException as error:
            connection.invalidate(error)  # the connection's state is unknown
            raise


def _all_rows(cursor: Any) -> Any:
    return cursor.fetchall()


def _row_count(cursor: Any) -> Any:
    return cursor.rowcount

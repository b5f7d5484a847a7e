"""The statements of `SQLStore`, built once. Each of them is atomic alone, and asks an index."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, insert, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from gatepass.refresh.family import Rotation
from gatepass.stores.rows import COLUMNS
from gatepass.stores.sql_tables import families, revocations

__all__ = [
    "ALIVE", "CREATE", "DELETE_DEAD", "ENDING", "FORGET", "FORGET_ONE", "FORGET_SALTS", "GET", "PAST", "PUT", "PUT_OFF",
    "REVOKE", "REVOKED_UNTIL", "ROTATE",
]  # fmt: skip

_row = families.c
_entry = revocations.c
_BY_NAME: Final = _row.family_id == bindparam("name")


def _not_after(moment: str) -> Any:
    """`purge_at`, or *moment* where that is earlier: where it is not, the index is not written."""
    earlier: ColumnElement[Any] = bindparam(moment)
    return case((_row.purge_at > earlier, earlier), else_=_row.purge_at)


CREATE: Final = insert(families)

GET: Final = select(*(_row[name] for name in COLUMNS)).where(_BY_NAME)

ROTATE: Final = (
    update(families)
    .where(_BY_NAME, _row.current_hash == bindparam("old"), _row.revoked_at.is_(None))
    .values(
        current_hash=bindparam("new"),
        previous_hash=bindparam("old"),
        salt=bindparam("new_salt"),
        rotated_at=bindparam("moment"),
        idle_expires_at=bindparam("idle"),
        purge_at=_not_after("look"),
    )
)

_NAMED: Final = _row.family_id.in_(bindparam("names", expanding=True))

REVOKE: Final = (
    update(families)
    .where(_NAMED, _row.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"), purge_at=_not_after("at"))
)
ALIVE: Final = {
    column: select(_row.family_id)
    .where(_row[column] == bindparam("name"), _row.revoked_at.is_(None), _row.family_id > bindparam("last"))
    .order_by(_row.family_id)
    .limit(bindparam("size"))
    for column in ("subject_hash", "client_id_hash")
}

_LIFE: Final = case((_row.idle_expires_at < _row.expires_at, _row.idle_expires_at), else_=_row.expires_at)
_END: Final = case((and_(_row.revoked_at.is_not(None), _row.revoked_at < _LIFE), _row.revoked_at), else_=_LIFE)

ENDING: Final = (
    select(_row.family_id, _END)
    .where(_row.purge_at < bindparam("before"))
    .order_by(_row.purge_at)
    .limit(bindparam("size"))
)
_KEPT: Final = _row.salt != b""
_SPENT: Final = _row.rotated_at + Rotation.LONGEST_GRACE
FORGET_SALTS: Final = update(families).where(_NAMED, _KEPT, _row.rotated_at < bindparam("before")).values(salt=b"")
PUT_OFF: Final = update(families).where(_NAMED).values(purge_at=case((and_(_KEPT, _SPENT < _END), _SPENT), else_=_END))
DELETE_DEAD: Final = delete(families).where(_NAMED, bindparam("before") > _END)

_KEYS: Final = _entry.key_hash.in_(bindparam("keys", expanding=True))

REVOKED_UNTIL: Final = select(func.max(_entry.issued_until)).where(_KEYS, _entry.keep_until >= bindparam("now"))
PAST: Final = (
    select(_entry.key_hash)
    .where(_entry.keep_until < bindparam("before"))
    .order_by(_entry.keep_until)
    .limit(bindparam("size"))
)
FORGET: Final = delete(revocations).where(_KEYS, _entry.keep_until < bindparam("before"))
FORGET_ONE: Final = delete(revocations).where(_entry.key_hash == bindparam("key"))
"""By the primary key alone: another index would lock what other transactions write beside it."""


def _put_mysql() -> Any:
    statement = mysql.insert(revocations)
    latest = {name: func.greatest(_entry[name], statement.inserted[name]) for name in ("issued_until", "keep_until")}
    return statement.on_duplicate_key_update(latest)


def _put_conflict(insert_: Any, greatest: Any) -> Any:
    statement = insert_(revocations)
    latest = {name: greatest(_entry[name], statement.excluded[name]) for name in ("issued_until", "keep_until")}
    return statement.on_conflict_do_update(index_elements=[_entry.key_hash], set_=latest)


PUT: Final[dict[str, Any]] = {
    "mariadb": _put_mysql(),
    "mysql": _put_mysql(),
    "postgresql": _put_conflict(postgresql.insert, func.greatest),
    "sqlite": _put_conflict(sqlite.insert, func.max),
}
"""Of two entries for one key the later times win; every dialect says it in its own words."""

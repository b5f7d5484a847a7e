"""The tables of `SQLStore`, in types that keep every octet on PostgreSQL and on MariaDB or MySQL, and its statements.

Each statement is built once, is atomic by itself and uses an index. Subjects and clients are stored
as text but compared by the hash of their UTF-8 octets, so that no collation folds case, accents or trailing blanks, and
every index is short enough. Family ids are plain ASCII and compared exactly.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    event,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine

from gatepass.refresh.family import Rotation
from gatepass.stores.rows import COLUMNS

__all__ = [
    "CREATE", "DELETE_ENDED", "DELETE_REVOCATION", "DELETE_REVOCATIONS", "DELETE_SALTS", "DUE_FOR_PURGE",
    "EXPIRED_REVOCATIONS", "GET", "GET_BY_CURSOR", "LIVE_FAMILIES", "LOGIN_INDEX", "METADATA", "NOT_REVOKED",
    "POSTPONE_PURGE", "PUT_REVOCATION", "REVOKE", "REVOKED_UNTIL", "ROTATE", "ROTATE_BY_CURSOR", "families",
    "revocations", "schema",
]  # fmt: skip

LOGIN_INDEX: Final = "gatepass_families_login"
"""The index of the list of a subject's families. It contains no column that a rotation changes."""

_MYSQL: Final = ("mysql", "mariadb")


class _Name(TypeDecorator[str]):
    """A family's id. In a string, MariaDB would ignore trailing blanks and, by default, case."""

    impl = String(64)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in _MYSQL:
            return mysql.VARBINARY(64)
        return dialect.type_descriptor(String(64, collation="C" if dialect.name == "postgresql" else None))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return value.encode() if value is not None and dialect.name in _MYSQL else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        return value.decode() if isinstance(value, bytes) else value


_OCTETS: Final = LargeBinary(64).with_variant(mysql.VARBINARY(64), *_MYSQL)
_TEXT: Final = Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)
_OPTIONS: Final[dict[str, Any]] = {
    "mysql_engine": "InnoDB", "mariadb_engine": "InnoDB", "mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4",
}  # fmt: skip

METADATA: Final = MetaData()

schema: Final = Table(
    "gatepass_schema",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    **_OPTIONS,
)

families: Final = Table(
    "gatepass_families",
    METADATA,
    Column("family_id", _Name, primary_key=True),
    Column("subject", _TEXT, nullable=False),
    Column("client_id", _TEXT, nullable=False),
    Column("scope", _TEXT, nullable=False),
    Column("audience", _TEXT, nullable=False),
    Column("auth_time", BigInteger),
    Column("acr", _TEXT),
    Column("amr", _TEXT, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("idle_expires_at", BigInteger, nullable=False),
    Column("proof_hash", _OCTETS, nullable=False),
    Column("current_hash", _OCTETS, nullable=False),
    Column("previous_hash", _OCTETS, nullable=False),
    Column("salt", _OCTETS, nullable=False),
    Column("rotated_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("purge_at", BigInteger, nullable=False, index=True),
    Column("subject_hash", _OCTETS, nullable=False, index=True),
    Column("client_id_hash", _OCTETS, nullable=False, index=True),
    Column("claims", _TEXT),
    Column("label", _TEXT),
    Column("refresh_ttl", BigInteger),
    Index(LOGIN_INDEX, "subject_hash", "created_at", "family_id"),
    **_OPTIONS,
)
# Leave room in each page for the next version of a row: a rotation then writes no index (a heap-only update).
event.listen(
    families,
    "after_create",
    DDL("ALTER TABLE gatepass_families SET (fillfactor = 80)").execute_if(dialect="postgresql"),  # type: ignore[no-untyped-call]
)

revocations: Final = Table(
    "gatepass_revocations",
    METADATA,
    Column("key_hash", _OCTETS, primary_key=True),
    Column("issued_until", BigInteger, nullable=False),
    Column("keep_until", BigInteger, nullable=False, index=True),
    **_OPTIONS,
)

_row = families.c
_entry = revocations.c
_BY_NAME: Final = _row.family_id == bindparam("name")


def _not_after(moment: str) -> Any:
    """Return `purge_at`, or *moment* if that is earlier. If it is not earlier, the index is not written."""
    earlier: ColumnElement[Any] = bindparam(moment)
    return case((_row.purge_at > earlier, earlier), else_=_row.purge_at)


CREATE: Final = insert(families)

_FAMILY: Final = select(*(_row[name] for name in COLUMNS))

GET: Final = _FAMILY.where(_BY_NAME)
GET_BY_CURSOR: Final = f"SELECT {', '.join(COLUMNS)} FROM gatepass_families WHERE family_id = %(name)s"  # noqa: S608 - constant names

ROTATE: Final = (
    update(families)
    .where(_BY_NAME, _row.current_hash == bindparam("old"), _row.revoked_at.is_(None))
    .values(
        current_hash=bindparam("new"),
        previous_hash=bindparam("old"),
        salt=bindparam("new_salt"),
        rotated_at=bindparam("moment"),
        idle_expires_at=bindparam("idle"),
        purge_at=_not_after("new_purge_at"),
    )
)
ROTATE_BY_CURSOR: Final = """UPDATE gatepass_families
    SET current_hash = %(new)s, previous_hash = %(old)s, salt = %(new_salt)s, rotated_at = %(moment)s,
        idle_expires_at = %(idle)s,
        purge_at = CASE WHEN purge_at > %(new_purge_at)s THEN %(new_purge_at)s ELSE purge_at END
    WHERE family_id = %(name)s AND current_hash = %(old)s AND revoked_at IS NULL"""

_NAMED: Final = _row.family_id.in_(bindparam("names", expanding=True))

REVOKE: Final = (
    update(families)
    .where(_NAMED, _row.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"), purge_at=_not_after("at"))
)
NOT_REVOKED: Final = {
    column: select(_row.family_id)
    .where(_row[column] == bindparam("name"), _row.revoked_at.is_(None), _row.family_id > bindparam("last"))
    .order_by(_row.family_id)
    .limit(bindparam("size"))
    for column in ("subject_hash", "client_id_hash")
}

_LIFE: Final = case((_row.idle_expires_at < _row.expires_at, _row.idle_expires_at), else_=_row.expires_at)
_END: Final = case((and_(_row.revoked_at.is_not(None), _row.revoked_at < _LIFE), _row.revoked_at), else_=_LIFE)

DUE_FOR_PURGE: Final = (
    select(_row.family_id, _END)
    .where(_row.purge_at < bindparam("before"))
    .order_by(_row.purge_at)
    .limit(bindparam("size"))
)
_SALTED: Final = _row.salt != b""
_SPENT: Final = _row.rotated_at + Rotation.MAX_GRACE
DELETE_SALTS: Final = update(families).where(_NAMED, _SALTED, _row.rotated_at < bindparam("before")).values(salt=b"")
POSTPONE_PURGE: Final = (
    update(families).where(_NAMED).values(purge_at=case((and_(_SALTED, _SPENT < _END), _SPENT), else_=_END))
)
DELETE_ENDED: Final = delete(families).where(_NAMED, bindparam("before") > _END)

_LAST: Final[tuple[ColumnElement[Any], ...]] = (
    bindparam("last_time", type_=BigInteger),
    bindparam("last_name", type_=_Name),
)
_LIVE: Final = (
    _FAMILY.where(
        _row.subject_hash == bindparam("subject"),
        _row.revoked_at.is_(None),
        _row.expires_at > bindparam("at"),
        _row.idle_expires_at > bindparam("at"),
    )
    .order_by(_row.created_at.desc(), _row.family_id.desc())
    .limit(bindparam("size"))
)

_KEYS: Final = _entry.key_hash.in_(bindparam("keys", expanding=True))

REVOKED_UNTIL: Final = select(func.max(_entry.issued_until)).where(_KEYS, _entry.keep_until >= bindparam("now"))
EXPIRED_REVOCATIONS: Final = (
    select(_entry.key_hash)
    .where(_entry.keep_until < bindparam("before"))
    .order_by(_entry.keep_until)
    .limit(bindparam("size"))
)
DELETE_REVOCATIONS: Final = delete(revocations).where(_KEYS, _entry.keep_until < bindparam("before"))
DELETE_REVOCATION: Final = delete(revocations).where(_entry.key_hash == bindparam("key"))
"""Uses only the primary key: another index would lock rows that other transactions write beside it."""


def _live_by_row() -> Any:
    return _LIVE.where(tuple_(_row.created_at, _row.family_id) < tuple_(*_LAST))


def _live_by_column() -> Any:
    """Do the same for optimizers that use no index for a comparison of rows.

    Without the hint, MariaDB reads every newer family of the subject before each page.
    """
    last_time, last_name = _LAST
    in_that_second = and_(_row.created_at == last_time, _row.family_id < last_name)
    statement = _LIVE.where(or_(_row.created_at < last_time, in_that_second))
    for dialect in _MYSQL:
        statement = statement.with_hint(families, f"FORCE INDEX ({LOGIN_INDEX})", dialect)
    return statement


LIVE_FAMILIES: Final[dict[str, Any]] = {
    "mariadb": _live_by_column(),
    "mysql": _live_by_column(),
    "postgresql": _live_by_row(),
    "sqlite": _live_by_row(),
}
"""By dialect: each form is one range of `LOGIN_INDEX`, read backwards."""


def _put_mysql() -> Any:
    statement = mysql.insert(revocations)
    latest = {name: func.greatest(_entry[name], statement.inserted[name]) for name in ("issued_until", "keep_until")}
    return statement.on_duplicate_key_update(latest)


def _put_conflict(insert_: Any, greatest: Any) -> Any:
    statement = insert_(revocations)
    latest = {name: greatest(_entry[name], statement.excluded[name]) for name in ("issued_until", "keep_until")}
    return statement.on_conflict_do_update(index_elements=[_entry.key_hash], set_=latest)


PUT_REVOCATION: Final[dict[str, Any]] = {
    "mariadb": _put_mysql(),
    "mysql": _put_mysql(),
    "postgresql": _put_conflict(postgresql.insert, func.greatest),
    "sqlite": _put_conflict(sqlite.insert, func.max),
}
"""By dialect, because the syntax differs. Of two entries for one key, the later times win."""

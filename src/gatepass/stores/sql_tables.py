"""The tables of `SQLStore`, in types that keep every octet on PostgreSQL and on MariaDB or MySQL.

Text is stored and never compared: what is searched for is found by the hash of its UTF-8 octets, so that no collation
folds case, accents or trailing blanks, and no length is too long for an index.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from sqlalchemy import DDL, BigInteger, Column, Dialect, Integer, LargeBinary, MetaData, String, Table, Text, event
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["METADATA", "families", "hashed", "revocations", "schema"]

_MYSQL: Final = ("mysql", "mariadb")


class _Name(TypeDecorator[str]):
    """A family's name. MariaDB would ignore trailing blanks in a string, and by default its case."""

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


def hashed(text: str) -> bytes:
    """What *text* is searched by."""
    return sha256(text.encode()).digest()


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
    **_OPTIONS,
)
# Room in each page for the next version of a row: a rotation then touches no index (a heap-only update).
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

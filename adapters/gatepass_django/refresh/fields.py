"""A field for text that must come back as it was put, whatever character set the database was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _TextField = models.TextField[Any, Any]
else:
    _TextField = models.TextField  # Django's fields are generic for type checkers alone

__all__ = ["ExactTextField"]


class ExactTextField(_TextField):
    """Text in every character there is. It is stored and never compared: no collation can be trusted with that."""

    def db_type(self, connection: BaseDatabaseWrapper) -> Any:
        """The database's type; MariaDB and MySQL are told the character set that has them all."""
        kind = super().db_type(connection)
        return f"{kind} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if connection.vendor == "mysql" else kind

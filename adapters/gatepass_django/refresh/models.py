"""The two tables, and the field that stores their text unchanged.

Rows are found by a hash in hexadecimal, so that no collation folds case or blanks. No row contains a usable token.
Times are seconds since 1970.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["ExactTextField", "Revocation", "TokenFamily"]

if TYPE_CHECKING:
    _TextField = models.TextField[Any, Any]
else:
    _TextField = models.TextField  # Django's fields are generic only for type checkers


class ExactTextField(_TextField):
    """Text that is stored unchanged, with any character set of the database. It is never compared."""

    def db_type(self, connection: BaseDatabaseWrapper) -> Any:
        """Return the column type. On MariaDB and MySQL it includes the character set for all of Unicode."""
        kind = super().db_type(connection)
        return f"{kind} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if connection.vendor == "mysql" else kind


class TokenFamily(models.Model):
    """One grant and the hash of its current token.

    `purge_at` is never later than the family's end, or than the end of its salt. A rotation postpones both ends but not
    `purge_at`, so only the first rotation with a salt after a purge writes an index. A purge that finds that the
    family has not ended postpones `purge_at`.
    """

    id: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True, editable=False)
    family_id: ExactTextField = ExactTextField()
    subject: ExactTextField = ExactTextField()
    subject_hash: models.CharField[str, str] = models.CharField(max_length=64)
    client_id: ExactTextField = ExactTextField()
    client_id_hash: models.CharField[str, str] = models.CharField(max_length=64)
    scope: ExactTextField = ExactTextField()
    audience: ExactTextField = ExactTextField()
    auth_time: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)
    acr: ExactTextField = ExactTextField(null=True)
    amr: ExactTextField = ExactTextField()
    created_at: models.BigIntegerField[int, int] = models.BigIntegerField()
    expires_at: models.BigIntegerField[int, int] = models.BigIntegerField()
    idle_expires_at: models.BigIntegerField[int, int] = models.BigIntegerField()
    purge_at: models.BigIntegerField[int, int] = models.BigIntegerField()
    proof_hash: models.CharField[str, str] = models.CharField(max_length=128)
    current_hash: models.CharField[str, str] = models.CharField(max_length=128)
    previous_hash: models.CharField[str, str] = models.CharField(max_length=128, blank=True)
    salt: models.CharField[str, str] = models.CharField(max_length=128, blank=True)
    rotated_at: models.BigIntegerField[int, int] = models.BigIntegerField()
    revoked_at: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)
    claims: ExactTextField = ExactTextField(null=True)
    label: ExactTextField = ExactTextField(null=True)
    refresh_ttl: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)

    class Meta:
        db_table = "gatepass_refresh_family"
        verbose_name = "token family"
        verbose_name_plural = "token families"
        indexes: tuple[models.Index, ...] = (
            models.Index(fields=["subject_hash"], name="gatepass_family_subject"),
            models.Index(fields=["client_id_hash"], name="gatepass_family_client"),
            models.Index(fields=["purge_at"], name="gatepass_family_purge_at"),
            models.Index(fields=["subject_hash", "created_at", "id"], name="gatepass_family_login"),
        )

    def __str__(self) -> str:
        return str(self.family_id)


class Revocation(models.Model):
    """The hash of a key that revokes access tokens, and for how long to keep it. The key itself is not stored."""

    id: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True, editable=False)
    issued_until: models.BigIntegerField[int, int] = models.BigIntegerField()
    keep_until: models.BigIntegerField[int, int] = models.BigIntegerField()

    class Meta:
        db_table = "gatepass_refresh_revocation"
        indexes: tuple[models.Index, ...] = (models.Index(fields=["keep_until"], name="gatepass_revocation_keep"),)

    def __str__(self) -> str:
        return self.id

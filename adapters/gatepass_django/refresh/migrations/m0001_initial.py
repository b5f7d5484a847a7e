"""The tables of families and revocations."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from gatepass_django.refresh.models import ExactTextField


class Migration(migrations.Migration):
    initial: ClassVar[bool] = True  # pyright: ignore[reportIncompatibleVariableOverride] - narrower

    dependencies: ClassVar[list[tuple[str, str]]] = []  # pyright: ignore[reportIncompatibleVariableOverride] - narrower

    operations: ClassVar[list[Operation]] = [  # pyright: ignore[reportIncompatibleVariableOverride] - narrower
        migrations.CreateModel(
            name="Revocation",
            fields=[
                ("id", models.CharField(editable=False, max_length=64, primary_key=True, serialize=False)),
                ("issued_until", models.BigIntegerField()),
                ("keep_until", models.BigIntegerField()),
            ],
            options={
                "db_table": "gatepass_refresh_revocation",
                "indexes": [models.Index(fields=["keep_until"], name="gatepass_revocation_keep")],
            },
        ),
        migrations.CreateModel(
            name="TokenFamily",
            fields=[
                ("id", models.CharField(editable=False, max_length=64, primary_key=True, serialize=False)),
                ("family_id", ExactTextField()),
                ("subject", ExactTextField()),
                ("subject_hash", models.CharField(max_length=64)),
                ("client_id", ExactTextField()),
                ("client_id_hash", models.CharField(max_length=64)),
                ("scope", ExactTextField()),
                ("audience", ExactTextField()),
                ("auth_time", models.BigIntegerField(null=True)),
                ("acr", ExactTextField(null=True)),
                ("amr", ExactTextField()),
                ("created_at", models.BigIntegerField()),
                ("expires_at", models.BigIntegerField()),
                ("idle_expires_at", models.BigIntegerField()),
                ("purge_at", models.BigIntegerField()),
                ("proof_hash", models.CharField(max_length=128)),
                ("current_hash", models.CharField(max_length=128)),
                ("previous_hash", models.CharField(blank=True, max_length=128)),
                ("salt", models.CharField(blank=True, max_length=128)),
                ("rotated_at", models.BigIntegerField()),
                ("revoked_at", models.BigIntegerField(null=True)),
            ],
            options={
                "verbose_name": "token family",
                "verbose_name_plural": "token families",
                "db_table": "gatepass_refresh_family",
                "indexes": [
                    models.Index(fields=["subject_hash"], name="gatepass_family_subject"),
                    models.Index(fields=["client_id_hash"], name="gatepass_family_client"),
                    models.Index(fields=["purge_at"], name="gatepass_family_purge_at"),
                ],
            },
        ),
    ]

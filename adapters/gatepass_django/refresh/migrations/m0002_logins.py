"""The label, claims and lifetime of a login, and the index of the list of logins. Rows of older releases have none.

The columns may be null, so that servers of the release before, which do not name them, go on working on the new table.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from gatepass_django.refresh.models import ExactTextField


class Migration(migrations.Migration):
    dependencies: ClassVar[list[tuple[str, str]]] = [("gatepass_refresh", "m0001_initial")]  # pyright: ignore[reportIncompatibleVariableOverride] - narrower

    operations: ClassVar[list[Operation]] = [  # pyright: ignore[reportIncompatibleVariableOverride] - narrower
        migrations.AddField(model_name="TokenFamily", name="claims", field=ExactTextField(null=True)),
        migrations.AddField(model_name="TokenFamily", name="label", field=ExactTextField(null=True)),
        migrations.AddField(model_name="TokenFamily", name="refresh_ttl", field=models.BigIntegerField(null=True)),
        migrations.AddIndex(
            model_name="TokenFamily",
            index=models.Index(fields=["subject_hash", "created_at", "id"], name="gatepass_family_login"),
        ),
    ]

"""`manage.py gatepass_purge`: delete families that ended and revocations that concern no living token."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gatepass import ConfigurationError
from gatepass.refresh import Purged
from gatepass_django.refresh import DjangoStore

__all__ = ["Command"]


class Command(BaseCommand):
    """Deletes batch after batch, so that no statement holds its locks for long."""

    help = "Deletes refresh token families that ended, and revocations that concern no living token."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", default="default", help="an alias in DATABASES (default: default)")
        parser.add_argument("--batch", type=int, default=1_000, help="rows to a batch (default: 1000)")
        parser.add_argument(
            "--ended-for", type=int, default=86_400, metavar="SECONDS",
            help="keep families that ended less than so long ago (default: 86400)",
        )  # fmt: skip

    def handle(self, *_: Any, database: str, batch: int, ended_for: int, **__: Any) -> None:
        if batch < 1 or ended_for < 0:
            raise CommandError("--batch must be at least 1, and --ended-for not negative")
        now = int(time.time())
        try:
            store = DjangoStore(using=database)
            families = _all(lambda: store.purge(before=now - ended_for, limit=batch))
            revocations = _all(lambda: store.purge_revocations(before=now, limit=batch))
        except ConfigurationError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"deleted {families} families and {revocations} revocations")


def _all(purge: Callable[[], int]) -> int:
    total = 0
    while True:
        deleted = Purged.of(purge())
        total += deleted
        if not deleted.more:
            return total

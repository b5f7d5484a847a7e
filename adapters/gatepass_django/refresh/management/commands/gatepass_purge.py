"""`manage.py gatepass_purge`: delete ended families, and revocations that no unexpired token needs."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gatepass import ConfigurationError
from gatepass.refresh import purge_store
from gatepass_django.refresh import DjangoStore

__all__ = ["Command"]


class Command(BaseCommand):
    """Deletes in batches, so that no statement holds its locks for long."""

    help = "Deletes ended refresh token families, and revocations that no unexpired token needs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", default="default", help="an alias in DATABASES (default: default)")
        parser.add_argument("--batch", type=int, default=1_000, help="rows per batch (default: 1000)")
        parser.add_argument(
            "--ended-for", type=int, default=86_400, metavar="SECONDS",
            help="keep families that ended less than this long ago (default: 86400)",
        )  # fmt: skip

    def handle(self, *_: Any, database: str, batch: int, ended_for: int, **__: Any) -> None:
        if batch < 1 or ended_for < 0:
            raise CommandError("--batch must be at least 1, and --ended-for must not be negative")
        try:
            store = DjangoStore(using=database)
            batches = list(purge_store(store, now=int(time.time()), ended_for=ended_for, batch=batch))
        except ConfigurationError as error:
            raise CommandError(str(error)) from None
        families, revocations = batches[-1]
        self.stdout.write(f"deleted {families} families and {revocations} revocations")

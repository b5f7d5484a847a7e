"""The store on Django's ORM. One statement decides each result; `rotate` is an UPDATE that names the hash it replaces.

Every write is committed when the method returns. Inside a transaction of the project, which may be rolled back together
with the revocation of a stolen family, the store refuses to write.

A connection belongs to one process: a fork that used its parent's connection would read the parent's results. A server
that loads a project and then forks its workers (gunicorn's `--preload`, uWSGI) passes an open connection to each, and
not every such server runs Python's fork hooks. So the store records which process opened each connection.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from hashlib import sha256
from typing import Any, Final, final
from weakref import WeakKeyDictionary

from django.apps import apps
from django.core.exceptions import AppRegistryNotReady
from django.db import DatabaseError, OperationalError, ProgrammingError, connections, transaction
from django.db.backends.signals import connection_created
from django.db.models import Case, F, Max, Q, Value, When
from django.db.models.functions import Coalesce, Greatest, Least

from gatepass import ConfigurationError
from gatepass.refresh import Family, PurgeResult, Rotation

__all__ = ["DjangoStore"]

_APP: Final = "gatepass_refresh"
_HASHES: Final = frozenset(("proof_hash", "current_hash", "previous_hash", "salt"))
_MEMBERS: Final = tuple(one.name for one in fields(Family))
_BATCH: Final = 500
_PAGE: Final = 10_000
_MAX_TRIES: Final = 5
_DURABLE_BEFORE_VISIBLE: Final = frozenset(("postgresql", "sqlite"))
"""Databases where other connections see a commit only when it is on disk."""


@final
class DjangoStore:
    """A `RefreshStore` and `RevocationStore` in the database *using* of the setting DATABASES.

    With `ATOMIC_REQUESTS`, decorate the views that use the store with `transaction.non_atomic_requests`. Set timeouts
    in DATABASES, by `connect_timeout` and the driver's other options.
    """

    __slots__ = ("_families", "_revocations", "_using")

    contract_version: int = 2

    def __init__(self, *, using: str = "default") -> None:
        if using not in connections:
            raise ConfigurationError("using= must be an alias in the setting DATABASES")
        try:
            families, revocations = (apps.get_model(_APP, name) for name in ("TokenFamily", "Revocation"))
        except AppRegistryNotReady:
            raise ConfigurationError("create the DjangoStore after Django has loaded its models") from None
        except LookupError:
            raise ConfigurationError(
                'add "gatepass_django.refresh" to INSTALLED_APPS, and run: manage.py migrate'
            ) from None
        self._using = using
        self._families: Any = families
        self._revocations: Any = revocations

    def create(self, family: Family) -> None:
        with self._writing(self._families) as rows:
            rows.create(**_row(family))

    def get(self, family_id: str) -> Family | None:
        with self._reading(self._families) as rows:
            found = list(rows.filter(pk=_hash(family_id)).values(*_MEMBERS)[:1])
        return _family(found[0]) if found else None

    def rotate(self, family_id: str, rotation: Rotation) -> bool:
        changes = {one.name: _encoded(one.name, getattr(rotation, one.name)) for one in fields(rotation)}
        with self._writing(self._families) as rows:
            current = rows.filter(
                pk=_hash(family_id), current_hash=rotation.previous_hash.hex(), revoked_at__isnull=True
            )
            return bool(current.update(**changes, purge_at=Least(F("purge_at"), Value(rotation.purge_at))) == 1)

    def revoke(self, family_id: str, *, at: int) -> bool:
        with self._writing(self._families) as rows:
            first = _revoked(rows.filter(pk=_hash(family_id)), at) == 1
        if not first:
            self._flush_log()
        return first

    def revoke_subject(self, subject: str, *, at: int) -> int:
        return self._revoke_all({"subject_hash": _hash(subject)}, at)

    def revoke_client(self, client_id: str, *, at: int) -> int:
        return self._revoke_all({"client_id_hash": _hash(client_id)}, at)

    def live_families(self, subject: str, *, at: int, limit: int, after: tuple[int, str] | None) -> Sequence[Family]:
        """Return a page of live families, in one query along an index; the hash orders the logins of one second."""
        with self._reading(self._families) as rows:
            found = rows.filter(
                subject_hash=_hash(subject), revoked_at__isnull=True, expires_at__gt=at, idle_expires_at__gt=at
            )
            if after is not None:
                moment, behind = after[0], _hash(after[1])
                # created_at__lte bounds the scan of the index: PostgreSQL derives no bound from the alternatives.
                found = found.filter(
                    Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=behind), created_at__lte=moment
                )
            return [_family(row) for row in found.order_by("-created_at", "-pk").values(*_MEMBERS)[:limit]]

    def purge(self, *, before: int, limit: int) -> PurgeResult:
        """Delete ended families. It reads up to *limit* families in total, in whole batches."""
        has_ended = Q(expires_at__lt=before) | Q(idle_expires_at__lt=before) | Q(revoked_at__lt=before)
        end = Least(F("expires_at"), F("idle_expires_at"), Coalesce(F("revoked_at"), F("expires_at")))
        spent = F("rotated_at") + Rotation.MAX_GRACE
        deleted = seen = 0
        with self._writing(self._families) as rows:
            while deleted < limit and seen < limit:
                oldest = rows.filter(purge_at__lt=before).order_by("purge_at")
                found = list(oldest.annotate(end=end).values_list("pk", "end")[:_BATCH])
                ended = [name for name, moment in found if moment < before][: limit - deleted]
                others = [name for name, moment in found if moment >= before]
                if ended:
                    deleted += _deleted(rows.filter(has_ended, pk__in=ended), self._using)
                if others:  # purge at the family's end, or at the end of a salt still in use
                    salted = rows.filter(pk__in=others, rotated_at__lt=before - Rotation.MAX_GRACE).exclude(salt="")
                    salted.update(salt="")
                    rows.filter(pk__in=others).update(purge_at=Case(When(salt="", then=end), default=Least(end, spent)))
                seen += len(found)
                if len(found) < _BATCH and deleted < limit:
                    return PurgeResult(deleted, more=False)
        return PurgeResult(deleted, more=True)

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        times = {"issued_until": issued_until, "keep_until": keep_until}
        with self._writing(self._revocations) as rows:
            for _ in range(_MAX_TRIES):
                rows.bulk_create([self._revocations(pk=_hash(key), **times)], ignore_conflicts=True)
                later = {name: Greatest(F(name), Value(value)) for name, value in times.items()}
                if rows.filter(pk=_hash(key)).update(**later) == 1:
                    self._flush_log()
                    return
        raise OperationalError("concurrent purges deleted the revocation again and again before it could be updated")

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        if not keys:
            return None
        with self._reading(self._revocations) as rows:
            found = rows.filter(pk__in={_hash(key) for key in keys}, keep_until__gte=now)
            last: int | None = found.aggregate(last=Max("issued_until"))["last"]
            return last

    def purge_revocations(self, *, before: int, limit: int) -> int:
        deleted = 0
        with self._writing(self._revocations) as rows:
            while names := _first(
                rows.filter(keep_until__lt=before).order_by("keep_until"), min(limit - deleted, _BATCH)
            ):
                # Check again: another process may have extended the entry since.
                deleted += _deleted(rows.filter(pk__in=names, keep_until__lt=before), self._using)
        return deleted

    def _revoke_all(self, which: dict[str, str], at: int) -> int:
        """Revoke page by page along the primary key, so that no row is read twice, in statements that lock few rows."""
        revoked = 0
        with self._writing(self._families) as rows:
            found = rows.filter(**which, revoked_at__isnull=True).order_by("pk")
            names = _first(found, _PAGE)
            while names:
                for start in range(0, len(names), _BATCH):
                    revoked += _revoked(rows.filter(pk__in=names[start : start + _BATCH]), at)
                names = _first(found.filter(pk__gt=names[-1]), _PAGE) if len(names) == _PAGE else []
        self._flush_log()
        return revoked

    def _flush_log(self) -> None:
        """Wait until every commit that this call has seen is on the database's disk, including those of other calls.

        InnoDB makes a commit visible before it flushes its log, as Oracle does, and a statement that changes nothing
        flushes no log. So this method inserts and deletes a row: flushing that also flushes every earlier commit.
        """
        if connections[self._using].vendor in _DURABLE_BEFORE_VISIBLE:
            return
        name = secrets.token_hex(32)
        with self._writing(self._revocations) as rows, transaction.atomic(using=self._using):
            rows.bulk_create([self._revocations(pk=name, issued_until=0, keep_until=0)])  # create() sends signals
            _deleted(rows.filter(pk=name), self._using)

    @contextmanager
    def _writing(self, model: Any) -> Generator[Any, None, None]:
        """Yield a query set for writes; raise `ConfigurationError` inside a transaction."""
        with self._reading(model) as rows:
            connection = connections[self._using]
            if not connection.get_autocommit():
                if not connection.in_atomic_block:
                    raise ConfigurationError("DjangoStore needs a database with AUTOCOMMIT, which is Django's default")
                try:
                    with transaction.atomic(using=self._using, durable=True):
                        pass  # raises in any transaction except a test case's
                except RuntimeError:
                    raise ConfigurationError(
                        "DjangoStore does not write inside a transaction, which may be rolled back: decorate the view "
                        "with transaction.non_atomic_requests, or give DjangoStore(using=) a separate alias"
                    ) from None
            yield rows

    @contextmanager
    def _reading(self, model: Any) -> Generator[Any, None, None]:
        own_connection(self._using)
        try:
            yield model._base_manager.using(self._using)  # noqa: SLF001 - Django's name for the manager without filters
        except (OperationalError, ProgrammingError):
            if self._is_missing(model):
                raise ConfigurationError(
                    f"the tables of gatepass_django.refresh are missing or old in the database {self._using!r}; "
                    f"run: manage.py migrate {_APP} --database {self._using}"
                ) from None
            raise

    def _is_missing(self, model: Any) -> bool:
        """Return whether the server responds but *model*'s table or a column is missing. Close a broken connection."""
        connection = connections[self._using]
        if connection.connection is None or connection.in_atomic_block:
            return False
        if not connection.is_usable():
            connection.close()  # the next call opens a new one, outside of requests too
            return False
        table, needed = model._meta.db_table, {field.column for field in model._meta.concrete_fields}  # noqa: SLF001 - documented
        try:
            with connection.cursor() as cursor:
                if table not in connection.introspection.table_names(cursor):
                    return True
                columns = connection.introspection.get_table_description(cursor, table)
                return not needed <= {column.name for column in columns}
        except DatabaseError:
            return False


def _first(rows: Any, count: int) -> list[str]:
    return list(rows.values_list("pk", flat=True)[:count]) if count > 0 else []


def _revoked(rows: Any, at: int) -> int:
    not_revoked = rows.filter(revoked_at__isnull=True)
    count: int = not_revoked.update(revoked_at=at, purge_at=Least(F("purge_at"), Value(at)))
    return count


def _deleted(rows: Any, using: str) -> int:
    """Delete *rows* in one DELETE statement, which checks each row again; return how many were deleted.

    If the project listens to the signals of all models, `delete()` selects first, and then deletes by key.
    """
    count: int = rows._raw_delete(using)  # noqa: SLF001 - Django has no public name for it
    return count


def _row(family: Family) -> dict[str, Any]:
    return {
        "id": _hash(family.family_id),
        "subject_hash": _hash(family.subject),
        "client_id_hash": _hash(family.client_id),
        "purge_at": family.purge_at,
        **{name: _encoded(name, getattr(family, name)) for name in _MEMBERS},
    }


def _family(row: dict[str, Any]) -> Family:
    members: dict[str, Any] = {name: bytes.fromhex(value) if name in _HASHES else value for name, value in row.items()}
    members["amr"] = tuple(json.loads(row["amr"]))
    return Family(**members)


def _encoded(name: str, value: Any) -> Any:
    if name in _HASHES:
        return value.hex()
    return json.dumps(value) if name == "amr" else value


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


_inherited: Final[list[Any]] = []
_loaded_by: Final = os.getpid()
_process_of: Final[WeakKeyDictionary[Any, int]] = WeakKeyDictionary()
"""The process that opened each of Django's connections. A missing one was opened before this module was loaded."""


def own_connection(using: str) -> Any:
    """Return this thread's connection to the database *using*; replace one that another process opened."""
    connection: Any = connections[using]
    if connection.connection is None or _process_of.get(connection, _loaded_by) == os.getpid():
        return connection
    _inherited.append(connection)  # kept open: closing it might end the parent's session
    del connections[using]
    return connections[using]


def _connected(*, connection: Any, **_: object) -> None:
    _process_of[connection] = os.getpid()


connection_created.connect(_connected, dispatch_uid=__name__)

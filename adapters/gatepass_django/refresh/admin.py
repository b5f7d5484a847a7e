"""The admin's read-only view of families, without hashes. Revoke a family through the `TokenService`, not here."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from gatepass_django.refresh.models import TokenFamily

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[TokenFamily]
else:
    _ModelAdmin = admin.ModelAdmin  # generic only for type checkers

__all__ = ["TokenFamilyAdmin"]


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@admin.register(TokenFamily)
class TokenFamilyAdmin(_ModelAdmin):
    """Searches by the index for an exact subject, client or family; a substring search would read the whole table."""

    list_display: tuple[str, ...] = (  # pyright: ignore[reportIncompatibleVariableOverride] - narrower
        "family_id", "subject", "client_id", "label", "created", "rotated", "ends", "revoked",
    )  # fmt: skip
    fields: ClassVar[tuple[str, ...]] = (  # pyright: ignore[reportIncompatibleVariableOverride] - narrower
        "family_id", "subject", "client_id", "label", "scope", "audience", "acr", "amr", "claims", "created", "rotated",
        "refresh_ttl", "ends", "revoked",
    )  # fmt: skip
    readonly_fields: ClassVar[tuple[str, ...]] = fields  # pyright: ignore[reportIncompatibleVariableOverride] - narrower
    search_fields: ClassVar[tuple[str, ...]] = ("subject_hash",)  # pyright: ignore[reportIncompatibleVariableOverride] - narrower
    search_help_text: ClassVar[str | None] = "An exact subject or client"  # pyright: ignore[reportIncompatibleVariableOverride] - narrower
    ordering: ClassVar[tuple[str, ...]] = ("-purge_at",)  # pyright: ignore[reportIncompatibleVariableOverride] - narrower
    show_full_result_count: ClassVar[bool] = False

    @admin.display(description="created", ordering="created_at")
    def created(self, family: TokenFamily) -> datetime | None:
        return _moment(family.created_at)

    @admin.display(description="last refresh")
    def rotated(self, family: TokenFamily) -> datetime | None:
        return _moment(family.rotated_at or None)

    @admin.display(description="ends")
    def ends(self, family: TokenFamily) -> datetime | None:
        return _moment(min(family.expires_at, family.idle_expires_at))

    @admin.display(description="revoked", ordering="revoked_at")
    def revoked(self, family: TokenFamily) -> datetime | None:
        return _moment(family.revoked_at)

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[TokenFamily],
        search_term: str,
    ) -> tuple[QuerySet[TokenFamily], bool]:
        if not search_term:
            return queryset, False
        wanted = sha256(search_term.encode()).hexdigest()
        return queryset.filter(Q(subject_hash=wanted) | Q(client_id_hash=wanted) | Q(pk=wanted)), False

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - the same
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - the same
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - the same
        return False

"""The application `gatepass_django.refresh`: two tables, the admin's view of one, and a management command."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["RefreshConfig"]


class RefreshConfig(AppConfig):
    """The configuration for `"gatepass_django.refresh"` in INSTALLED_APPS."""

    name: str = "gatepass_django.refresh"
    label: str = "gatepass_refresh"
    verbose_name: str = "Gatepass: refresh tokens"  # pyright: ignore[reportIncompatibleVariableOverride] - narrower

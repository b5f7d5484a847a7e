"""The application `gatepass_django.refresh`: two tables, and nothing that a project without it would notice."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["RefreshConfig"]


class RefreshConfig(AppConfig):
    """For INSTALLED_APPS, as `"gatepass_django.refresh"`."""

    name: str = "gatepass_django.refresh"
    label: str = "gatepass_refresh"
    verbose_name: str = "Gatepass: refresh tokens"  # pyright: ignore[reportIncompatibleVariableOverride] - narrower

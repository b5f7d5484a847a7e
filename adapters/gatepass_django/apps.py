"""The application `gatepass_django`: brings the system checks. It has no models."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register

from gatepass_django.checks import check_setting

__all__ = ["GatepassConfig"]


class GatepassConfig(AppConfig):
    """For INSTALLED_APPS, as `"gatepass_django"`."""

    name: str = "gatepass_django"
    label: str = "gatepass"

    def ready(self) -> None:
        register(Tags.security)(check_setting)

"""The application `gatepass_django`, without models: system checks that report mistakes before the first request."""

from __future__ import annotations

from typing import Any, cast

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own name
from django.urls import get_resolver

from gatepass import ConfigurationError
from gatepass.adapter import check_guards
from gatepass_django.conf import configuration, unknown_options
from gatepass_django.internals import views_of

__all__ = ["GatepassConfig"]

_MIDDLEWARE = ("gatepass_django.AccessTokenMiddleware", "gatepass_django.middleware.AccessTokenMiddleware")


class GatepassConfig(AppConfig):
    """The configuration for `"gatepass_django"` in INSTALLED_APPS."""

    name: str = "gatepass_django"
    label: str = "gatepass"

    def ready(self) -> None:
        register(Tags.security)(check_setting)


def check_setting(**_: Any) -> list[CheckMessage]:
    """Return E001 setting missing, E002 unknown option, E003 invalid, E004 a guard on no route, W001 no middleware."""
    return [*_setting(), *_guards(), *_middleware()]


def _setting() -> list[CheckMessage]:
    value: Any = getattr(settings, "GATEPASS", None)
    if not value:
        hint = 'GATEPASS = {"ISSUER": ..., "AUDIENCE": ...}, with "KEY_ENV": "JWT_SECRET_KEY" if you hold the key'
        return [Error("the setting GATEPASS is missing", hint=hint, id="gatepass.E001")]
    unknown = unknown_options(cast("dict[str, Any]", value)) if isinstance(value, dict) else []
    if unknown:
        return [Error(f"GATEPASS has an unknown option: {name}", id="gatepass.E002") for name in unknown]
    try:
        configuration()
    except ConfigurationError as error:
        return [Error(str(error), id="gatepass.E003")]
    return []


def _guards() -> list[CheckMessage]:
    if getattr(settings, "ROOT_URLCONF", None) is None:
        return []
    try:
        check_guards(views_of(get_resolver()))
    except ConfigurationError as error:
        return [Error(str(error), id="gatepass.E004")]
    return []


def _middleware() -> list[CheckMessage]:
    if any(name in settings.MIDDLEWARE for name in _MIDDLEWARE):
        return []
    text = "no AccessTokenMiddleware in MIDDLEWARE: only views of REST framework can be protected, one by one"
    return [Warning(text, hint=f'add "{_MIDDLEWARE[0]}"', id="gatepass.W001")]

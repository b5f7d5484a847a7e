"""drf-spectacular: describe `AccessTokenAuthentication` in OpenAPI. `gatepass_django.rest_framework` loads this."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.settings import spectacular_settings

from gatepass_django.permissions import required_scopes

__all__ = ["AccessTokenScheme"]

_NAME: Final = "AccessTokenBearer"


class AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The scheme `http`/`bearer`; from OpenAPI 3.1 on, also the scopes of a view's `requires`.

    OpenAPI 3.0 allows scopes only with other schemes (section 4.8.30).
    """

    target_class: str | type[object] | None = "gatepass_django.rest_framework.AccessTokenAuthentication"
    name: str | list[str] = _NAME
    match_subclasses = True

    def get_security_requirement(self, auto_schema: Any) -> dict[str, list[str]]:
        scopes: list[str] = []
        if not str(spectacular_settings.OAS_VERSION).startswith("3.0"):
            scopes = required_scopes(auto_schema.view)
        return {_NAME: scopes}

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 - the interface of drf-spectacular
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}

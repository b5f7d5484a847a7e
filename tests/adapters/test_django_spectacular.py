"""With drf-spectacular, the OpenAPI document of REST framework names the scheme and the scopes."""

import subprocess
import sys

import pytest
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from tests.support.django import rest_project as project
from tests.support.django.rest_views import Open, Order

from gatepass_django.rest_framework import requires


def documented(version, *views):
    pytest.importorskip("drf_spectacular")
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.openapi import AutoSchema
    from drf_spectacular.settings import patched_settings

    patterns = [path(f"{number}", view.as_view(schema=AutoSchema())) for number, view in enumerate(views)]
    with patched_settings({"OAS_VERSION": version}):
        made = SchemaGenerator(patterns=patterns).get_schema(public=True)
    return [made["paths"][f"/{number}"]["get"]["security"] for number, _ in enumerate(views)], made["components"]


class Orders(project.Json):
    serializer_class = Order
    permission_classes = (requires(scopes=["orders:read"]) & IsAuthenticated, requires(scopes=["a", "orders:read"]))


class Either(project.Json):
    serializer_class = Order
    permission_classes = (requires(scopes=["orders:read"]) | requires(any_roles=["admin"]),)


class TestOpenAPI:
    @pytest.mark.parametrize(("version", "scopes"), [("3.0.3", []), ("3.1.0", ["orders:read", "a"])])
    def test_drf_spectacular_documents_the_scheme(self, version, scopes):
        security, components = documented(version, Orders, Either, Open)

        assert security == [
            [{"AccessTokenBearer": scopes}],
            [{"AccessTokenBearer": []}],
            [{"AccessTokenBearer": []}, {}],
        ]
        assert components["securitySchemes"] == {
            "AccessTokenBearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }

    @pytest.mark.parametrize("first", ["rest_framework.views", "gatepass_django.rest_framework"])
    @pytest.mark.parametrize("installed", [True, False])
    def test_it_is_loaded_only_if_it_is_installed(self, first, installed):
        if installed:
            pytest.importorskip("drf_spectacular")
        program = (
            "import sys\n"
            + ("" if installed else "sys.modules['drf_spectacular'] = None\n")
            + "from django.conf import settings\n"
            "classes = ['gatepass_django.rest_framework.AccessTokenAuthentication']\n"
            "settings.configure(REST_FRAMEWORK={'DEFAULT_AUTHENTICATION_CLASSES': classes, 'UNAUTHENTICATED_USER': None})\n"
            "import django\n"
            "django.setup()\n"
            f"import {first}\n"
            "assert 'gatepass_django.rest_framework' in sys.modules\n"
            "print('gatepass_django.spectacular' in sys.modules)\n"
        )

        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert ran.stdout == f"{installed}\n"

"""Failures inside the shared contract are explained like those of any other test; Django finds its settings."""

import os

import pytest

pytest.register_assert_rewrite("tests.adapters.contract", "tests.adapters.cookie_contract")

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.adapters.django_settings"

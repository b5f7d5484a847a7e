"""Import this before models: Django finds its settings, the same as in the tests of the adapters, and loads them."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.django.settings"
django.setup()

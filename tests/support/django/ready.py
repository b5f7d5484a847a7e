"""Load Django with the settings of the tests. Import this module before any model."""

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.django.settings"
django.setup()

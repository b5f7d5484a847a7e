"""Load the settings of Django, and give the tests of the JWK Set endpoint a key ring."""

import os

from tests.support.rings import clock, place, ring

__all__ = ["clock", "place", "ring"]

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.django.settings"

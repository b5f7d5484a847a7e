"""Django finds its settings, and the JWK Set endpoints get a ring. The root conftest registers the contracts."""

import os

from tests.support.rings import clock, place, ring

__all__ = ["clock", "place", "ring"]

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.django.settings"

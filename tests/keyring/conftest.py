"""Give each test a ring in an empty directory and its clock."""

from tests.support.rings import clock, place, ring

__all__ = ["clock", "place", "ring"]

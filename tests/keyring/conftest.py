"""A ring in an empty directory, and its clock."""

import pytest

from .rings import Clock, make_ring


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "ring"


@pytest.fixture
def ring(place, clock):
    return make_ring(place, clock)

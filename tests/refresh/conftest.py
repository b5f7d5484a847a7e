"""A service on a store that can break, and the clock of both."""

import pytest

from .doubles import Breaking, Clock, make_service


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return Breaking()


@pytest.fixture
def service(store, clock):
    return make_service(store, clock)

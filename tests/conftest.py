"""No thread of the library outlives its test: what it logs, or finds gone, would be found in another one."""

import threading

import pytest

_OURS = ("gatepass-jwks", "gatepass-keyring")
_LONGEST = 120
"""Seconds after which a thread hangs, and is no longer slow."""


@pytest.fixture(autouse=True)
def _threads():
    yield
    for thread in threading.enumerate():
        if thread.name in _OURS:
            thread.join(_LONGEST)
            assert not thread.is_alive(), f"{thread.name} outlives its test"

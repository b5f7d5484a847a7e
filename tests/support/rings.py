"""Key rings with small round numbers on a clock that a test sets, and the fixtures `clock`, `place` and `ring`."""

import pytest

from gatepass import KeyRing, TokenIssuer, TokenVerifier

ISSUER = "https://auth.example"
AUDIENCE = "https://api.example"
NOW = 1_800_000_000
HOUR = 3_600
NUMBERS = {"access_ttl": 900, "leeway": 30, "cache_ttl": 300, "margin": 60, "rotate_every": 4 * HOUR}
AHEAD = 360  # cache_ttl and margin
KEEP = 1_290  # access_ttl, leeway, cache_ttl and margin


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


def make_ring(directory, clock, **changes):
    return KeyRing(directory, clock=clock, **{**NUMBERS, **changes})


def make_issuer(keys, clock, **changes):
    settings = {"issuer": ISSUER, "audience": AUDIENCE, "client_id": "web", "access_ttl": 900}
    return TokenIssuer(keys=keys, clock=clock, **{**settings, **changes})


def make_verifier(keys, clock, **changes):
    return TokenVerifier(
        **{"issuer": ISSUER, "audience": AUDIENCE, "keys": keys, "leeway": 30, "clock": clock, **changes}
    )


def states(ring):
    return [key.state for key in ring.all_keys()]


def active(ring):
    (kid,) = [key.kid for key in ring.all_keys() if key.state == "active"]
    return kid


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def place(tmp_path):
    """Return the directory of the ring, which does not exist yet."""
    return tmp_path / "ring"


@pytest.fixture
def ring(place, clock):
    return make_ring(place, clock)

"""The windows that follow from the numbers of a ring, and the numbers that contradict each other."""

from datetime import timedelta

import pytest
from tests.support.rings import AHEAD, HOUR, KEEP, NUMBERS

from gatepass import ConfigurationError
from gatepass.keyring.schedule import Schedule


def schedule(**changes):
    return Schedule.checked(**{"algorithm": "ES256", **NUMBERS, "publish_ahead": None, "keep_retired": None, **changes})


def test_the_windows_follow_from_the_numbers():
    assert (schedule().publish_ahead, schedule().keep_retired, schedule().announced) == (AHEAD, KEEP, AHEAD)


def test_durations_are_seconds_or_timedeltas_and_rounded_up():
    named = schedule(cache_ttl=timedelta(minutes=10), leeway=0.5, rotate_every=timedelta(days=1))

    assert (named.cache_ttl, named.leeway, named.rotate_every) == (600, 1, 86_400)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"publish_ahead": AHEAD - 1},
            (
                "publish_ahead= is 359 seconds, but others may use a copy without the new key for cache_ttl= and margin=, "
                "360 seconds: raise publish_ahead=, or lower cache_ttl="
            ),
        ),
        (
            {"keep_retired": KEEP - 1},
            (
                "keep_retired= is 1289 seconds, but a retired key's last token needs it for access_ttl=, leeway=, "
                "cache_ttl= and margin=, 1290 seconds: raise keep_retired=, or lower one of those"
            ),
        ),
        (
            {"rotate_every": AHEAD - 1},
            (
                "rotate_every= is 359 seconds, but each key is published 360 seconds before it signs: "
                "raise rotate_every=, or lower cache_ttl= or publish_ahead="
            ),
        ),
        (
            {"access_ttl": 24 * HOUR, "rotate_every": 2_992},
            (
                "rotate_every= is 2992 seconds, but each key is published for 90142 seconds, which is more than 32 keys "
                "at once: raise rotate_every=, or lower access_ttl= or keep_retired="
            ),
        ),
        (
            {"algorithm": "HS256"},
            (
                "a key ring publishes its keys, so algorithm= must be one of RS256, RS384, RS512, PS256, PS384, PS512, "
                "ES256, ES384, ES512, Ed25519, Ed448, EdDSA"
            ),
        ),
    ],
)
def test_contradictory_numbers_are_refused_with_what_to_change(changes, sentence):
    with pytest.raises(ConfigurationError) as caught:
        schedule(**changes)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"publish_ahead": AHEAD},
        {"keep_retired": KEEP},
        {"rotate_every": AHEAD},
        {"rotate_every": None},
        {"publish_ahead": 4 * HOUR},
        {"leeway": 0},
        {"margin": 6},
        {"access_ttl": 24 * HOUR, "rotate_every": 2_993},
    ],
)
def test_the_minimum_values_are_accepted(changes):
    assert schedule(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "none"},
        {"algorithm": None},
        {"access_ttl": 0},
        {"access_ttl": 86_401},
        {"leeway": 301},
        {"leeway": -1},
        {"cache_ttl": 0},
        {"cache_ttl": 8 * 86_400},
        {"cache_ttl": True},
        {"cache_ttl": float("nan")},
        {"cache_ttl": "300"},
        {"margin": 5},
        {"margin": float("inf")},
        {"rotate_every": 0},
        {"rotate_every": timedelta(days=4_000)},
        {"publish_ahead": 0},
        {"keep_retired": -1},
    ],
)
def test_an_invalid_number_is_refused(changes):
    with pytest.raises(ConfigurationError):
        schedule(**changes)

"""The text of a ring's file is read as it was written, and refused when it is damaged."""

import json
import os

import pytest
from tests.support.needs import reason_for
from tests.support.rings import make_ring

from gatepass import ConfigurationError, KeyRing
from gatepass.keyring.manifest import from_text, to_text

pytestmark = pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "file modes and locks are looked at"))


def test_a_ring_is_unchanged_after_writing_and_reading(ring, clock, place):
    ring.rotate()
    line = from_text((place / "keyring.json").read_bytes())

    assert from_text(to_text(line)) == line
    assert "jwk" not in repr(line)


def damaged(change):
    def apply(text):
        document = json.loads(text)
        change(document)
        return json.dumps(document).encode()

    return apply


DAMAGES = {
    "nothing": lambda text: b"",
    "half of it": lambda text: text[: len(text) // 2],
    "no object": lambda text: b"[]",
    "no keys": damaged(lambda document: document.pop("keys")),
    "keys that are none": damaged(lambda document: document.update(keys=[1])),
    "keys that are no list": damaged(lambda document: document.update(keys=None)),
    "no numbers": damaged(lambda document: document.pop("schedule")),
    "a number that is text": damaged(lambda document: document.update(announced="360")),
    "a key twice": damaged(lambda document: document["keys"].append(document["keys"][0])),
    "more keys than any ring has": damaged(
        lambda document: document["keys"].extend({**document["keys"][0], "jwk": None, "kid": str(n)} for n in range(40))
    ),
    "another kid": damaged(lambda document: document["keys"][0].update(kid="other")),
    "another algorithm": damaged(lambda document: document["keys"][0].update(algorithm="RS256")),
    "a kid that is no text": damaged(lambda document: document["keys"][0].update(kid=7)),
    "an instant that is none": damaged(lambda document: document["keys"][0].update(signs_from=True)),
    "an instant beyond all": damaged(lambda document: document["keys"][0].update(published_at=10**15)),
    "an instant before all": damaged(lambda document: document["keys"][0].update(published_at=-1)),
    "a jwk that is none": damaged(lambda document: document["keys"][0].update(jwk="x")),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_file_is_refused_and_not_changed(place, ring, clock, damage):
    file = place / "keyring.json"
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    left = file.read_bytes()

    with pytest.raises(ConfigurationError, match="the file of this key ring is damaged: put back a copy of it"):
        make_ring(place, clock)
    assert file.read_bytes() == left


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda document: document.update(version=2), "written by a newer gatepass"),
        (lambda document: document.update(keys=[]), "no key that can sign"),
        (lambda document: document["keys"][0]["jwk"].pop("d"), "no key that can sign"),
        (lambda document: document["keys"][0]["jwk"].update(x="AA"), "JWK"),
        (lambda document: document["schedule"].update(cache_ttl=0), "cache_ttl="),
    ],
)
def test_an_unusable_file_is_refused_with_the_reason(place, ring, clock, change, sentence):
    file = place / "keyring.json"
    file.write_bytes(damaged(change)(file.read_bytes()))

    with pytest.raises(ConfigurationError, match=sentence):
        KeyRing.open(place, clock=clock)

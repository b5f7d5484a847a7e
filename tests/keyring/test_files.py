"""The files of a ring: whose they are, who may read them, and what becomes of one that is damaged."""

import json
import os
import stat

import pytest
from tests.support.needs import missing, reason_for
from tests.support.rings import make_issuer, make_ring, make_verifier, states

from gatepass import ConfigurationError, KeyRing
from gatepass.errors import UnknownKey
from gatepass.keyring import files
from gatepass.keyring.manifest import from_text, to_text

pytestmark = pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "file modes and locks are looked at"))


def test_what_is_written_is_for_its_owner_alone(place, ring):
    previous = os.umask(0)
    try:
        ring.rotate()
    finally:
        os.umask(previous)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
    assert modes == {"keyring.json": 0o600, "lock": 0o600}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o601, 0o777])
def test_a_file_that_others_can_reach_is_refused(place, ring, clock, mode):
    (place / "keyring.json").chmod(mode)

    with pytest.raises(ConfigurationError, match=r"other users can read or change .*keyring\.json.*: chmod 600 "):
        make_ring(place, clock)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o770])
def test_a_directory_that_others_can_reach_is_refused(tmp_path, clock, mode):
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring").chmod(mode)

    with pytest.raises(ConfigurationError, match=r"other users can read or change .*: chmod 700 "):
        make_ring(tmp_path / "ring", clock)
    assert list((tmp_path / "ring").iterdir()) == []


def test_a_directory_that_is_there_and_private_is_used(tmp_path, clock):
    (tmp_path / "ring").mkdir(mode=0o700)

    assert states(make_ring(tmp_path / "ring", clock)) == ["active"]


@pytest.mark.parametrize("what", ["directory", "keyring.json", "lock"])
def test_a_link_is_refused(tmp_path, place, ring, clock, what):
    """It may lead elsewhere tomorrow, or belong to a user who wants to see what is written there."""
    elsewhere = tmp_path / "elsewhere"
    if what == "directory":
        place.rename(elsewhere)
        place.symlink_to(elsewhere)
    else:
        (place / what).rename(elsewhere)
        (place / what).symlink_to(elsewhere)

    with pytest.raises(ConfigurationError, match="is a link"):
        make_ring(place, clock).rotate()


@pytest.mark.parametrize("ask", [make_ring, lambda place, clock: KeyRing.open(place), lambda place, clock: None])
@pytest.mark.parametrize("way", ["ring", "link/ring"])
def test_a_ring_that_others_can_put_aside_is_refused(tmp_path, clock, ask, way):
    """In its place they would put one of their own, or none, which is begun anew."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "shared" / "link").symlink_to(tmp_path / "data")
    ring = make_ring(tmp_path / "shared" / way, clock)
    (tmp_path / "shared").chmod(0o777)

    with pytest.raises(ConfigurationError, match=r"other users can replace the files in .*shared: chmod go-w"):
        ask(tmp_path / "shared" / way, clock) or ring.rotate()


def test_no_ring_is_made_where_others_could_put_it_aside(tmp_path, clock):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)

    with pytest.raises(ConfigurationError, match="other users can replace the files"):
        make_ring(tmp_path / "shared" / "ring", clock)
    assert list((tmp_path / "shared").iterdir()) == []


@pytest.mark.parametrize("umask", [0o777, 0o077])
def test_a_ring_is_its_owners_whatever_the_umask(tmp_path, clock, umask):
    (tmp_path / "ring").mkdir(mode=0o700)
    previous = os.umask(umask)
    try:
        make_ring(tmp_path / "ring", clock).rotate()
    finally:
        os.umask(previous)

    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "ring").iterdir()} == {0o600}


def test_a_pipe_is_refused_and_not_waited_for(place, ring, clock):
    (place / "keyring.json").unlink()
    os.mkfifo(place / "keyring.json", 0o600)

    with pytest.raises(ConfigurationError, match="a device, a pipe or a socket"):
        make_ring(place, clock)


def test_a_directory_that_was_opened_to_others_is_noticed_with_the_next_change(place, ring, clock):
    place.chmod(0o770)

    with pytest.raises(ConfigurationError, match="other users can read or change"):
        ring.rotate()
    with pytest.raises(ConfigurationError, match="other users can read or change"):
        KeyRing.open(place)


def test_who_reads_a_ring_waits_until_it_is_on_the_disk(place, ring, clock, monkeypatch):
    """Who replaced the file may have been killed before it was there for good."""
    kept, fsync = [], os.fsync
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: kept.append(os.fstat(descriptor)) or fsync(descriptor))

    make_ring(place, clock)

    assert [one.st_ino for one in kept] == [place.stat().st_ino]


@pytest.mark.parametrize("path", ["no/such/parent", "file"])
def test_a_place_that_cannot_be_a_directory_is_refused(tmp_path, clock, path):
    (tmp_path / "file").touch(mode=0o600)

    with pytest.raises(ConfigurationError, match=r"cannot hold a key ring|other users can"):
        make_ring(tmp_path / path, clock)


def test_what_belongs_to_somebody_else_is_refused(place, ring, clock, monkeypatch):
    stranger = os.geteuid() + 1
    monkeypatch.setattr(files.os, "geteuid", lambda: stranger)

    with pytest.raises(ConfigurationError, match="belongs to another user: run this as its owner"):
        ring.rotate()
    if place.stat().st_uid != 0:  # what root owns, root could read anyway
        with pytest.raises(ConfigurationError, match="belongs to another user"):
            make_ring(place, clock)


def test_root_does_not_take_the_ring_of_a_service_away(place, ring):
    if os.geteuid() != 0:
        missing("root", "only root can give a file away")
    for path in (place, place / "keyring.json"):
        os.chown(path, 12_345, -1)

    with pytest.raises(ConfigurationError, match="belongs to another user"):
        KeyRing.open(place)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        ring.rotate()


def test_a_ring_can_be_used_where_nothing_may_be_written(place, ring, clock):
    before = sorted(path.name for path in place.iterdir())
    (place / "lock").unlink()
    (place / "lock").mkdir()  # not even root can write to this

    assert make_ring(place, clock).current().signing_key.kid == ring.current().signing_key.kid
    assert sorted(path.name for path in place.iterdir()) == before


def test_what_a_killed_process_left_is_swept_away(place, ring):
    (place / "0123.unfinished").write_text("{")

    ring.rotate()

    assert sorted(path.name for path in place.iterdir()) == ["keyring.json", "lock"]


def test_a_disk_that_is_full_changes_nothing(place, ring, monkeypatch):
    before = (place / "keyring.json").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        ring.rotate()

    assert (place / "keyring.json").read_bytes() == before
    assert sorted(path.name for path in place.iterdir()) == ["keyring.json", "lock"]


def test_a_lock_that_is_not_given_back_is_told(place, ring, monkeypatch):
    monkeypatch.setattr(files, "_LOCK_TIMEOUT", 0.05)
    with files.RingDirectory(place).locked(), pytest.raises(TimeoutError, match="another thread holds the lock"):
        ring.rotate()
    ring.rotate()

    assert states(ring) == ["active", "published"]


def test_without_posix_locks_a_sentence_says_so(place, clock, monkeypatch):
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match="locks and modes of POSIX"):
        make_ring(place, clock)


# The text of the file


def test_a_ring_is_the_same_after_it_was_written_and_read(ring, clock, place):
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
def test_a_damaged_file_is_refused_and_left_as_it_is(place, ring, clock, damage):
    file = place / "keyring.json"
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    left = file.read_bytes()

    with pytest.raises(ConfigurationError, match="the file of this key ring is damaged: put back a copy of it"):
        make_ring(place, clock)
    assert file.read_bytes() == left


def test_a_file_that_was_damaged_is_read_once_and_not_for_each_forged_token(place, ring, clock, monkeypatch):
    reads = []
    read_ring_file = files.read_ring_file

    def counted(*given):
        reads.append(given)
        return read_ring_file(*given)

    monkeypatch.setattr(files, "read_ring_file", counted)
    verifier, other = make_verifier(ring, clock), make_issuer(make_ring(place.with_name("other"), clock), clock)
    good, whole = make_issuer(ring, clock).issue("anna"), (place / "keyring.json").read_bytes()
    (place / "keyring.json").write_bytes(b"{")
    reads.clear()
    for _ in range(20):
        with pytest.raises(UnknownKey):
            verifier.verify(other.issue("anna"))
        assert verifier.verify(good)
    assert len(reads) == 1

    clock.now += 2
    assert verifier.verify(good)
    assert len(reads) == 2
    (place / "keyring.json").write_bytes(whole)
    with pytest.raises(UnknownKey):
        verifier.verify(other.issue("anna"))
    assert len(reads) == 3
    assert not ring._watch.is_outdated()


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
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(place, ring, clock, change, sentence):
    file = place / "keyring.json"
    file.write_bytes(damaged(change)(file.read_bytes()))

    with pytest.raises(ConfigurationError, match=sentence):
        KeyRing.open(place, clock=clock)


def test_a_file_without_end_is_not_read_to_its_end(place, ring, clock):
    with (place / "keyring.json").open("ab") as file:
        file.write(b" " * 1_000_001)

    with pytest.raises(ConfigurationError, match="too large"):
        make_ring(place, clock)

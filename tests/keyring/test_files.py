"""The files of a ring: their owner, their permissions, and damaged files."""

import os
import stat

import pytest
from tests.support.needs import missing, reason_for
from tests.support.rings import make_issuer, make_ring, make_verifier, states

from gatepass import ConfigurationError, KeyRing
from gatepass.errors import UnknownKey
from gatepass.keyring import files

pytestmark = pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "file modes and locks are looked at"))


def test_written_files_are_accessible_to_their_owner_only(place, ring):
    previous = os.umask(0)
    try:
        ring.rotate()
    finally:
        os.umask(previous)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
    assert modes == {"keyring.json": 0o600, "lock": 0o600}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o601, 0o777])
def test_a_file_that_others_can_access_is_refused(place, ring, clock, mode):
    (place / "keyring.json").chmod(mode)

    with pytest.raises(ConfigurationError, match=r"other users can read or change .*keyring\.json.*: chmod 600 "):
        make_ring(place, clock)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o770])
def test_a_directory_that_others_can_access_is_refused(tmp_path, clock, mode):
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring").chmod(mode)

    with pytest.raises(ConfigurationError, match=r"other users can read or change .*: chmod 700 "):
        make_ring(tmp_path / "ring", clock)
    assert list((tmp_path / "ring").iterdir()) == []


def test_an_existing_private_directory_is_used(tmp_path, clock):
    (tmp_path / "ring").mkdir(mode=0o700)

    assert states(make_ring(tmp_path / "ring", clock)) == ["active"]


@pytest.mark.parametrize("what", ["directory", "keyring.json", "lock"])
def test_a_symbolic_link_is_refused(tmp_path, place, ring, clock, what):
    """It may point elsewhere later, or belong to a user who wants to read what is written there."""
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
def test_a_ring_that_others_can_move_is_refused(tmp_path, clock, ask, way):
    """Others could replace it with their own, or remove it, which would create a new ring."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "shared" / "link").symlink_to(tmp_path / "data")
    ring = make_ring(tmp_path / "shared" / way, clock)
    (tmp_path / "shared").chmod(0o777)

    with pytest.raises(ConfigurationError, match=r"other users can replace the files in .*shared: chmod go-w"):
        ask(tmp_path / "shared" / way, clock) or ring.rotate()


def test_no_ring_is_created_where_others_could_move_it(tmp_path, clock):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)

    with pytest.raises(ConfigurationError, match="other users can replace the files"):
        make_ring(tmp_path / "shared" / "ring", clock)
    assert list((tmp_path / "shared").iterdir()) == []


@pytest.mark.parametrize("umask", [0o777, 0o077])
def test_a_ring_is_private_regardless_of_the_umask(tmp_path, clock, umask):
    (tmp_path / "ring").mkdir(mode=0o700)
    previous = os.umask(umask)
    try:
        make_ring(tmp_path / "ring", clock).rotate()
    finally:
        os.umask(previous)

    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "ring").iterdir()} == {0o600}


def test_a_named_pipe_is_refused_without_blocking(place, ring, clock):
    (place / "keyring.json").unlink()
    os.mkfifo(place / "keyring.json", 0o600)

    with pytest.raises(ConfigurationError, match="a device, a pipe or a socket"):
        make_ring(place, clock)


def test_a_directory_that_became_accessible_to_others_is_refused_at_the_next_change(place, ring, clock):
    place.chmod(0o770)

    with pytest.raises(ConfigurationError, match="other users can read or change"):
        ring.rotate()
    with pytest.raises(ConfigurationError, match="other users can read or change"):
        KeyRing.open(place)


def test_reading_a_ring_waits_until_it_is_on_disk(place, ring, clock, monkeypatch):
    """The process that replaced the file may have been killed before the file was on disk."""
    kept, fsync = [], os.fsync
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: kept.append(os.fstat(descriptor)) or fsync(descriptor))

    make_ring(place, clock)

    assert [one.st_ino for one in kept] == [place.stat().st_ino]


@pytest.mark.parametrize("path", ["no/such/parent", "file"])
def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path, clock, path):
    (tmp_path / "file").touch(mode=0o600)

    with pytest.raises(ConfigurationError, match=r"cannot hold a key ring|other users can"):
        make_ring(tmp_path / path, clock)


def test_files_of_another_user_are_refused(place, ring, clock, monkeypatch):
    stranger = os.geteuid() + 1
    monkeypatch.setattr(files.os, "geteuid", lambda: stranger)

    with pytest.raises(ConfigurationError, match="belongs to another user: run this as its owner"):
        ring.rotate()
    if place.stat().st_uid != 0:  # root could read files of root in any case
        with pytest.raises(ConfigurationError, match="belongs to another user"):
            make_ring(place, clock)


def test_root_does_not_use_the_ring_of_another_user(place, ring):
    if os.geteuid() != 0:
        missing("root", "only root can give a file away")
    for path in (place, place / "keyring.json"):
        os.chown(path, 12_345, -1)

    with pytest.raises(ConfigurationError, match="belongs to another user"):
        KeyRing.open(place)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        ring.rotate()


def test_a_ring_can_be_used_on_a_read_only_file_system(place, ring, clock):
    before = sorted(path.name for path in place.iterdir())
    (place / "lock").unlink()
    (place / "lock").mkdir()  # not even root can write to this

    assert make_ring(place, clock).current().signing_key.kid == ring.current().signing_key.kid
    assert sorted(path.name for path in place.iterdir()) == before


def test_temporary_files_of_a_killed_process_are_removed(place, ring):
    (place / "0123.unfinished").write_text("{")

    ring.rotate()

    assert sorted(path.name for path in place.iterdir()) == ["keyring.json", "lock"]


def test_a_full_disk_changes_nothing(place, ring, monkeypatch):
    before = (place / "keyring.json").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        ring.rotate()

    assert (place / "keyring.json").read_bytes() == before
    assert sorted(path.name for path in place.iterdir()) == ["keyring.json", "lock"]


def test_a_lock_that_is_not_released_is_reported(place, ring, monkeypatch):
    monkeypatch.setattr(files, "_LOCK_TIMEOUT", 0.05)
    with files.RingDirectory(place).locked(), pytest.raises(TimeoutError, match="another thread holds the lock"):
        ring.rotate()
    ring.rotate()

    assert states(ring) == ["active", "published"]


def test_without_posix_locks_the_error_says_so(place, clock, monkeypatch):
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match="locks and modes of POSIX"):
        make_ring(place, clock)


def test_a_damaged_file_is_read_once_and_not_for_each_forged_token(place, ring, clock, monkeypatch):
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


def test_an_endless_file_is_read_up_to_the_limit_only(place, ring, clock):
    with (place / "keyring.json").open("ab") as file:
        file.write(b" " * 1_000_001)

    with pytest.raises(ConfigurationError, match="too large"):
        make_ring(place, clock)

"""A ring in a file that a platform mounts is read, followed when it is replaced, and never written."""

import os
import shutil
from datetime import timedelta

import pytest
from tests.support.needs import missing, reason_for
from tests.support.rings import AHEAD, HOUR, active, make_issuer, make_ring, make_verifier, states

from gatepass import ConfigurationError, KeyRing
from gatepass.adapter import JWKSEndpoint
from gatepass.errors import KeysUnavailable, UnknownKey
from gatepass.keyring import EMERGENCY

pytestmark = pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "file modes are looked at"))


class Secret:
    """A secret as a kubelet mounts it: links to a directory that is replaced as a whole."""

    def __init__(self, path, source):
        self.path = path
        self._source = source
        self._number = 0
        path.mkdir(mode=0o1777)
        path.chmod(0o1777)
        self.update()
        (path / "keyring.json").symlink_to("..data/keyring.json")

    def update(self, mode=0o440):
        self._number += 1
        version = self.path / f"..2026_{self._number}"
        version.mkdir()
        shutil.copy(self._source / "keyring.json", version)
        (version / "keyring.json").chmod(mode)
        (self.path / "..data_tmp").symlink_to(version.name)
        (self.path / "..data_tmp").rename(self.path / "..data")


@pytest.fixture
def secret(tmp_path, ring, place):
    return Secret(tmp_path / "secret", place)


@pytest.fixture
def mounted(secret, clock):
    return KeyRing.mounted(secret.path, clock=clock)


def contents(path):
    return sorted(str(each.relative_to(path)) for each in path.rglob("*"))


def test_a_mounted_ring_signs_verifies_and_publishes(mounted, ring, clock):
    verifier = make_verifier(mounted, clock)

    assert verifier.verify(make_issuer(mounted, clock).issue("anna")).subject == "anna"
    assert verifier.verify(make_issuer(ring, clock).issue("anna")).subject == "anna"
    assert JWKSEndpoint(mounted).answer("GET") == JWKSEndpoint(ring).answer("GET")
    assert states(mounted) == ["active"]


@pytest.mark.parametrize("name", ["secret", "secret/keyring.json", "secret/..data/keyring.json"])
def test_the_path_may_be_that_of_the_file_or_its_directory(tmp_path, secret, clock, ring, name):
    assert active(KeyRing.mounted(tmp_path / name, clock=clock)) == active(ring)


def test_a_file_may_have_any_name(tmp_path, place, ring, clock):
    shutil.copy(place / "keyring.json", tmp_path / "signing-keys")

    assert active(KeyRing.mounted(str(tmp_path / "signing-keys"), clock=clock)) == active(ring)


def test_the_numbers_of_a_mounted_ring_are_those_of_the_file(tmp_path, clock):
    make_ring(tmp_path / "made", clock, cache_ttl=600, access_ttl=60, leeway=10)
    ring = KeyRing.mounted(tmp_path / "made", clock=clock)

    assert (ring.cache_ttl, ring.access_ttl, ring.leeway) == (
        timedelta(seconds=600),
        timedelta(seconds=60),
        timedelta(seconds=10),
    )
    assert repr(ring) == f"<KeyRing in {tmp_path}/made/keyring.json, ES256>"


def test_a_rotation_by_another_host_is_followed(mounted, ring, secret, clock):
    issuer, verifier = make_issuer(mounted, clock), make_verifier(mounted, clock)
    before = issuer.issue("anna")
    ring.rotate()
    secret.update()
    clock.now += 2
    assert states(mounted) == ["active", "published"]
    assert len(mounted.current()) == 2
    clock.now += AHEAD
    assert mounted.current().signing_key.kid == active(ring)

    assert verifier.verify(before).subject == "anna"
    assert make_verifier(ring, clock).verify(issuer.issue("anna")).subject == "anna"


def test_a_key_that_another_host_removed_is_refused_within_two_seconds(mounted, ring, secret, clock):
    stolen = make_issuer(mounted, clock).issue("anna")
    ring.remove(active(ring), EMERGENCY)
    secret.update()
    clock.now += 2

    with pytest.raises(UnknownKey):
        make_verifier(mounted, clock).verify(stolen)


def test_a_mounted_ring_is_never_written(mounted, secret, clock):
    before = contents(secret.path)
    clock.now += 40 * HOUR  # a rotation is long overdue
    assert make_verifier(mounted, clock).verify(make_issuer(mounted, clock).issue("anna"))
    for change in (mounted.rotate, mounted.rotate_if_due, lambda: mounted.remove(active(mounted), EMERGENCY)):
        with pytest.raises(ConfigurationError, match="change it where its file is created"):
            change()

    assert contents(secret.path) == before
    assert states(mounted) == ["active"]


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_the_owner_and_the_group_may_read_a_mounted_ring(secret, clock, mode):
    secret.update(mode)

    assert KeyRing.mounted(secret.path, clock=clock).current().signing_key


@pytest.mark.parametrize("mode", [0o444, 0o404, 0o420, 0o402, 0o460, 0o644, 0o666])
def test_a_group_writable_or_world_readable_file_is_refused(secret, clock, mode):
    secret.update(mode)

    with pytest.raises(ConfigurationError, match="mount it with the mode 0440 or 0400"):
        KeyRing.mounted(secret.path, clock=clock)


def test_a_file_of_another_user_is_refused(secret, clock):
    if os.geteuid() != 0:
        missing("root", "only root can give a file away")
    os.chown(secret.path / "keyring.json", 12_345, -1)

    with pytest.raises(ConfigurationError, match="belongs to another user"):
        KeyRing.mounted(secret.path, clock=clock)


@pytest.mark.parametrize("name", ["no-such-file", "empty"])
def test_a_missing_mounted_ring_is_not_created(tmp_path, clock, name):
    (tmp_path / "empty").mkdir()

    with pytest.raises(ConfigurationError, match=r"there is no key ring at .* that can be read: No such file"):
        KeyRing.mounted(tmp_path / name, clock=clock)
    assert contents(tmp_path) == ["empty"]


def test_a_mount_that_disappears_is_an_outage_once_copies_expire(mounted, secret, clock):
    shutil.rmtree(secret.path)
    clock.now += 299
    assert mounted.current().signing_key
    clock.now += 2

    with pytest.raises(KeysUnavailable):
        mounted.current()

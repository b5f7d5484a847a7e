"""`gatepass keys`: list, rotate and remove the keys of a ring, and never show a private key."""

import json
import os
import re
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.needs import reason_for

from gatepass import KeyRing
from gatepass.cli.text import age

DAY = 86_400
pytestmark = pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "a key ring locks files"))


@pytest.fixture
def ring(tmp_path):
    return KeyRing(tmp_path / "ring", algorithm="Ed25519")


class Span:
    """A span of time during which a command printed the distance of a moment."""

    @property
    def length(self):
        return timedelta(seconds=self.ended - self.began)

    def ages_of(self, moment):
        return {age(moment.timestamp() - now) for now in range(self.began, self.ended + 1)}


@contextmanager
def span():
    passed = Span()
    passed.began = int(time.time())
    yield passed
    passed.ended = int(time.time()) + 1


def kid_that_is(state, ring):
    (kid,) = [key.kid for key in ring.all_keys() if key.state == state]
    return kid


def test_a_list_shows_each_key_and_its_state(gatepass_here, ring):
    ring.rotate()
    with span() as passed:
        result = gatepass_here("keys", "list", "ring")

    title, *rows = [line.split() for line in result.stdout.decode().splitlines()]
    assert result.returncode == 0
    assert title == ["state", "signs", "from", "signs", "until", "published", "until", "algorithm", "key", "id"]
    assert [[row[0], *row[-2:]] for row in rows] == [[key.state, "Ed25519", key.kid] for key in ring.all_keys()]
    first = ring.all_keys()[0]
    assert first.removed_at - first.signs_from > timedelta(minutes=27)
    assert " ".join(rows[0][-5:-2]) in passed.ages_of(first.removed_at)


@pytest.mark.parametrize("width", [200, 115, 114, 80, 44])
def test_a_key_id_is_on_one_line_however_narrow_the_terminal(gatepass_here, ring, width):
    """The operator pastes it into `gatepass keys remove`."""
    ring.rotate()

    with span() as passed:
        result = gatepass_here("keys", "list", "ring", env={"COLUMNS": str(width), "FORCE_COLOR": "1", "TERM": "xterm"})

    shown = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout.decode())
    assert all(key.kid in shown and key.state in shown for key in ring.all_keys())
    assert max(map(len, shown.splitlines())) <= width
    retires = passed.ages_of(ring.all_keys()[0].retires_at)
    assert any(f"signs until: {age}" in " ".join(shown.split()) for age in retires) or width > 110


def test_no_private_key_is_shown(gatepass_here, ring, tmp_path):
    ring.rotate()
    secrets = [key["jwk"]["d"] for key in json.loads((tmp_path / "ring" / "keyring.json").read_text())["keys"]]
    shown = b""
    for arguments in (["list", "ring"], ["rotate", "ring"], ["remove", "ring", kid_that_is("published", ring)]):
        result = gatepass_here("keys", *arguments)
        shown += result.stdout + result.stderr

    assert len(secrets) == 2
    assert not any(secret.encode() in shown for secret in secrets)


def test_a_rotation_publishes_the_next_key(gatepass_here, ring):
    with span() as passed:
        result = gatepass_here("keys", "rotate", "ring")

    assert result.returncode == 0
    assert [key.state for key in ring.all_keys()] == ["active", "published"]
    assert kid_that_is("published", ring).encode() in result.stdout
    signs_from = ring.all_keys()[1].signs_from
    assert (
        timedelta(seconds=360)
        <= signs_from - datetime.fromtimestamp(passed.began, UTC)
        <= passed.length + timedelta(seconds=361)
    )
    assert result.stderr.decode() in {f"The next key signs {age}.\n" for age in passed.ages_of(signs_from)}


def test_a_rotation_to_a_key_published_long_enough_says_that_it_signs_now(gatepass_here, tmp_path):
    now = time.time() - 20 * DAY
    ring = KeyRing(tmp_path / "ring", rotate_every=40 * DAY, publish_ahead=35 * DAY, clock=lambda: now)
    now += 10 * DAY
    ring.rotate_if_due()

    result = gatepass_here("keys", "rotate", "ring")

    assert result.returncode == 0
    assert re.fullmatch(rb"The next key signs (from now on|now|in 1 second)\.\n", result.stderr)


def test_a_pending_key_is_removed(gatepass_here, ring):
    ring.rotate()

    assert gatepass_here("keys", "remove", "ring", kid_that_is("published", ring)).returncode == 0
    assert sorted(key.state for key in ring.all_keys()) == ["active", "removed"]


def test_a_key_in_use_is_not_removed(gatepass_here, ring):
    result = gatepass_here("keys", "remove", "ring", kid_that_is("active", ring))

    assert result.returncode == 2
    assert result.stderr == (
        b"Error: this key is needed: it signs; rotate first, or remove it as an emergency if it is compromised\n"
    )


def test_an_emergency_removes_any_key_and_explains_the_consequences(gatepass_here, ring, tmp_path):
    gone = kid_that_is("active", ring)

    result = gatepass_here("keys", "remove", "ring", gone, "--emergency")

    assert result.returncode == 0
    assert result.stderr == (
        b"Other services may accept the removed key for 300 seconds, longer if their copy of the keys is stale.\n"
    )
    assert kid_that_is("active", ring) != gone
    assert KeyRing(tmp_path / "ring", algorithm="Ed25519").current().signing_key.kid == kid_that_is("active", ring)


def test_a_removed_key_counts_as_cached_for_at_least_a_minute(gatepass_here, tmp_path):
    ring = KeyRing(tmp_path / "ring", cache_ttl=5)

    result = gatepass_here("keys", "remove", "ring", kid_that_is("active", ring), "--emergency")

    assert b"may accept the removed key for 60 seconds," in result.stderr


@pytest.mark.parametrize("command", ["list", "rotate", "remove"])
@pytest.mark.parametrize("directory", ["nowhere", ".", "\x1b[31mred"])
def test_a_missing_ring_gets_a_message_and_is_not_created(gatepass_here, tmp_path, command, directory):
    result = gatepass_here("keys", command, directory, *(["x"] if command == "remove" else []))

    assert result.returncode == 2
    assert b"Error: there is no key ring in" in result.stderr
    assert b"\x1b" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_ring_that_others_can_read_is_refused_unchanged(gatepass_here, ring, tmp_path):
    (tmp_path / "ring" / "keyring.json").chmod(0o640)
    result = gatepass_here("keys", "rotate", "ring")

    assert result.returncode == 2
    assert b"chmod 600" in result.stderr


def test_no_key_id_can_be_taken_for_an_option(ring):
    for _ in range(70):
        ring.rotate()
        kid = kid_that_is("published", ring)
        assert not kid.startswith("-")
        ring.remove(kid)


@pytest.mark.parametrize("command", [["list"], ["rotate"], ["remove", "--", "kid"]])
def test_the_message_for_a_missing_ring_explains_how_to_create_one(gatepass_here, tmp_path, command):
    (tmp_path / "empty").mkdir(mode=0o700)

    result = gatepass_here("keys", command[0], "empty", *command[1:])

    assert result.returncode == 2
    assert b"a service creates it with KeyRing(" in result.stderr

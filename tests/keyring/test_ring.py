"""One ring and a clock that moves: the state of each key at each time. No clock and no file stops signing."""

import json
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.support.rings import AHEAD, HOUR, KEEP, NOW, Clock, active, make_issuer, make_ring, make_verifier, states

from gatepass import ConfigurationError, KeyRing, TokenService
from gatepass.errors import KeysUnavailable, UnknownKey
from gatepass.keyring import EMERGENCY, watch
from gatepass.refresh.errors import ServiceUnavailable
from gatepass.stores.memory import MemoryStore


def kids(ring):
    return [jwk["kid"] for jwk in ring.to_jwks()["keys"]]


def test_the_first_key_of_an_empty_directory_signs_at_once(ring, clock):
    assert states(ring) == ["active"]
    assert ring.current().signing_key.algorithm == "ES256"
    assert make_verifier(ring, clock).verify(make_issuer(ring, clock).issue("anna")).subject == "anna"


def test_the_log_records_changes_and_names_no_key(place, clock, caplog):
    caplog.set_level(logging.INFO, "gatepass.keyring")
    ring = make_ring(place, clock)
    ring.rotate()
    ring.rotate()

    assert [record.getMessage() for record in caplog.records] == [
        "a new key ring was created",
        "the key ring was changed",
    ]


def test_a_key_is_published_then_active_then_retired_then_removed(ring, clock):
    first = active(ring)
    ring.rotate()
    (second,) = [key.kid for key in ring.all_keys() if key.state == "published"]
    for instant, expected, signer, shown in (
        (NOW, ["active", "published"], first, [first, second]),
        (NOW + AHEAD - 1, ["active", "published"], first, [first, second]),
        (NOW + AHEAD, ["retired", "active"], second, [first, second]),
        (NOW + AHEAD + KEEP - 1, ["retired", "active"], second, [first, second]),
        (NOW + AHEAD + KEEP, ["removed", "active"], second, [second]),
    ):
        clock.now = instant
        assert (states(ring), ring.current().signing_key.kid, kids(ring)) == (expected, signer, shown), instant


def test_the_times_of_a_key_are_listed(ring, clock):
    ring.rotate()
    first, second = ring.all_keys()

    assert first.removed_at - first.retires_at == timedelta(seconds=KEEP)
    assert second.signs_from == first.retires_at
    assert second.signs_from - second.published_at == timedelta(seconds=AHEAD)
    assert (second.retires_at, second.removed_at) == (None, None)


def test_the_set_is_the_same_object_until_something_changes(ring, clock):
    before = ring.current()
    for _ in range(100):
        clock.now += 1
        assert ring.current() is before

    ring.rotate()

    assert ring.current() is not before


def test_only_the_active_key_can_sign(ring, clock):
    ring.rotate()
    clock.now += AHEAD

    assert sorted(key.can_sign for key in ring.current()) == [False, True]


def test_verifying_a_token_reads_no_file(ring, clock, place):
    issuer, verifier = make_issuer(ring, clock), make_verifier(ring, clock)
    place.rename(place.with_name("away"))

    for _ in range(10):
        assert verifier.verify(issuer.issue("anna"))


def test_an_issuer_signs_with_the_active_key_and_names_it(ring, clock):
    issuer, verifier = make_issuer(ring, clock), make_verifier(ring, clock)
    first = issuer.issue("anna")
    ring.rotate()
    clock.now += AHEAD
    second = issuer.issue("anna")

    assert first.partition(".")[0] != second.partition(".")[0]
    assert [verifier.verify(token).subject for token in (first, second)] == ["anna", "anna"]


def test_an_issuer_whose_tokens_outlive_the_ring_is_refused(ring, clock):
    with pytest.raises(ConfigurationError, match="longer than the key ring's"):
        make_issuer(ring, clock, access_ttl=901)


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES512", "Ed25519", "Ed448", "EdDSA"])
def test_any_asymmetric_algorithm_is_accepted(place, clock, algorithm):
    ring = make_ring(place, clock, algorithm=algorithm)
    ring.rotate()
    clock.now += AHEAD

    assert make_verifier(ring, clock).verify(make_issuer(ring, clock).issue("anna"))
    assert [key.algorithm for key in make_ring(place, clock, algorithm=algorithm).all_keys()] == [algorithm] * 2


def test_changing_the_algorithm_is_a_rotation(ring, clock, place):
    ring = make_ring(place, clock, algorithm="Ed25519")

    assert [(key.algorithm, key.state) for key in ring.all_keys()] == [("ES256", "active"), ("Ed25519", "published")]
    make_ring(place, clock, algorithm="Ed25519")
    assert len(ring.all_keys()) == 2
    clock.now += AHEAD
    assert ring.current().signing_key.algorithm == "Ed25519"


def test_changing_the_algorithm_drops_a_published_key(ring, clock, place):
    ring.rotate()
    ring = make_ring(place, clock, algorithm="Ed25519")

    assert sorted((key.algorithm, key.state) for key in ring.all_keys()) == [
        ("ES256", "active"), ("ES256", "removed"), ("Ed25519", "published"),
    ]  # fmt: skip


# Rotation


def test_a_rotation_is_due_when_the_next_key_must_be_published(ring, clock):
    clock.now = NOW + 4 * HOUR - AHEAD - 1
    ring.rotate_if_due()
    assert states(ring) == ["active"]

    clock.now += 1
    ring.rotate_if_due()
    ring.rotate_if_due()
    assert states(ring) == ["active", "published"]

    clock.now = NOW + 4 * HOUR
    assert states(ring) == ["retired", "active"]


def test_a_ring_that_is_rotated_by_command_only_is_never_due(place, clock):
    ring = make_ring(place, clock, rotate_every=None)
    clock.now += 1_000 * HOUR
    ring.current()
    ring.rotate_if_due()

    assert states(ring) == ["active"]


def test_a_ring_that_was_unused_for_years_rotates_once(ring, clock):
    clock.now += 50_000 * HOUR
    for _ in range(3):
        ring.rotate_if_due()

    assert states(ring) == ["active", "published"]
    assert ring.all_keys()[1].signs_from.timestamp() == clock.now + AHEAD


def test_a_request_that_finds_a_rotation_due_starts_a_thread(ring, clock):
    clock.now += 4 * HOUR
    before = ring.current()
    wait_for_rotation()

    clock.now += 2
    assert (len(before), len(ring.current()), states(ring)) == (1, 2, ["active", "published"])


def wait_for_rotation():
    for thread in threading.enumerate():
        if thread.name == "gatepass-keyring":
            thread.join(120)
            assert not thread.is_alive()


def test_a_failed_rotation_is_logged_and_retried_later(ring, clock, place, caplog):
    (place / "lock").unlink()
    (place / "lock").mkdir()
    clock.now += 4 * HOUR
    for _ in range(3):
        ring.current()
        wait_for_rotation()
        clock.now += 3
    assert [record.getMessage() for record in caplog.records] == [
        "the rotation of the key ring failed: IsADirectoryError"
    ]

    (place / "lock").rmdir()
    clock.now += 60
    ring.current()
    wait_for_rotation()
    assert states(ring) == ["active", "published"]


def test_a_request_succeeds_if_no_thread_can_be_started(ring, clock, monkeypatch):
    def none_left(thread):
        raise RuntimeError("can't start new thread")

    clock.now += 4 * HOUR
    with monkeypatch.context() as changed:
        changed.setattr(threading.Thread, "start", none_left)
        assert ring.current().signing_key

    clock.now += 2
    ring.current()
    wait_for_rotation()
    assert states(ring) == ["active", "published"]


def test_a_second_command_does_not_make_a_third_key(ring, clock):
    ring.rotate()
    clock.now += 10
    ring.rotate()

    assert states(ring) == ["active", "published"]
    assert ring.all_keys()[1].signs_from.timestamp() == NOW + AHEAD


def test_a_spare_that_all_consumers_have_can_sign_at_once(place, clock):
    ring = make_ring(place, clock, publish_ahead=4 * HOUR)
    ring.rotate_if_due()
    assert states(ring) == ["active", "published"]
    clock.now += AHEAD - 10
    ring.rotate()
    assert states(ring) == ["active", "published"]

    clock.now += 10

    assert states(ring) == ["retired", "active"]
    clock.now += HOUR
    ring.rotate_if_due()
    ring.rotate()
    assert states(ring)[-2:] == ["active", "published"]


def test_a_retired_key_has_no_private_key(ring, clock, place):
    ring.rotate()
    clock.now += AHEAD + 60
    ring.rotate()

    kept = {key["kid"]: "d" in key["jwk"] for key in json.loads((place / "keyring.json").read_text())["keys"]}

    assert [kept[key.kid] for key in ring.all_keys()] == [False, True, True]


def test_the_file_does_not_grow_without_bound(ring, clock, place):
    for _ in range(40):
        ring.rotate()
        clock.now += 4 * HOUR

    assert len(ring.all_keys()) <= 12
    assert len(kids(ring)) == 1


def test_a_ring_has_a_maximum_size(place, clock):
    ring = make_ring(place, clock, keep_retired=1_000 * HOUR, rotate_every=None)
    for _ in range(31):
        ring.rotate()
        clock.now += AHEAD
    with pytest.raises(ConfigurationError, match="rotate less often"):
        ring.rotate()
    ring.remove(active(ring), EMERGENCY)

    assert ring.current().signing_key


# Removal


def test_a_key_in_use_is_not_removed_without_an_emergency(ring, clock):
    first = active(ring)
    with pytest.raises(ConfigurationError, match="it signs; rotate first"):
        ring.remove(first)
    ring.rotate()
    clock.now += AHEAD
    with pytest.raises(ConfigurationError, match="tokens that it signed are still valid"):
        ring.remove(first)
    assert kids(ring)[0] == first


def test_a_key_that_never_signed_is_removed(ring, clock):
    ring.rotate()
    ring.remove(ring.all_keys()[1].kid)
    clock.now += AHEAD

    assert states(ring) == ["active", "removed"]
    assert len(kids(ring)) == 1
    assert ring.all_keys()[0].retires_at is None


@pytest.mark.parametrize("kid", ["unknown", ""])
def test_removing_an_unknown_key_is_refused(ring, kid):
    with pytest.raises(ConfigurationError, match="no key with that kid"):
        ring.remove(kid, EMERGENCY)


def test_an_emergency_is_a_named_value(ring):
    with pytest.raises(ConfigurationError, match="EMERGENCY"):
        ring.remove(active(ring), True)
    assert repr(EMERGENCY) == "EMERGENCY"


def test_in_an_emergency_the_published_key_signs_at_once(ring, clock):
    issuer, verifier = make_issuer(ring, clock), make_verifier(ring, clock)
    first, token = active(ring), issuer.issue("anna")
    ring.rotate()
    second = kids(ring)[1]
    clock.now += 5

    ring.remove(first, EMERGENCY)

    assert (kids(ring), ring.current().signing_key.kid) == ([second], second)
    assert verifier.verify(issuer.issue("anna")).subject == "anna"
    with pytest.raises(UnknownKey):
        verifier.verify(token)
    assert states(ring) == ["removed", "active"]


def test_in_an_emergency_without_a_published_key_a_new_one_signs(ring, clock, place):
    first = active(ring)

    ring.remove(first, EMERGENCY)

    assert first not in kids(ring)
    assert ring.current().signing_key.kid != first
    assert len({key.signs_from for key in ring.all_keys()}) == 2  # two keys never become active together
    text = json.loads((place / "keyring.json").read_text())
    assert [key["jwk"] for key in text["keys"] if key["kid"] == first] == [None]
    clock.now += 4 * HOUR - AHEAD + 1  # active a second after the key that was removed in its first
    ring.rotate_if_due()
    clock.now += AHEAD
    assert states(ring) == ["removed", "retired", "active"]


def test_in_an_emergency_a_retired_key_is_removed_and_the_active_one_stays(ring, clock):
    first = active(ring)
    ring.rotate()
    clock.now += AHEAD
    second = active(ring)

    ring.remove(first, EMERGENCY)

    assert (kids(ring), active(ring)) == ([second], second)


def test_a_removed_key_does_not_shorten_the_life_of_its_predecessor(ring, clock):
    first = active(ring)
    ring.rotate()
    clock.now += AHEAD
    retired_at = ring.all_keys()[0].retires_at
    clock.now += 60
    ring.remove(active(ring), EMERGENCY)

    assert ring.all_keys()[0].retires_at == retired_at
    assert first in kids(ring)


def test_another_process_sees_a_change_within_seconds(ring, clock, place):
    other = make_ring(place, clock)
    gone = active(ring)
    ring.remove(gone, EMERGENCY)
    clock.now += 2

    assert gone not in kids(other)
    assert other.current().signing_key.kid == ring.current().signing_key.kid


def test_a_token_of_a_key_that_another_process_just_created_is_accepted_at_once(ring, clock, place):
    other = make_ring(place, clock)
    ring.remove(active(ring), EMERGENCY)
    token = make_issuer(ring, clock).issue("anna")

    verifier = make_verifier(other, clock)

    assert verifier.verify(token).subject == "anna"
    (place / "keyring.json").unlink()
    with pytest.raises(UnknownKey):
        verifier.verify(make_issuer(make_ring(place.with_name("foreign"), clock), clock).issue("anna"))


# Wrong clocks and files


@pytest.mark.parametrize("leap", [-1, -AHEAD, -HOUR, -100_000 * HOUR])
def test_a_clock_that_is_set_back_loses_no_key_and_still_signs(ring, clock, leap):
    issuer = make_issuer(ring, clock)
    ring.rotate()
    clock.now += AHEAD + 120
    ring.rotate()
    token, before = issuer.issue("anna"), set(kids(ring))

    clock.now += leap
    ring.rotate_if_due()

    assert before <= set(kids(ring))
    again = issuer.issue("anna")
    assert make_verifier(ring, clock).verify(again)
    clock.now -= leap
    assert make_verifier(ring, clock).verify(token)


def test_a_clock_that_was_ahead_for_a_while_does_no_harm(ring, clock):
    issuer, verifier = make_issuer(ring, clock), make_verifier(ring, clock)
    ring.rotate()
    clock.now += AHEAD
    token, before = issuer.issue("anna"), set(kids(ring))

    clock.now += 100_000 * HOUR
    for _ in range(3):
        ring.rotate_if_due()
        ring.rotate()
    clock.now -= 100_000 * HOUR

    assert verifier.verify(token)
    assert before <= set(kids(ring))
    assert verifier.verify(issuer.issue("anna"))
    clock.now += 4 * HOUR - AHEAD
    ring.rotate_if_due()
    assert ring.all_keys()[-2].signs_from.timestamp() == clock.now + AHEAD  # the one from the future does not count
    clock.now += AHEAD
    assert active(ring) == ring.all_keys()[-2].kid


def test_a_key_that_was_dated_in_the_future_can_be_brought_forward(ring, clock):
    clock.now += 100_000 * HOUR
    ring.rotate()
    clock.now -= 100_000 * HOUR

    ring.rotate()

    assert states(ring) == ["active", "published"]
    clock.now += AHEAD - 1
    assert states(ring) == ["active", "published"]
    clock.now += 1
    assert states(ring) == ["retired", "active"]


def test_a_ring_from_the_future_signs_with_a_key_that_is_published(clock, place):
    ahead = Clock(NOW + 10_000 * HOUR)
    make_ring(place, ahead)
    ring = make_ring(place, clock)
    ring.rotate_if_due()

    assert make_verifier(ring, clock).verify(make_issuer(ring, clock).issue("anna"))
    ring.rotate()
    clock.now += AHEAD
    assert ring.current().signing_key.kid in kids(ring)
    ring.remove(active(ring), EMERGENCY)
    assert make_verifier(ring, clock).verify(make_issuer(ring, clock).issue("anna"))


def test_while_the_directory_is_missing_the_last_view_is_used_until_copies_expire(ring, clock, place, caplog):
    before = ring.current()
    place.rename(place.with_name("away"))
    for _ in range(99):
        clock.now += 3
        assert ring.current() is before
    assert [record.getMessage() for record in caplog.records] == ["the key ring cannot be read: FileNotFoundError"]

    clock.now += 3
    with pytest.raises(KeysUnavailable):
        ring.current()
    with pytest.raises(KeysUnavailable):
        make_issuer(ring, clock)

    place.with_name("away").rename(place)
    assert ring.current() is before


def test_a_refresh_while_the_ring_cannot_be_read_spends_no_token(ring, clock, place):
    service = TokenService(make_issuer(ring, clock), MemoryStore(), check_subject=lambda subject: True, clock=clock)
    token = service.grant("anna").refresh_token
    place.rename(place.with_name("away"))
    clock.now += 301
    with pytest.raises(ServiceUnavailable):
        service.refresh(token)

    place.with_name("away").rename(place)

    assert service.refresh(token).access_token


def test_after_a_long_idle_time_no_request_finds_keys_missing(ring, clock, monkeypatch):
    monkeypatch.setattr(watch, "_MAX_WAIT", 120)  # for the thread that reads the file, however late it is scheduled
    clock.now += 3 * HOUR
    started = threading.Barrier(8)
    outcomes = []

    def ask():
        started.wait()
        outcomes.append(ring.current())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 8
    assert len(set(map(id, outcomes))) == 1


def test_concurrent_callers_use_the_previous_view(ring, clock, monkeypatch):
    monkeypatch.setattr(watch, "_MAX_WAIT", 3_600)  # a caller that waits for the other would never return
    before = ring.current()
    ring._watch._lock.acquire()
    clock.now += 3

    with ThreadPoolExecutor(1) as pool:
        came = pool.submit(ring.current)
        try:
            assert came.result(120) is before
        finally:
            ring._watch._lock.release()  # the other reads until now


def test_a_file_that_becomes_readable_by_others_is_refused(ring, clock, place, caplog):
    before = ring.current()
    ring.rotate()
    clock.now += 3
    (place / "keyring.json").chmod(0o644)
    os.utime(place / "keyring.json", ns=(1, 1))

    assert len(ring.current()) == 2
    assert before
    assert caplog.records[-1].getMessage() == "the key ring cannot be read: ConfigurationError"
    assert caplog.records[-1].levelno == logging.ERROR


def test_a_running_process_never_creates_a_second_ring(ring, clock, place):
    (place / "keyring.json").unlink()
    with pytest.raises(FileNotFoundError):
        ring.rotate()

    assert not (place / "keyring.json").exists()


# Changed settings


def test_longer_windows_apply_at_once_and_shorter_ones_to_new_keys_only(ring, clock, place):
    make_ring(place, clock, access_ttl=9_000, cache_ttl=600)
    ring.rotate()  # a process that still has the old numbers
    first, second = ring.all_keys()
    assert second.signs_from.timestamp() == NOW + 660
    assert first.removed_at - first.retires_at == timedelta(seconds=9_690)

    clock.now += 660
    shorter = make_ring(place, clock, access_ttl=60)
    assert shorter.all_keys()[0].removed_at == first.removed_at
    shorter.rotate()
    assert shorter.all_keys()[1].removed_at - shorter.all_keys()[1].retires_at == timedelta(seconds=KEEP)


def test_when_windows_shrink_earlier_copies_are_waited_for(place, clock):
    make_ring(place, clock, cache_ttl=3_600)
    ring = make_ring(place, clock)
    clock.now += 4 * HOUR - 3_660
    ring.rotate_if_due()  # a copy may have been fetched just before the new numbers

    assert [key.signs_from.timestamp() for key in ring.all_keys()] == [NOW, NOW + 4 * HOUR]
    clock.now = NOW + 8 * HOUR - AHEAD - 1
    ring.rotate_if_due()
    assert states(ring) == ["removed", "active"]
    clock.now += 1
    ring.rotate_if_due()
    assert states(ring) == ["removed", "active", "published"]


def test_the_command_opens_a_ring_with_the_numbers_of_the_service(ring, clock, place):
    opened = KeyRing.open(place, clock=clock)

    assert (opened.access_ttl, opened.leeway, opened.cache_ttl) == (
        timedelta(minutes=15), timedelta(seconds=30), timedelta(minutes=5),
    )  # fmt: skip
    assert opened._schedule == ring._schedule
    assert repr(opened) == f"<KeyRing in {place}, ES256>"


def test_a_missing_ring_is_not_opened(place, clock):
    with pytest.raises(ConfigurationError, match="there is no key ring"):
        KeyRing.open(place, clock=clock)


def test_the_numbers_have_defaults(place):
    ring = KeyRing(place)

    assert ring._schedule.rotate_every == 90 * 86_400
    assert (ring._schedule.publish_ahead, ring._schedule.keep_retired) == (AHEAD, KEEP)


def test_a_ring_with_the_maximum_number_of_keys_never_fails_to_rotate(place, clock):
    ring = make_ring(place, clock, access_ttl=24 * HOUR, rotate_every=2_993)
    most = 0
    for _ in range(3 * 24 * 12):
        clock.now += 300
        ring.rotate_if_due()
        most = max(most, len(ring.current()))

    assert 30 <= most <= 32


def test_a_verifier_is_refused_a_leeway_for_which_retired_keys_are_not_kept(ring, clock):
    assert make_verifier(ring, clock, leeway=30)
    with pytest.raises(ConfigurationError, match="leeway= is longer than the key ring's"):
        make_verifier(ring, clock, leeway=31)


def test_a_key_that_another_thread_has_loaded_meanwhile_is_found(ring, clock, place):
    seen = ring.current()
    make_ring(place, clock).rotate()
    ring._watch.refresh(clock.now)

    assert len(list(ring.fetch_missing("any", seen))) == 1
    assert list(ring.fetch_missing("any", ring.current())) == []

"""Keys are fresh, then stale, then dead. Cache-Control moves the first bound, and nothing moves the last one."""

import datetime as dt
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.issuers import GOOD, NEW, OLD, client, jwks, token, verifier, waiters
from tests.support.key_server import document, hang, once, refuse, until
from tests.support.runtimes import ACCEPTED, CANNOT_TELL, UNKNOWN_KEY, in_a_thread

from gatepass import ConfigurationError, JWKSClient
from gatepass.errors import KeysUnavailable
from gatepass.jwks import FetchEnded, FetchFailed, KeysChanged, StaleKeysUsed
from gatepass.jwks.snapshot import refresh_delay
from gatepass.tokens.explain import explain


def test_keys_are_not_fetched_before_a_token_needs_them(server, clock):
    keys = client(server.url, clock=clock)

    assert (keys.state, keys.age, keys.current()) == ("empty", None, None)
    assert keys.source == server.url
    assert repr(keys) == f"<JWKSClient of {server.url}, empty>"
    assert server.requests == []


def test_an_explanation_fetches_what_a_request_would(server, clock):
    """Operators run `explain` before their service has served a request."""
    keys = client(server.url, clock=clock)
    told = explain(token(OLD), verifier(keys))

    assert {finding.outcome for finding in told} == {"passed"}
    assert len(server.requests) == 1
    assert {finding.outcome for finding in explain(token(OLD), verifier(keys))} == {"passed"}
    assert len(server.requests) == 1


def test_keys_become_stale_and_dead_exactly_at_the_bounds(server, keys, clock):
    server.answer = hang
    seen = []
    for age in (0, 599, 600, 3_599, 3_600):
        clock.now = 1_000 + age
        seen.append((keys.state, keys.current() is None))
        assert keys.age == dt.timedelta(seconds=age)

    assert seen == [("fresh", False), ("fresh", False), ("stale", False), ("stale", False), ("dead", True)]


@pytest.mark.parametrize(
    ("headers", "fresh"),
    [
        ([], 600),
        ([("Cache-Control", "public, max-age=300")], 300),
        ([("Cache-Control", 'PUBLIC, Max-Age="300"')], 300),
        ([("Cache-Control", "public"), ("Cache-Control", "max-age=300")], 300),
        ([("Cache-Control", "max-age=300"), ("Age", "100")], 200),
        ([("Cache-Control", "max-age=300"), ("Age", "soon")], 300),
        ([("Cache-Control", "max-age=300"), ("Age", "-100")], 300),
        ([("Cache-Control", "max-age=300"), ("Age", "999")], 60),
        ([("Cache-Control", "max-age=300"), ("Age", "000000000100")], 200),
        ([("Cache-Control", "max-age=300"), ("Age", "9" * 5_000)], 60),
        ([("Cache-Control", "max-age=300"), ("Age", "100, 200")], 200),
        ([("Cache-Control", "max-age=300"), ("Age", "100"), ("Age", "200")], 200),
        ([("Cache-Control", "max-age=300"), ("Age", "1_0")], 300),
        ([("Cache-Control", "max-age=000000000300")], 300),
        ([("Cache-Control", "max-age=300, max-age=0300")], 300),
        ([("Cache-Control", "max-age=3_00")], 60),
        ([("Cache-Control", "max-age=+300")], 60),
        ([("Cache-Control", "max-age=0x12c")], 60),
        ([("Cache-Control", "max-age=0")], 60),
        ([("Cache-Control", "max-age=1")], 60),
        ([("Cache-Control", "max-age=999999999")], 3_600),
        ([("Cache-Control", "max-age=" + "9" * 400)], 60),
        ([("Cache-Control", "max-age=-1")], 60),
        ([("Cache-Control", "max-age=1e3")], 60),
        ([("Cache-Control", "max-age=٣٠٠".encode().decode("latin-1"))], 60),
        ([("Cache-Control", "max-age")], 60),
        ([("Cache-Control", "max-age=300, max-age=900")], 60),
        ([("Cache-Control", "no-store")], 60),
        ([("Cache-Control", "no-cache, max-age=900")], 60),
        ([("Cache-Control", "s-maxage=900")], 600),
        ([("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")], 600),
        ([("Cache-Control", ",,=,;, =3")], 600),
    ],
)
def test_cache_control_is_obeyed_between_two_bounds(serve, clock, recorder, headers, fresh):
    keys = client(serve(document(GOOD, headers)).url, clock=clock, on_event=recorder)
    keys.refresh()

    assert recorder.wait_for(FetchEnded).fresh_for == fresh
    clock.now += fresh - 0.1
    assert keys.state == "fresh"
    clock.now += 0.2
    assert keys.state == ("stale" if fresh < 3_600 else "dead")


def test_keys_are_refreshed_shortly_before_they_become_stale(server, keys, clock, recorder):
    verify = verifier(keys).verify
    clock.now += 600 * 0.8 * 0.9 - 1  # a tenth of it is random
    verify(token())
    assert keys._flight.under_way is None
    assert len(server.requests) == 1

    clock.now += 600 * 0.8 * 0.1 + 1
    verify(token())

    assert recorder.wait_for(FetchEnded, 2).reason == "scheduled"
    assert keys.age == dt.timedelta(0)
    assert len(server.requests) == 2
    assert recorder.of(StaleKeysUsed) == []


def test_processes_that_started_together_do_not_refresh_together():
    assert len({refresh_delay(600) for _ in range(50)}) > 10
    assert all(432 <= refresh_delay(600) <= 480 for _ in range(50))


def test_a_known_key_never_waits_for_a_server_that_hangs(server, keys, clock, recorder):
    check = verifier(keys)
    server.answer = hang
    clock.now += 700

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: in_a_thread(check, token()), range(200)))

    assert answers == [ACCEPTED] * 200
    assert keys._flight.under_way is not None  # the hanging fetch has not ended, and no request waited for it
    assert until(lambda: len(server.requests) == 2)
    assert [event.age for event in recorder.of(StaleKeysUsed)] == [700]


def test_stale_keys_are_used_during_an_outage_up_to_the_bound(server, keys, clock, recorder):
    check = verifier(keys)
    server.answer = refuse
    for number, age in enumerate((500, 700, 2_000, 3_599), 1):
        clock.now = 1_000 + age
        assert in_a_thread(check, token()) == ACCEPTED
        assert recorder.wait_for(FetchFailed, number).usable_for == 3_600 - age

    for number, age in enumerate((3_600, 3_610)):
        clock.now = 1_000 + age
        assert in_a_thread(check, token())[0] == 503
        assert keys.state == "dead"
        assert len(server.requests) == 5 + number  # the first without a fetch, as the last one failed just now
    assert recorder.wait_for(FetchFailed, 5).usable_for == 0


def test_after_an_outage_the_first_request_replaces_dead_keys(server, keys, clock, recorder):
    check = verifier(keys)
    server.answer = refuse
    clock.now += 9_000
    assert in_a_thread(check, token()) == CANNOT_TELL

    server.answer = document(GOOD)
    assert in_a_thread(check, token()) == CANNOT_TELL  # not yet: after a failure there is no fetch for a second
    clock.now += 1
    assert in_a_thread(check, token()) == ACCEPTED
    assert recorder.wait_for(FetchEnded, 2).reason == "scheduled"


def test_each_failure_doubles_the_pause_up_to_a_minute_and_sets_retry_after(serve, clock, recorder):
    server = serve(refuse)
    check = verifier(client(server.url, clock=clock, on_event=recorder))
    pauses, told = [], []
    for number in range(1, 10):
        told.append(in_a_thread(check, token())[1])
        pauses.append(recorder.wait_for(FetchFailed, number).retry_after)
        clock.now += pauses[-1] - 0.01
        assert in_a_thread(check, token())[0] == 503
        assert len(server.requests) == number
        clock.now += 0.02

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert told == ["5", "5", "5", "8", "16", "32", "60", "60", "60"]


def test_a_success_resets_the_pause(serve, clock, recorder):
    server = serve(refuse)
    keys = client(server.url, clock=clock, on_event=recorder)
    for _ in range(4):
        with pytest.raises(KeysUnavailable):
            keys.refresh()
    server.answer = document(GOOD)
    keys.refresh()
    server.answer = refuse
    with pytest.raises(KeysUnavailable):
        keys.refresh()

    assert [recorder.wait_for(FetchFailed, number).retry_after for number in (4, 5)] == [8, 1]


def test_a_server_that_fails_every_other_time_causes_no_outage(server, keys, clock, recorder):
    check = verifier(keys)
    for turn in range(20):
        server.answer = refuse if turn % 2 else document(GOOD)
        clock.now += 500
        assert in_a_thread(check, token()) == ACCEPTED
        assert until(lambda: keys._flight.under_way is None)


def test_ignored_keys_are_logged_once_for_each_document(serve, clock, caplog):
    broken = {**jwks(NEW)["keys"][0], "kid": "e", "y": "AA"}
    server = serve(document({"keys": [*GOOD["keys"], broken]}))
    keys = client(server.url, clock=clock)
    for _ in range(3):
        keys.refresh()
    assert [record.levelname for record in caplog.records] == ["WARNING"]

    server.answer = document({"keys": [broken, *GOOD["keys"]]})
    keys.refresh()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert in_a_thread(verifier(keys), token()) == ACCEPTED


def test_a_rotation_is_reported(server, keys, clock, recorder):
    server.answer = document(jwks(NEW))
    clock.now += 10
    keys.refresh()

    assert recorder.wait_for(KeysChanged) == KeysChanged(server.url, added=1, removed=1, keys=1)
    assert len(keys.current()) == 1


def test_the_next_fetch_removes_a_deleted_key_also_from_the_cache(server, keys, clock, recorder):
    server.answer = document(jwks(OLD, NEW))
    keys.refresh()
    check = verifier(keys)
    for key in (OLD, NEW):
        assert in_a_thread(check, token(key)) == ACCEPTED  # and its header is now cached
    server.answer = document(jwks(NEW))
    clock.now += 20
    keys.refresh()

    assert in_a_thread(check, token(OLD)) == UNKNOWN_KEY
    assert in_a_thread(check, token(NEW)) == ACCEPTED


def test_unchanged_keys_stay_the_same_object_so_that_headers_stay_cached(server, keys, clock):
    before = keys.current()
    server.answer = document({"keys": [{**GOOD["keys"][0], "x-note": "rewritten"}], "more": 1})
    keys.refresh()

    assert keys.current() is before


def test_a_key_that_changes_under_its_kid_is_another_key(server, keys):
    server.answer = document({"keys": [{**jwks(NEW)["keys"][0], "kid": OLD.kid}]})
    keys.refresh()

    assert in_a_thread(verifier(keys), token(OLD))[0] == 401


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"timeout": 0}, "timeout= must be"),
        ({"timeout": float("nan")}, "timeout= must be"),
        ({"fresh_for": 59}, "fresh_for= must be"),
        ({"fresh_for": 7_200}, "fresh_for= must not be longer than max_ttl=, which is 3600 seconds"),
        ({"fresh_for": 600, "usable_for": 300}, "fresh_for= must not be longer than max_ttl=, which is 300 seconds"),
        ({"max_ttl": 59}, "max_ttl= must be"),
        ({"max_ttl": 900, "usable_for": 600}, "max_ttl= must not be longer than usable_for="),
        ({"usable_for": 59}, "usable_for= must be"),
        ({"usable_for": dt.timedelta(days=2)}, "usable_for= must be"),
        ({"unknown_kid_interval": 0}, "unknown_kid_interval= must be"),
        ({"algorithms": ["HS256"]}, "must name only asymmetric algorithms"),
        ({"algorithms": []}, "must name only asymmetric algorithms"),
        ({"transport": object()}, "transport= must be a function"),
        ({"on_event": 7}, "on_event= must be a function"),
    ],
)  # fmt: skip
def test_contradictory_settings_are_refused_when_the_client_is_created(settings, said):
    with pytest.raises(ConfigurationError, match=said):
        JWKSClient("https://auth.example/jwks.json", **settings)


@pytest.mark.parametrize(
    ("settings", "fresh"),
    [
        ({}, [600, 3_600]),
        ({"usable_for": dt.timedelta(hours=2)}, [600, 3_600]),
        ({"usable_for": 900}, [600, 900]),
        ({"usable_for": 300}, [300, 300]),
        ({"max_ttl": 120}, [120, 120]),
        ({"max_ttl": 7_200, "usable_for": 7_200}, [600, 7_200]),
        ({"fresh_for": 60}, [60, 3_600]),
    ],
)
def test_default_durations_are_adapted_to_the_given_ones(serve, clock, recorder, settings, fresh):
    server = serve(document(GOOD))
    keys = client(server.url, clock=clock, on_event=recorder, **settings)
    keys.refresh()
    server.answer = document(GOOD, [("Cache-Control", "max-age=86400")])
    keys.refresh()

    assert [recorder.wait_for(FetchEnded, number).fresh_for for number in (1, 2)] == fresh


@pytest.mark.parametrize(
    "url",
    [
        "", "auth.example/jwks", "http://auth.example/jwks", "HTTPS://auth.example/jwks#x", "ftp://auth.example/jwks",
        "https://", "https:///jwks", "https://anna:secret@auth.example/jwks", "https://auth.example/jwks#keys",
        "https://auth.example:port/jwks", "https://auth.example:99999/jwks", "https://auth.example/a b",
        "https://auth.example/\r\nHost: x", "https://auth.example/jwks\n", "file:///etc/passwd", "http://127.0.0.1/jwks",
        "https://[::1/jwks", None, 7, b"https://auth.example/jwks",
    ],
)  # fmt: skip
def test_a_url_that_must_not_be_fetched_is_refused(url):
    with pytest.raises(ConfigurationError, match="jwks_uri= must be an https URL"):
        JWKSClient(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example/", "http://127.0.0.1.evil.example/", "http://localhost.evil.example/", "http://[::2]/",
        "http://0.0.0.0/", "http://127.1/", "http://10.0.0.1/", "http://localhost@evil.example/", "http://evil.example/127.0.0.1",
    ],
)  # fmt: skip
def test_plain_http_is_used_on_loopback_only(url):
    with pytest.raises(ConfigurationError, match="HTTP_ON_LOOPBACK"):
        client(url)


def test_the_error_names_the_extra_if_httpx_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'httpx>=[0-9.]+' \(the extra gatepass\[jwks\]\)"):
        JWKSClient("https://auth.example/jwks")


@pytest.mark.parametrize("name", ["httpx", "jwt"])
def test_another_module_with_the_name_of_the_library_fails_at_startup(name, tmp_path):
    (tmp_path / f"{name}.py").write_text("decode = None")
    program = "from gatepass import JWKSClient; JWKSClient('https://auth.example/jwks')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=240
    )

    assert result.returncode == 1
    told = result.stderr.splitlines()[-1]
    assert told.startswith(
        f"gatepass.errors.ConfigurationError: the module {name} in {tmp_path / name}.py is not the library"
    )
    assert "rename or remove it, then pip install" in told


@pytest.mark.parametrize("status", [403, 404, 500, 503, 201, 204])
def test_the_event_and_the_log_contain_the_status_of_an_invalid_response(serve, recorder, caplog, status):
    server = serve(lambda exchange: exchange.reply(b"{}", status=f"{status} Reason"))
    with pytest.raises(KeysUnavailable):
        client(server.url, on_event=recorder).refresh()

    failed = recorder.wait_for(FetchFailed)
    assert (failed.cause, failed.status) == ("status", status)
    assert f"status={status}" in caplog.text


def test_a_redirect_has_its_status_and_other_failures_have_none(serve, recorder):
    answers = [
        (lambda exchange: exchange.reply(b"", [("Location", "/x")], status="302 Found"), ("redirect", 302)),
        (document(b"no JSON"), ("not_json", None)),
    ]
    for number, (answer, told) in enumerate(answers, 1):
        with pytest.raises(KeysUnavailable):
            client(serve(answer).url, on_event=recorder).refresh()
        failed = recorder.wait_for(FetchFailed, number)
        assert (failed.cause, failed.status) == told


def test_the_query_of_a_url_is_sent_and_never_shown(serve, recorder, caplog):
    caplog.set_level("DEBUG")  # of the libraries below too
    server = serve(document(GOOD))
    keys = client(f"{server.url}?code=xyzzy", on_event=recorder)
    keys.refresh()
    server.answer = refuse
    with pytest.raises(KeysUnavailable):
        keys.refresh()
    recorder.wait_for(FetchFailed)

    assert server.paths == ["/jwks.json?code=xyzzy"] * 2
    assert keys.source == server.url
    assert "xyzzy" not in repr(keys) + repr(recorder.recorded) + caplog.text


@pytest.mark.parametrize("allow", [True, "HTTP_ON_LOOPBACK", 1, object()])
def test_plain_http_must_be_allowed_explicitly(allow):
    with pytest.raises(ConfigurationError):
        JWKSClient("http://127.0.0.1/jwks", allow=allow)


def test_refresh_waits_for_the_fetch_under_way(serve):
    server = serve(refuse)
    keys = client(server.url)
    server.answer = once(lambda: waiters(keys) == 10, document(GOOD))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: keys.refresh(), range(10)))

    assert len(server.requests) == 1


def test_keys_fetched_at_a_time_in_the_future_are_fetched_again(serve, clock):
    """For example, a test freezes the clock in another year for a while."""
    server = serve(document(GOOD))
    keys = client(server.url, clock=clock)
    clock.now += 1e9
    keys.refresh()
    clock.now -= 1e9

    assert keys.state == "dead"
    assert in_a_thread(verifier(keys), token()) == ACCEPTED
    assert len(server.requests) == 2

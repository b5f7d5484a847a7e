"""Events about remote keys: what a hook may do, and the log level of each event."""

from tests.support.issuers import GOOD, NEW, client, forged, jwks, token, verifier
from tests.support.key_server import document, refuse, until
from tests.support.runtimes import UNKNOWN_KEY, in_a_thread

from gatepass.jwks import FetchEnded, FetchFailed, KeysChanged, UnknownKid


def test_the_hook_may_raise_and_may_call_the_client_again(serve, caplog):
    told = []

    def hook(event):
        told.append((type(event).__name__, keys.state))
        raise ValueError("xyzzy")

    keys = client(serve(document(GOOD)).url, on_event=hook)

    assert in_a_thread(verifier(keys), token(NEW)) == UNKNOWN_KEY
    assert until(lambda: len(told) == 2)
    assert sorted(told) == [("FetchEnded", "fresh"), ("UnknownKid", "fresh")]
    assert "on_event raised ValueError" in caplog.text
    assert "xyzzy" not in caplog.text


def test_each_kind_of_event_has_its_level_in_the_log(server, keys, clock, recorder, caplog):
    caplog.set_level("DEBUG", "gatepass.jwks")
    check = verifier(keys)
    in_a_thread(check, forged("unknown"))
    recorder.wait_for(FetchEnded, 2)
    server.answer = document(jwks(NEW))
    keys.refresh()
    recorder.wait_for(KeysChanged)
    server.answer = refuse
    clock.now += 700
    in_a_thread(check, token(NEW))
    recorder.wait_for(FetchFailed)

    levels = {
        record.getMessage().partition("(")[0]: record.levelname
        for record in caplog.records
        if record.name == "gatepass.jwks"
    }
    assert levels == {
        "FetchEnded": "DEBUG", "UnknownKid": "DEBUG", "KeysChanged": "INFO", "StaleKeysUsed": "WARNING",
        "FetchFailed": "ERROR",
    }  # fmt: skip
    assert recorder.of(UnknownKid) == [UnknownKid(server.url, "fetched")]

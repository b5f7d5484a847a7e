"""Keys are discovered through the metadata of the issuer: its URLs, its checks and how long it is cached."""

import json
import threading
from http.cookiejar import CookieJar

import httpx
import pytest
from tests.support.certificates import trusted_by_default, trusting, vouched_for
from tests.support.event_loop import advance_time_when_idle
from tests.support.issuers import AUDIENCE, NEW, OLD, client, jwks, token, verifier
from tests.support.key_server import PATIENCE, after, by_path, document, outlast, refuse
from tests.support.runtimes import ACCEPTED, CANNOT_TELL, RUNTIMES, in_a_thread

from gatepass import (
    ANY_ISSUER,
    HTTP_ON_LOOPBACK,
    ConfigurationError,
    JWKSClient,
    KeySet,
    Profile,
    ResourceServer,
    TokenVerifier,
)
from gatepass.errors import InvalidIssuer, KeysUnavailable
from gatepass.jwks import FetchEnded, FetchFailed, IssuerMetadata
from gatepass.jwks.discovery import metadata_urls

RFC_8414 = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
KEYS = document(jwks(OLD))


def metadata(server, **changes):
    members = {"issuer": server.origin, "jwks_uri": server.url, "token_endpoint": f"{server.origin}/token", **changes}
    return document({name: value for name, value in members.items() if value is not None})


@pytest.fixture
def server(serve):
    made = serve(by_path())
    made.answer = by_path(_well_known_oauth_authorization_server=metadata(made), jwks_json=KEYS)
    return made


def found(issuer, **settings):
    return client(IssuerMetadata(issuer, allow=HTTP_ON_LOOPBACK), **settings)


def asked_for(issuer, **settings):
    """Return the outcome for a token with the keys discovered at *issuer*. The verifier has another issuer, because it
    refuses plain http.
    """
    return in_a_thread(verifier(found(issuer, **settings)), token())


@pytest.mark.parametrize(
    ("issuer", "places"),
    [
        ("https://h", [RFC_8414, OPENID]),
        ("https://h/", [RFC_8414, OPENID]),
        ("https://h/t1", [RFC_8414 + "/t1", OPENID + "/t1", "/t1" + OPENID]),
        ("https://h/t1/", [RFC_8414 + "/t1", OPENID + "/t1", "/t1" + OPENID]),
        ("https://h/a/b", [RFC_8414 + "/a/b", OPENID + "/a/b", "/a/b" + OPENID]),
        ("https://h:8443/a//", [RFC_8414 + "/a/", OPENID + "/a/", "/a/" + OPENID]),
    ],
)
def test_the_urls_of_metadata(issuer, places):
    origin = issuer[: issuer.find("/", 8)] if "/" in issuer[8:] else issuer

    assert list(metadata_urls(issuer)) == [origin + place for place in places]


@pytest.mark.parametrize("path", ["", "/", "/t1", "/t1/"])
def test_metadata_urls_are_tried_in_order_until_one_is_valid(serve, path):
    server = serve(by_path())
    issuer = server.origin + path
    plain = path.rstrip("/")
    places = [f"{RFC_8414}{plain}", f"{OPENID}{plain}", *([f"{plain}{OPENID}"] if plain else [])]
    for good in range(len(places)):
        server.requests.clear()
        server.answer = lambda exchange, place=places[good]: {
            place: metadata(server, issuer=issuer), "/jwks.json": KEYS,
        }.get(exchange.request.path, by_path())(exchange)  # fmt: skip

        assert asked_for(issuer) == ACCEPTED
        assert server.paths == [*places[: good + 1], "/jwks.json"]


def test_if_no_metadata_is_valid_each_url_was_tried_once(serve, recorder):
    server = serve(by_path())
    issuer = server.origin + "/t1"

    assert asked_for(issuer, on_event=recorder) == CANNOT_TELL
    assert server.paths == [f"{RFC_8414}/t1", f"{OPENID}/t1", f"/t1{OPENID}"]
    assert recorder.wait_for(FetchFailed).cause == "status"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"issuer": "https://auth.example"}, "issuer_mismatch"),
        ({"issuer": None}, "issuer_mismatch"),
        ({"issuer": ["https://auth.example"]}, "issuer_mismatch"),
        ({"jwks_uri": None}, "insecure_jwks_uri"),
        ({"jwks_uri": ""}, "insecure_jwks_uri"),
        ({"jwks_uri": 7}, "insecure_jwks_uri"),
        ({"jwks_uri": "http://auth.example/jwks"}, "insecure_jwks_uri"),
        ({"jwks_uri": "http://169.254.169.254/latest"}, "insecure_jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "insecure_jwks_uri"),
        ({"jwks_uri": "/jwks.json"}, "insecure_jwks_uri"),
        ({"jwks_uri": "https://anna:secret@127.0.0.1/jwks"}, "insecure_jwks_uri"),
        ({"jwks_uri": "https://127.0.0.1/jwks\r\nHost: x"}, "insecure_jwks_uri"),
        ({"jwks_uri": "https://auth.example/jwks"}, "foreign_jwks_uri"),
        ({"jwks_uri": "https://127.0.0.1/jwks"}, "foreign_jwks_uri"),
        ({"jwks_uri": "http://127.0.0.1:1/jwks"}, "foreign_jwks_uri"),
        ({"jwks_uri": "http://localhost/jwks"}, "foreign_jwks_uri"),
    ],
)
def test_invalid_metadata_names_no_keys(server, recorder, changes, cause):
    server.answer = by_path(_well_known_oauth_authorization_server=metadata(server, **changes), jwks_json=KEYS)

    assert asked_for(server.origin, on_event=recorder) == CANNOT_TELL
    assert recorder.wait_for(FetchFailed).cause == cause
    assert server.paths == [RFC_8414, OPENID]


@pytest.mark.parametrize(
    ("issuer", "named", "jwks_uri"),
    [
        ("https://auth.example", [], "https://AUTH.example:443/jwks"),
        ("https://auth.example:8443/t1", [], "https://auth.example:8443/jwks"),
        ("https://auth.example", ["https://keys.example"], "https://keys.example/jwks?v=1"),
        ("https://auth.example", "https://keys.example:9443", "https://keys.example:9443/jwks"),
    ],
)
def test_keys_may_be_at_the_origin_of_the_issuer_and_at_the_configured_origins(issuer, named, jwks_uri):
    asked = []

    def answer(request):
        asked.append(str(request.url))
        body = json.dumps({"issuer": issuer, "jwks_uri": jwks_uri} if "well-known" in request.url.path else jwks(OLD))
        return httpx.Response(200, text=body)

    keys = client(IssuerMetadata(issuer, jwks_origins=named), transport=lambda: httpx.MockTransport(answer))
    keys.refresh()

    assert len(asked) == 2


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (["http://keys.example"], "jwks_origins= must be an https URL"),
        (["https://keys.example/"], "without a path"),
        (["https://keys.example/jwks"], "without a path"),
        (["keys.example"], "jwks_origins= must be an https URL"),
        ([7], "non-empty strings"),
    ],
)
def test_configured_origins_must_be_origins(named, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        IssuerMetadata("https://auth.example", jwks_origins=named)


@pytest.mark.parametrize(
    ("configured", "stated"), [("", "/"), ("/", ""), ("/t1", "/t1/"), ("/t1/", "/t1"), ("/t1", "/T1"), ("/t1", "/%741")]
)
def test_the_issuer_in_the_metadata_is_compared_exactly(serve, recorder, configured, stated):
    server = serve(by_path())
    server.answer = metadata(server, issuer=server.origin + stated)

    assert asked_for(server.origin + configured, on_event=recorder) == CANNOT_TELL
    assert recorder.wait_for(FetchFailed).cause == "issuer_mismatch"
    assert "/jwks.json" not in server.paths


@pytest.mark.parametrize("said", [b"", b"<html>", b"[]", b'{"issuer":1,"issuer":1}', b"\xff"])
def test_metadata_that_is_no_json_object_is_refused(server, recorder, said):
    server.answer = document(said)

    assert asked_for(server.origin, on_event=recorder) == CANNOT_TELL
    assert recorder.wait_for(FetchFailed).cause == "not_json"


def test_redirects_of_metadata_are_not_followed(server, serve, recorder):
    other = serve(metadata(server))
    server.answer = document(b"", [("Location", other.origin)], status="301 Moved Permanently")

    assert asked_for(server.origin, on_event=recorder) == CANNOT_TELL
    assert recorder.wait_for(FetchFailed).cause == "redirect"
    assert other.requests == []


def test_metadata_is_fetched_again_each_hour(server, clock):
    keys = found(server.origin, clock=clock)
    for _ in range(7):
        keys.refresh()
        clock.now += 600
    assert server.paths.count(RFC_8414) == 2

    server.answer = moved(server, NEW)
    clock.now += 3_600
    keys.refresh()
    assert in_a_thread(verifier(keys), token(NEW)) == ACCEPTED


def moved(server, *keys):
    return by_path(
        _well_known_oauth_authorization_server=metadata(server, jwks_uri=f"{server.origin}/moved"),
        moved=document(jwks(*keys)),
    )


@pytest.mark.parametrize("way", RUNTIMES)
def test_one_fetch_follows_an_issuer_that_moves_and_rotates_its_keys(server, clock, way):
    keys = found(server.origin, clock=clock)
    keys.refresh()
    server.answer = moved(server, NEW)
    clock.now += 60

    assert way(verifier(keys), token(NEW)) == ACCEPTED
    assert server.paths[2:] == ["/jwks.json", RFC_8414, "/moved"]


def test_if_the_old_jwks_uri_hangs_the_next_fetch_reads_the_metadata_again(server, clock):
    keys = found(server.origin, clock=clock)
    keys.refresh()
    server.answer = by_path(_well_known_oauth_authorization_server=metadata(server), jwks_json=outlast)
    clock.now += 60
    assert in_a_thread(verifier(keys), token(NEW)) == CANNOT_TELL

    server.answer = moved(server, NEW)
    clock.now += 1
    assert in_a_thread(verifier(keys), token(NEW)) == ACCEPTED
    assert server.paths[-2:] == [RFC_8414, "/moved"]


def test_each_fetch_of_unavailable_keys_reads_the_metadata_once(server, clock, recorder):
    keys = found(server.origin, clock=clock, on_event=recorder)
    keys.refresh()
    server.answer = by_path(_well_known_oauth_authorization_server=metadata(server), jwks_json=refuse)
    for _ in range(2):
        clock.now += 60
        with pytest.raises(KeysUnavailable):
            keys.refresh()

    assert server.paths[2:] == ["/jwks.json", RFC_8414] * 2
    assert [recorder.wait_for(FetchFailed, number).cause for number in (1, 2)] == ["status", "status"]


def test_an_etag_of_another_url_is_not_sent(server, clock):
    server.answer = by_path(
        _well_known_oauth_authorization_server=metadata(server), jwks_json=document(jwks(OLD), [("ETag", '"one"')])
    )
    keys = found(server.origin, clock=clock)
    keys.refresh()
    server.answer = by_path(
        _well_known_oauth_authorization_server=metadata(server, jwks_uri=f"{server.origin}/moved"), moved=KEYS
    )
    clock.now += 3_600
    keys.refresh()

    assert "if-none-match" not in server.requests[-1].headers


def outlast_patience(exchange):
    """Use up the half of the timeout that a fetch has for the metadata. The rest is enough for the keys."""
    advance_time_when_idle(PATIENCE * 0.6)
    exchange.hang()


@pytest.mark.parametrize(
    "trouble", [refuse, outlast_patience, by_path(), document(b"[]"), document({"issuer": "https://x.example"})]
)
def test_the_last_jwks_uri_is_used_for_a_day_while_the_metadata_is_unavailable(server, clock, recorder, trouble):
    keys = found(server.origin, clock=clock, on_event=recorder)
    keys.refresh()
    server.answer = lambda exchange: (KEYS if exchange.request.path == "/jwks.json" else trouble)(exchange)

    clock.now += 86_399
    keys.refresh()
    assert keys.state == "fresh"

    clock.now += 1
    with pytest.raises(KeysUnavailable):
        keys.refresh()
    assert server.paths.count("/jwks.json") == 2


def test_the_url_that_had_valid_metadata_is_tried_first_the_next_time(serve, clock):
    server = serve(by_path())
    server.answer = by_path(_well_known_openid_configuration=metadata(server), jwks_json=KEYS)
    keys = found(server.origin, clock=clock)
    keys.refresh()
    clock.now += 3_600
    keys.refresh()

    assert server.paths == [RFC_8414, OPENID, "/jwks.json", OPENID, "/jwks.json"]


def test_a_url_that_hangs_is_tried_last_the_next_time(serve, clock):
    server = serve(by_path())
    server.answer = by_path(
        _well_known_oauth_authorization_server=outlast,
        _well_known_openid_configuration=after(PATIENCE / 10, metadata(server)),
        jwks_json=KEYS,
    )
    check = verifier(found(server.origin, clock=clock))
    assert in_a_thread(check, token()) == CANNOT_TELL
    clock.now += 1

    assert in_a_thread(check, token()) == ACCEPTED
    assert server.paths[-2:] == [OPENID, "/jwks.json"]


def test_one_deadline_covers_the_metadata_and_the_keys(server, recorder):
    server.answer = by_path(
        _well_known_oauth_authorization_server=after(PATIENCE * 0.6, metadata(server)),
        jwks_json=after(PATIENCE * 0.6, KEYS),
    )

    assert asked_for(server.origin, on_event=recorder) == CANNOT_TELL
    assert recorder.wait_for(FetchFailed).cause == "timeout"


def test_cookies_of_the_metadata_do_not_reach_the_keys(server):
    crumbs = [("Set-Cookie", "crumb=1; Path=/")]
    body = {"issuer": server.origin, "jwks_uri": server.url}
    server.answer = by_path(_well_known_oauth_authorization_server=document(body, crumbs), jwks_json=KEYS)

    assert asked_for(server.origin) == ACCEPTED
    assert ["cookie" in asked.headers for asked in server.requests] == [False, False]


def test_cookies_of_a_response_are_not_parsed(server, monkeypatch):
    """Parsing `Set-Cookie2` beside `Set-Cookie` would take quadratic time."""

    def read(*_):
        raise AssertionError("cookies are read")

    monkeypatch.setattr(CookieJar, "make_cookies", read)
    crumbs = [("Set-Cookie", "crumb=1; Path=/"), ("Set-Cookie2", "a," * 1_000)]
    body = {"issuer": server.origin, "jwks_uri": server.url}
    server.answer = by_path(_well_known_oauth_authorization_server=document(body, crumbs), jwks_json=KEYS)

    assert asked_for(server.origin) == ACCEPTED


@pytest.mark.parametrize("way", RUNTIMES)
def test_issuer_and_audience_are_enough(serve, monkeypatch, way):
    server = serve(by_path(), tls=vouched_for())
    server.answer = by_path(_well_known_openid_configuration=metadata(server), jwks_json=KEYS)
    trusted_by_default(monkeypatch)

    check = TokenVerifier(issuer=server.origin, audience=AUDIENCE)

    assert way(check, token(iss=server.origin)) == ACCEPTED
    assert server.paths == [RFC_8414, OPENID, "/jwks.json"]


def test_the_keys_of_a_verifier_report_whether_it_is_ready(serve, monkeypatch):
    server = serve(by_path(), tls=vouched_for())
    server.answer = by_path(_well_known_openid_configuration=metadata(server), jwks_json=KEYS)
    trusted_by_default(monkeypatch)

    keys = TokenVerifier(issuer=server.origin, audience=AUDIENCE).keys

    assert isinstance(keys, JWKSClient)
    assert (keys.source, keys.state) == (server.origin, "empty")
    keys.refresh()
    assert keys.state == "fresh"


def test_the_keys_of_a_verifier_are_the_given_ones(server):
    source, fixed = found(server.origin), KeySet([OLD.public()])

    assert verifier(source).keys is source
    assert verifier(fixed).keys is fixed
    with pytest.raises(AttributeError):
        verifier(fixed).keys = source


def test_a_transport_is_used_for_the_metadata_too(serve):
    server = serve(by_path(), tls=vouched_for())
    server.answer = by_path(_well_known_openid_configuration=metadata(server), jwks_json=KEYS)
    context = trusting()
    keys = client(IssuerMetadata(server.origin), transport=lambda: httpx.AsyncHTTPTransport(verify=context))

    assert in_a_thread(verifier(keys, issuer=server.origin), token(iss=server.origin)) == ACCEPTED


def test_an_issuer_is_never_taken_from_a_token(server, serve):
    stranger = serve(by_path())
    stranger.answer = by_path(_well_known_oauth_authorization_server=metadata(stranger), jwks_json=document(jwks(NEW)))
    check = verifier(found(server.origin))
    resource = ResourceServer([check, verifier(OLD.public(), issuer="https://other.example")], https="off")

    for guard in (check.verify, lambda raw: resource.authenticate([f"Bearer {raw}"])):
        with pytest.raises(InvalidIssuer):
            guard(token(NEW, iss=stranger.origin))
    assert server.requests == stranger.requests == []


def test_events_name_the_configured_issuer(server, recorder):
    keys = found(server.origin, on_event=recorder)
    keys.refresh()

    assert recorder.wait_for(FetchEnded).source == keys.source == server.origin


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "auth.example",
        "http://auth.example",
        "https://auth.example?x",
        "https://auth.example#x",
        "https://a@b",
        None,
        7,
    ],
)
@pytest.mark.parametrize("allow", [(), HTTP_ON_LOOPBACK])
def test_an_issuer_that_is_no_https_url_is_refused(issuer, allow):
    with pytest.raises(ConfigurationError, match="issuer="):
        IssuerMetadata(issuer, allow=allow)


def test_an_issuer_without_a_url_needs_keys():
    for issuer, profile in ((ANY_ISSUER, Profile.RFC9068), ("accounts.google.com", Profile.GENERIC)):
        with pytest.raises(ConfigurationError, match="keys= is missing"):
            TokenVerifier(issuer=issuer, audience=AUDIENCE, profile=profile)


def test_creating_a_verifier_sends_no_request(server):
    before = set(threading.enumerate())
    keys = found(server.origin)
    verifier(keys)

    assert set(threading.enumerate()) <= before
    assert keys._flight.number == 0
    assert server.requests == []

"""The cookie transport: the settings that it refuses, the origins that it trusts, and how cookies are parsed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tokens import make_verifier

from gatepass import ConfigurationError, CookieTransport, ResourceServer
from gatepass.adapter import BrowserRequest, Caching
from gatepass.errors import AuthError, MalformedCookie, MissingCredentials, MultipleTokens, UntrustedOrigin
from gatepass.http.cookies import MAX_COOKIE_LENGTH, cookie_token

PAGE = "https://app.example"
NAME = "__Host-access"
TOKEN_CHARACTERS = "abcXYZ019._-"


def transport(**changes):
    return CookieTransport(**{"origins": [PAGE], **changes})


def browser_request(method="GET", *, cookie=f"{NAME}=a.b.c", **more):
    return BrowserRequest(method=method, cookie=(cookie,), **more)


# --- settings


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example", "https://localhost:8443", "https://a-b_c.d.example", "https://xn--bcher-kva.example",
        "https://127.0.0.1:8000", "https://[::1]:8443", "https://app.example:65535",
    ],
)  # fmt: skip
def test_an_origin_is_written_as_browsers_send_it(origin):
    assert transport(origins=[origin]).trusts(origin)
    assert transport(origins=origin).trusts(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://app.example", "http://localhost:3000", "app.example", "https://", "https://app.example/", "https://app.example/x",
        "https://App.example", "HTTPS://app.example", "https://app.example:443", "https://app.example:", "https://app.example:0",
        "https://app.example:123456", "https://*.app.example", "*", "null", "https://app.example ", " https://app.example",
        "https://app.example\n", "https://user@app.example", "https://app.example?x", "https://app.example#x", "https://bücher.example",
        "https://app..example", "https://.app.example", "https://app.example.", "https://app.example,https://b.example", "",
    ],
)  # fmt: skip
def test_an_origin_that_no_browser_sends_or_that_matches_several_is_refused(origin):
    with pytest.raises(ConfigurationError, match="origins="):
        transport(origins=[origin])


@pytest.mark.parametrize("origins", [[], "", None, 5, [None], [PAGE, PAGE]])
def test_origins_are_required(origins):
    with pytest.raises(ConfigurationError, match="origins="):
        transport(origins=origins)


@pytest.mark.parametrize("value", ["none", "None", "", None, "Strict", False])
def test_same_site_is_strict_or_lax(value):
    with pytest.raises(ConfigurationError, match="same_site="):
        transport(same_site=value)


@pytest.mark.parametrize("option", ["access_cookie", "refresh_cookie"])
@pytest.mark.parametrize(
    "name",
    ["access", "__Secure-access", "__host-access", "__HOST-access", "__Host-", "__Host-a b", "__Host-a=b", "__Host-a;b", "__Host-a\n", "__Host-ä", "__Host-" + "a" * 65],
)  # fmt: skip
def test_a_cookie_name_must_have_the_host_prefix(option, name):
    with pytest.raises(ConfigurationError, match=f"{option}="):
        transport(**{option: name})


@pytest.mark.parametrize("name", ["__Host-session", "__Host-SESSION"])
def test_the_two_cookies_need_different_names(name):
    with pytest.raises(ConfigurationError, match="same name"):
        transport(access_cookie=name, refresh_cookie="__Host-session")


def test_a_resource_server_refuses_a_transport_without_an_access_cookie():
    with pytest.raises(ConfigurationError, match="access_cookie=None"):
        ResourceServer(make_verifier(), cookies=transport(access_cookie=None))
    with pytest.raises(ConfigurationError, match="CookieTransport"):
        ResourceServer(make_verifier(), cookies=[PAGE])


def test_a_transport_is_immutable_and_the_repr_of_a_request_shows_only_its_method():
    made = transport()

    with pytest.raises(AttributeError):
        made.access_cookie = "x"
    assert repr(made) == f"<CookieTransport of {PAGE}>"
    assert repr(browser_request(origin=("secret",), upgrade=("secret",))) == "BrowserRequest(method='GET')"


# --- written cookies


@pytest.mark.parametrize(("same_site", "written"), [("strict", "Strict"), ("lax", "Lax")])
def test_a_cookie_is_written_with_every_attribute(same_site, written):
    header = transport(same_site=same_site).set_cookie(NAME, "a.b.c", max_age=900)

    assert header == ("Set-Cookie", f"{NAME}=a.b.c; HttpOnly; Max-Age=900; Path=/; SameSite={written}; Secure")


def test_a_cookie_longer_than_browsers_store_is_refused():
    fits = "a" * (MAX_COOKIE_LENGTH - len(NAME))

    assert transport().set_cookie(NAME, fits, max_age=1)
    assert cookie_token([f"{NAME}={fits}"], NAME) == fits
    with pytest.raises(ValueError, match="fewer claims") as refused:
        transport().set_cookie(NAME, fits + "a", max_age=1)
    assert "aaa" not in str(refused.value)
    with pytest.raises(MalformedCookie):
        cookie_token([f"{NAME}={fits}a"], NAME)


def test_the_max_age_of_an_expired_token_is_not_negative():
    assert "Max-Age=0;" in transport().set_cookie(NAME, "x", max_age=-5)[1]


# --- origins


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_origin(method):
    assert transport().access_token(browser_request(method)) == "a.b.c"
    assert transport().access_token(browser_request(method, origin=("https://evil.example",))) == "a.b.c"


@pytest.mark.parametrize("method", ["POST", "get", "", None, "CONNECT", "PROPFIND"])
@pytest.mark.parametrize("origin", [(), ("null",), ("",), (PAGE, PAGE), (f"{PAGE},{PAGE}",), ("https://evil.example",)])
def test_other_requests_need_an_allowed_origin(method, origin):
    with pytest.raises(UntrustedOrigin) as refused:
        transport().access_token(browser_request(method, origin=origin))
    assert refused.value.log_detail in ("no origin", "several origins", "another origin")
    assert transport().access_token(browser_request(method, origin=(PAGE,))) == "a.b.c"


def test_a_handshake_needs_an_origin_although_it_is_a_get():
    for upgrade in (("websocket",), ("h2c", "WebSocket")):
        with pytest.raises(UntrustedOrigin):
            transport().access_token(browser_request(upgrade=upgrade))
    assert transport().access_token(browser_request(upgrade=("h2c",))) == "a.b.c"


def test_the_refresh_cookie_always_needs_an_origin():
    with pytest.raises(UntrustedOrigin):
        transport().refresh_token(browser_request(cookie="__Host-refresh=a"))
    assert transport().refresh_token(browser_request(cookie="__Host-refresh=a", origin=(PAGE,))) == "a"
    assert transport().refresh_token(browser_request()) is None


def test_a_login_route_can_check_an_origin():
    made = transport()

    assert made.trusts(PAGE)
    assert not any(made.trusts(origin) for origin in (None, "", "null", PAGE + "/", "https://evil.example"))


# --- parsed cookies


@pytest.mark.parametrize(
    "lines",
    [
        (f"{NAME}=a.b.c",), (f"x=y; {NAME}=a.b.c; z",), (f"x=y;{NAME}=a.b.c;",), (f'x="y,z";\t{NAME}=a.b.c',), ("x=y", f"{NAME}=a.b.c"),
        (f"{NAME}2=x; {NAME}=a.b.c",), (f"{NAME}; {NAME}=a.b.c",), (f"x={NAME}; {NAME}=a.b.c",), (f"x={NAME}=1; {NAME}=a.b.c",), (f"{NAME.lower()}=x; {NAME}=a.b.c",),
    ],
)  # fmt: skip
def test_the_token_is_found_among_other_cookies(lines):
    assert cookie_token(lines, NAME) == "a.b.c"


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("",),
        ("x=y",),
        (f"{NAME}=",),
        (NAME,),
        (f"{NAME} =a",),
        (f"{NAME.lower()}=a",),
        (f"x={NAME}; {NAME.lower()}=a",),
    ],
)
def test_no_cookie_of_the_name_is_no_credentials(lines):
    assert cookie_token(lines, NAME) is None
    server = ResourceServer(make_verifier(), cookies=transport())
    with pytest.raises(MissingCredentials):
        server.authenticate([], browser=BrowserRequest(method="POST", cookie=lines))


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        ((f"{NAME}=a; {NAME}=a",), MultipleTokens),
        ((f"{NAME}=a", f"{NAME}=b"), MultipleTokens),
        ((f"{NAME}=a,{NAME}=b",), MultipleTokens),
        ((f"{NAME}=a, \t{NAME}=b",), MultipleTokens),
        ((f"x=1,{NAME}=a; {NAME}=b",), MultipleTokens),  # a cookie of a neighbour host, and ours
        ((f"x=1,{NAME}=a",), MalformedCookie),
        ((f'{NAME}="a"',), MalformedCookie),
        ((f"{NAME}=a\x00",), MalformedCookie),
        ((f"{NAME}=a\r\nX: y",), MalformedCookie),
        ((f"{NAME}=a=",), MalformedCookie),
        (("x" * 66_000,), MalformedCookie),
        (("x" * 33_000, "x" * 33_000), MalformedCookie),
    ],
)
def test_an_ambiguous_cookie_field_is_refused(lines, refusal):
    with pytest.raises(refusal):
        cookie_token(lines, NAME)


@given(st.lists(st.text(max_size=30) | st.text(TOKEN_CHARACTERS, max_size=9).map(f"{NAME}={{}}".format), max_size=4))
def test_any_cookie_field_is_one_token_or_none_or_a_refusal(lines):
    try:
        found = cookie_token(lines, NAME)
    except AuthError:
        return
    if found is None:
        return
    assert set(found) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert ";".join(lines).count(f"{NAME}={found}") >= 1


# --- caching headers


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ([], [("Vary", "Authorization, Cookie"), ("Cache-Control", "private")]),
        ([("vary", "Accept")], [("Vary", "Authorization, Cookie"), ("Cache-Control", "private")]),
        ([("VARY", "cookie , Accept"), ("cache-control", "no-store")], [("Vary", "Authorization")]),
        ([("Vary", "Cookie"), ("Vary", "authorization"), ("Cache-Control", "public")], []),
        ([("Vary", "*"), ("Cache-Control", "")], []),
    ],
)
def test_a_response_gets_the_missing_caching_headers(said, missing):
    caching = ResourceServer(make_verifier(), cookies=transport()).caching["protected"]

    assert caching.missing(said) == missing
    assert caching.missing([*said, *missing]) == []


def test_without_cookies_the_caching_headers_are_unchanged():
    caching = ResourceServer(make_verifier()).caching

    assert caching == {"public": Caching(), "protected": Caching(), "optional": Caching(("Authorization",))}
    assert caching["public"].missing([]) == []
    assert caching["optional"].missing([]) == [("Vary", "Authorization")]


def test_without_cookies_the_browser_request_is_not_checked():
    server = ResourceServer(make_verifier())

    assert server.sources == {"header"}
    with pytest.raises(MissingCredentials):
        server.authenticate([], browser=browser_request("POST"))

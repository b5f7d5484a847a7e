"""`allow=`: http on loopback for development, and issuers that are names. All other URLs stay refused."""

import time

import pytest
from tests.support.keys import SECRET

from gatepass import (
    HTTP_ON_LOOPBACK,
    NON_HTTPS_ISSUER,
    Challenge,
    ConfigurationError,
    CookieTransport,
    Key,
    Profile,
    ResourceServer,
    TokenIssuer,
    TokenVerifier,
)
from gatepass.common.allow import is_loopback
from gatepass.errors import InvalidIssuer, MissingCredentials
from gatepass.jose.compact import encode_base64url
from gatepass.jose.strict_json import dump_object

KEY = Key.from_secret(SECRET)
AUTH, API = "https://auth.example", "https://api.example"
HERE = [
    "http://localhost", "http://localhost:8080/realms/shop", "http://127.0.0.1:8000", "http://127.8.9.10/x",
    "http://[::1]:9000/tenant",
]  # fmt: skip
ELSEWHERE = [
    "http://auth.example", "http://localhost.evil.example", "http://evil.localhost", "http://localhost.", "http://127.1",
    "http://127.0.0.1.evil.example", "http://0.0.0.0", "http://[::]", "http://[::2]", "http://[::ffff:127.0.0.1]",
    "http://10.0.0.1", "http://2130706433", "http://0x7f000001", "http://anna@localhost", "http://anna:secret@127.0.0.1",
    "http://localhost@evil.example", "http://localhost:port", "http://localhost:99999", "http://", "http:///localhost",
    "http:localhost", "HTTP://localhost", "http://localhost?x", "http://localhost#x", "http://localhost/a b", "http://[::1",
    "ws://localhost", "ftp://localhost", "//localhost", "localhost", "http://localhost\\@evil.example", "http://localh\u00f6st",
    "http://localhost\n", "\thttp://localhost",
]  # fmt: skip
NAMES = [
    "urn:example:auth", "http://adfs.example/adfs/services/trust", "accounts.google.com", "my-auth", "Shop: Anmeldung",
    "http://auth.example?tenant=1#x", "HTTPS://auth.example", "tag:example.com,2026:auth", "b\u00fccher",
]  # fmt: skip
UNUSABLE_NAMES = [
    "",
    " ",
    "a\nb",
    "a\x00b",
    "auth\x7f",
    "auth ",
    " auth",
    "a\u2028b",
    "\ud800",
    "a" * 1_025,
    None,
    7,
    b"auth",
    ["auth"],
]


def token(issuer: str, typ: str = "at+jwt") -> str:
    """Return a token from *issuer* made by hand, because `TokenIssuer` would refuse some of these issuers."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": API, "sub": "anna", "client_id": "web", "iat": now, "exp": now + 600, "jti": "a"}
    header = {"alg": KEY.algorithm, "typ": typ}
    parts = b".".join(encode_base64url(dump_object(members)) for members in (header, claims))
    return f"{parts.decode()}.{encode_base64url(KEY.sign(parts)).decode()}"


def verifier(issuer: object, **settings: object) -> TokenVerifier:
    return TokenVerifier(**{"issuer": issuer, "audience": API, "keys": KEY, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("url", HERE)
def test_http_on_loopback_can_be_allowed_for_issuer_and_verifier(url):
    issuer = TokenIssuer(issuer=url, audience=API, keys=KEY, client_id="web", allow=HTTP_ON_LOOPBACK)

    assert verifier(url, allow=HTTP_ON_LOOPBACK).verify(issuer.issue("anna")).subject == "anna"


@pytest.mark.parametrize("url", HERE)
def test_http_on_loopback_is_refused_unless_allowed_and_the_error_names_the_option(url):
    for make in (verifier, lambda url: TokenIssuer(issuer=url, audience=API, keys=KEY)):
        with pytest.raises(ConfigurationError, match="use allow=HTTP_ON_LOOPBACK"):
            make(url)
    with pytest.raises(ConfigurationError, match="use allow=HTTP_ON_LOOPBACK"):
        ResourceServer(verifier(AUTH), resource_metadata=url)


@pytest.mark.parametrize("url", ELSEWHERE)
@pytest.mark.parametrize("name", ["issuer", "resource_metadata", "problem_base"])
def test_allowing_http_on_loopback_allows_no_other_url(url, name):
    makers = {
        "issuer": lambda: verifier(url, allow=HTTP_ON_LOOPBACK),
        "resource_metadata": lambda: ResourceServer(verifier(AUTH), allow=HTTP_ON_LOOPBACK, resource_metadata=url),
        "problem_base": lambda: ResourceServer(verifier(AUTH), allow=HTTP_ON_LOOPBACK, problem_base=url),
    }
    with pytest.raises(ConfigurationError, match=f"{name}= must be"):
        makers[name]()


def test_a_loopback_issuer_is_compared_exactly():
    for other in ("http://localhost:8081", "http://127.0.0.1:8080", "https://localhost:8080", "http://localhost:8080/"):
        with pytest.raises(InvalidIssuer):
            verifier("http://localhost:8080", allow=HTTP_ON_LOOPBACK).verify(token(other))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("profile", "typ"), [(Profile.RFC9068, "at+jwt"), (Profile.GENERIC, "JWT")])
def test_an_issuer_may_be_an_exact_name_under_any_profile(name, profile, typ):
    checking = verifier(name, allow=NON_HTTPS_ISSUER, profile=profile)

    assert checking.verify(token(name, typ)).issuer == name
    for other in (name + "/", name.swapcase(), name[:-1], "https://auth.example"):
        with pytest.raises(InvalidIssuer):
            checking.verify(token(other, typ))


def test_a_token_issuer_may_have_a_name_that_is_no_url():
    issuer = TokenIssuer(issuer="urn:example:a", audience=API, keys=KEY, client_id="web", allow=NON_HTTPS_ISSUER)

    assert verifier("urn:example:a", allow=NON_HTTPS_ISSUER).verify(issuer.issue("anna")).issuer == "urn:example:a"


def test_several_issuers_with_names_are_distinguished():
    server = ResourceServer(
        [
            verifier("urn:example:a", allow=NON_HTTPS_ISSUER),
            verifier("http://adfs.example/adfs/services/trust", allow=NON_HTTPS_ISSUER),
            verifier("http://localhost:8080", allow=HTTP_ON_LOOPBACK),
            verifier(AUTH),
        ]
    )

    for name in (
        "urn:example:a",
        "http://adfs.example/adfs/services/trust",
        "http://localhost:8080",
        "https://auth.example",
    ):
        assert server.authenticate([f"Bearer {token(name)}"]).issuer == name
    for name in ("urn:example:b", "http://adfs.example/adfs/services/trust/", "http://localhost:8081"):
        with pytest.raises(InvalidIssuer):
            server.authenticate([f"Bearer {token(name)}"])


@pytest.mark.parametrize("name", UNUSABLE_NAMES)
@pytest.mark.parametrize("profile", [Profile.RFC9068, Profile.GENERIC])
def test_an_invalid_name_is_refused_even_if_names_are_allowed(name, profile):
    with pytest.raises(ConfigurationError, match="issuer="):
        verifier(name, allow=NON_HTTPS_ISSUER, profile=profile)
    with pytest.raises(ConfigurationError, match="issuer="):
        TokenIssuer(issuer=name, audience=API, keys=KEY, allow=NON_HTTPS_ISSUER)


@pytest.mark.parametrize(
    "url", ["https://anna:secret@auth.example", "https://auth.example?x", "https://", "https://a b"]
)
def test_an_https_issuer_keeps_its_rules_beside_names(url):
    with pytest.raises(ConfigurationError, match="issuer= must be"):
        verifier(url, allow=NON_HTTPS_ISSUER)


@pytest.mark.parametrize("name", NAMES)
def test_an_issuer_that_is_no_url_requires_keys(name):
    for allow in (NON_HTTPS_ISSUER, (NON_HTTPS_ISSUER, HTTP_ON_LOOPBACK)):
        with pytest.raises(ConfigurationError, match="keys= is missing"):
            verifier(name, allow=allow, keys=None)


@pytest.mark.parametrize("name", ["urn:example:auth", "http://auth.example", "auth.example"])
def test_a_name_is_refused_as_issuer_unless_allowed(name):
    for allow in ((), HTTP_ON_LOOPBACK):
        with pytest.raises(ConfigurationError, match="issuer= must be an https URL"):
            verifier(name, allow=allow)


@pytest.mark.parametrize(
    "given", [True, False, None, "HTTP_ON_LOOPBACK", 1, object(), ["HTTP_ON_LOOPBACK"], (True,), [None], ""]
)
def test_allow_accepts_the_named_values_only(given):
    makers = [
        lambda: TokenIssuer(issuer=AUTH, audience=API, keys=KEY, allow=given),
        lambda: verifier(AUTH, allow=given),
        lambda: ResourceServer(verifier(AUTH), allow=given),
        lambda: CookieTransport(origins="https://app.example", allow=given),
        lambda: Challenge(realm="api", allow=given),
    ]
    for make in makers:
        with pytest.raises(ConfigurationError, match="allow= takes HTTP_ON_LOOPBACK or NON_HTTPS_ISSUER"):
            make()


def test_both_options_may_be_combined_everywhere():
    both = (HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER)
    for name in ("urn:example:a", "http://localhost:1"):
        issuer = TokenIssuer(issuer=name, audience=API, keys=KEY, client_id="web", allow=both)
        assert verifier(name, allow=both).verify(issuer.issue("anna")).issuer == name
    CookieTransport(origins="http://localhost:1", allow=both)


def test_the_repr_of_an_option_is_its_name():
    assert repr((HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER)) == "(HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER)"


def test_a_challenge_may_point_to_metadata_on_loopback():
    where = "http://localhost:8000/.well-known/oauth-protected-resource"
    server = ResourceServer(verifier(AUTH), resource_metadata=where, allow=iter([HTTP_ON_LOOPBACK]))

    for _ in range(2):
        answer = server.respond(MissingCredentials())
        assert answer.headers[0] == ("WWW-Authenticate", f'Bearer realm="api", resource_metadata="{where}"')
    assert str(Challenge(resource_metadata=where, allow=HTTP_ON_LOOPBACK)) == f'Bearer resource_metadata="{where}"'


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("127.255.255.254", True), ("::1", True), ("0:0:0:0:0:0:0:1", True), ("", False),
     (None, False), ("::1%eth0", False), ("app.localhost", False), ("localhost.", False), ("::ffff:127.0.0.1", False),
     ("128.0.0.1", False)],
)  # fmt: skip
def test_loopback_hosts_are_recognised(host, here):
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "http://localhost", "http://127.0.0.1:8000", "http://[::1]:3000"]
)
def test_a_page_on_loopback_may_use_development_cookies(origin):
    cookies = CookieTransport(origins=[origin, "https://app.example"], allow=HTTP_ON_LOOPBACK)

    assert cookies.trusts(origin)
    assert cookies.trusts("https://app.example")
    assert not cookies.trusts(origin + "0")
    assert not cookies.trusts(origin.replace("http:", "https:"))
    assert cookies.set_cookie("__Host-access", "x", max_age=1)[1].endswith("; Secure")
    with pytest.raises(ConfigurationError, match="allow=HTTP_ON_LOOPBACK"):
        CookieTransport(origins=origin)


@pytest.mark.parametrize(
    "origin",
    ["http://app.example", "http://app.localhost:5173", "http://localhost:80", "http://localhost/", "HTTP://localhost",
     "http://LOCALHOST", "http://localhost:5173/", "http://[::ffff:127.0.0.1]", "http://anna@localhost", "ws://localhost",
     "http://0.0.0.0:5173", "http://127.1", "null", "*"],
)  # fmt: skip
def test_no_other_http_page_may_use_development_cookies(origin):
    with pytest.raises(ConfigurationError, match="origins= takes https origins"):
        CookieTransport(origins=origin, allow=HTTP_ON_LOOPBACK)


@pytest.mark.parametrize("value", [HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER])
def test_allow_does_not_accept_a_dict(value):
    with pytest.raises(ConfigurationError, match="allow= takes HTTP_ON_LOOPBACK or NON_HTTPS_ISSUER"):
        TokenIssuer(issuer="http://localhost", audience=API, keys=KEY, client_id="web", allow={value: False})

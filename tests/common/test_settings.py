"""Settings are checked when objects are created, and each error says what to do."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.keys import SECRET, key_for, refusal

from gatepass import ConfigurationError, KeySet
from gatepass.common.settings import audience_names, https_url, seconds, strings
from gatepass.keys.key_set import key_set

MISSING = "issuer= is missing: give the https URL, such as https://auth.example.com"
NOT_HTTPS = "issuer= must be an https URL such as https://auth.example.com (http is not accepted)"
NOT_PLAIN = "issuer= must be a plain URL, without query, fragment or spaces"
LEEWAY = "leeway= must be a timedelta or a number from 0 to 300 seconds"


# --- URLs ---


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example.com",
        "https://auth.example.com/",
        "https://auth.example.com:8443/realms/main",
        "https://login.example.com/0a1b-2c/v2.0",
        "https://[2001:db8::1]/a;b=c,d/e%20f/~g_h/!$&'()*+@i",
        "https://localhost",
        "https://EXAMPLE.com",
        "https://xn--bcher-kva.example",
        "https://a:",
    ],
)
def test_an_https_url_is_kept_unchanged(url):
    """V-22: URLs are never normalised."""
    assert https_url(url, "issuer") == url


@pytest.mark.parametrize("value", [None, "", 5, True, b"https://auth.example.com", [], object()])
def test_a_url_must_be_a_string(value):
    assert refusal(lambda: https_url(value, "issuer")) == MISSING


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example.com",
        "HTTPS://auth.example.com",
        "ftp://auth.example.com",
        "auth.example.com",
        "//auth.example.com",
        "https:",
        "https:/auth.example.com",
        "https://",
        "https:///path",
        "https://:443",
        "https://user@auth.example.com",
        "https://user:password@auth.example.com",
        "https://@auth.example.com",
        "https://auth.example.com:port",
        "https://auth.example.com:99999",
        "https://auth.example.com:-1",
        "https://[2001:db8::1",
        "https://?query",
        " https://auth.example.com",
        "https\n://auth.example.com",
        "javascript:https://auth.example.com",
    ],
)
def test_a_url_without_https_host_or_with_a_user_is_refused(url):
    """K-24, E2: RFC 8414 section 2."""
    assert refusal(lambda: https_url(url, "issuer")) == NOT_HTTPS


@pytest.mark.parametrize(
    "tail",
    [
        "?",
        "?a=b",
        "#",
        "#a",
        "/a b",
        " ",
        "\n",
        "/\t",
        "/é",
        "\\a",
        "/<a>",
        '/"a"',
        "/{a}",
        "/^",
        "/`",
        "/|",
        "/\x7f",
        "/\0",
    ],
)
def test_a_url_with_query_fragment_blank_or_foreign_character_is_refused(tail):
    """RFC 8414 section 2."""
    assert refusal(lambda: https_url("https://auth.example.com" + tail, "issuer")) == NOT_PLAIN


def test_the_error_names_the_setting_as_the_caller_wrote_it():
    assert refusal(lambda: https_url("http://a", "jwks_uri")) == NOT_HTTPS.replace("issuer", "jwks_uri")
    assert refusal(lambda: https_url("", "jwks_uri")) == MISSING.replace("issuer", "jwks_uri")
    assert refusal(lambda: https_url("https://a#", "jwks_uri")) == NOT_PLAIN.replace("issuer", "jwks_uri")


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: "https://" + text))
def test_any_invalid_url_raises_a_configuration_error(url):
    with suppress(ConfigurationError):
        assert https_url(url, "issuer") == url
        assert url.startswith("https://")
        assert url.isascii()
        assert not set(url) & set("?#\\ \t\r\n")


# --- names ---


def test_a_string_is_one_name_and_a_list_is_its_members():
    assert strings("a", "scopes") == ("a",)
    assert strings(["a", "b"], "scopes") == ("a", "b")
    assert strings(iter(("a", "b")), "scopes") == ("a", "b")
    assert strings([], "scopes") == ()


@pytest.mark.parametrize("value", [None, 5, True, object()])
def test_names_must_be_a_string_or_a_list(value):
    assert refusal(lambda: strings(value, "scopes")) == "scopes= takes a string or a list of strings"


@pytest.mark.parametrize("value", ["", [""], ["a", ""], [None], ["a", 5], [["a"]], b"ab", [b"a"], {1: 2}])
def test_names_must_be_non_empty_strings(value):
    assert refusal(lambda: strings(value, "scopes")) == "scopes= takes non-empty strings"


def test_a_repeated_name_is_refused():
    assert refusal(lambda: strings(["a", "b", "a"], "scopes")) == "scopes= contains a value twice"


def test_an_audience_is_required():
    """V-25, D3."""
    for nothing in (None, "", [], ()):
        assert refusal(lambda nothing=nothing: audience_names(nothing, "name this API")) == (
            "audience= is missing: name this API"
        )
    assert audience_names("api", "") == ("api",)
    assert audience_names(["api", "other"], "") == ("api", "other")
    assert refusal(lambda: audience_names(["api", "api"], "")) == "audience= contains a value twice"
    for spaced in ("api ", "\tapi", ["api", " other"]):
        assert refusal(lambda spaced=spaced: audience_names(spaced, "")) == (
            "audience= begins or ends with a space or a line break: remove it"
        )
    assert refusal(lambda: audience_names(5, "")) == "audience= takes a string or a list of strings"


# --- durations ---


@pytest.mark.parametrize(
    "value", [0, 300, 0.0, 59.5, 300.0, timedelta(0), timedelta(minutes=5), timedelta(seconds=1.5)]
)
def test_a_duration_within_its_bounds_is_accepted(value):
    """V-28: the bounds are inclusive."""
    expected = value.total_seconds() if isinstance(value, timedelta) else value

    assert seconds(value, "leeway", minimum=0, maximum=300) == expected


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -0.001,
        301,
        300.001,
        3600,
        10**400,
        float("inf"),
        float("-inf"),
        float("nan"),
        timedelta(seconds=-1),
        timedelta(minutes=6),
        timedelta.max,
        None,
        True,
        False,
        "30",
        b"30",
        [],
        Decimal(5),
        Fraction(1, 2),
        5j,
    ],
)
def test_a_duration_outside_its_bounds_or_of_another_type_is_refused(value):
    """V-28, D2: no boolean, no text, no NaN."""
    assert refusal(lambda: seconds(value, "leeway", minimum=0, maximum=300)) == LEEWAY


def test_the_error_states_the_bounds_in_plain_numbers():
    assert refusal(lambda: seconds(0, "access_ttl", minimum=0.5, maximum=86400)) == (
        "access_ttl= must be a timedelta or a number from 0.5 to 86400 seconds"
    )


# --- keys ---


def test_a_key_a_list_of_keys_and_a_set_become_a_key_set():
    one, two = key_for("ES256", kid="a"), key_for("RS256", kid="b")
    made = KeySet([one])

    assert key_set(made) is made
    assert list(key_set(one)) == [one]
    assert list(key_set([one, two])) == [one, two]
    assert list(key_set(iter([one, two]))) == [one, two]


@pytest.mark.parametrize(
    "keys", [None, SECRET, SECRET.encode(), "", 5, True, object(), {"kty": "oct"}, {key_for("ES256"): 1}]
)
def test_raw_text_is_refused_as_a_key(keys):
    """A2: keys are typed objects made at configuration time."""
    assert refusal(lambda: key_set(keys)) == (
        "keys= takes a Key or a KeySet; make one with Key.from_env, Key.from_secret or Key.from_pem"
    )


@pytest.mark.parametrize("keys", [[SECRET], [None], [b"secret"]])
def test_a_list_of_other_objects_is_refused_as_keys(keys):
    assert refusal(lambda: key_set(keys)) == (
        "a KeySet holds Key objects; make them with Key.from_secret, from_pem or from_jwk"
    )
    assert refusal(lambda: key_set([])) == "a KeySet needs at least one key"


@pytest.mark.parametrize("issuers", [["https://auth.example.com"], ("https://a.example.com", "https://b.example.com")])
def test_several_issuers_in_one_setting_are_refused(issuers):
    assert refusal(lambda: https_url(issuers, "issuer")) == (
        "issuer= is one string; for several issuers make a TokenVerifier for each"
    )

"""The challenges in `WWW-Authenticate` (C-01 to C-19)."""

import re
from urllib.request import parse_http_list, parse_keqv_list

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass import Challenge, ConfigurationError
from gatepass.common.scope import scope_tokens

PARAMETERS = ("realm", "error", "error_description")


def test_parameters_have_a_fixed_order():
    challenge = Challenge(
        resource_metadata="https://api.example/.well-known/oauth-protected-resource",
        scope=["files:read", "files:write"],
        error_description="The access token expired",
        error="invalid_token",
        realm="api",
    )

    assert str(challenge) == (
        'Bearer realm="api", error="invalid_token", error_description="The access token expired", '
        'scope="files:read files:write", resource_metadata="https://api.example/.well-known/oauth-protected-resource"'
    )


def test_other_schemes_have_their_own_parameters():
    assert str(Challenge("Basic", realm="api", parameters={"charset": "UTF-8"})) == 'Basic realm="api", charset="UTF-8"'


def test_a_challenge_without_parameters_is_refused():
    with pytest.raises(ConfigurationError, match="at least one parameter"):
        Challenge()


@pytest.mark.parametrize("realm", ['a"b\\c', "", "a, b=c", 'say "hi"', "\\", " api "])
def test_a_realm_survives_an_independent_parser(realm):
    scheme, _, rest = str(Challenge(realm=realm, error="x")).partition(" ")

    assert scheme == "Bearer"
    parsed = parse_keqv_list(parse_http_list(rest))
    assert re.sub(r"\\(.)", r"\1", parsed["realm"]) == realm or parsed["realm"] == realm


def test_only_quotes_and_backslashes_are_escaped():
    assert str(Challenge(realm='a"b\\c,d=e')) == r'Bearer realm="a\"b\\c,d=e"'


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x7fb", "\t", "é", "\ud800", "a\x1bb"])
def test_control_and_non_ascii_characters_are_refused_in_parameters(value):
    for name in PARAMETERS:
        with pytest.raises(ConfigurationError):
            Challenge(**{"realm": "api", name: value})
    with pytest.raises(ConfigurationError):
        Challenge(realm="api", scope=[value])
    with pytest.raises(ConfigurationError):
        Challenge("Basic", parameters={"charset": value})
    with pytest.raises(ConfigurationError):
        Challenge(value, realm="api")


@given(st.text())
def test_error_texts_outside_the_grammar_are_refused(text):
    for name in ("error", "error_description"):
        try:
            challenge = Challenge(**{name: text})
        except ConfigurationError:
            continue
        assert re.fullmatch(r'Bearer \w+="[\x20\x21\x23-\x5B\x5D-\x7E]+"', str(challenge))


@given(st.text())
def test_scopes_outside_the_grammar_are_refused(text):
    try:
        found = scope_tokens([text])
    except ValueError:
        return
    assert all(re.fullmatch(r"[\x21\x23-\x5B\x5D-\x7E]+", token) for token in found)


@pytest.mark.parametrize("scope", [["a b"], ["a", ""], ['a"b'], ["a\\b"], [5], [None], 5])
def test_a_scope_that_is_no_list_of_scope_tokens_is_refused(scope):
    with pytest.raises((ConfigurationError, TypeError)):
        Challenge(realm="api", scope=scope)


@pytest.mark.parametrize("parameters", [{"Realm": "x"}, {"realm": "x"}, {"ERROR": "x"}])
def test_a_repeated_parameter_is_refused_case_insensitively(parameters):
    with pytest.raises(ConfigurationError, match="twice"):
        Challenge(realm="api", error="e", parameters=parameters)


@pytest.mark.parametrize("name", ["", "a b", "a=b", "é", "a\nb", '"a"'])
def test_a_parameter_name_is_an_http_token(name):
    with pytest.raises(ConfigurationError):
        Challenge(realm="api", parameters={name: "x"})


@pytest.mark.parametrize(
    "url", ["http://api.example/m", "/m", "", "https://api.example/m?x", "https://api.example/m#x"]
)
def test_metadata_is_an_https_url(url):
    with pytest.raises(ConfigurationError, match="resource_metadata"):
        Challenge(resource_metadata=url)


def test_an_empty_scope_is_left_out():
    assert str(Challenge(realm="api", scope=[])) == 'Bearer realm="api"'


def test_a_challenge_is_immutable():
    challenge = Challenge(realm="api")

    with pytest.raises(AttributeError):
        challenge._text = "Bearer"
    assert repr(challenge) == '<Challenge Bearer realm="api">'

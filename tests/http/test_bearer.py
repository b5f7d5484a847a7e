"""The parser of the `Authorization` field returns one token or refuses the request (X-01 to X-09, G8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.growth import assert_linear

from gatepass.errors import (
    AuthError,
    ConfigurationError,
    MalformedCredentials,
    MalformedToken,
    MissingCredentials,
    MultipleTokens,
    UnsupportedScheme,
)
from gatepass.http.bearer import bearer_token
from gatepass.jose.compact import MAX_TOKEN_LENGTH


def refusal(*lines):
    with pytest.raises(AuthError) as refused:
        bearer_token(lines)
    return type(refused.value)


@pytest.mark.parametrize(
    "line", ["Bearer abc", "bearer abc", "BEARER abc", "bEaReR abc", "Bearer   abc", " Bearer abc ", "\tBearer abc\t"]
)
def test_the_scheme_is_case_insensitive_and_spaces_may_follow(line):
    assert bearer_token([line]) == "abc"


@pytest.mark.parametrize("token", ["a", "a.b.c", "-._~+/", "abc=", "abc==", "A" * MAX_TOKEN_LENGTH, "0"])
def test_every_b64token_is_a_token(token):
    assert bearer_token([f"Bearer {token}"]) == token


@pytest.mark.parametrize("lines", [(), ("",), (" ",), ("\t",)])
def test_no_line_or_an_empty_one_is_no_credentials(lines):
    assert refusal(*lines) is MissingCredentials


@pytest.mark.parametrize(
    "line",
    [
        "Basic dXNlcjpwYXNz", "Negotiate abc", "DPoP abc", "BearerX abc", "Bearer.x abc", "Digest", "token", "a.b.c",
        'Digest username="Mufasa", realm="a, b c", uri="/x"', 'Digest x="Bearer abc, Bearer def"', "Basic " + "A" * 20_000,
        'Digest a="say \\"no, Bearer x\\"", b="c"',
    ],
)  # fmt: skip
def test_another_scheme_is_no_credentials(line):
    assert refusal(line) is UnsupportedScheme


@pytest.mark.parametrize(
    "line",
    [
        "Bearer", "Bearer ", "Bearer\tabc", "Bearer \tabc", "Bearer abc def", "Bearer abc\tdef", "Bearer a,b", "Bearer a, b", "Bearer ,a",
        "Bearer a,", "Bearer,a", "Bearer tök", 'Bearer "a"', 'Bearer token="a"', "Bearer a=b", "Bearer =", "Bearer ===", "Bearer a\x00", "Bearer a\r\nX: y",
        "Bearer a;b", "Bearer {a}", "Bearer ａ", "Bearer: abc", "=abc", '"Bearer abc"', ", Bearer abc", ",", "\x00", "\r\n", "é",
    ],
)  # fmt: skip
def test_bearer_without_exactly_one_b64token_is_malformed(line):
    assert refusal(line) is MalformedCredentials


@pytest.mark.parametrize(
    "lines",
    [
        ("Bearer aaa", "Bearer bbb"), ("Bearer aaa", "Bearer aaa"), ("Bearer aaa", "DPoP bbb"), ("Basic aaa", "Bearer bbb"),
        ("Bearer aaa", "Basic bbb"), ("Bearer a", "Bearer b", "Bearer c"), ("Bearer", "Bearer b"), ("Bearer tök", "Bearer b"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("joint", [None, ",", ", ", ",\t", " , "])
def test_two_credentials_are_refused_as_lines_and_as_one_joined_line(lines, joint):
    assert refusal(*(lines if joint is None else (joint.join(lines),))) is MultipleTokens


@given(st.lists(st.text(st.characters(max_codepoint=255)), min_size=2, max_size=3))
def test_several_lines_get_the_result_of_the_joined_line(lines):
    answers = []
    for given_lines in (lines, [",".join(lines)]):
        try:
            answers.append(bearer_token(given_lines))
        except AuthError as error:
            answers.append(type(error))
    assert answers[0] == answers[1]


@given(st.text())
def test_any_text_is_parsed_to_a_b64token_or_refused(line):
    try:
        token = bearer_token([line])
    except AuthError:
        return
    assert token.isascii()
    assert " " not in token
    assert "," not in token


@pytest.mark.parametrize("size", [MAX_TOKEN_LENGTH + 100, 8_000_000])
def test_an_overlong_token_is_malformed_and_not_parsed(size):
    assert refusal("Bearer " + "a" * size) is MalformedToken
    assert refusal("Basic " + "a" * size) is UnsupportedScheme


@pytest.mark.parametrize("piece", ['"\\', '"', "\\", ", a", ',"', "a ", " ,"])
@pytest.mark.parametrize("scheme", ["Bearer", "Digest"])
def test_every_header_is_refused_quickly(scheme, piece):
    assert_linear(
        lambda line: bearer_token([line]), lambda size: f"{scheme} " + piece * (size // len(piece)), MAX_TOKEN_LENGTH
    )


def test_an_unterminated_quoted_string_hides_no_second_token():
    assert refusal('Digest x="a', "Bearer abc") is MultipleTokens
    assert refusal('Digest x="a\\"', 'Bearer abc\\"') is MultipleTokens


@pytest.mark.parametrize(
    ("line", "told"), [("a.b.c", True), ("a.b", False), ("Basic a.b.c", False), ("a.b.c d", False)]
)
def test_the_log_suggests_bearer_for_a_token_without_a_scheme(line, told):
    with pytest.raises(UnsupportedScheme) as refused:
        bearer_token([line])

    assert ("write Bearer" in refused.value.log_detail) is told


def test_refusals_do_not_quote_the_header():
    with pytest.raises(MalformedCredentials) as refused:
        bearer_token(["Bearer sentinel sentinel"])

    assert "sentinel" not in f"{refused.value!r} {refused.value} {refused.value.log_detail}"


@pytest.mark.parametrize("lines", [None, 5, "Bearer a.b.c", [None], [b"Bearer a.b.c"], ["Bearer a.b.c", None]])
def test_lines_that_are_no_list_of_strings_raise_an_error(lines):
    with pytest.raises(ConfigurationError, match="the Authorization lines are a list"):
        bearer_token(lines)

"""Strict JSON: input that only resembles JSON is rejected (V-04 to V-07, B3 to B5)."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.growth import assert_linear

from gatepass.errors import MalformedToken
from gatepass.jose.strict_json import MAX_DEPTH, dump_object, parse_object

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, max_size=5))
def test_every_object_survives_encoding_and_parsing(value):
    assert parse_object(dump_object(value)) == value
    assert parse_object(json.dumps(value, ensure_ascii=True, indent=1).encode()) == value


@given(st.binary(max_size=200))
def test_any_octets_are_an_object_or_malformed(raw):
    with contextlib.suppress(MalformedToken):
        assert isinstance(parse_object(raw), dict)


@pytest.mark.parametrize("raw", [b" {} ", b"\r\n{}\t", b'{"a" : 1}'])
def test_whitespace_around_and_between_values_is_accepted(raw):
    parse_object(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"1", b'"a"', b"[]", b"[1]", b"{", b"}", b"{}x", b"{}{}", b'{"a":1}ABCD', b"{}\0", b'\0{"a":1}',
        b"{'a':1}", b"{a:1}", b'{"a":1,}', b'{"a":01}', b'{"a":+1}', b'{"a":.5}', b'{"a":0x1}', b'{"a":tru}', b'{"a"}',
        b'{"a":"\n"}', b'{"a":"\x01"}', b'{"a":"\\x"}', b"/**/{}", b"\x0b{}", b"\xc2\xa0{}",
    ],
)  # fmt: skip
def test_any_input_other_than_one_json_object_is_malformed(raw):
    with pytest.raises(MalformedToken):
        parse_object(raw)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e999", b"9" * 5_000])
def test_numbers_that_are_not_finite_or_far_too_long_are_malformed(number):
    with pytest.raises(MalformedToken):
        parse_object(b'{"a":' + number + b"}")
    with pytest.raises(MalformedToken):
        parse_object(b'{"a":[{"b":' + number + b"}]}")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"alg":"none","alg":"HS256"}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1,"b":2}]}',
        b'{"a":1,"\\u0061":2}',
    ],
)
def test_a_duplicate_member_is_malformed_at_any_level(raw):
    with pytest.raises(MalformedToken):
        parse_object(raw)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
def test_other_encodings_and_byte_order_marks_are_malformed(codec):
    raw = '{"sub":"ännä"}'.encode(codec)

    with pytest.raises(MalformedToken):
        parse_object(raw)


@pytest.mark.parametrize("octets", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_octets_that_are_not_utf8_are_malformed(octets):
    with pytest.raises(MalformedToken):
        parse_object(b'{"a":"' + octets + b'"}')


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udfff", rb"\ud800\u0041", rb"\uDC00\uD800"])
def test_a_lone_surrogate_is_malformed_in_names_and_values(text):
    for raw in (b'{"a":"' + text + b'"}', b'{"' + text + b'":1}', b'{"a":[{"b":"' + text + b'"}]}'):
        with pytest.raises(MalformedToken):
            parse_object(raw)


def test_a_surrogate_pair_in_escapes_is_one_character():
    assert parse_object(rb'{"a":"\ud83d\ude00"}') == {"a": "\U0001f600"}


def nested(depth, opening=b"[", closing=b"]"):
    return b'{"a":' + opening * (depth - 1) + b"0" + closing * (depth - 1) + b"}"


@pytest.mark.parametrize(
    "shape", [(b"[", b"]"), (b'{"b":', b"}"), (b'[{"b":', b"}]")], ids=["arrays", "objects", "both"]
)
def test_nesting_up_to_the_limit_is_accepted(shape):
    levels = (MAX_DEPTH - 1) // shape[0].count(b"[") if shape[0] == b'[{"b":' else MAX_DEPTH
    levels = MAX_DEPTH // 2 if shape[0] == b'[{"b":' else levels
    parse_object(nested(levels, *shape))
    with pytest.raises(MalformedToken):
        parse_object(nested(levels + 2, *shape))


@pytest.mark.parametrize("piece", [b'"\\', b'"', b"\\", b'\\"', b"[", b"{"])
def test_no_text_is_slow_to_refuse(piece):
    def raw(size):
        return b'{"a":' + b"[" * 40 + piece * (size // len(piece))

    with pytest.raises(MalformedToken):
        parse_object(raw(40_000))

    assert_linear(parse_object, raw, 40_000)


def test_brackets_inside_strings_are_not_nesting():
    text = "[{" * 200 + '"' + "\\"

    assert parse_object(json.dumps({"a": text}).encode()) == {"a": text}
    assert parse_object(json.dumps({"a": [{} for _ in range(100)]}).encode())


def test_an_error_contains_no_text_of_the_token():
    with pytest.raises(MalformedToken) as refused:
        parse_object(b'{"sentinel": NaN}')

    assert refused.value.__context__ is None
    assert "sentinel" not in repr(refused.value) + str(refused.value) + refused.value.log_detail


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}, b"raw", object()])
def test_values_outside_strict_json_are_not_written(value):
    with pytest.raises((ValueError, TypeError)):
        dump_object({"a": value})


@given(
    names=st.lists(st.sampled_from(["a", "b", "a,b", ",", '"', "\\", "ä", "", "a "]), max_size=6),
    values=st.lists(
        st.sampled_from([1, "x", "x,y", ",,,", '","', "[", "{", ":", None, -2.5, {}, {"a": 1}, [1, 2], []])
    ),
    blank=st.sampled_from(["", " ", "\n\t "]),
    ascii=st.booleans(),
)
def test_an_object_is_malformed_exactly_if_a_name_is_repeated(names, values, blank, ascii):  # noqa: A002 - json's word
    """The parser counts commas to detect duplicates. Commas in strings, arrays and nested objects must not count."""
    members = [
        blank + json.dumps(name, ensure_ascii=ascii) + blank + ":" + blank + json.dumps(value, ensure_ascii=ascii)
        for name, value in zip(names, [*values, *[1] * len(names)], strict=False)
    ]
    raw = ("{" + ",".join(members) + blank + "}").encode()

    if len(set(names)) == len(names):
        assert list(parse_object(raw)) == names
    else:
        with pytest.raises(MalformedToken):
            parse_object(raw)


@pytest.mark.parametrize("inner", ['{"b":1,"b":2}', '[{"b":1,"b":2}]', '{"c":{"b":1,"b":1}}', '[[{"b":1,"b":1}]]'])
@pytest.mark.parametrize("beside", ["", ',"d":1', ',"d":1,"e":2', ',"d":"}"'])
def test_a_repeated_name_in_a_nested_object_is_malformed(inner, beside):
    with pytest.raises(MalformedToken):
        parse_object(f'{{"a":{inner}{beside}}}'.encode())

"""The compact serialization is parsed strictly: each token has one encoding (V-01 to V-05, V-07)."""

import base64
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tokens import signed

from gatepass.errors import MalformedToken, UnsupportedToken
from gatepass.jose.compact import MAX_TOKEN_LENGTH, decode_base64url, encode_base64url, parse_compact

GOOD = signed()


def test_a_token_is_split_into_signing_input_and_signature():
    parsed = parse_compact(GOOD)

    header, payload, signature = GOOD.split(".")
    assert parsed.signing_input == f"{header}.{payload}".encode()
    assert encode_base64url(parsed.signature).decode() == signature
    assert parsed.claims["sub"] == "anna"
    assert parsed.header()["alg"] == "ES256"


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a", "a.b", "a.b.c.d", "......", ".".join("abcdef"), '{"payload":"e30","signatures":[]}']
)
def test_any_other_number_of_segments_is_malformed(text):
    with pytest.raises(MalformedToken):
        parse_compact(text)


def test_an_encrypted_token_of_five_segments_is_unsupported():
    with pytest.raises(UnsupportedToken):
        parse_compact("a.b.c.d.e")


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    "junk", ["=", "==", "+", "/", " ", "\n", "\r\n", "\t", "%20", "~", "?", "{", '"', "\0", "é", "\ud800"]
)
def test_a_character_outside_the_alphabet_in_any_segment_is_malformed(position, junk):
    for place in ("end", "start", "middle"):
        segments = GOOD.split(".")
        part = segments[position]
        cut = {"end": len(part), "start": 0, "middle": len(part) // 2}[place]
        segments[position] = part[:cut] + junk + part[cut:]
        with pytest.raises(MalformedToken):
            parse_compact(".".join(segments)).header()


@pytest.mark.parametrize("text", [None, 5, b"a.b.c", ["a.b.c"], object()])
def test_a_token_that_is_not_text_is_malformed(text):
    with pytest.raises(MalformedToken):
        parse_compact(text)


def test_a_token_of_maximum_length_is_accepted_and_one_character_more_is_not():
    longest = "e30.e30." + "A" * (MAX_TOKEN_LENGTH - 8)

    assert len(parse_compact(longest).signature) == (MAX_TOKEN_LENGTH - 8) // 4 * 3
    with pytest.raises(MalformedToken) as refused:
        parse_compact(longest + "A")
    assert "too long" in refused.value.log_detail


@pytest.mark.parametrize(
    "hostile",
    ["a" * 8_000_000, "." * 10_000, "." * 8_000_000, "e30." + "[" * 100_000 + ".AA", f"e30.{'W1tb' * 4_000}.AA"],
    ids=["8 MB", "10,000 dots", "8 MB of dots", "long nesting", "nested arrays"],
)
def test_an_oversized_token_is_refused(hostile):
    with pytest.raises(MalformedToken):
        parse_compact(hostile)


@pytest.mark.parametrize("sign", ["a", "."])
def test_the_cost_of_refusing_an_oversized_token_does_not_grow_with_its_length(sign):
    texts = sign * (MAX_TOKEN_LENGTH + 1), sign * 8_000_000
    short, long = map(_seconds_to_refuse, texts)
    for _ in range(50):
        if long < 8 * short:
            return
        short, long = (min(best, _seconds_to_refuse(text)) for best, text in zip((short, long), texts, strict=True))
    pytest.fail(f"{long:.9f} seconds, and {short:.9f} for a text that is a little too long")


def _seconds_to_refuse(text):
    """Return the seconds for one refusal. Many are measured, because one tick of the Windows clock takes 16 ms."""
    refused, spent, began = 0, 0.0, time.thread_time()
    while spent < 0.1:
        for _ in range(100):
            with suppress(MalformedToken):
                parse_compact(text)
        refused += 100
        spent = time.thread_time() - began
    return spent / refused


class TestBase64url:
    """RFC 4648 section 5, without padding and with zero spare bits (section 3.5)."""

    @given(st.binary(max_size=80))
    def test_decoding_returns_what_was_encoded(self, octets):
        text = encode_base64url(octets)

        assert text == base64.urlsafe_b64encode(octets).rstrip(b"=")
        assert decode_base64url(text) == octets

    @given(st.binary(max_size=12))
    def test_only_the_canonical_spelling_decodes(self, text):
        try:
            octets = decode_base64url(text)
        except MalformedToken:
            return
        assert encode_base64url(octets) == text

    @pytest.mark.parametrize("octets", [b"\0", b"\0\0", b"\xff", b"\xff\xfe"])
    def test_set_spare_bits_are_refused(self, octets):
        good = encode_base64url(octets)
        alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        free_bits = 4 if len(good) == 2 else 2

        for bits in range(1, 1 << free_bits):
            respelled = good[:-1] + bytes([alphabet[alphabet.index(good[-1]) | bits]])
            assert base64.urlsafe_b64decode(respelled + b"==") == octets
            with pytest.raises(MalformedToken):
                decode_base64url(respelled)

    @pytest.mark.parametrize("text", [b"A", b"AAAAA", b"AA==", b"AAA=", b"A===", b"A+A/", b"AA AA", b"AA\nAA"])
    def test_other_spellings_are_refused(self, text):
        with pytest.raises(MalformedToken):
            decode_base64url(text)

"""The header of a token can only cause a rejection: algorithm, type, extensions, key id (V-08 to V-20)."""

import json

import pytest
from tests.support.tokens import SECRET_KEY, SIGNING_KEY, Verbatim, header_for, make_verifier, refusal, signed

from gatepass import Key, KeySet, Profile
from gatepass.errors import (
    DisallowedAlgorithm,
    InvalidSignature,
    MalformedToken,
    UnknownKey,
    UnsupportedToken,
    WrongTokenType,
)


class TestHeader:
    @pytest.mark.parametrize(
        "alg",
        [
            ...,
            None,
            "none",
            "None",
            "NONE",
            "nOnE",
            "",
            "es256",
            "ES256 ",
            "HS256",
            "RS256",
            "ES256K",
            "ES384",
            5,
            True,
            ["ES256"],
            {"a": 1},
        ],
    )
    def test_any_other_algorithm_than_that_of_the_key_is_disallowed(self, alg):
        assert type(refusal(signed(header_for(alg=alg)))) is DisallowedAlgorithm

    @pytest.mark.parametrize("signature", ["", "AAAA"])
    def test_an_unsecured_token_is_disallowed(self, signature):
        header, payload, _ = signed(header_for(alg="none")).split(".")

        assert type(refusal(f"{header}.{payload}.{signature}")) is DisallowedAlgorithm

    def test_the_algorithm_must_be_that_of_the_named_key_even_if_another_key_has_it(self):
        other = Key.generate("ES384")
        verifier = make_verifier(keys=KeySet([SIGNING_KEY.public(), other.public()]))

        assert type(refusal(signed(header_for(alg="ES384")), verifier)) is DisallowedAlgorithm

    @pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"])
    def test_the_type_is_compared_case_insensitively_as_a_media_type(self, typ):
        make_verifier().verify(signed(header_for(typ=typ)))

    @pytest.mark.parametrize(
        "typ", [..., None, "JWT", "jwt", "", "at", "at+jwt ", "x/at+jwt", "application/application/at+jwt", "dpop+jwt", "logout+jwt",
                "secevent+jwt", "token-introspection+jwt", 5, ["at+jwt"]],
    )  # fmt: skip
    def test_any_other_type_is_wrong(self, typ):
        assert type(refusal(signed(header_for(typ=typ)))) is WrongTokenType

    @pytest.mark.parametrize("typ", [..., "JWT", "jwt", "application/jwt"])
    def test_the_generic_profile_accepts_a_plain_type_or_none(self, typ):
        make_verifier(profile=Profile.GENERIC).verify(signed(header_for(typ=typ)))

    @pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", None, 5])
    def test_the_generic_profile_rejects_types_of_other_kinds_of_token(self, typ):
        assert type(refusal(signed(header_for(typ=typ)), make_verifier(profile=Profile.GENERIC))) is WrongTokenType

    @pytest.mark.parametrize("crit", [[], ["exp"], ["b64"], ["x", "x"], [5], "exp", None, {}, ["alg"]])
    def test_every_critical_extension_is_unsupported(self, crit):
        assert type(refusal(signed(header_for(crit=crit, exp=1)))) is UnsupportedToken

    @pytest.mark.parametrize("b64", [False, True, None, "false"])
    def test_the_unencoded_payload_option_is_unsupported(self, b64):
        assert type(refusal(signed(header_for(b64=b64)))) is UnsupportedToken
        assert type(refusal(signed(header_for(b64=b64, crit=["b64"])))) is UnsupportedToken

    @pytest.mark.parametrize("cty", ["JWT", "jwt", "application/jwt", "Application/JWT"])
    def test_a_nested_token_is_unsupported(self, cty):
        assert type(refusal(signed(header_for(cty=cty)))) is UnsupportedToken

    @pytest.mark.parametrize("kid", [5, None, ["a"], {"a": 1}, True, "k" * 1_025])
    def test_a_kid_that_is_not_a_short_string_is_malformed(self, kid):
        assert type(refusal(signed(header_for(kid=kid)))) is MalformedToken

    @pytest.mark.parametrize(
        "kid", ["", "../../etc/passwd", "' OR 1=1 --", "k" * 1_024, "http://evil.example/key", "\x00", "é"]
    )
    def test_a_kid_is_only_compared_for_equality(self, kid):
        assert type(refusal(signed(header_for(kid=kid)))) is UnknownKey

    def test_a_kid_in_another_case_is_unknown(self):
        verifier = make_verifier(keys=Key.from_secret("kXq2Zr8vT5mWn3bLc9dHf6gJs1pYt4Ru", kid="KeY"))

        assert type(refusal(signed(header_for(SECRET_KEY, kid="key"), key=SECRET_KEY), verifier)) is UnknownKey

    @pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256", "zip", "epk", "anything"])
    def test_keys_inside_the_token_are_never_read(self, member):
        attacker = Key.generate("ES256")
        value = attacker.to_jwk() if member == "jwk" else "https://evil.example/keys"
        forged = signed(header_for(**{member: value}), key=attacker)

        assert type(refusal(forged)) is InvalidSignature
        make_verifier().verify(signed(header_for(**{member: value})))

    def test_names_are_compared_after_unescaping(self):
        header = Verbatim(json.dumps(header_for()).replace('"alg"', '"\\u0061lg"'))

        make_verifier().verify(signed(header))
        assert (
            type(refusal(signed(Verbatim(json.dumps(header_for()).replace('"alg"', '"Alg"'))))) is DisallowedAlgorithm
        )

    @pytest.mark.parametrize(
        "header",
        [b"", b"[]", b"null", b"\xff\xfe", Verbatim('{"alg":"none","alg":"ES256"}'), Verbatim('{"alg":NaN}'), b"{}x"],
    )
    def test_a_header_that_is_not_strict_json_is_malformed(self, header):
        assert type(refusal(signed(header))) is MalformedToken

    @pytest.mark.parametrize("codec", ["utf-16", "utf-32", "utf-8-sig"])
    def test_a_header_in_another_encoding_is_malformed(self, codec):
        assert type(refusal(signed(json.dumps(header_for()).encode(codec)))) is MalformedToken

"""JSON Web Keys: one canonical form is accepted, public members are exported with their labels, and thumbprints."""

import copy
import hashlib
import json
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st
from tests.support.keys import (
    ASYMMETRIC,
    CURVES,
    ES,
    HMAC_BYTES,
    RSA_NAMES,
    SECRET,
    base64url,
    ec_private,
    key_for,
    refusal,
    rsa_jwk,
    rsa_private,
)

from gatepass import ConfigurationError, Key
from gatepass.jose.compact import decode_base64url
from gatepass.keys import jwk as jwk_module
from gatepass.keys.algorithms import ALGORITHMS
from gatepass.keys.jwk import is_private_jwk, load_jwk, private_members, public_members, thumbprint

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
RSA_MEMBERS = ("n", "e", "d", "p", "q", "dp", "dq", "qi")
EC_JWK = key_for("ES256").to_private_jwk()
OKP_JWK = key_for("Ed25519").to_private_jwk()
RSA_JWK = key_for("RS256").to_private_jwk()
OCT_JWK = Key.from_secret(SECRET, kid="k1").to_private_jwk()
EVERY_JWK = [EC_JWK, OKP_JWK, RSA_JWK, OCT_JWK]
NO_VALID_KEY = "the members of this JWK do not form a valid key"
HALVES = "the public and private members of this JWK do not belong together"
BAD_KTY = 'the "kty" of a JWK must be oct, RSA, EC or OKP'
NOT_FOR_SIGNATURES = 'this JWK is not for signatures: its "use" is not "sig"'
OPERATIONS_LIST = 'the "key_ops" of a JWK must be a list of strings'
OPERATIONS_NAMES = 'the "key_ops" of a JWK may name only sign and verify, once each'


def public(jwk: dict) -> dict:
    return {name: value for name, value in jwk.items() if name not in PRIVATE_MEMBERS}


def without(jwk: dict, *names: str) -> dict:
    return {name: value for name, value in jwk.items() if name not in names}


def missing(name: str) -> str:
    return f'the JWK member "{name}" is missing or not canonical base64url'


# --- thumbprints ---

RFC_7638 = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC_8037 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
RFC_9449 = {
    "kty": "EC",
    "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
    "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    "crv": "P-256",
}


@pytest.mark.parametrize(
    ("jwk", "algorithm", "thumbprint"),
    [
        (RFC_7638, "RS256", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (RFC_8037, "Ed25519", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        (RFC_9449, "ES256", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
    ],
)
def test_the_thumbprints_of_the_rfcs(jwk, algorithm, thumbprint):
    """K-14: RFC 7638 section 3.1, RFC 8037 appendix A.3, RFC 9449 section 6.1."""
    key = Key.from_jwk(jwk, algorithm=algorithm)

    assert key.thumbprint() == thumbprint
    assert key.kid == jwk.get("kid", thumbprint)


def test_the_thumbprint_of_a_secret_is_over_k_and_kty():
    """K-15, RFC 7638 section 3.2.1: the two members in this order and no blank."""
    members = b'{"k":"%s","kty":"oct"}' % OCT_JWK["k"].encode()

    assert Key.from_jwk(OCT_JWK).thumbprint() == base64url(hashlib.sha256(members).digest())


@pytest.mark.parametrize("jwk", [RSA_JWK, EC_JWK, OKP_JWK])
def test_other_members_and_their_order_do_not_change_a_thumbprint(jwk):
    """K-15, V-35: unknown members are ignored."""
    thumbprint = Key.from_jwk(jwk).thumbprint()
    dressed = {"x5t": 5, "anything": None, **dict(reversed(public(jwk).items())), "kid": "other"}

    assert Key.from_jwk(public(jwk)).thumbprint() == thumbprint
    assert Key.from_jwk(dressed).thumbprint() == thumbprint
    assert Key.from_jwk(without(dressed, "kid")).kid == thumbprint


def test_a_thumbprint_does_not_depend_on_the_order_in_which_members_are_handed_in():
    """K-15: the members are sorted, RFC 7638 section 3.3."""
    assert thumbprint({"y": "2", "kty": "EC", "x": "1", "crv": "P-256"}) == base64url(
        hashlib.sha256(b'{"crv":"P-256","kty":"EC","x":"1","y":"2"}').digest()
    )


# --- exported JWKs ---


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_jwk_is_labelled_and_contains_no_private_member(algorithm):
    """K-08, K-12."""
    jwk = key_for(algorithm).to_jwk()
    kind = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}[jwk["kty"]]

    assert set(jwk) == kind | {"kty", "kid", "use", "alg"}
    assert (jwk["kid"], jwk["use"], jwk["alg"]) == ("k1", "sig", algorithm)
    assert not is_private_jwk(jwk)
    assert json.loads(json.dumps(jwk)) == jwk


def test_a_key_without_kid_publishes_none():
    assert "kid" not in key_for("ES256", kid=None).to_jwk()
    assert "kid" not in key_for("HS256", kid=None).to_private_jwk()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_private_jwk_has_all_members_and_labels(algorithm):
    jwk = key_for(algorithm).to_private_jwk()
    kind = {
        "oct": {"k"},
        "RSA": set(RSA_MEMBERS),
        "EC": {"crv", "x", "y", "d"},
        "OKP": {"crv", "x", "d"},
    }[jwk["kty"]]

    assert set(jwk) == kind | {"kty", "kid", "use", "alg"}
    assert (jwk["kid"], jwk["use"], jwk["alg"]) == ("k1", "sig", algorithm)
    assert is_private_jwk(jwk)


@pytest.mark.parametrize("member", sorted(PRIVATE_MEMBERS))
def test_a_jwk_with_any_private_member_is_private(member):
    """K-08, RFC 7518 section 6: d p q dp dq qi oth k."""
    assert is_private_jwk({**public(EC_JWK), member: ""})


def test_the_numbers_of_an_rsa_jwk_are_those_of_the_key():
    """RFC 7518 section 6.3.2: each factor under its own name."""
    numbers = rsa_private().private_numbers()
    jwk = key_for("RS256").to_private_jwk()

    assert {name: jwk[name] for name in RSA_MEMBERS} == {
        "n": base64url(numbers.public_numbers.n),
        "e": "AQAB",
        "d": base64url(numbers.d),
        "p": base64url(numbers.p),
        "q": base64url(numbers.q),
        "dp": base64url(numbers.dmp1),
        "dq": base64url(numbers.dmq1),
        "qi": base64url(numbers.iqmp),
    }


@pytest.mark.parametrize(("algorithm", "size"), [("ES256", 32), ("ES384", 48), ("ES512", 66)])
def test_coordinates_are_written_in_the_curve_s_full_length(algorithm, size):
    """RFC 7518 sections 6.2.1.2 and 6.2.2.1: leading zero octets are kept; d = 1 has many."""
    private = ec.derive_private_key(1, CURVES[ES[algorithm]])
    jwk = Key(private, algorithm=algorithm, kid="k1").to_private_jwk()

    assert jwk["d"] == base64url((1).to_bytes(size))
    assert jwk["x"] == base64url(private.public_key().public_numbers().x.to_bytes(size))
    assert jwk["y"] == base64url(private.public_key().public_numbers().y.to_bytes(size))
    assert Key.from_jwk(jwk).to_private_jwk() == jwk


def test_a_key_type_without_a_jwk_is_refused_public_or_private():
    private = x25519.X25519PrivateKey.generate()

    assert refusal(lambda: public_members(private.public_key())) == "this kind of key has no JWK for signatures"
    assert refusal(lambda: private_members(private)) == "this kind of key has no JWK for signatures"


# --- how a JWK is bound to an algorithm ---


@pytest.mark.parametrize("jwk", [None, 5, "text", b"bytes", [], [EC_JWK], object()])
def test_a_jwk_must_be_an_object(jwk):
    assert refusal(lambda: Key.from_jwk(jwk)) == "a JWK must be a JSON object"
    assert refusal(lambda: Key.from_jwk(json.dumps(EC_JWK))).endswith("object: parse the text with json.loads(text)")


@pytest.mark.parametrize("kty", ["oct ", "ec", "rsa", "okp", "AKP", "", None, 5, [], ["EC"], {}])
def test_the_type_is_one_of_four(kty):
    """K-10: post-quantum types are unsupported."""
    assert refusal(lambda: Key.from_jwk({**EC_JWK, "kty": kty})) == BAD_KTY
    assert refusal(lambda: Key.from_jwk(without(EC_JWK, "kty"))) == BAD_KTY
    assert refusal(lambda: Key.from_jwk({})) == BAD_KTY


def test_alg_binds_a_jwk_and_an_argument_may_only_agree():
    """A3, K-12."""
    jwk = {**public(RSA_JWK), "alg": "PS256"}

    assert Key.from_jwk(jwk).algorithm == "PS256"
    assert Key.from_jwk(jwk, algorithm="PS256").algorithm == "PS256"
    for other in ("RS256", "HS256", "", "none"):
        assert refusal(lambda other=other: Key.from_jwk(jwk, algorithm=other)) == (
            'algorithm= contradicts the "alg" of this JWK'
        )


def test_without_alg_the_argument_or_the_default_algorithm_binds():
    assert Key.from_jwk(without(RSA_JWK, "alg")).algorithm == "RS256"
    assert Key.from_jwk(without(RSA_JWK, "alg"), algorithm="PS512").algorithm == "PS512"
    assert Key.from_jwk(without(EC_JWK, "alg")).algorithm == "ES256"
    assert Key.from_jwk(without(OCT_JWK, "alg")).algorithm == "HS256"
    assert refusal(lambda: Key.from_jwk(without(OKP_JWK, "alg"))) == (
        "give the name that the tokens use: algorithm='Ed25519' or algorithm='EdDSA'"
    )


@pytest.mark.parametrize("alg", ["", "none", 5, [], {}, ["ES256"], "es256", "ES256K", "ECDH-ES", "RSA-OAEP"])
def test_an_alg_that_is_no_signature_algorithm_is_refused(alg):
    """A1, A8."""
    assert refusal(lambda: Key.from_jwk({**EC_JWK, "alg": alg})).startswith("unknown algorithm; ")
    assert refusal(lambda: Key.from_jwk({**EC_JWK, "alg": alg}, algorithm="ES256")) == (
        'algorithm= contradicts the "alg" of this JWK'
    )


def test_an_alg_for_another_type_of_key_is_refused():
    """V-11, A2, K-05, K-06, K-07."""
    assert refusal(lambda: Key.from_jwk({**EC_JWK, "alg": "HS256"})) == (
        "this key does not fit HS256, which takes a secret: use Key.from_secret"
    )
    assert refusal(lambda: Key.from_jwk({**EC_JWK, "alg": "ES384"})) == (
        "this key does not fit ES384, which takes P-384 keys"
    )
    assert refusal(lambda: Key.from_jwk({**OKP_JWK, "alg": "Ed448"})) == (
        "this key does not fit Ed448, which takes Ed448 keys"
    )
    assert refusal(lambda: Key.from_jwk({**OCT_JWK, "alg": "RS256"})) == (
        "this key does not fit RS256, which takes RSA keys: use Key.from_pem"
    )
    assert Key.from_jwk({**OKP_JWK, "alg": "EdDSA"}).algorithm == "EdDSA"


@pytest.mark.parametrize("kid", [None, "absent"])
def test_a_secret_in_a_jwk_gets_no_thumbprint_for_a_kid(kid):
    """K-17."""
    jwk = without(OCT_JWK, "kid") if kid else {**OCT_JWK, "kid": None}

    assert Key.from_jwk(jwk).kid is None


@pytest.mark.parametrize("kid", ["", 5, True, [], {}, "k" * 1_025, "\ud800"])
def test_a_kid_of_another_form_is_refused(kid):
    """V-12, A5."""
    assert refusal(lambda: Key.from_jwk({**EC_JWK, "kid": kid})) == (
        "a kid must be a string of 1 to 1024 characters that has a UTF-8 form"
    )


# --- use and key_ops ---


@pytest.mark.parametrize("use", ["enc", "SIG", "", "sig ", 5, ["sig"]])
@pytest.mark.parametrize("jwk", EVERY_JWK)
def test_a_key_for_another_use_is_refused(jwk, use):
    """K-11, A8."""
    assert refusal(lambda: Key.from_jwk({**jwk, "use": use})) == NOT_FOR_SIGNATURES


@pytest.mark.parametrize("jwk", EVERY_JWK)
def test_use_may_be_absent(jwk):
    assert Key.from_jwk(without(jwk, "use")).algorithm == jwk["alg"]


@pytest.mark.parametrize("operations", ["verify", 5, {}, {"verify": True}, ("verify",), ["verify", 5], [["sign"]]])
def test_operations_must_be_a_list_of_strings(operations):
    """K-11."""
    assert refusal(lambda: Key.from_jwk({**public(EC_JWK), "key_ops": operations})) == OPERATIONS_LIST


@pytest.mark.parametrize(
    "operations",
    [["verify", "encrypt"], ["verify", "verify"], ["sign", "verify", "sign"], ["deriveKey"], ["VERIFY"], [""]],
)
def test_operations_may_contain_sign_and_verify_only_once_each(operations):
    """K-11, RFC 7517 section 4.3: no unrelated ones, no duplicates."""
    assert refusal(lambda: Key.from_jwk({**public(EC_JWK), "key_ops": operations})) == OPERATIONS_NAMES


@pytest.mark.parametrize(
    ("jwk", "operations", "lacking"),
    [
        (public(EC_JWK), [], "verify"),
        (public(EC_JWK), ["sign"], "verify"),
        (EC_JWK, [], "sign"),
        (EC_JWK, ["verify"], "sign"),
        (public(OKP_JWK), ["sign"], "verify"),
        (RSA_JWK, ["verify"], "sign"),
        (OCT_JWK, [], "sign and verify"),
        (OCT_JWK, ["sign"], "verify"),
        (OCT_JWK, ["verify"], "sign"),
    ],
)
def test_operations_must_include_the_use_of_the_key(jwk, operations, lacking):
    """K-11, A8."""
    assert refusal(lambda: Key.from_jwk({**jwk, "key_ops": operations})) == f'the "key_ops" of this JWK lack {lacking}'


@pytest.mark.parametrize(
    ("jwk", "operations"),
    [
        (public(EC_JWK), ["verify"]),
        (public(EC_JWK), ["verify", "sign"]),
        (EC_JWK, ["sign"]),
        (EC_JWK, ["sign", "verify"]),
        (OCT_JWK, ["verify", "sign"]),
    ],
)
def test_operations_that_include_it_are_accepted(jwk, operations):
    assert Key.from_jwk({**jwk, "key_ops": operations}).can_sign is is_private_jwk(jwk)


# --- canonical members ---


@pytest.mark.parametrize(
    ("jwk", "member"),
    [
        *((RSA_JWK, name) for name in RSA_MEMBERS),
        *((EC_JWK, name) for name in ("x", "y", "d")),
        *((OKP_JWK, name) for name in ("x", "d")),
        (OCT_JWK, "k"),
    ],
)
@pytest.mark.parametrize(
    "bend",
    [
        lambda text: text + "=",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.replace(text[3], "+", 1),
        lambda text: text.replace(text[3], "/", 1),
        lambda text: text.replace(text[3], "é", 1),
        lambda text: text.replace(text[3], "\ud800", 1),
        lambda text: text[:3] + "." + text[3:],
        lambda text: text.encode(),
        lambda text: [text],
        lambda text: 5,
        lambda text: int.from_bytes(b"%d" % len(text)),
    ],
)
def test_a_member_in_another_spelling_is_refused(jwk, member, bend):
    """K-16, A8: canonical base64url of a string."""
    assert refusal(lambda: Key.from_jwk({**jwk, member: bend(jwk[member])})) == missing(member)


def test_unused_trailing_bits_are_refused():
    """K-16, V-03: 32 octets leave two bits that must be zero."""
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(EC_JWK["x"][-1])
    bent = EC_JWK["x"][:-1] + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last + 1]

    assert refusal(lambda: Key.from_jwk({**public(EC_JWK), "x": bent})) == missing("x")


@pytest.mark.parametrize(
    ("jwk", "member"),
    [
        *((RSA_JWK, name) for name in ("n", "e", "p", "q", "dp", "dq", "qi")),
        *((EC_JWK, name) for name in ("x", "y")),
        (OKP_JWK, "x"),
        (OCT_JWK, "k"),
    ],
)
def test_the_error_names_a_missing_member(jwk, member):
    """K-10."""
    assert refusal(lambda: Key.from_jwk(without(jwk, member))) == missing(member)


@pytest.mark.parametrize("factor", ["p", "q", "dp", "dq", "qi"])
def test_rsa_factors_must_be_complete_and_with_the_private_exponent(factor):
    """RFC 7518 section 6.3.2: one of them requires the others."""
    lone = {**public(RSA_JWK), factor: RSA_JWK[factor]}

    assert refusal(lambda: Key.from_jwk(lone)) == missing("d")
    assert refusal(lambda: Key.from_jwk(without(RSA_JWK, "d"))) == missing("d")


def test_an_rsa_key_without_its_factors_is_completed():
    """RFC 7518 section 6.3.2: they SHOULD be present, and can be computed."""
    short = without(RSA_JWK, "p", "q", "dp", "dq", "qi")
    key = Key.from_jwk(short)

    assert key.can_sign
    assert key_for("RS256").verifies(b"text", key.sign(b"text"))
    assert set(key.to_private_jwk()) == set(RSA_JWK)


def test_an_rsa_key_of_more_than_two_primes_is_refused():
    assert refusal(lambda: Key.from_jwk({**RSA_JWK, "oth": []})) == (
        "RSA keys with more than two primes are not supported"
    )


@pytest.mark.parametrize("member", RSA_MEMBERS)
def test_a_leading_zero_octet_in_an_rsa_member_is_refused(member):
    """K-16, RFC 7518 section 2: Base64urlUInt has the fewest octets."""
    number = int.from_bytes(base64_octets(RSA_JWK[member]))
    padded = number.to_bytes((number.bit_length() + 7) // 8 + 1)

    assert refusal(lambda: Key.from_jwk({**RSA_JWK, member: base64url(padded)})) == (
        f'the JWK member "{member}" has a leading zero octet (RFC 7518 section 6.3)'
    )


def base64_octets(text: str) -> bytes:
    return decode_base64url(text.encode())


def test_the_non_canonical_encoding_of_65537_is_refused():
    """K-16, RFC 7638 section 7."""
    assert "leading zero octet" in refusal(lambda: Key.from_jwk({**public(RSA_JWK), "e": "AAEAAQ"}))


@pytest.mark.parametrize(
    ("jwk", "member", "size"),
    [
        *(
            (key_for(name).to_private_jwk(), member, size)
            for name, size in (("ES256", 32), ("ES384", 48), ("ES512", 66))
            for member in ("x", "y", "d")
        ),
        *(
            (key_for(name).to_private_jwk(), member, size)
            for name, size in (("Ed25519", 32), ("Ed448", 57))
            for member in ("x", "d")
        ),
    ],
)
@pytest.mark.parametrize(
    "change",
    [lambda octets: octets[1:], lambda octets: b"\0" + octets, lambda octets: octets + b"\0", lambda octets: b""],
)
def test_a_coordinate_has_exactly_the_curve_s_length(jwk, member, size, change):
    """K-16, A8, RFC 7518 section 6.2."""
    bent = base64url(change(base64_octets(jwk[member])))

    assert refusal(lambda: Key.from_jwk({**jwk, member: bent})) == (
        f'the JWK member "{member}" must be {size} octets for this curve'
    )


# --- curves and points ---


@pytest.mark.parametrize("crv", ["P-192", "secp256k1", "p-256", "P-256K", "Ed25519", "", None, 5, [], ["P-256"], {}])
def test_an_ec_curve_is_one_of_three(crv):
    """K-05."""
    expected = 'the "crv" of this JWK must be one of P-256, P-384, P-521'

    assert refusal(lambda: Key.from_jwk({**EC_JWK, "crv": crv})) == expected
    assert refusal(lambda: Key.from_jwk(without(EC_JWK, "crv"))) == expected


@pytest.mark.parametrize("crv", ["X25519", "X448", "ed25519", "P-256", "", None, 5, [], {}])
@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_an_okp_curve_is_for_signatures(crv, alg):
    """K-06: X25519 and X448 are for key agreement."""
    expected = 'the "crv" of this JWK must be one of Ed25519, Ed448'

    assert refusal(lambda: Key.from_jwk({**OKP_JWK, "crv": crv, "alg": alg})) == expected


def test_coordinates_of_another_curve_of_the_same_type_are_refused():
    assert refusal(lambda: Key.from_jwk({**EC_JWK, "crv": "P-384"})) == (
        'the JWK member "x" must be 48 octets for this curve'
    )
    assert refusal(lambda: Key.from_jwk({**OKP_JWK, "crv": "Ed448"})) == (
        'the JWK member "x" must be 57 octets for this curve'
    )


@pytest.mark.parametrize("algorithm", ES)
@pytest.mark.parametrize("private", [True, False])
def test_a_point_off_the_curve_is_refused(algorithm, private):
    """K-05, A8."""
    jwk = key_for(algorithm).to_private_jwk()
    jwk = jwk if private else public(jwk)
    size = len(base64_octets(jwk["y"]))
    for x, y in ((0, 0), (1, 1), (2 ** (8 * size) - 1, 5)):
        bent = {**jwk, "x": base64url(x.to_bytes(size)), "y": base64url(y.to_bytes(size))}
        assert refusal(lambda bent=bent: Key.from_jwk(bent)) in {NO_VALID_KEY, HALVES}


@pytest.mark.parametrize("scalar", [0, 2**256 - 1])
def test_a_scalar_outside_the_group_is_refused(scalar):
    assert refusal(lambda: Key.from_jwk({**EC_JWK, "d": base64url(scalar.to_bytes(32))})) == NO_VALID_KEY


# --- inconsistent keys ---


def test_a_private_member_of_another_key_is_refused():
    """A8: such a JWK would sign with one key and publish another."""
    others = {name: Key.generate(name).to_private_jwk() for name in ("ES256", "Ed25519", "Ed448")}
    for name, other in others.items():
        mine = key_for(name).to_private_jwk()
        assert refusal(lambda mine=mine, other=other: Key.from_jwk({**mine, "d": other["d"]})) in {NO_VALID_KEY, HALVES}


def test_an_edwards_key_with_another_public_key_is_refused():
    other = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()

    assert refusal(lambda: Key.from_jwk({**OKP_JWK, "x": base64url(other)})) in {NO_VALID_KEY, HALVES}


@pytest.mark.parametrize(("jwk", "members"), [(RSA_JWK, ("n", "e")), (EC_JWK, ("x", "y")), (OKP_JWK, ("x",))])
def test_private_and_public_members_are_compared_regardless_of_the_library(jwk, members):
    """Some versions of PyJWT do not compare x with d."""
    for half in (jwk, public(jwk)):
        key = load_jwk(half)
        jwk_module._check_public_members(key, half, members)
        for member in members:
            bent = {**half, member: base64url(b"another")}
            assert refusal(lambda key=key, bent=bent: jwk_module._check_public_members(key, bent, members)) == HALVES


@pytest.mark.parametrize("member", [name for name in RSA_MEMBERS if name != "e"])
def test_an_rsa_member_of_another_key_is_refused(member):
    other = Key(rsa_private(2056), algorithm="RS256").to_private_jwk()

    assert refusal(lambda: Key.from_jwk({**RSA_JWK, member: other[member]})) == NO_VALID_KEY


def test_an_rsa_key_completed_from_a_wrong_exponent_is_refused():
    short = without(RSA_JWK, "p", "q", "dp", "dq", "qi")

    assert refusal(lambda: Key.from_jwk({**short, "d": base64url(3)})) == NO_VALID_KEY


@pytest.mark.parametrize("e", [1, 2, 4, 65536])
def test_an_unsafe_exponent_is_refused_in_a_jwk_too(e):
    """A7."""
    n = rsa_private().public_key().public_numbers().n

    assert refusal(lambda: Key.from_jwk(rsa_jwk(n, e))) in {
        NO_VALID_KEY,
        "the public exponent of an RSA key must be odd, at least 3 and of at most 64 bits",
    }


@pytest.mark.parametrize("bits", [1024, 2047, 8193, 16384])
def test_rsa_of_another_size_is_refused_in_a_jwk_too(bits):
    """K-03, K-04."""
    expected = f"an RSA key must have 2048 to 8192 bits, this one has {bits}"

    assert refusal(lambda: Key.from_jwk(rsa_jwk(2 ** (bits - 1) + 1))) == expected


def test_a_small_private_rsa_jwk_is_refused():
    small = rsa_private(1024)
    jwk = {"kty": "RSA", **public_members(small.public_key()), **private_members(small)}

    assert refusal(lambda: Key.from_jwk(jwk)) == "an RSA key must have 2048 to 8192 bits, this one has 1024"


@pytest.mark.parametrize("algorithm", RSA_NAMES)
def test_a_jwk_is_not_modified(algorithm):
    jwk = key_for(algorithm).to_private_jwk()
    before = copy.deepcopy(jwk)
    Key.from_jwk(jwk)

    assert jwk == before


# --- arbitrary input ---

members = st.sampled_from(
    [
        "kty",
        "alg",
        "use",
        "key_ops",
        "kid",
        "crv",
        "x",
        "y",
        "d",
        "n",
        "e",
        "p",
        "q",
        "dp",
        "dq",
        "qi",
        "oth",
        "k",
        "x5c",
    ]
)
likely = st.sampled_from(
    ["oct", "RSA", "EC", "OKP", "sig", "P-256", "Ed25519", "AQAB", *ALGORITHMS, EC_JWK["x"], EC_JWK["d"], RSA_JWK["n"]]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | likely,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(members | st.text(max_size=5), json_values, max_size=8), st.none() | likely)
def test_any_json_raises_configuration_errors_only(jwk, algorithm):
    """Rule 4."""
    with suppress(ConfigurationError):
        assert Key.from_jwk(jwk, algorithm=algorithm).algorithm in ALGORITHMS


@given(st.sampled_from(EVERY_JWK), members, json_values, st.booleans())
def test_any_jwk_with_one_corrupted_member_raises_configuration_errors_only(jwk, member, value, private):
    with suppress(ConfigurationError):
        assert Key.from_jwk({**(jwk if private else public(jwk)), member: value}).algorithm in ALGORITHMS


@given(st.binary(min_size=1, max_size=300), st.binary(min_size=1, max_size=12), st.sampled_from([{}, {"d": "AQAB"}]))
def test_any_rsa_numbers_raise_configuration_errors_only(n, e, more):
    with suppress(ConfigurationError):
        key = Key.from_jwk({"kty": "RSA", "n": base64url(n), "e": base64url(e), **more})
        assert key.verifies(b"text", bytes(len(n))) is False


@given(st.sampled_from(["P-256", "Ed25519"]), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_any_coordinates_raise_configuration_errors_only(crv, x, y):
    kty = "EC" if crv == "P-256" else "OKP"
    with suppress(ConfigurationError):
        key = Key.from_jwk(
            {"kty": kty, "crv": crv, "x": base64url(x), "y": base64url(y)},
            algorithm="ES256" if kty == "EC" else "EdDSA",
        )
        assert key.verifies(b"text", bytes(64)) in {True, False}


def test_no_error_repeats_a_member():
    """C4."""
    for jwk in EVERY_JWK:
        for member in PRIVATE_MEMBERS & set(jwk):
            text = refusal(lambda jwk=jwk, member=member: Key.from_jwk({**jwk, member: "!" + jwk[member]}))
            assert jwk[member][:12] not in text


def test_material_is_detected_and_loaded():
    assert isinstance(load_jwk(RSA_JWK), rsa.RSAPrivateKey)
    assert isinstance(load_jwk(public(RSA_JWK)), rsa.RSAPublicKey)
    assert load_jwk(OCT_JWK) == SECRET.encode()
    assert load_jwk(EC_JWK).private_numbers().private_value == ec_private().private_numbers().private_value
    assert set(HMAC_BYTES) <= set(ALGORITHMS)


# --- null members ---


@pytest.mark.parametrize("jwk", EVERY_JWK + [public(jwk) for jwk in EVERY_JWK[:-1]])
@pytest.mark.parametrize(
    "member", ["use", "alg", "key_ops", "kid", "x5c", "x5t", "oth", "ext", *sorted(PRIVATE_MEMBERS), "x", "n", "crv"]
)
def test_a_member_that_is_null_counts_as_absent(jwk, member):
    """Serializers write null for a missing member. The key is the one without that member."""
    algorithm = jwk["alg"]
    told: list[object] = []
    for form in (without(jwk, member), {**jwk, member: None}):
        try:
            key = Key.from_jwk(form, algorithm=algorithm)
            told.append((key.algorithm, key.kid, key.is_named, key.can_sign, key.thumbprint()))
        except ConfigurationError as error:
            told.append(str(error))

    assert told[0] == told[1]
    if member not in jwk:
        assert isinstance(told[0], tuple)


def test_a_jwk_set_is_refused_as_a_jwk():
    for document in ({"keys": [EC_JWK]}, {"keys": [OCT_JWK], "kty": None}, {"keys": []}):
        assert refusal(lambda document=document: Key.from_jwk(document)) == (
            'this is a JWK Set: KeySet.from_jwks takes one of public keys, Key.from_jwk one entry of its "keys"'
        )

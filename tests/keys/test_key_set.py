"""The keys of one issuer: selected by kid and algorithm, parsed from a JWK Set that may be hostile, and published
without private members.
"""

import json
import logging
import pickle
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.growth import assert_linear
from tests.support.keys import (
    ASYMMETRIC,
    CURVES,
    HMAC_BYTES,
    SECRET,
    base64url,
    ec_private,
    ed448_private,
    ed25519_private,
    key_for,
    refusal,
    rsa_jwk,
    rsa_private,
)

from gatepass import ConfigurationError, Key, KeySet
from gatepass.jose.compact import decode_base64url
from gatepass.keys import material, public_numbers

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
NOT_A_SET = 'a JWK Set must be a strict JSON object with a list named "keys"'
NOTHING_USABLE = "this JWK Set holds no usable public key for signatures"
PRIVATE_ALONE = f"{NOTHING_USABLE}; a secret or private key is not published: load it with Key.from_jwk"
A_JWK = "this is a single JWK, not a JWK Set: load it with Key.from_jwk"
SHARED = "two keys of a KeySet share a kid and an algorithm: give each key its own kid"
NOT_SIGNING = "signing= must be one of the keys, and a private key or secret"
CHOOSE = "this KeySet has no single key that can sign; choose one with signing="
GOOD = key_for("ES256", kid="good").to_jwk()


def without(jwk: dict, *names: str) -> dict:
    return {name: value for name, value in jwk.items() if name not in names}


def labels(keys: KeySet) -> set[tuple[str, str]]:
    return {(key.kid, key.algorithm) for key in keys}


# --- creating a set ---


@pytest.mark.parametrize("keys", [None, 5, object()])
def test_a_set_accepts_a_list(keys):
    assert refusal(lambda: KeySet(keys)) == "a KeySet takes a list of keys: KeySet([key])"


def test_a_single_key_is_refused_as_a_list():
    assert refusal(lambda: KeySet(key_for("ES256"))) == "a KeySet takes a list of keys: KeySet([key])"


@pytest.mark.parametrize("keys", [[None], ["secret"], "secret", b"secret", [GOOD], [key_for("ES256"), 5]])
def test_a_set_accepts_keys_only(keys):
    assert refusal(lambda: KeySet(keys)) == (
        "a KeySet holds Key objects; make them with Key.from_secret, from_pem or from_jwk"
    )


@pytest.mark.parametrize("keys", [[], (), "", iter(())])
def test_an_empty_set_of_keys_is_refused(keys):
    """A4: no key is a configuration error, never a reason to accept."""
    assert refusal(lambda: KeySet(keys)) == "a KeySet needs at least one key"


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("hmac", HMAC_BYTES)
def test_secrets_and_asymmetric_keys_cannot_be_mixed(algorithm, hmac):
    """Rule 1, A2, V-11: private or public, in either order."""
    expected = "a KeySet holds secrets or asymmetric keys, never both: use one set for each issuer"
    secret, key = key_for(hmac, kid="a"), key_for(algorithm, kid="b")

    assert refusal(lambda: KeySet([secret, key])) == expected
    assert refusal(lambda: KeySet([key.public(), secret])) == expected


def test_two_keys_may_not_share_kid_and_algorithm():
    """K-13, A5."""
    assert refusal(lambda: KeySet([key_for("ES256"), Key(ec_private(), algorithm="ES256", kid="k1")])) == SHARED
    assert refusal(lambda: KeySet([key_for("ES256")] * 2)) == SHARED


def test_keys_of_different_algorithms_may_share_a_kid():
    """K-13: the algorithm of the token distinguishes them, and only the matching key is found."""
    keys = KeySet([key_for("ES256"), key_for("RS256"), key_for("Ed25519")])

    assert [key.algorithm for key in keys.get("k1", "RS256")] == ["RS256"]
    assert keys.get("k1", "PS256") == ()
    assert labels(keys) == {("k1", "ES256"), ("k1", "RS256"), ("k1", "Ed25519")}


def test_keys_without_kid_are_found_by_algorithm_only():
    """K-23."""
    keys = KeySet([Key.from_secret(SECRET), Key.from_secret(SECRET[::-1])])

    assert len(keys.for_algorithm("HS256")) == 2
    assert keys.for_algorithm("HS384") == ()
    assert keys.get("None", "HS256") == ()
    assert not keys.has_kid("None")


def test_a_kid_is_only_compared_for_equality():
    """V-12, A5."""
    key = key_for("ES256", kid="Key-1")
    keys = KeySet([key])

    assert keys.get("Key-1", "ES256") == (key,)
    assert keys.has_kid("Key-1")
    for other in ("key-1", "Key-1 ", "Key-", "", "Key-1\0", "*", "../Key-1"):
        assert keys.get(other, "ES256") == ()
        assert not keys.has_kid(other)
    assert keys.get("Key-1", "es256") == ()


def test_a_set_shows_its_algorithms_and_size_only():
    asymmetric, secret = KeySet([key_for("ES256"), key_for("PS256")]), KeySet([key_for("HS256")])

    assert (asymmetric.is_secret, secret.is_secret) == (False, True)
    assert (asymmetric.algorithms, secret.algorithms) == ({"ES256", "PS256"}, {"HS256"})
    assert (len(asymmetric), len(secret)) == (2, 1)
    assert (repr(asymmetric), repr(secret)) == ("<KeySet of 2>", "<KeySet of 1>")


@pytest.mark.parametrize("name", ["algorithms", "_keys", "_named", "_signing", "other"])
def test_a_set_is_immutable(name):
    keys = KeySet([key_for("ES256")])
    with pytest.raises(AttributeError) as set_refused:
        setattr(keys, name, frozenset({"none"}))
    with pytest.raises(AttributeError) as delete_refused:
        delattr(keys, name)

    assert str(set_refused.value) == str(delete_refused.value) == "a KeySet is immutable"
    assert keys.algorithms == {"ES256"}
    assert not hasattr(keys, "__dict__")


def test_a_set_is_not_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(KeySet([key_for("HS256")]))


def test_a_set_may_be_made_of_an_iterator():
    assert len(KeySet(iter([key_for("ES256"), key_for("RS256")]))) == 2


# --- the signing key ---


def test_the_only_key_that_can_sign_signs():
    private, public = key_for("ES256"), key_for("RS256").public()

    assert KeySet([public, private]).signing_key is private
    assert KeySet([key_for("HS256")]).signing_key.algorithm == "HS256"


def test_of_two_keys_that_can_sign_one_must_be_chosen():
    old, new = key_for("ES256", kid="old"), key_for("ES384", kid="new")

    assert refusal(lambda: KeySet([old, new]).signing_key) == CHOOSE
    assert KeySet([old, new], signing=new).signing_key is new
    assert KeySet([old, new], signing=old).signing_key is old


def test_public_keys_cannot_sign():
    public = key_for("ES256").public()

    assert refusal(lambda: KeySet([public]).signing_key) == CHOOSE
    assert refusal(lambda: KeySet([public], signing=public)) == NOT_SIGNING


@pytest.mark.parametrize("signing", [key_for("ES256"), "k1", 5, b"", [], key_for("HS256")])
def test_the_key_that_signs_is_a_member(signing):
    assert refusal(lambda: KeySet([key_for("ES256", kid="member")], signing=signing)) == NOT_SIGNING


# --- publishing ---


def every_name(value: object) -> set[str]:
    """Return the member names of *value* at every level."""
    if isinstance(value, dict):
        return set(value) | {name for member in value.values() for name in every_name(member)}
    return {name for item in value for name in every_name(item)} if isinstance(value, list) else set()


def every_text(value: object) -> set[str]:
    if isinstance(value, dict):
        return {text for member in value.values() for text in every_text(member)}
    return {text for item in value for text in every_text(item)} if isinstance(value, list) else {str(value)}


def test_a_published_set_contains_no_private_member_at_any_level():
    """K-08, K-12: neither names nor values, for every type of key."""
    keys = [key_for(algorithm, kid=algorithm) for algorithm in ASYMMETRIC]
    document = json.loads(json.dumps(KeySet(keys, signing=keys[0]).to_jwks()))
    private = {value for key in keys for name, value in key.to_private_jwk().items() if name in PRIVATE_MEMBERS}

    assert list(document) == ["keys"]
    assert not every_name(document) & PRIVATE_MEMBERS
    assert not every_text(document) & private
    assert [(jwk["kid"], jwk["alg"], jwk["use"]) for jwk in document["keys"]] == [
        (algorithm, algorithm, "sig") for algorithm in ASYMMETRIC
    ]


def test_a_set_of_secrets_is_not_published():
    """K-08."""
    assert refusal(KeySet([key_for("HS256")]).to_jwks) == (
        "a secret has no public half; use an asymmetric algorithm to publish keys"
    )


@pytest.mark.parametrize("form", [dict, json.dumps, lambda document: json.dumps(document).encode(), MappingProxyType])
def test_a_published_set_is_read_back_as_public_keys(form):
    keys = [key_for(algorithm, kid=algorithm) for algorithm in ASYMMETRIC]
    again = KeySet.from_jwks(form(KeySet(keys, signing=keys[0]).to_jwks()))

    assert labels(again) == {(algorithm, algorithm) for algorithm in ASYMMETRIC}
    assert not any(key.can_sign for key in again)
    for key in keys:
        (found,) = again.get(key.kid, key.algorithm)
        assert found.verifies(b"text", key.sign(b"text"))


def test_entries_may_be_any_mapping():
    assert labels(KeySet.from_jwks({"keys": [MappingProxyType(GOOD)]})) == {("good", "ES256")}


# --- parsing a foreign set ---


@pytest.mark.parametrize(
    "document",
    [
        None,
        5,
        [],
        [GOOD],
        {},
        {"keys": {}},
        {"keys": None},
        {"keys": "none"},
        {"keys": (GOOD,)},
        {"Keys": [GOOD]},
        object(),
        "",
        b"",
        "[]",
        "{}",
        "null",
        "5",
        '"keys"',
        "{",
        '{"keys":{}}',
        '{"keys":[]',
        '{"keys":[]}x',
        "\ud800",
        b"\xff",
        "[" * 100_000,
        '{"keys":' * 50_000,
        '{"keys":[NaN]}',
        '{"keys":[],"keys":[]}',
        "9" * 10_000,
        b'\xef\xbb\xbf{"keys":[]}',
        '{"keys":[]}'.encode("utf-16"),
        json.dumps({"keys": [GOOD]}).encode("utf-32"),
        json.dumps({"keys": [GOOD]})[:-1] + ',"keys":[]}',
        json.dumps({"keys": [GOOD]}).replace('"kid"', '"kty":"RSA","kid"'),
    ],
)
def test_an_invalid_jwk_set_is_refused_with_a_configuration_error(document):
    """K-09, B3, B4, B5: one object, one list, one interpretation."""
    assert refusal(lambda: KeySet.from_jwks(document)) == NOT_A_SET


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG)
    return caplog


FOREIGN = {
    "not an object": "sentinel",
    "null": None,
    "a list": [GOOD],
    "no members": {},
    "unknown type": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "sentinel", "kid": "sentinel"},
    "unknown alg": {**GOOD, "alg": "ES256K", "kid": "sentinel"},
    "none": {**GOOD, "alg": "none", "kid": "sentinel"},
    "key agreement": {"kty": "OKP", "crv": "X25519", "x": GOOD["x"], "kid": "sentinel"},
    "half a point": {**without(GOOD, "y"), "kid": "sentinel"},
    "off the curve": {**GOOD, "y": GOOD["x"], "kid": "sentinel"},
    "for encryption": {**GOOD, "use": "enc", "kid": "sentinel"},
    "for signing alone": {**GOOD, "key_ops": ["sign"], "kid": "sentinel"},
    "odd kid": {**GOOD, "kid": ["sentinel"]},
    "empty kid": {**GOOD, "kid": ""},
    "small RSA": {**rsa_jwk(2**1023 + 1), "kid": "sentinel"},
    "huge RSA": {**rsa_jwk(2**16383 + 1), "kid": "sentinel"},
    "secret": {"kty": "oct", "k": "sentinel" * 8, "alg": "HS256", "kid": "sentinel"},
    "secret without k": {"kty": "oct", "alg": "HS256", "kid": "sentinel"},
    "private, EC": {**key_for("ES256").to_private_jwk(), "kid": "sentinel"},
    "private, RSA": {**key_for("RS256").to_private_jwk(), "kid": "sentinel"},
    "private, OKP": {**key_for("Ed25519").to_private_jwk(), "kid": "sentinel"},
    "public with an empty d": {**GOOD, "d": "", "kid": "sentinel"},
    "Edwards point of small order": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "alg": "EdDSA", "kid": "sentinel"},
    "even RSA": {**rsa_jwk(2**2047 + 2), "kid": "sentinel"},
    "prime RSA": {**rsa_jwk(2**2203 - 1), "kid": "sentinel"},
    "public as HMAC": {**GOOD, "alg": "HS256", "kid": "sentinel"},
    "RSA as HMAC": {**key_for("RS256").to_jwk(), "alg": "HS256", "kid": "sentinel"},
}


FOR_SOMETHING_ELSE = {
    "unknown type": 'its "kty" is not supported for signatures',
    "unknown alg": 'its "alg" is not supported for signatures',
    "none": 'its "alg" is not supported for signatures',
    "key agreement": 'its "crv" is not supported for signatures',
    "for encryption": 'its "use" is not "sig"',
}
"""Reasons that the entry itself declares, which are no warnings. Entries with other reasons should have been usable."""


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("first", [True, False])
def test_an_unusable_entry_is_ignored_and_the_others_work(foreign, first, log):
    """K-04, K-10, K-11, A9: secrets and private keys too. The log has position and reason, and no name."""
    entries = [FOREIGN[foreign], GOOD] if first else [GOOD, FOREIGN[foreign]]
    keys = KeySet.from_jwks({"keys": entries})

    assert labels(keys) == {("good", "ES256")}
    (record,) = log.records
    counted, _, told = record.getMessage().partition(": ")
    place, _, reason = told.partition(": ")
    assert (record.name, counted) == ("gatepass.keys", "ignored 1 of 2 JWK Set entries")
    assert record.levelname == ("DEBUG" if foreign in FOR_SOMETHING_ELSE else "WARNING")
    assert place == ("keys[0]" if first else "keys[1]")
    assert reason == FOR_SOMETHING_ELSE.get(foreign, reason) != ""
    assert "sentinel" not in repr(record.__dict__)


@pytest.mark.parametrize(
    "jwk",
    [
        {**key_for("RS256").to_jwk(), "use": "enc", "alg": "RSA-OAEP", "kid": "sentinel"},  # Keycloak's
        {**key_for("RS256").to_jwk(), "alg": "RSA-OAEP-256"},
        {**without(GOOD, "alg"), "key_ops": ["deriveKey"]},
        {**without(GOOD, "alg"), "key_ops": ["encrypt", "wrapKey"], "kid": "sentinel"},
        {**GOOD, "use": "enc", "y": GOOD["x"]},
        {"kty": "EC", "crv": "secp256k1", "alg": "ES256K", "x": GOOD["x"], "y": GOOD["y"]},
        {"kty": "oct", "use": "enc", "alg": "A256KW"},
        {**key_for("RS256").to_jwk(), "kid": "sentinel"},  # algorithms= leaves it out
    ],
)
def test_a_key_for_another_purpose_causes_no_warning(jwk, log):
    KeySet.from_jwks({"keys": [GOOD, jwk]}, algorithms=["ES256"])

    assert [record.levelname for record in log.records] == ["DEBUG"]
    assert "keys[1]: " in log.text
    assert "sentinel" not in log.text


def test_without_a_usable_entry_every_reason_is_a_warning(log):
    refusal(lambda: KeySet.from_jwks({"keys": [{**GOOD, "use": "enc"}, {**GOOD, "y": GOOD["x"]}]}))

    assert [record.levelname for record in log.records] == ["WARNING", "WARNING"]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_set_without_usable_entries_is_refused(foreign, log):
    told = refusal(lambda: KeySet.from_jwks({"keys": [FOREIGN[foreign]]}))
    assert told in {NOTHING_USABLE, PRIVATE_ALONE}
    assert (told == PRIVATE_ALONE) == (
        foreign in {"private, EC", "private, RSA", "private, OKP", "secret", "public with an empty d"}
    )
    assert "sentinel" not in repr([record.__dict__ for record in log.records])


def test_an_empty_set_is_refused(log):
    assert refusal(lambda: KeySet.from_jwks({"keys": []})) == NOTHING_USABLE
    assert log.records == []


def test_a_set_without_ignored_entries_logs_nothing(log):
    KeySet.from_jwks({"keys": [GOOD, key_for("RS256").to_jwk()]})

    assert log.records == []


def test_an_entry_with_two_algorithm_names_does_not_hide_an_ignored_one(log):
    """An Edwards key results in two keys, so counting keys would miss the ignored entry."""
    edwards = without(key_for("Ed25519").to_jwk(), "alg")
    KeySet.from_jwks({"keys": [edwards, FOREIGN["secret"]]})

    (record,) = log.records
    assert record.getMessage().startswith("ignored 1 of 2 JWK Set entries: keys[")


def test_of_two_entries_with_one_kid_and_algorithm_neither_is_used(log):
    """K-13, A9."""
    twin = Key.generate("ES256").to_jwk() | {"kid": "good"}
    other = key_for("RS256", kid="other").to_jwk()

    assert labels(KeySet.from_jwks({"keys": [GOOD, twin, other]})) == {("other", "RS256")}
    (record,) = log.records
    reason = "a different key has the same kid and algorithm"
    assert record.getMessage() == (f"ignored 2 of 3 JWK Set entries: keys[0]: {reason}; keys[1]: {reason}")
    assert refusal(lambda: KeySet.from_jwks({"keys": [GOOD, twin]})) == NOTHING_USABLE


def test_a_key_that_is_listed_twice_counts_once(log):
    edwards = without(key_for("Ed25519").to_jwk(), "alg") | {"kid": "twice"}
    keys = KeySet.from_jwks({"keys": [GOOD, edwards, {**GOOD, "use": "sig"}, edwards]})

    assert labels(keys) == {("good", "ES256"), ("twice", "EdDSA"), ("twice", "Ed25519")}
    assert log.records == []


def test_one_kid_for_keys_of_different_type_serves_both():
    """K-13: allowed by RFC 7517 section 4.5."""
    rsa = key_for("RS256", kid="good").to_jwk()

    assert labels(KeySet.from_jwks({"keys": [GOOD, rsa]})) == {("good", "ES256"), ("good", "RS256")}


def test_the_kid_of_an_entry_without_one_is_its_thumbprint():
    """K-14."""
    assert labels(KeySet.from_jwks({"keys": [without(GOOD, "kid")]})) == {(Key.from_jwk(GOOD).thumbprint(), "ES256")}


@pytest.mark.parametrize(
    ("material", "algorithms"),
    [
        (rsa_private(), {"RS256"}),
        (ec_private(CURVES["P-384"]), {"ES384"}),
        (ed25519_private(), {"Ed25519", "EdDSA"}),
        (ed448_private(), {"Ed448", "EdDSA"}),
    ],
)
def test_an_entry_without_alg_is_bound_by_type_and_curve(material, algorithms):
    """A3, K-07: an Edwards key is bound to both its names, because the set does not say which one the tokens use."""
    name = "RS256" if algorithms == {"RS256"} else min(algorithms)
    jwk = without(Key(material, algorithm=name, kid="k1").to_jwk(), "alg")

    assert labels(KeySet.from_jwks({"keys": [jwk]})) == {("k1", algorithm) for algorithm in algorithms}


@pytest.mark.parametrize("allowed", [["PS256"], ["RS512", "PS256"], ["RS256", "ES256"], ("PS384",)])
def test_the_algorithms_allowed_bind_an_entry_without_alg(allowed):
    """A3, V-10."""
    jwk = without(key_for("RS256").to_jwk(), "alg")
    keys = KeySet.from_jwks({"keys": [jwk]}, algorithms=iter(allowed))

    assert labels(keys) == {("k1", name) for name in allowed if name != "ES256"}


def test_the_algorithms_allowed_restrict_entries_with_alg():
    """V-10: an entry is never rebound to fit the list."""
    document = {"keys": [GOOD, key_for("RS256", kid="rsa").to_jwk(), key_for("EdDSA", kid="okp").to_jwk()]}

    assert labels(KeySet.from_jwks(document, algorithms=["RS256"])) == {("rsa", "RS256")}
    assert labels(KeySet.from_jwks(document, algorithms=["ES256", "EdDSA"])) == {("good", "ES256"), ("okp", "EdDSA")}
    assert refusal(lambda: KeySet.from_jwks(document, algorithms=["PS256"])) == NOTHING_USABLE
    assert refusal(lambda: KeySet.from_jwks(document, algorithms=["HS256"])) == NOTHING_USABLE


def test_one_of_the_two_names_of_an_edwards_key_may_be_allowed():
    """K-07."""
    jwk = without(key_for("Ed25519").to_jwk(), "alg")

    assert labels(KeySet.from_jwks({"keys": [jwk]}, algorithms=["EdDSA"])) == {("k1", "EdDSA")}
    assert labels(KeySet.from_jwks({"keys": [jwk]}, algorithms=["Ed25519"])) == {("k1", "Ed25519")}


@pytest.mark.parametrize("algorithms", ["ES256", b"ES256", "", 5, object()])
def test_the_allowed_algorithms_must_be_a_list(algorithms):
    assert refusal(lambda: KeySet.from_jwks({"keys": [GOOD]}, algorithms=algorithms)) == (
        'algorithms= takes a list, such as algorithms=["ES256"]'
    )


@pytest.mark.parametrize("algorithms", [[], (), iter([])])
def test_an_empty_list_of_algorithms_never_means_all(algorithms):
    """A3."""
    assert refusal(lambda: KeySet.from_jwks({"keys": [GOOD]}, algorithms=algorithms)) == (
        "algorithms= is empty: name at least one, or omit it"
    )


@pytest.mark.parametrize("algorithms", [["none"], ["ES256", "es256"], [None], [["ES256"]]])
def test_an_unknown_algorithm_in_the_list_is_refused(algorithms):
    """V-09."""
    assert refusal(lambda: KeySet.from_jwks({"keys": [GOOD]}, algorithms=algorithms)).startswith("unknown algorithm; ")


def test_many_entries_with_one_kid_take_linear_time():
    """B6: a hostile set may repeat one kid."""
    assert_linear(KeySet.from_jwks, lambda size: json.dumps({"keys": [GOOD] * size}), 400)


# --- common deviations of key servers ---

MODULUS = key_for("RS256").to_jwk()["n"]


def padded(text: str, zeros: int = 1) -> str:
    return base64url(bytes(zeros) + decode_base64url(text.encode()))


@pytest.mark.parametrize("zeros", [1, 2, 40])
@pytest.mark.parametrize("members", [("n",), ("e",), ("n", "e")])
@pytest.mark.parametrize("labels", [{"alg": "RS256", "kid": "k1"}, {"kid": "k1"}, {"alg": "PS256"}, {}])
def test_leading_zero_octets_of_an_rsa_key_do_not_count(zeros, members, labels):
    """K-16: the sign octet of a big integer. Thumbprint and kid are those of the number."""
    plain = {"kty": "RSA", "n": MODULUS, "e": "AQAB", **labels}
    (expected,) = KeySet.from_jwks({"keys": [plain]})
    (found,) = KeySet.from_jwks({"keys": [{**plain, **{name: padded(plain[name], zeros) for name in members}}]})

    assert (found.kid, found.algorithm) == (expected.kid, expected.algorithm)
    assert found.thumbprint() == expected.thumbprint()
    assert found.to_jwk() == expected.to_jwk()


def test_a_key_with_and_without_a_zero_octet_counts_once():
    plain = {"kty": "RSA", "n": MODULUS, "e": "AQAB", "alg": "RS256", "kid": "k1"}

    assert len(KeySet.from_jwks({"keys": [plain, {**plain, "n": padded(MODULUS)}]})) == 1


def test_leading_zero_octets_are_refused_in_configured_keys():
    """K-16: configured keys are parsed strictly."""
    for member in ("n", "e"):
        jwk = key_for("RS256").to_jwk()
        assert "leading zero octet" in refusal(lambda jwk=jwk, m=member: Key.from_jwk({**jwk, m: padded(jwk[m])}))


def test_the_coordinates_of_a_curve_keep_their_length():
    """RFC 7518 section 6.2.1.2: leading zero octets belong to the canonical form."""
    for bent in (padded(GOOD["x"]), base64url(decode_base64url(GOOD["x"].encode())[1:])):
        assert refusal(lambda bent=bent: KeySet.from_jwks({"keys": [{**GOOD, "x": bent}]})) == NOTHING_USABLE


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("member", ["use", "alg", "key_ops", "kid", "x5c", "d", "k", "p", "oth"])
def test_a_null_member_does_not_exclude_a_key(member, algorithm):
    jwk = key_for(algorithm).to_jwk()
    keys = KeySet.from_jwks({"keys": [{**jwk, member: None}]}, algorithms=[algorithm])

    assert [key.algorithm for key in keys] == [algorithm]
    assert {key.kid for key in keys} == {key_for(algorithm).thumbprint() if member == "kid" else "k1"}


def test_a_set_of_secrets_is_refused_with_the_correct_method():
    secrets = {"keys": [key_for("HS256").to_private_jwk(), key_for("HS512").to_private_jwk()]}

    assert refusal(lambda: KeySet.from_jwks(secrets)) == PRIVATE_ALONE
    assert len(KeySet([Key.from_jwk(jwk) for jwk in secrets["keys"]])) == 2


@pytest.mark.parametrize("form", [dict, json.dumps])
def test_a_single_jwk_is_refused_with_the_correct_method(form):
    assert refusal(lambda: KeySet.from_jwks(form(GOOD))) == A_JWK
    assert refusal(lambda: KeySet.from_jwks(form({**GOOD, "keys": None}))) == A_JWK


@pytest.mark.parametrize("zeros", [0, 5_000])
@pytest.mark.parametrize("algorithms", [None, ["RS256", "PS256", "PS512", "ES256"]])
def test_no_key_is_ignored_because_of_the_cost_of_its_check(zeros, algorithms, monkeypatch):
    """Each full check costs the cube of the key's length. Beyond a bound for the set, keys are checked in part."""
    checked = []
    monkeypatch.setattr(material, "check_rsa_modulus", checked.append)
    moduli = [2**4095 + 2 * more + 1 for more in range(2_000)]
    moduli = [n for n in moduli if not public_numbers._has_weak_factors(n)][:20]
    weighed = [{**rsa_jwk(n), "n": padded(rsa_jwk(n)["n"], zeros), "kid": str(n % 10_000)} for n in moduli]

    keys = KeySet.from_jwks({"keys": [weighed[0], *weighed, GOOD]}, algorithms=algorithms)

    assert set(checked) == set(moduli[:1])  # one key that is listed twice is checked once
    assert {key.kid for key in keys} == {"good", *(jwk["kid"] for jwk in weighed)}


def test_beyond_the_bound_of_work_cheaply_detected_keys_are_still_ignored():
    good = [
        rsa_jwk(n) for n in (2**8191 + 2 * more + 1 for more in range(500)) if not public_numbers._has_weak_factors(n)
    ][:1]
    weak = [2**8190 + 2, 3 * (2**2203 - 1), 65_521 * (2**2203 - 1), (2**2203 - 1) ** 2]
    entries = [{**jwk, "kid": str(place)} for place, jwk in enumerate([*good, *map(rsa_jwk, weak)])]

    assert {key.kid for key in KeySet.from_jwks({"keys": entries})} == {"0"}


def test_an_unusable_entry_is_not_checked_twice(monkeypatch):
    """Of two keys with one kid neither is used. The reason is logged without another check of them."""
    powers = []
    monkeypatch.setattr(public_numbers, "_is_power_of_a_prime", powers.append)
    twins = [n for n in (2**8191 + 2 * more + 1 for more in range(900)) if not public_numbers._has_weak_factors(n)][:2]

    KeySet.from_jwks({"keys": [GOOD, *({**rsa_jwk(n), "kid": "one"} for n in twins)]})

    assert powers == []


def test_an_rsa_key_for_several_algorithms_and_in_several_sets_is_checked_once():
    document = {"keys": [rsa_jwk(2**2047 + 29)]}
    before = public_numbers._is_power_of_a_prime.cache_info().misses

    for _ in range(2):
        keys = KeySet.from_jwks(document, algorithms=["RS256", "PS256", "PS512"])
        assert [key.algorithm for key in keys] == ["RS256", "PS256", "PS512"]
    assert public_numbers._is_power_of_a_prime.cache_info().misses <= before + 1


WEAK_WITHOUT_ALG = {
    "an even modulus": (rsa_jwk(2**2047 + 2), "this RSA key is weak: "),
    "a prime modulus": (rsa_jwk(2**2203 - 1), "this RSA key is weak: "),
    "a point of small order": (
        {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "weak"},
        "this public key is not valid: ",
    ),
}


@pytest.mark.parametrize("algorithms", [None, ["ES256", "RS512", "EdDSA"]])
@pytest.mark.parametrize(("weak", "reason"), WEAK_WITHOUT_ALG.values(), ids=WEAK_WITHOUT_ALG)
def test_a_weak_key_without_alg_is_ignored_because_it_is_weak(weak, reason, algorithms, log):
    KeySet.from_jwks({"keys": [without(weak, "alg"), GOOD]}, algorithms=algorithms)

    (record,) = log.records
    assert record.levelname == "WARNING"
    assert f"keys[0]: {reason}" in record.getMessage()


def test_a_mapping_is_refused_as_a_list_of_keys_or_names():
    """Its values, which might be relevant, would be ignored."""
    key = key_for("ES256")

    for keys in ({key: 1}, {"keys": []}):
        assert refusal(lambda keys=keys: KeySet(keys)) == "a KeySet takes a list of keys: KeySet([key])"
    assert refusal(lambda: KeySet.from_jwks({"keys": [GOOD]}, algorithms={"ES256": 1})) == (
        'algorithms= takes a list, such as algorithms=["ES256"]'
    )


# --- arbitrary input ---

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12).map(lambda text: f"sentinel{text}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
members = st.sampled_from(["kty", "alg", "use", "key_ops", "kid", "crv", "x", "y", "n", "e", "d", "k", "x5c"])
entries = st.builds(
    lambda jwk, member, value: {**jwk, member: value},
    st.sampled_from([GOOD, rsa_jwk(2**2047 + 29), {}]),
    members,
    json_values,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries | json_values, max_size=5), st.booleans())
def test_any_set_raises_configuration_errors_only_and_no_text_is_logged(caplog, found, as_text):
    """Rules 4 and 6, K-10."""
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    document = {"keys": found}
    try:
        KeySet.from_jwks(json.dumps(document) if as_text else document)
        text = ""
    except ConfigurationError as error:
        text = str(error)

    assert text in {"", NOTHING_USABLE, PRIVATE_ALONE, NOT_A_SET}
    assert "sentinel" not in repr([record.__dict__ for record in caplog.records])


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_raises_configuration_errors_only(document):
    assert refusal(lambda: KeySet.from_jwks(document)) in {NOT_A_SET, NOTHING_USABLE}

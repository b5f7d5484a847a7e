"""A key is bound to one algorithm when it is created, does not show its material, and is immutable."""

import base64
import copy
import json
import pickle
import re
import secrets
from contextlib import suppress
from enum import Enum

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x448, x25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.keys import (
    ASYMMETRIC,
    CURVES,
    ES,
    HMAC_BYTES,
    RSA_NAMES,
    SECRET,
    UNKNOWN_ALGORITHM,
    base64url,
    ec_private,
    ed448_private,
    ed25519_private,
    key_for,
    private_for,
    private_pem,
    public_pem,
    refusal,
    rsa_private,
    rsa_public,
)

from gatepass import ConfigurationError, Key, KeySet
from gatepass.keys.algorithms import ALGORITHMS
from gatepass.keys.material import fitting_algorithms, generate_material

FITTING = {
    "secret": (SECRET.encode(), ("HS256", "HS384", "HS512")),
    "RSA": (rsa_private(), ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    "P-256": (ec_private(CURVES["P-256"]), ("ES256",)),
    "P-384": (ec_private(CURVES["P-384"]), ("ES384",)),
    "P-521": (ec_private(CURVES["P-521"]), ("ES512",)),
    "Ed25519": (ed25519_private(), ("Ed25519", "EdDSA")),
    "Ed448": (ed448_private(), ("Ed448", "EdDSA")),
    "X25519": (x25519.X25519PrivateKey.generate(), ()),
    "X448": (x448.X448PrivateKey.generate(), ()),
    "secp256k1": (ec.generate_private_key(ec.SECP256K1()), ()),
    "brainpool": (ec.generate_private_key(ec.BrainpoolP256R1()), ()),
    "P-192": (ec.generate_private_key(ec.SECP192R1()), ()),
    "DSA": (dsa.generate_private_key(2048), ()),
}
TAKES = {
    **dict.fromkeys(HMAC_BYTES, "a secret: use Key.from_secret"),
    **dict.fromkeys(RSA_NAMES, "RSA keys"),
    **{algorithm: f"{curve} keys" for algorithm, curve in ES.items()},
    "Ed25519": "Ed25519 keys",
    "Ed448": "Ed448 keys",
    "EdDSA": "OKP keys",
}
NOT_FOR_TOKENS = "this kind of key or curve cannot sign tokens"
BAD_KID = "a kid must be a string of 1 to 1024 characters that has a UTF-8 form"


# --- one key, one algorithm ---


@pytest.mark.parametrize("kind", FITTING)
def test_material_fits_the_algorithms_of_its_type_and_curve_only(kind):
    """K-05, K-06, K-07, A8."""
    material, fitting = FITTING[kind]

    assert fitting_algorithms(material) == fitting
    if not isinstance(material, bytes):
        assert fitting_algorithms(material.public_key()) == fitting


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", FITTING)
def test_a_key_of_another_type_or_curve_is_refused_for_an_algorithm(kind, algorithm):
    """V-11, K-05, A8: every pair that is not in the table."""
    material, fitting = FITTING[kind]
    if isinstance(material, bytes):
        material = material * 2 + b"!"
    halves = [material] if isinstance(material, bytes) else [material, material.public_key()]
    for half in halves:
        if algorithm in fitting:
            assert Key(half, algorithm=algorithm).algorithm == algorithm
        else:
            assert refusal(lambda half=half: Key(half, algorithm=algorithm)) == (
                f"this key does not fit {algorithm}, which takes {TAKES[algorithm]}"
                + (": use Key.from_pem" if isinstance(half, bytes) else "")
            )


@pytest.mark.parametrize("algorithm", ["none", "", "ES256K", "es256", None, 5, ["ES256"]])
def test_every_constructor_refuses_an_unknown_algorithm(algorithm):
    """V-09, A1: an empty name is not the absent one."""
    pem = private_pem(ec_private())
    jwk = Key(ec_private(), algorithm="ES256").to_jwk()
    unbound = {name: value for name, value in jwk.items() if name != "alg"}

    assert refusal(lambda: Key(ec_private(), algorithm=algorithm)).startswith("unknown algorithm; ")
    assert refusal(lambda: Key.generate(algorithm)).startswith("unknown algorithm; ")
    if algorithm is not None:
        assert refusal(lambda: Key.from_jwk({**jwk, "alg": algorithm})).startswith("unknown algorithm; ")
        assert refusal(lambda: Key.from_pem(pem, algorithm=algorithm)).startswith("unknown algorithm; ")
        assert refusal(lambda: Key.from_jwk(unbound, algorithm=algorithm)).startswith("unknown algorithm; ")


def test_an_ed448_key_never_verifies_under_the_other_curve():
    """K-07: the key binds EdDSA to its curve."""
    old_names = Key(ed25519_private(), algorithm="EdDSA"), Key(ed448_private(), algorithm="EdDSA")

    assert not old_names[0].verifies(b"text", old_names[1].sign(b"text"))
    assert not old_names[1].verifies(b"text", old_names[0].sign(b"text"))
    assert refusal(lambda: Key(ed448_private(), algorithm="Ed25519")) == (
        "this key does not fit Ed25519, which takes Ed25519 keys"
    )


# --- sizes ---


@pytest.mark.parametrize("algorithm", RSA_NAMES)
@pytest.mark.parametrize("bits", [512, 1024, 2047, 8193, 16384])
def test_rsa_of_another_size_than_2048_to_8192_bits_is_refused(bits, algorithm):
    """K-03, K-04."""
    expected = f"an RSA key must have 2048 to 8192 bits, this one has {bits}"

    assert refusal(lambda: Key(rsa_public(2 ** (bits - 1) + 1), algorithm=algorithm)) == expected


def test_a_small_rsa_private_key_is_refused_too():
    """K-03."""
    small = rsa_private(1024)
    expected = "an RSA key must have 2048 to 8192 bits, this one has 1024"

    assert refusal(lambda: Key(small, algorithm="RS256")) == expected
    assert refusal(lambda: Key.from_pem(private_pem(small))) == expected
    assert refusal(lambda: Key.from_pem(public_pem(small))) == expected


MODULI = {2048: 2**2047 + 29, 3072: 2**3071 + 83, 8192: 2**8191 + 3}
"""Composite numbers without small factors."""


@pytest.mark.parametrize("bits", MODULI)
def test_rsa_of_2048_to_8192_bits_is_accepted(bits):
    assert not Key(rsa_public(MODULI[bits]), algorithm="PS384").can_sign


class Exponent(rsa.RSAPublicKey):
    """A public key with an exponent that the installed library might refuse to create."""

    def __init__(self, exponent: int) -> None:
        self._exponent = exponent

    @property
    def key_size(self):
        return 2048

    def public_numbers(self):
        return rsa.RSAPublicNumbers(self._exponent, 2**2047 + 29)

    def encrypt(self, plaintext, padding):
        raise NotImplementedError

    def public_bytes(self, encoding, format):  # noqa: A002
        raise NotImplementedError

    def verify(self, signature, data, padding, algorithm):
        raise NotImplementedError

    def recover_data_from_signature(self, signature, padding, algorithm):
        raise NotImplementedError

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return 0

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


@pytest.mark.parametrize("exponent", [-1, 0, 1, 2, 4, 6, 65536, 2**64, 2**64 + 1, 2**2040 + 1])
def test_an_unsafe_rsa_exponent_is_refused(exponent):
    """A7: exponent 1 signs nothing, an even one cannot be inverted, a huge one is slow or never verifies."""
    assert refusal(lambda: Key(Exponent(exponent), algorithm="RS256")) == (
        "the public exponent of an RSA key must be odd, at least 3 and of at most 64 bits"
    )


@pytest.mark.parametrize("exponent", [3, 5, 17, 65537, 2**64 - 1])
def test_an_odd_rsa_exponent_of_3_and_more_is_accepted(exponent):
    assert Key(Exponent(exponent), algorithm="RS256").algorithm == "RS256"


# --- generating ---


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_generated_key_signs_and_has_a_kid(algorithm):
    key, other = Key.generate(algorithm), Key.generate(algorithm)

    assert key.algorithm == algorithm
    assert key.verifies(b"text", key.sign(b"text"))
    assert not other.verifies(b"text", key.sign(b"text"))
    assert key.kid
    assert key.kid != other.kid


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_the_kid_of_a_generated_key_pair_is_its_thumbprint(algorithm):
    """K-14."""
    key = Key.generate(algorithm)

    assert key.kid == key.thumbprint()


@pytest.mark.parametrize("algorithm", HMAC_BYTES)
def test_the_kid_of_a_generated_secret_is_not_its_thumbprint(algorithm):
    """K-17, RFC 7638 section 7: a secret could be guessed from its thumbprint."""
    key = Key.generate(algorithm)

    assert re.fullmatch("[A-Za-z0-9_-]{16}", key.kid)
    assert key.kid not in key.thumbprint()


@pytest.mark.parametrize(("algorithm", "octets"), HMAC_BYTES.items())
def test_a_generated_secret_is_text_with_the_entropy_of_the_hash(algorithm, octets):
    """K-01: text, so that it survives an environment variable; base64url of as many random octets as the hash has."""
    secret = generate_material(ALGORITHMS[algorithm])

    assert re.fullmatch(rb"[A-Za-z0-9_-]+", secret)
    assert len(secret) == -(-octets * 4 // 3)


def test_generated_rsa_keys_have_3072_bits_and_the_usual_exponent():
    """K-26: 128 bits of strength."""
    material = generate_material(ALGORITHMS["PS256"])

    assert material.key_size == 3072
    assert material.public_key().public_numbers().e == 65537


@pytest.mark.parametrize(("algorithm", "curve"), ES.items())
def test_a_generated_ec_key_is_on_the_curve_of_its_algorithm(algorithm, curve):
    assert Key.generate(algorithm).to_jwk()["crv"] == curve


@pytest.mark.parametrize(("algorithm", "curve"), [("Ed25519", "Ed25519"), ("EdDSA", "Ed25519"), ("Ed448", "Ed448")])
def test_a_generated_edwards_key_is_on_the_curve_of_its_name(algorithm, curve):
    assert Key.generate(algorithm).to_jwk()["crv"] == curve


def test_es256_keys_are_generated_by_default():
    assert Key.generate().algorithm == "ES256"


def test_a_secret_is_bound_to_hs256_and_has_no_kid_by_default():
    assert (Key.from_secret(SECRET).algorithm, Key.from_secret(SECRET).kid) == ("HS256", None)
    assert (Key.from_secret(SECRET, kid="a").kid, Key.from_secret(SECRET, algorithm="HS384").algorithm) == (
        "a",
        "HS384",
    )


@pytest.mark.parametrize("kid", ["", "k" * 1_025, 5, 0, True, b"k1", ["k1"], "\ud800", "k\udfff1"])
def test_a_kid_is_a_string_of_moderate_length(kid):
    """V-12, A5."""
    assert refusal(lambda: Key.from_secret(SECRET, kid=kid)) == BAD_KID
    assert refusal(lambda: Key.from_pem(private_pem(ec_private()), kid=kid)) == BAD_KID
    assert (
        refusal(lambda: Key.from_jwk({"kty": "oct", "k": base64url(SECRET.encode()), "kid": kid}, algorithm="HS256"))
        == BAD_KID
    )


@pytest.mark.parametrize(
    "kid", ["k", "k" * 1_024, "../../etc/passwd", "' OR 1=1", "鍵", "\U0001f511", "\ud7ff", "\ue000"]
)
def test_a_kid_is_opaque(kid):
    assert Key.from_secret(SECRET, kid=kid).kid == kid


# --- from the environment ---


@pytest.fixture
def env(monkeypatch):
    return lambda value: monkeypatch.setenv("JWT_KEY", value)


@pytest.mark.parametrize("value", [None, "", " ", "\n\t "])
def test_a_missing_or_blank_variable_is_refused_with_advice(value, monkeypatch):
    """A7: never a default secret."""
    monkeypatch.delenv("JWT_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("JWT_KEY", value)

    assert refusal(lambda: Key.from_env("JWT_KEY")) == (
        "the environment variable JWT_KEY is not set; put a secret into it, made with: gatepass keygen HS256"
    )


NO_NAME = 'from_env takes the name of an environment variable, such as "JWT_SECRET_KEY", not its value'


@pytest.mark.parametrize("name", ["A" * 65, "JWT-KEY", "k" * 63 + "!", "1KEY", ""])
def test_an_invalid_variable_name_is_refused(name, monkeypatch):
    assert refusal(lambda: Key.from_env(name)) == NO_NAME


@pytest.mark.parametrize(
    ("name", "shown"), [("A" * 64, "that from_env names"), ("my_key", "that from_env names"), ("K", "K")]
)
def test_a_name_that_may_be_a_secret_is_not_repeated(name, shown, monkeypatch):
    monkeypatch.delenv(name, raising=False)

    told = refusal(lambda: Key.from_env(name))
    assert told.startswith(f"the environment variable {shown} is not set; ")
    assert ("give the name of a variable" in told) == (shown != name)


@pytest.mark.parametrize("name", [None, 5, b"JWT_KEY", ["JWT_KEY"], "\ud800"])
def test_the_name_of_a_variable_must_be_text(name):
    assert refusal(lambda: Key.from_env(name)) == "Key.from_env takes the name of an environment variable"


@pytest.mark.parametrize(
    "make", [secrets.token_urlsafe, secrets.token_hex, lambda: "k" + secrets.token_hex(16), lambda: "A" * 32]
)
def test_a_secret_given_in_place_of_a_variables_name_is_not_repeated(make):
    """For example `Key.from_env(os.environ["JWT_SECRET_KEY"])`."""
    secret = make()
    for name in (secret, secret.upper(), secret.replace("-", "_")):
        told = refusal(lambda name=name: Key.from_env(name))
        assert name not in told
        assert "from_env" in told


@pytest.mark.parametrize("name", ["JWT_SECRET_KEY", "KEY", "_K2", "GATEPASS_TEST_NOTHING"])
def test_the_error_names_a_variable_that_is_not_set(name):
    assert f"variable {name} is not set" in refusal(lambda: Key.from_env(name))


def test_a_secret_is_read_from_the_environment(env):
    env(f"  {SECRET}\n")
    key = Key.from_env("JWT_KEY")

    assert (key.algorithm, key.kid) == ("HS256", None)
    assert key.sign(b"text") == Key.from_secret(SECRET).sign(b"text")
    assert Key.from_env("JWT_KEY", algorithm="HS384", kid="k2").algorithm == "HS384"
    assert Key.from_env("JWT_KEY", algorithm="HS384", kid="k2").kid == "k2"
    assert refusal(lambda: Key.from_env("JWT_KEY", algorithm="")) == UNKNOWN_ALGORITHM


@pytest.mark.parametrize("newline", ["\n", "\\n", "\r\n"])
def test_a_pem_is_read_from_the_environment_also_with_escaped_line_breaks(env, newline):
    env(private_pem(ec_private()).decode().replace("\n", newline))
    key = Key.from_env("JWT_KEY")

    assert key.can_sign
    assert (key.algorithm, key.kid) == ("ES256", key.thumbprint())
    assert Key.from_env("JWT_KEY", kid="k2").kid == "k2"


def test_a_pem_from_the_environment_is_bound_to_the_given_algorithm(env):
    env(private_pem(rsa_private()).decode())

    assert Key.from_env("JWT_KEY").algorithm == "RS256"
    assert Key.from_env("JWT_KEY", algorithm="PS256").algorithm == "PS256"
    assert refusal(lambda: Key.from_env("JWT_KEY", algorithm="HS256")) == (
        "this key does not fit HS256, which takes a secret: use Key.from_secret"
    )


@pytest.mark.parametrize("algorithm", ["HS256", "ES384", "Ed25519"])
def test_a_jwk_is_read_from_the_environment(env, algorithm):
    key = key_for(algorithm)
    env(f" {json.dumps(key.to_private_jwk())} ")
    found = Key.from_env("JWT_KEY")

    assert found.to_private_jwk() == key.to_private_jwk()
    assert Key.from_env("JWT_KEY", kid="other").kid == "other"
    assert Key.from_env("JWT_KEY", kid="other").algorithm == algorithm
    assert Key.from_env("JWT_KEY", algorithm=algorithm).algorithm == algorithm
    assert refusal(lambda: Key.from_env("JWT_KEY", kid="")) == BAD_KID


@pytest.mark.parametrize("algorithm", ["HS256", "ES384", "RS256"])
@pytest.mark.parametrize(
    "dress",
    [
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        lambda text: f"'{text}'",
        lambda text: f'"{text}"',
        lambda text: f"\ufeff{text}",
        lambda text: base64.encodebytes(text.encode()).decode(),
    ],
)
def test_a_jwk_is_read_from_the_environment_as_deployment_tools_rewrite_it(env, algorithm, dress):
    key = key_for(algorithm)
    env(dress(json.dumps(key.to_private_jwk())))

    assert Key.from_env("JWT_KEY").to_private_jwk() == key.to_private_jwk()


def test_a_jwk_set_in_the_environment_is_refused_as_one(env):
    env(json.dumps({"keys": [key_for("ES256").to_jwk()]}))

    assert refusal(lambda: Key.from_env("JWT_KEY")) == A_SET


A_SET = 'this is a JWK Set: KeySet.from_jwks takes one of public keys, Key.from_jwk one entry of its "keys"'


@pytest.mark.parametrize("newline", ["\n", "\\n", "\\r\\n", "\r\n", " ", ""])
@pytest.mark.parametrize("quote", ["", "'", '"'])
@pytest.mark.parametrize("indent", ["", "    "])
def test_a_pem_is_read_from_the_environment_as_deployment_tools_rewrite_it(env, newline, quote, indent):
    pem = private_pem(ec_private()).decode()
    env(quote + indent + pem.replace("\n", newline + indent) + quote)

    assert Key.from_env("JWT_KEY").kid == Key.from_pem(pem).kid


@pytest.mark.parametrize("encode", [base64.b64encode, base64.encodebytes, base64.urlsafe_b64encode])
@pytest.mark.parametrize("half", [private_pem, public_pem])
def test_a_base64_encoded_pem_is_read_from_the_environment(env, encode, half):
    env(encode(half(ec_private())).decode())

    assert Key.from_env("JWT_KEY").kid == Key.from_pem(half(ec_private())).kid
    assert Key.from_env("JWT_KEY").can_sign == (half is private_pem)


@pytest.mark.parametrize("encode", [lambda pem: pem.decode(), lambda pem: base64.b64encode(pem).decode()])
@pytest.mark.parametrize("password", ["open sesame", b"open sesame"])
def test_an_encrypted_pem_in_the_environment_opens_with_its_password(env, encode, password):
    env(encode(private_pem(ec_private(), password=b"open sesame")))

    assert Key.from_env("JWT_KEY", password=password).can_sign
    assert refusal(lambda: Key.from_env("JWT_KEY")) == (
        "this private key is encrypted: give password= to Key.from_pem or Key.from_env"
    )


@pytest.mark.parametrize("value", [SECRET, json.dumps(key_for("HS256").to_private_jwk())])
def test_a_password_is_refused_for_other_formats_than_pem(env, value):
    env(value)

    assert refusal(lambda: Key.from_env("JWT_KEY", password="open sesame")) == (
        "password= decrypts an encrypted PEM, and the environment variable has none"
    )


def test_a_jwk_from_the_environment_without_alg_is_bound_to_the_given_algorithm(env):
    jwk = Key(rsa_private(), algorithm="RS256").to_private_jwk()
    del jwk["alg"]
    env(json.dumps(jwk))

    assert Key.from_env("JWT_KEY", algorithm="PS384").algorithm == "PS384"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"kty":"oct"',
        '{"kty":"oct","kty":"EC"}',
        '{"kty":NaN}',
        '{"kty":"oct"} {}',
        '{"a":' * 40 + "1" + "}" * 40,
        '{"kty":"oct","k":"\udcff"}',
    ],
)
def test_a_jwk_from_the_environment_is_strict_json(env, text):
    """B3, B4: one interpretation, no duplicates."""
    env(text)
    expected = "the environment variable JWT_KEY looks like a JWK but is not strict JSON"

    assert refusal(lambda: Key.from_env("JWT_KEY")) in {expected, "a JWK must be text that has a UTF-8 form"}


def test_octets_that_are_not_utf8_are_refused(env):
    env("\udcff" * 40)

    assert refusal(lambda: Key.from_env("JWT_KEY")) == "a secret must be text that has a UTF-8 form"


@pytest.mark.parametrize(
    "value",
    [
        "sentinel-" + SECRET[:10],
        '{"kty":"sentinel-oct","k":"sentinel-k"}',
        '{"sentinel-',
        '{"kty":"oct","k":"sentinel-k","alg":"sentinel-alg","kid":"sentinel-kid"}',
        '{"kty":"EC","crv":"sentinel-crv"}',
        '{"kty":"EC","crv":"P-256","use":"sentinel-use","key_ops":["sentinel-op"]}',
        "-----BEGIN PRIVATE KEY-----\nsentinel-\n-----END PRIVATE KEY-----",
        "-----BEGIN sentinel------",
        "-----BEGIN CERTIFICATE-----\nsentinel-\n-----END CERTIFICATE-----",
        "sentinel-\udcff",
        "changeme-sentinel-sentinel-" + SECRET,
    ],
)
def test_the_value_never_appears_in_an_error(env, value):
    """C4: nor in its cause or context."""
    env(value)
    with pytest.raises(ConfigurationError) as caught:
        Key.from_env("JWT_KEY")

    error: BaseException | None = caught.value
    while error is not None:
        assert "sentinel" not in repr(error)
        error = error.__cause__ or error.__context__


# --- signing, and the public key ---


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_verifies_and_cannot_sign(algorithm):
    key = key_for(algorithm)
    public = key.public()

    assert (key.can_sign, public.can_sign, public.is_secret) == (True, False, False)
    assert (public.algorithm, public.kid) == (algorithm, "k1")
    assert public.verifies(b"text", key.sign(b"text"))
    assert refusal(lambda: public.sign(b"text")) == "a public key cannot sign; load the private key"
    assert public.public().to_jwk() == key.to_jwk()


def test_a_secret_has_no_public_key():
    """K-08, K-17."""
    key = Key.from_secret(SECRET, kid="k1")
    expected = "a secret has no public half; use an asymmetric algorithm to publish keys"

    assert (key.can_sign, key.is_secret) == (True, True)
    for publish in (key.public, key.to_jwk, key.to_pem):
        assert refusal(publish) == expected
    assert refusal(key.to_private_pem) == "only a private key has a private PEM"


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_key_survives_export_to_pem(algorithm):
    key = key_for(algorithm)
    public = Key.from_pem(key.to_pem(), algorithm=algorithm, kid="k1")

    assert key.to_private_pem().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert key.to_pem().startswith("-----BEGIN PUBLIC KEY-----\n")
    assert Key.from_pem(key.to_private_pem(), algorithm=algorithm, kid="k1").to_private_jwk() == key.to_private_jwk()
    assert not public.can_sign
    assert public.to_jwk() == key.to_jwk()
    assert public.to_pem() == key.to_pem()
    assert refusal(public.to_private_pem) == "only a private key has a private PEM"
    assert refusal(public.to_private_jwk) == "a public key has no private members"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_survives_export_to_a_private_jwk(algorithm):
    key = key_for(algorithm)
    again = Key.from_jwk(json.loads(json.dumps(key.to_private_jwk())))

    assert again.can_sign
    assert (again.algorithm, again.kid) == (algorithm, "k1")
    assert again.to_private_jwk() == key.to_private_jwk()
    assert key.verifies(b"text", again.sign(b"text"))


# --- repr, copies and immutability ---


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_repr_contains_algorithm_kid_and_whether_it_signs_only(algorithm):
    key = key_for(algorithm)

    assert repr(key) == f"<Key {algorithm} kid='k1' can sign>"
    assert str(key) == f"{key}" == repr(key)
    if not key.is_secret:
        assert repr(key.public()) == f"<Key {algorithm} kid='k1' public>"


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_is_not_pickled(algorithm, protocol):
    with pytest.raises(TypeError) as caught:
        pickle.dumps(key_for(algorithm), protocol)

    assert str(caught.value) == "a Key is not pickled; use to_private_jwk and keep it secret"


def test_a_copy_of_a_key_is_the_key():
    """It is immutable, so a copy would only be a second place for the secret."""
    key = key_for("HS256")

    assert copy.copy(key) is key
    assert copy.deepcopy({"key": key})["key"] is key


@pytest.mark.parametrize("name", ["algorithm", "kid", "verifies", "_material", "_sign", "other"])
def test_a_key_is_immutable(name):
    key = key_for("HS256")
    with pytest.raises(AttributeError) as set_refused:
        setattr(key, name, "none")
    with pytest.raises(AttributeError) as delete_refused:
        delattr(key, name)

    assert str(set_refused.value) == str(delete_refused.value) == "a Key is immutable"
    assert not hasattr(key, "__dict__")
    assert key.algorithm == "HS256"


def test_a_key_equals_itself_only():
    """Material is never compared, so that no comparison can be timed."""
    assert key_for("HS256") != key_for("HS256")


# --- arbitrary input ---


@pytest.mark.parametrize("material", [None, "text", 5, [], {}, bytearray(64), object(), FITTING["DSA"][0].public_key()])
def test_invalid_material_is_refused(material):
    for algorithm in ("HS256", "RS256", "ES256", "Ed25519"):
        assert refusal(lambda algorithm=algorithm: Key(material, algorithm=algorithm)).startswith(
            f"this key does not fit {algorithm}"
        )


anything = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.lists(st.text(), max_size=2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=anything, algorithm=anything | st.sampled_from(list(ALGORITHMS)), kid=anything, password=anything)
def test_every_constructor_raises_configuration_errors_only(value, algorithm, kid, password):
    """Rule 4."""
    for make in (
        lambda: Key(value, algorithm=algorithm, kid=kid),
        lambda: Key.from_secret(value, algorithm=algorithm, kid=kid),
        lambda: Key.from_pem(value, algorithm=algorithm, kid=kid, password=password),
        lambda: Key.from_jwk(value, algorithm=algorithm),
        lambda: Key.from_env(value, algorithm=algorithm, kid=kid),
    ):
        with suppress(ConfigurationError):
            assert make().algorithm == algorithm


@pytest.mark.parametrize("kind", ["X25519", "X448", "secp256k1", "brainpool", "P-192", "DSA"])
def test_a_pem_of_an_unsupported_type_is_refused_public_or_private(kind):
    """K-05, K-06: with and without an algorithm named."""
    private = FITTING[kind][0]
    for pem in (private_pem(private), public_pem(private)):
        assert refusal(lambda pem=pem: Key.from_pem(pem)) == NOT_FOR_TOKENS
        for algorithm in ("ES256", "EdDSA", "RS256"):
            for kid in (None, "k1"):
                assert (
                    refusal(
                        lambda pem=pem, algorithm=algorithm, kid=kid: Key.from_pem(pem, algorithm=algorithm, kid=kid)
                    )
                    == f"this key does not fit {algorithm}, which takes {TAKES[algorithm]}"
                )


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_thumbprint_is_that_of_the_public_key(algorithm):
    """K-15."""
    key = key_for(algorithm, kid=None)

    assert key.thumbprint() == key.public().thumbprint()
    assert key.thumbprint() == Key(private_for(algorithm), algorithm=algorithm, kid="other").thumbprint()
    assert re.fullmatch("[A-Za-z0-9_-]{43}", key.thumbprint())


# --- kid and thumbprint ---


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "Ed25519"])
def test_a_kid_is_a_name_only_if_the_caller_or_the_jwk_set_it(algorithm, env):
    """A thumbprint is computed, and does not identify a key that a token may refer to."""
    key = key_for(algorithm)
    nameless = {name: value for name, value in key.to_private_jwk().items() if name != "kid"}
    env(key.to_private_pem())

    for named in (
        key,
        key.public(),
        Key.from_pem(key.to_pem(), algorithm=algorithm, kid="a"),
        Key.from_jwk(key.to_jwk()),
        Key.from_env("JWT_KEY", algorithm=algorithm, kid="a"),
    ):
        assert named.is_named
    for unnamed in (
        key_for(algorithm, kid=None),
        Key.generate(algorithm),
        Key.generate(algorithm).public(),
        Key.from_pem(key.to_pem(), algorithm=algorithm),
        Key.from_jwk(nameless),
        Key.from_jwk({**nameless, "kid": None}),
        Key.from_env("JWT_KEY", algorithm=algorithm),
        Key.generate("HS256"),
        Key.from_secret(SECRET),
    ):
        assert not unnamed.is_named


def test_a_kid_that_is_an_enum_member_becomes_its_text():
    class Kid(str, Enum):  # noqa: UP042 - the other answers its text to str()
        CURRENT = "2026-01"

    jwk = key_for("ES256").to_jwk()
    for key in (
        Key.from_secret(SECRET, kid=Kid.CURRENT),
        Key.from_pem(private_pem(ec_private()), kid=Kid.CURRENT),
        Key.from_jwk({**jwk, "kid": Kid.CURRENT}),
        *KeySet.from_jwks({"keys": [{**jwk, "kid": Kid.CURRENT}]}),
    ):
        assert type(key.kid) is str
        assert f"{key.kid}" == "2026-01"

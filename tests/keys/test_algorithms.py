"""The table of algorithms, and the signing and verifying functions of a key."""

import dataclasses
import secrets
import sys
import types

import jwt.algorithms
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x448, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from tests.support.keys import (
    ASYMMETRIC,
    CURVES,
    ES,
    HMAC_BYTES,
    RSA_NAMES,
    SECRET,
    UNKNOWN_ALGORITHM,
    ec_private,
    key_for,
    private_for,
    refusal,
    rsa_private,
)

from gatepass import Key
from gatepass.keys.algorithms import ALGORITHMS, algorithm_named, bind_sign, bind_verify

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
SIGNATURE_BYTES = {
    **HMAC_BYTES,
    **dict.fromkeys(RSA_NAMES, 256),
    "ES256": 64,
    "ES384": 96,
    "ES512": 132,
    "Ed25519": 64,
    "EdDSA": 64,
    "Ed448": 114,
}
MESSAGE = b"eyJhbGciOiJ4In0.e30"


def oracle(algorithm: str):
    """Return PyJWT's own implementation, which has the old name for the Edwards curves."""
    return jwt.algorithms.get_default_algorithms()[algorithm if algorithm not in {"Ed25519", "Ed448"} else "EdDSA"]


def test_the_table_is_that_of_the_rfcs():
    """RFC 7518 section 3.1, RFC 9864 section 2, RFC 8037; K-01, K-05, K-07."""
    rows = {name: dataclasses.astuple(row)[1:] for name, row in ALGORITHMS.items()}

    assert rows == {
        "HS256": ("oct", "", 32, None),
        "HS384": ("oct", "", 48, None),
        "HS512": ("oct", "", 64, None),
        "RS256": ("RSA", "RSAAlgorithm", 32, None),
        "RS384": ("RSA", "RSAAlgorithm", 48, None),
        "RS512": ("RSA", "RSAAlgorithm", 64, None),
        "PS256": ("RSA", "RSAPSSAlgorithm", 32, None),
        "PS384": ("RSA", "RSAPSSAlgorithm", 48, None),
        "PS512": ("RSA", "RSAPSSAlgorithm", 64, None),
        "ES256": ("EC", "ECAlgorithm", 32, "P-256"),
        "ES384": ("EC", "ECAlgorithm", 48, "P-384"),
        "ES512": ("EC", "ECAlgorithm", 64, "P-521"),
        "Ed25519": ("OKP", "OKPAlgorithm", 0, "Ed25519"),
        "Ed448": ("OKP", "OKPAlgorithm", 0, "Ed448"),
        "EdDSA": ("OKP", "OKPAlgorithm", 0, None),
    }


# By algorithm: the class of jwt.algorithms, the arguments of its object, and the operations that it performs.
# cryptography does HMAC, where it is faster, and signs with ECDSA, because PyJWT uses random nonces for that.
BOTH = ("sign", "verify")
ENGINES = {
    "HS256": ("", {}, ()),
    "HS384": ("", {}, ()),
    "HS512": ("", {}, ()),
    "RS256": ("RSAAlgorithm", {"hash_alg": hashes.SHA256}, BOTH),
    "RS384": ("RSAAlgorithm", {"hash_alg": hashes.SHA384}, BOTH),
    "RS512": ("RSAAlgorithm", {"hash_alg": hashes.SHA512}, BOTH),
    "PS256": ("RSAPSSAlgorithm", {"hash_alg": hashes.SHA256}, BOTH),
    "PS384": ("RSAPSSAlgorithm", {"hash_alg": hashes.SHA384}, BOTH),
    "PS512": ("RSAPSSAlgorithm", {"hash_alg": hashes.SHA512}, BOTH),
    "ES256": ("ECAlgorithm", {"hash_alg": hashes.SHA256, "expected_curve": ec.SECP256R1}, ("verify",)),
    "ES384": ("ECAlgorithm", {"hash_alg": hashes.SHA384, "expected_curve": ec.SECP384R1}, ("verify",)),
    "ES512": ("ECAlgorithm", {"hash_alg": hashes.SHA512, "expected_curve": ec.SECP521R1}, ("verify",)),
    "Ed25519": ("OKPAlgorithm", {}, BOTH),
    "Ed448": ("OKPAlgorithm", {}, BOTH),
    "EdDSA": ("OKPAlgorithm", {}, BOTH),
}


@pytest.fixture
def calls(monkeypatch):
    """Record each call of `sign` and `verify` on an object of `jwt.algorithms`: its class, its arguments, and the
    method.
    """
    calls = []
    for name in ("HMACAlgorithm", "RSAAlgorithm", "RSAPSSAlgorithm", "ECAlgorithm", "OKPAlgorithm"):
        for operation in BOTH:
            original = getattr(getattr(jwt.algorithms, name), operation)

            def recorded(self, *arguments, original=original, operation=operation):
                calls.append((type(self).__name__, vars(self), operation))
                return original(self, *arguments)

            monkeypatch.setattr(getattr(jwt.algorithms, name), operation, recorded)
    return calls


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_object_of_pyjwt_signs_and_verifies(algorithm, calls):
    name, parameters, operations = ENGINES[algorithm]
    key = key_for(algorithm)

    assert key.verifies(MESSAGE, key.sign(MESSAGE))
    assert calls == [(name, parameters, operation) for operation in operations]


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_pyjwt_decides_on_signatures_of_the_right_length_only(algorithm, monkeypatch):
    engine = getattr(jwt.algorithms, ENGINES[algorithm][0])
    monkeypatch.setattr(engine, "verify", lambda *_: True)
    key, length = key_for(algorithm), SIGNATURE_BYTES[algorithm]

    assert key.verifies(MESSAGE, bytes(length))
    assert not key.verifies(MESSAGE, bytes(length - 1))
    assert not key.verifies(MESSAGE, bytes(length + 1))


@pytest.mark.parametrize(
    "name",
    [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "hs256",
        "HS256 ",
        " HS256",
        "HS256\0",
        "HS1",
        "ES256K",
        "ECDH-ES",
        "A256KW",
        "RS1",
        "dir",
        "ЕS256",
        b"HS256",
        None,
        5,
        True,
        ["HS256"],
        {"HS256"},
        {"HS256": 1},
    ],
)
def test_no_other_name_is_accepted_as_an_algorithm(name):
    """A1, V-08, V-09: names are compared byte by byte with a closed set that does not contain `none`."""
    assert refusal(lambda: algorithm_named(name)).startswith("unknown algorithm; ")


@pytest.mark.parametrize("name", [None, 5, "", "none", "ES256K", "RSA-OAEP", "dir", "A256GCM", "HS", "k" * 33])
def test_an_unknown_name_is_refused_with_all_known_names(name):
    assert refusal(lambda: algorithm_named(name)) == UNKNOWN_ALGORITHM


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("HS265", "HS256"),
        ("hs256", "HS256"),
        ("HS-256", "HS256"),
        ("RS25", "RS256"),
        ("es384", "ES384"),
        ("ED25519", "Ed25519"),
        ("eddsa", "EdDSA"),
        ("XS256", "HS256"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_closest_known_name(typed, meant):
    """The error does not repeat the input, because it may be a secret in the wrong place."""
    assert refusal(lambda: algorithm_named(typed)) == f"unknown algorithm; did you mean {meant}?"
    assert refusal(lambda: Key.from_secret(SECRET, algorithm=typed)) == f"unknown algorithm; did you mean {meant}?"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_is_found_by_its_name(name):
    assert algorithm_named(name).name == name


def test_the_table_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        algorithm_named("HS512").hash_bytes = 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_verifies_with_its_own_message_only(algorithm):
    key = key_for(algorithm)
    signature = key.sign(MESSAGE)

    assert key.verifies(MESSAGE, signature) is True
    assert key.verifies(MESSAGE + b"A", signature) is False
    assert key.verifies(b"", signature) is False


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_signs_again_after_signing_and_verifying(algorithm):
    """The keyed object is copied for each message."""
    key = key_for(algorithm)
    first, second = key.sign(MESSAGE), key.sign(b"another")

    assert key.verifies(MESSAGE, first)
    assert key.verifies(b"another", second)
    assert key.verifies(MESSAGE, first)
    assert not key.verifies(b"another", first)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_has_the_length_that_its_algorithm_fixes(algorithm):
    """V-16, C1."""
    assert len(key_for(algorithm).sign(MESSAGE)) == SIGNATURE_BYTES[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "bend",
    [
        lambda good: b"",
        lambda good: good[:-1],
        lambda good: good[1:],
        lambda good: good + b"\0",
        lambda good: b"\0" + good,
        lambda good: good + good,
        lambda good: bytes(len(good)),
        lambda good: b"\xff" * len(good),
        lambda good: good[:-1] + bytes([good[-1] ^ 1]),
        lambda good: bytes([good[0] ^ 1]) + good[1:],
        lambda good: good[len(good) // 2 :] + good[: len(good) // 2],
    ],
)
def test_a_corrupted_signature_is_refused_without_an_exception(algorithm, bend):
    """V-16, C1: empty, short, long, all zero, one bit off."""
    key = key_for(algorithm)
    good = key.sign(MESSAGE)

    assert key.verifies(MESSAGE, bend(good)) is False
    assert key.verifies(MESSAGE, good) is True


@pytest.mark.parametrize("algorithm", ES)
def test_an_ecdsa_signature_in_der_is_refused(algorithm):
    """RFC 7518 section 3.4: R and S side by side."""
    private = private_for(algorithm)
    digest = HASHES[algorithm[2:]]

    assert not key_for(algorithm).verifies(MESSAGE, private.sign(MESSAGE, ec.ECDSA(digest)))


@pytest.mark.parametrize("algorithm", ES)
def test_an_ecdsa_signature_is_r_and_s_padded_to_the_curve(algorithm):
    """RFC 7518 section 3.4. There are enough signatures that some R or S begins with a zero octet."""
    private, key, size = private_for(algorithm), key_for(algorithm), SIGNATURE_BYTES[algorithm] // 2
    scheme = ec.ECDSA(HASHES[algorithm[2:]], deterministic_signing=True)
    shortest = size
    for number in range(5000):
        message = b"%d" % number
        r, s = decode_dss_signature(private.sign(message, scheme))
        assert key.sign(message) == r.to_bytes(size) + s.to_bytes(size)
        shortest = min(shortest, *((half.bit_length() + 7) // 8 for half in (r, s)))
        if shortest < size:
            assert key.verifies(message, key.sign(message))
            break

    assert shortest < size


@pytest.mark.parametrize("algorithm", ES)
def test_ecdsa_signs_the_same_message_with_the_same_signature(algorithm):
    """I-19: RFC 6979."""
    key = key_for(algorithm)

    assert key.sign(MESSAGE) == key.sign(MESSAGE)
    assert key.sign(MESSAGE) != key.sign(b"another")


class OlderOpenSSL(ec.EllipticCurvePrivateKey):
    """A private key of a library that cannot sign deterministically, as before OpenSSL 3.2."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def sign(self, data, signature_algorithm):
        if signature_algorithm.deterministic_signing:
            raise UnsupportedAlgorithm("ECDSA with deterministic signature (RFC 6979) is not supported")
        return self._key.sign(data, signature_algorithm)

    def exchange(self, algorithm, peer_public_key):
        raise NotImplementedError

    def public_key(self):
        return self._key.public_key()

    @property
    def curve(self):
        return self._key.curve

    @property
    def key_size(self):
        return self._key.key_size

    def private_numbers(self):
        return self._key.private_numbers()

    def private_bytes(self, encoding, format, encryption_algorithm):  # noqa: A002
        return self._key.private_bytes(encoding, format, encryption_algorithm)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


@pytest.mark.parametrize("algorithm", ES)
def test_without_deterministic_signing_in_the_library_signatures_still_verify(algorithm):
    sign = bind_sign(ALGORITHMS[algorithm], OlderOpenSSL(private_for(algorithm)))

    assert sign(MESSAGE) != sign(MESSAGE)
    assert key_for(algorithm).verifies(MESSAGE, sign(MESSAGE))


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
@pytest.mark.parametrize("salt", [0, 20, 31, 32, 48, 64, padding.PSS.MAX_LENGTH])
def test_a_pss_salt_of_another_length_than_the_hash_is_refused(algorithm, salt):
    """RFC 7518 section 3.5, C2."""
    digest = HASHES[algorithm[2:]]
    scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=salt)
    signature = rsa_private().sign(MESSAGE, scheme, digest)

    assert key_for(algorithm).verifies(MESSAGE, signature) is (salt == digest.digest_size)


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
def test_pss_masks_with_the_same_hash(algorithm):
    """RFC 7518 section 3.5: MGF1 with the hash of the algorithm, not with SHA-1."""
    digest = HASHES[algorithm[2:]]
    other = hashes.SHA1()  # noqa: S303 - the one that must not verify
    signature = rsa_private().sign(MESSAGE, padding.PSS(padding.MGF1(other), digest.digest_size), digest)

    assert not key_for(algorithm).verifies(MESSAGE, signature)


@pytest.mark.parametrize("algorithm", RSA_NAMES)
@pytest.mark.parametrize("other", RSA_NAMES)
def test_an_rsa_signature_verifies_under_its_own_algorithm_only(algorithm, other):
    """V-11, V-16, A3."""
    signature = key_for(algorithm).sign(MESSAGE)

    assert key_for(other).verifies(MESSAGE, signature) is (algorithm == other)


@pytest.mark.parametrize("algorithm", HMAC_BYTES)
@pytest.mark.parametrize("other", HMAC_BYTES)
def test_a_mac_verifies_under_its_own_algorithm_only(algorithm, other):
    mac = key_for(algorithm).sign(MESSAGE)

    assert key_for(other).verifies(MESSAGE, mac) is (algorithm == other)


def test_an_rsa_signature_is_as_long_as_a_modulus_that_fills_no_whole_octet():
    """V-16: 2050 bits take 257 octets."""
    key = bind_verify(ALGORITHMS["RS256"], rsa_private(2050).public_key())
    signature = rsa_private(2050).sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())

    assert len(signature) == 257
    assert key(MESSAGE, signature)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pyjwt_verifies_what_we_sign_and_the_reverse(algorithm):
    """PyJWT is the oracle."""
    theirs, ours = oracle(algorithm), key_for(algorithm)
    secret = ours._material
    private = secret if algorithm in HMAC_BYTES else private_for(algorithm)
    public = secret if algorithm in HMAC_BYTES else private.public_key()

    assert theirs.verify(MESSAGE, public, ours.sign(MESSAGE))
    assert ours.verifies(MESSAGE, theirs.sign(MESSAGE, private))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_arbitrary_octets_are_no_valid_signature(algorithm):
    key = key_for(algorithm)
    for length in (1, 2, 63, 64, 65, 96, 114, 132, 256, 4096):
        assert key.verifies(MESSAGE, secrets.token_bytes(length)) is False


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("private", [x25519.X25519PrivateKey.generate(), x448.X448PrivateKey.generate()])
def test_a_key_for_key_agreement_is_bound_to_no_algorithm(algorithm, private):
    """K-06."""
    assert_bound_to_nothing(ALGORITHMS[algorithm], private)


def assert_bound_to_nothing(row, private):
    assert refusal(lambda: bind_sign(row, private)) == f"this kind of key cannot sign with {row.name}"
    public = private if isinstance(private, bytes) else private.public_key()
    assert refusal(lambda: bind_verify(row, public)) == f"this kind of key cannot verify with {row.name}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("other", ALGORITHMS)
def test_a_key_is_bound_to_no_algorithm_of_another_type_or_curve(algorithm, other):
    """Without the checks of `Key`, two algorithms of one type and curve take the same keys."""
    material = key_for(algorithm)._material
    if bound_alike(algorithm) == bound_alike(other):
        assert callable(bind_sign(ALGORITHMS[other], material))
    else:
        assert_bound_to_nothing(ALGORITHMS[other], material)


@pytest.mark.parametrize(
    ("names", "submodule"),
    [((), None), (("PyJWTError",), None), (("PyJWTError",), ()), ((), ("ECAlgorithm",))],
)
def test_another_module_named_jwt_is_reported_when_a_key_is_bound(monkeypatch, names, submodule):
    stranger = types.ModuleType("jwt")
    stranger.__file__ = "/srv/jwt.py"
    vars(stranger).update(dict.fromkeys(names))
    monkeypatch.setitem(sys.modules, "jwt", stranger)
    monkeypatch.delitem(sys.modules, "jwt.algorithms")
    if submodule is not None:
        monkeypatch.setitem(sys.modules, "jwt.algorithms", types.SimpleNamespace(**dict.fromkeys(submodule)))

    assert refusal(lambda: Key.generate("ES256")) == (
        "the module jwt in /srv/jwt.py is not the library of that name that gatepass needs, PyJWT: "
        "rename or remove it, then pip install pyjwt"
    )


def test_without_pyjwt_only_secrets_can_be_bound(monkeypatch):
    monkeypatch.setitem(sys.modules, "jwt", None)

    assert Key.generate("HS256").can_sign
    assert refusal(lambda: Key.generate("ES256")) == "PyJWT is missing: pip install pyjwt"


def bound_alike(algorithm):
    row = ALGORITHMS[algorithm]
    return row.kty, row.kty == "EC" and row.curve


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_public_and_private_keys_are_not_interchangeable(algorithm):
    row, private = ALGORITHMS[algorithm], private_for(algorithm)

    assert refusal(lambda: bind_sign(row, private.public_key())) == f"this kind of key cannot sign with {algorithm}"
    assert refusal(lambda: bind_verify(row, private)) == f"this kind of key cannot verify with {algorithm}"


def test_a_module_named_jwt_that_fails_to_import_is_a_configuration_error(monkeypatch, tmp_path):
    (tmp_path / "jwt.py").write_text("raise RuntimeError('no')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "jwt"]:
        monkeypatch.delitem(sys.modules, name)

    assert refusal(lambda: Key.generate("ES256")) == "the module jwt cannot be imported: is there a jwt.py of your own?"


def test_a_pyjwt_that_does_not_check_curves_is_too_old(monkeypatch):
    class OlderECAlgorithm:
        def __init__(self, hash_alg):
            self.hash_alg = hash_alg

    monkeypatch.setattr(jwt.algorithms, "ECAlgorithm", OlderECAlgorithm)

    assert refusal(lambda: Key.generate("ES256")) == "this version of PyJWT is too old: pip install -U pyjwt"


def test_a_foreign_key_verifies_none_of_our_signatures():
    for curve in CURVES.values():
        stranger = ec.generate_private_key(curve)
        row = next(row for row in ALGORITHMS.values() if CURVES.get(row.curve or "") is curve)
        signature = bind_sign(row, ec_private(curve))(MESSAGE)

        assert bind_verify(row, ec_private(curve).public_key())(MESSAGE, signature)
        assert not bind_verify(row, stranger.public_key())(MESSAGE, signature)


def test_a_signature_larger_than_the_modulus_is_refused():
    numbers = rsa_private().public_key().public_numbers()
    good = int.from_bytes(key_for("RS256").sign(MESSAGE))
    twin = good + numbers.n
    verify = bind_verify(ALGORITHMS["RS256"], rsa.RSAPublicNumbers(numbers.e, numbers.n).public_key())

    assert verify(MESSAGE, good.to_bytes(256))
    assert not verify(MESSAGE, twin.to_bytes(257))
    assert twin >= 2**2048 or not verify(MESSAGE, twin.to_bytes(256))

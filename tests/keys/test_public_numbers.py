"""RSA numbers that are expensive by design are refused before OpenSSL or PyJWT work on them."""

from math import gcd, isqrt

import jwt.algorithms
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateNumbers,
    RSAPublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.support.keys import base64url, key_for, refusal

from gatepass import Key, KeySet
from gatepass.keys import jwk as jwk_module
from gatepass.keys import material as pem_module
from gatepass.keys import public_numbers
from gatepass.keys.public_numbers import rsa_factors

RSA_JWK = key_for("RS256").to_private_jwk()


def test_the_factors_of_an_rsa_key_are_found_however_its_exponents_were_chosen():
    numbers = Key.from_jwk(RSA_JWK)._material.private_numbers()
    n, p, q = numbers.public_numbers.n, max(numbers.p, numbers.q), min(numbers.p, numbers.q)
    totient = (p - 1) * (q - 1)

    for e in (3, 5, 17, 257, 65_537, 2**61 - 1):
        if gcd(e, totient) == 1:
            assert rsa_factors(n, e, pow(e, -1, totient)) == (p, q)
            assert rsa_factors(n, e, pow(e, -1, totient // gcd(p - 1, q - 1))) == (p, q)


PROTH = 3 * 2**2208 + 1
"""A prime as a modulus. A recovery of its factors would try 500 times 2208 powers, and find none."""
MERSENNE = 2**2203 - 1


@pytest.mark.parametrize(
    ("n", "d"),
    [
        (PROTH, pow(65_537, -1, PROTH - 1)),
        (MERSENNE, pow(65_537, -1, MERSENNE - 1)),
        ((2**1279 - 1) ** 2, pow(65_537, -1, (2**1279 - 1) * (2**1279 - 2))),
        ((2**521 - 1) ** 5, pow(65_537, -1, (2**521 - 1) ** 4 * (2**521 - 2))),
        ((2**1279 - 1) * (2**2203 - 1), 65_537),
        ((2**1279 - 1) * (2**2203 - 1), 1),
        (2**2100, 3),
    ],
)
def test_hostile_rsa_numbers_without_factors_cost_a_few_exponentiations(n, d, monkeypatch):
    """Each takes milliseconds. The function of PyJWT for them could take days."""
    powers = []

    def counted(*numbers):
        powers.append(numbers)
        return pow(*numbers)

    def recover(*_):
        raise AssertionError("PyJWT recovers the factors")

    monkeypatch.setattr(public_numbers, "pow", counted, raising=False)
    monkeypatch.setattr(jwt.algorithms, "rsa_recover_prime_factors", recover)

    jwk = {"kty": "RSA", "alg": "RS256", "n": text(n), "e": "AQAB", "d": text(d)}
    assert refusal(lambda: Key.from_jwk(jwk)) == "the members of this JWK do not form a valid key"
    assert len(powers) <= 2


def text(number):
    return base64url(number.to_bytes((number.bit_length() + 7) // 8))


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi"])
def test_a_private_number_longer_than_the_modulus_is_refused_before_any_arithmetic(name):
    jwk = {**RSA_JWK, name: text(2**400_000 + 1)}

    assert refusal(lambda: Key.from_jwk(jwk)) == "the members of this JWK do not form a valid key"


def test_an_rsa_key_that_is_too_long_is_refused_before_openssl_searches_for_its_primes(monkeypatch):
    def convert(*_):
        raise AssertionError("PyJWT makes the key")

    monkeypatch.setattr(jwk_module, "_convert", convert)
    long = {name: text(2**9_000 + 1) for name in ("n", "d", "p", "q", "dp", "dq", "qi")}

    assert refusal(lambda: Key.from_jwk({"kty": "RSA", "e": "AQAB", **long})) == (
        "an RSA key must have 2048 to 8192 bits, this one has 9001"
    )
    assert "this one has 9001" in refusal(lambda: Key.from_jwk({"kty": "RSA", "e": "AQAB", "n": long["n"]}))


@pytest.mark.parametrize("exponent", [65_537, 2**64 + 1])
def test_the_size_of_a_pem_is_checked_before_openssl_searches_for_its_primes(exponent, monkeypatch):
    p, q = 2**8_999 + 1, 3
    numbers = RSAPrivateNumbers(p, q, 3, 1, 1, 1, RSAPublicNumbers(exponent, p * q))
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    loads = []

    def load(*args, **options):
        loads.append(options)
        return load_pem_private_key(*args, **options)

    load_pem_private_key = pem_module.load_pem_private_key
    monkeypatch.setattr(pem_module, "load_pem_private_key", load)

    assert "this one has 9001" in refusal(lambda: Key.from_pem(pem, algorithm="RS256"))
    assert loads == [{"unsafe_skip_rsa_key_validation": True}]


def test_a_pem_with_inconsistent_private_numbers_is_refused():
    key = key_for("RS256")._material.private_numbers()
    wrong = RSAPrivateNumbers(key.p, key.q, key.d + 2, key.dmp1, key.dmq1, key.iqmp, key.public_numbers)
    material = wrong.private_key(unsafe_skip_rsa_key_validation=True)
    pem = material.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    assert refusal(lambda: Key.from_pem(pem, algorithm="RS256")).startswith("this PEM cannot be read")


HIDES_NOTHING = (
    "this RSA key is weak: its modulus is even, a prime, the power of one, or has a small factor or close ones"
)
WEAK = {
    "even": 2**2047 + 2,
    "a power of two": 2**2047,
    "with the factor 3": 3 * (2**2203 - 1),
    "with the factor 997": 997 * (2**2203 - 1),
    "with the factor 65521": 65_521 * (2**2203 - 1),
    "a prime": MERSENNE,
    "another prime": PROTH,
    "the square of a prime": (2**1279 - 1) ** 2,
    "the fifth power of a prime": (2**521 - 1) ** 5,
    "two neighbours": (2**1279 - 1) * (2**1279 + 9),
    "two close factors": (2**1279 - 1) * (2**1279 + 2**600 + 13),
}


@pytest.mark.parametrize("n", WEAK.values(), ids=WEAK)
@pytest.mark.parametrize("algorithm", ["RS256", "PS512"])
def test_a_modulus_that_is_easily_factored_is_refused_by_every_constructor(n, algorithm):
    """A7: the private key follows from the public one."""
    public = RSAPublicNumbers(65_537, n).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = {"kty": "RSA", "n": text(n), "e": "AQAB"}

    assert refusal(lambda: Key(public, algorithm=algorithm)) == HIDES_NOTHING
    assert refusal(lambda: Key.from_pem(pem, algorithm=algorithm)) == HIDES_NOTHING
    assert refusal(lambda: Key.from_jwk(jwk, algorithm=algorithm)) == HIDES_NOTHING
    good = key_for("ES256").to_jwk()
    assert [key.algorithm for key in KeySet.from_jwks({"keys": [jwk, good]})] == ["ES256"]


def test_a_private_key_is_checked_by_its_public_numbers():
    numbers = RSAPrivateNumbers(MERSENNE, 3, 3, 1, 1, 1, RSAPublicNumbers(65_537, 3 * MERSENNE))
    private = numbers.private_key(unsafe_skip_rsa_key_validation=True)

    assert refusal(lambda: Key(private, algorithm="RS256")) == HIDES_NOTHING


def test_the_product_of_small_primes_is_that_of_every_odd_prime_below_two_to_the_sixteenth():
    product = public_numbers._product_of_small_primes()

    for number in range(3, 2**16, 2):
        is_prime = all(number % divisor for divisor in range(3, isqrt(number) + 1, 2))
        assert (product % number == 0) or not is_prime
    assert gcd(product, (2**16 + 1) * 2) == 1
    assert product.bit_length() == 94_026  # no prime occurs twice in it


def test_a_new_key_passes_all_checks():
    for _ in range(3):
        assert Key(generate_private_key(public_exponent=65_537, key_size=2048), algorithm="RS256").can_sign

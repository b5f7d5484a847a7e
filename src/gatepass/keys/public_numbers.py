"""Checks of public numbers: RSA's bounds and moduli, Edwards points, and the factors of an RSA key that lacks them.

OpenSSL's checks take cubic time in a key's size, and recovering factors from hostile numbers can take days, so numbers
out of bounds are refused first. A public key reveals little about how it was made. The checks find the results of
broken generators: an RSA modulus that is a prime, the power of one, has a small factor or two close ones, and an
Edwards point of small order or in a form that is not canonical.
"""

from __future__ import annotations

import math
import secrets
from functools import cache, lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gatepass.errors import ConfigurationError

__all__ = ["check_edwards_point", "check_rsa_modulus", "check_rsa_modulus_quickly", "check_rsa_public", "rsa_factors"]

_BITS: Final = range(2048, 8193)
_MAX_EXPONENT: Final = 2**64 - 1  # OpenSSL refuses a larger one with a long modulus
_PRIME_LIMIT: Final = 2**16
_FERMAT_STEPS: Final = 64
"""Steps of Fermat's method: they find primes that differ by less than 16 times the fourth root of the modulus."""
_CACHE_SIZE: Final = 128
_WEAK_MODULUS: Final = (
    "this RSA key is weak: its modulus is even, a prime, the power of one, or has a small factor or close ones"
)
_MAX_FACTOR_TRIES: Final = 64
"""Each try finds the factors with a probability of at least one half."""

_P25519: Final = 2**255 - 19
_P448: Final = 2**448 - 2**224 - 1
_Y_OF_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
"""A root of d*y^4 + 2*y^2 = 1: doubling such a point gives a point of order 4."""
# Only y: the two points with the same y, with either sign of x, have the same order.
_SMALL_ORDER_25519: Final = frozenset((0, 1, _P25519 - 1, _Y_OF_ORDER_8, _P25519 - _Y_OF_ORDER_8))
_SMALL_ORDER_448: Final = frozenset((0, 1, _P448 - 1))


def check_rsa_public(*, bits: int, exponent: int) -> None:
    """Raise `ConfigurationError` unless a modulus of *bits* and *exponent* may be used (RFC 7518 sections 3.3, 8.6)."""
    if bits not in _BITS:
        raise ConfigurationError(f"an RSA key must have 2048 to 8192 bits, this one has {bits}")
    if exponent % 2 == 0 or not 3 <= exponent <= _MAX_EXPONENT:
        raise ConfigurationError("the public exponent of an RSA key must be odd, at least 3 and of at most 64 bits")


def check_rsa_modulus(n: int) -> None:
    """Raise `ConfigurationError` if the factors of the modulus *n* are easy to find.

    The first call for *n* computes one power modulo *n*, which blocks other threads: with 2048 bits about 20 ms, with
    8192, the maximum, about 1 s.
    """
    if _has_weak_factors(n) or _is_power_of_a_prime(n):
        raise ConfigurationError(_WEAK_MODULUS)


def check_rsa_modulus_quickly(n: int) -> None:
    """Check as `check_rsa_modulus` does, without the power: most primes and their powers pass. 1 ms with 2048 bits."""
    if _has_weak_factors(n):
        raise ConfigurationError(_WEAK_MODULUS)


def rsa_factors(n: int, e: int, d: int) -> tuple[int, int] | None:
    """Return the primes of the modulus *n*, the larger one first (NIST SP 800-56B appendix C); None if not two.

    *e* and *d* are the exponents. Each try costs about one signature, and more than a few are improbable: powers of
    primes are refused first, and a wrong *d* at the first base whose power is not 1.
    """
    multiple = e * d - 1
    if n % 2 == 0 or multiple <= 0 or multiple % 2 or math.gcd(pow(2, n, n) - 2, n) != 1:  # a prime, or a power of one
        return None
    twos = (multiple & -multiple).bit_length() - 1
    for _ in range(_MAX_FACTOR_TRIES):
        root = pow(secrets.randbelow(n - 3) + 2, multiple >> twos, n)
        for _ in range(twos):
            square = root * root % n
            if square == 1:
                break
            root = square
        if root * root % n != 1:  # *d* is not the private exponent
            return None
        if root not in (1, n - 1):
            p = math.gcd(root - 1, n)
            return max(p, n // p), min(p, n // p)
    return None


def check_edwards_point(key: Ed25519PublicKey | Ed448PublicKey) -> None:
    """Raise `ConfigurationError` for a point of small order, and for a y that is not below the field's prime."""
    octets = key.public_bytes_raw()
    y = int.from_bytes(octets, "little") & ~(1 << (8 * len(octets) - 1))  # the highest bit is the sign of x
    prime, small = (_P25519, _SMALL_ORDER_25519) if isinstance(key, Ed25519PublicKey) else (_P448, _SMALL_ORDER_448)
    if y >= prime or y in small:
        raise ConfigurationError("this public key is not valid: it is a point of small order, or not in canonical form")


@lru_cache(maxsize=_CACHE_SIZE)  # a key is checked again for each half, algorithm and fetch
def _has_weak_factors(n: int) -> bool:
    return n % 2 == 0 or math.gcd(_product_of_small_primes() % n, n) != 1 or _has_close_factors(n)


@lru_cache(maxsize=_CACHE_SIZE)
def _is_power_of_a_prime(n: int) -> bool:
    return math.gcd(pow(2, n, n) - 2, n) != 1  # Fermat's little theorem, modulo the prime


def _has_close_factors(n: int) -> bool:
    """Return whether the odd *n* is a square, or `a*a - b*b` with an *a* hardly larger than the root of *n*."""
    root = math.isqrt(n)
    squares = (a * a - n for a in range(root, root + _FERMAT_STEPS))
    return any(square >= 0 and math.isqrt(square) ** 2 == square for square in squares)


@cache
def _product_of_small_primes() -> int:
    is_prime = bytearray([1]) * _PRIME_LIMIT
    for number in range(2, math.isqrt(_PRIME_LIMIT)):
        is_prime[number * number :: number] = bytes(len(range(number * number, _PRIME_LIMIT, number)))
    return math.prod(number for number in range(3, _PRIME_LIMIT) if is_prime[number])

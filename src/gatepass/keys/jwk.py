"""JSON Web Keys (RFC 7517, 7518 section 6, 8037): one JWK to key material and back, and thumbprints.

Refused: members that are not in canonical form, coordinates of another length than the curve's, keys marked for
encryption, operations that contradict the use, public and private members of different keys. A member that is null
counts as absent, because many serializers write absent members as null.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.compact import decode_base64url, encode_base64url
from gatepass.keys.algorithms import load_pyjwt
from gatepass.keys.public_numbers import check_rsa_public, rsa_factors

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

__all__ = [
    "is_private_jwk",
    "load_jwk",
    "present_members",
    "private_members",
    "public_members",
    "thumbprint",
    "without_leading_zeros",
]

_EC_BYTES = {"P-256": 32, "P-384": 48, "P-521": 66}
_OKP_BYTES = {"Ed25519": 32, "Ed448": 57}
_CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_RSA_FACTORS = ("p", "q", "dp", "dq", "qi")
_PRIVATE = frozenset(("d", "k", "oth", *_RSA_FACTORS))
_OPERATIONS = frozenset(("sign", "verify"))
_INVALID = "the members of this JWK do not form a valid key"


def present_members(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of *jwk* that are not null."""
    return {name: value for name, value in jwk.items() if value is not None}


def without_leading_zeros(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """Return *jwk* with the numbers of a public RSA key in their shortest form.

    Some key servers add a zero octet for the sign of a big integer (RFC 7518 section 6.3.1.1 warns of it).
    """
    shortened = dict(jwk)
    for name in ("n", "e") if jwk.get("kty") == "RSA" else ():
        with suppress(ConfigurationError):  # other faults are found when the key is loaded
            shortened[name] = _text(_octets(jwk, name).lstrip(b"\0"))
    return shortened


def load_jwk(jwk: Mapping[str, Any]) -> PrivateKeyTypes | PublicKeyTypes | bytes:
    """Return the key material of *jwk*, which has no null members; bytes for `oct`. Raises `ConfigurationError`."""
    _check_purpose(jwk)
    match jwk.get("kty"):
        case "oct":
            return _octets(jwk, "k")
        case "RSA":
            return _load_rsa(jwk)
        case "EC":
            return _load_curve(jwk, _EC_BYTES, "ECAlgorithm", ("x", "y"))
        case "OKP":
            return _load_curve(jwk, _OKP_BYTES, "OKPAlgorithm", ("x",))
        case _:
            raise ConfigurationError('the "kty" of a JWK must be oct, RSA, EC or OKP')


def is_private_jwk(jwk: Mapping[str, Any]) -> bool:
    """Return whether *jwk* contains a secret or a private member."""
    return any(jwk.get(name) is not None for name in _PRIVATE)


def public_members(key: PublicKeyTypes) -> dict[str, str]:
    """Return the members that RFC 7638 section 3.2 requires of a public key, in lexicographic order."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"e": _integer(numbers.e), "kty": "RSA", "n": _integer(numbers.n)}
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVE_NAMES:
        crv = _CURVE_NAMES[key.curve.name]
        point, size = key.public_numbers(), _EC_BYTES[crv]
        return {"crv": crv, "kty": "EC", "x": _text(point.x.to_bytes(size)), "y": _text(point.y.to_bytes(size))}
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        crv = "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "Ed448"
        return {"crv": crv, "kty": "OKP", "x": _text(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    raise ConfigurationError("this kind of key has no JWK for signatures")


def private_members(key: PrivateKeyTypes) -> dict[str, str]:
    """Return the private members of *key*, which are as secret as the key."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        return {
            "d": _integer(numbers.d),
            "p": _integer(numbers.p),
            "q": _integer(numbers.q),
            "dp": _integer(numbers.dmp1),
            "dq": _integer(numbers.dmq1),
            "qi": _integer(numbers.iqmp),
        }
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = _EC_BYTES[_CURVE_NAMES[key.curve.name]]
        return {"d": _text(key.private_numbers().private_value.to_bytes(size))}
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return {"d": _text(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))}
    raise ConfigurationError("this kind of key has no JWK for signatures")


def thumbprint(members: Mapping[str, str]) -> str:
    """Return the SHA-256 thumbprint (RFC 7638 section 3) of the required *members*, in base64url."""
    canonical = json.dumps(dict(members), sort_keys=True, separators=(",", ":")).encode()
    return _text(hashlib.sha256(canonical).digest())


def _check_purpose(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise ConfigurationError('this JWK is not for signatures: its "use" is not "sig"')
    if "key_ops" not in jwk:
        return
    operations = jwk["key_ops"]
    if not isinstance(operations, list) or not all(isinstance(name, str) for name in operations):  # pyright: ignore[reportUnknownVariableType]
        raise ConfigurationError('the "key_ops" of a JWK must be a list of strings')
    named: set[str] = set(operations)  # pyright: ignore[reportUnknownArgumentType]
    if len(named) != len(operations) or not named <= _OPERATIONS:  # pyright: ignore[reportUnknownArgumentType]
        raise ConfigurationError('the "key_ops" of a JWK may name only sign and verify, once each')
    needed = {"sign", "verify"} if jwk.get("kty") == "oct" else {"sign" if is_private_jwk(jwk) else "verify"}
    if not needed <= named:
        raise ConfigurationError(f'the "key_ops" of this JWK lack {" and ".join(sorted(needed - named))}')


def _load_rsa(jwk: Mapping[str, Any]) -> rsa.RSAPrivateKey | rsa.RSAPublicKey:
    if "oth" in jwk:
        raise ConfigurationError("RSA keys with more than two primes are not supported")
    factors = [name for name in _RSA_FACTORS if name in jwk]
    private = ["d", *_RSA_FACTORS] if factors else ["d"] if "d" in jwk else []
    numbers: dict[str, int] = {}
    for name in ("n", "e", *private):
        octets = _octets(jwk, name)
        if octets[:1] == b"\0":
            raise ConfigurationError(f'the JWK member "{name}" has a leading zero octet (RFC 7518 section 6.3)')
        numbers[name] = int.from_bytes(octets)
    check_rsa_public(bits=numbers["n"].bit_length(), exponent=numbers["e"])
    if any(number > numbers["n"] for number in numbers.values()):
        raise ConfigurationError(_INVALID)
    if private == ["d"]:
        numbers |= _computed_factors(**numbers)
    key: rsa.RSAPrivateKey | rsa.RSAPublicKey = _convert(
        "RSAAlgorithm", {"kty": "RSA", **{name: _integer(number) for name, number in numbers.items()}}
    )
    _check_public_members(key, jwk, ("n", "e"))
    return key


def _computed_factors(n: int, e: int, d: int) -> dict[str, int]:
    """Return the factors that a private JWK may omit (RFC 7518 section 6.3.2)."""
    factors = rsa_factors(n, e, d)
    if factors is None:
        raise ConfigurationError(_INVALID)
    p, q = factors
    return {"p": p, "q": q, "dp": d % (p - 1), "dq": d % (q - 1), "qi": pow(q, -1, p)}


def _load_curve(
    jwk: Mapping[str, Any], sizes: Mapping[str, int], converter: str, public: tuple[str, ...]
) -> PrivateKeyTypes | PublicKeyTypes:
    crv = jwk.get("crv")
    size = sizes.get(crv) if isinstance(crv, str) else None
    if size is None:
        raise ConfigurationError(f'the "crv" of this JWK must be one of {", ".join(sizes)}')
    members = (*public, "d") if "d" in jwk else public
    for name in members:
        if len(_octets(jwk, name)) != size:
            raise ConfigurationError(f'the JWK member "{name}" must be {size} octets for this curve')
    key: PrivateKeyTypes | PublicKeyTypes = _convert(
        converter, {"kty": jwk["kty"], "crv": crv, **{name: jwk[name] for name in members}}
    )
    _check_public_members(key, jwk, public)
    return key


def _convert(converter: str, jwk: dict[str, Any]) -> Any:
    library = load_pyjwt()
    try:
        return getattr(library.algorithms, converter).from_jwk(jwk)
    except (library.PyJWTError, ValueError, TypeError, OverflowError, UnsupportedAlgorithm, InternalError):
        pass
    raise ConfigurationError(_INVALID)


def _check_public_members(key: Any, jwk: Mapping[str, Any], public: tuple[str, ...]) -> None:
    """Raise `ConfigurationError` unless the public members of *jwk* are those of *key*."""
    half = public_members(key.public_key() if hasattr(key, "public_key") else key)
    if any(half[name] != jwk[name] for name in public):
        raise ConfigurationError("the public and private members of this JWK do not belong together")


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if isinstance(value, str) and value.isascii():
        try:
            return decode_base64url(value.encode())
        except MalformedToken:
            pass
    raise ConfigurationError(f'the JWK member "{name}" is missing or not canonical base64url')


def _integer(number: int) -> str:
    return _text(number.to_bytes((number.bit_length() + 7) // 8))


def _text(octets: bytes) -> str:
    return encode_base64url(octets).decode()

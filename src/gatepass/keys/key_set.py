"""The keys of one issuer, given by the caller or from a JWK Set, and the arguments `keys=` and `algorithms=`.

A set finds the keys for a token's `kid` and `alg`. It compares both for equality, without a fallback.
The exception, a single `Key` without a given `kid`, is in `tokens/key_selection.py`.
Refused: secrets and asymmetric keys in one set, and two keys with the same kid and algorithm.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn, final

from gatepass.common.texts import listed
from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.strict_json import parse_object
from gatepass.keys.algorithms import ALGORITHMS, algorithm_named
from gatepass.keys.jwk import is_private_jwk, load_jwk, present_members, without_leading_zeros
from gatepass.keys.key import Check, Key
from gatepass.keys.material import check_material, check_material_quickly, fitting_algorithms

__all__ = ["KeySet", "algorithm_names", "asymmetric_names", "key_set"]

_logger = logging.getLogger("gatepass.keys")

_MAX_MODULUS_BITS = 8_200  # 8192, rounded up for base64url
_MAX_PRIME_SEARCH = 8 * 2_052**3
"""The maximum cost of the search for prime RSA moduli in one set: 8 keys of 2048 bits or 1 of 4096, 0.2 s."""

_TYPES: Final = frozenset(("RSA", "EC", "OKP", "oct"))
_CURVES: Final = frozenset(("P-256", "P-384", "P-521", "Ed25519", "Ed448"))


@final
class KeySet:
    """An immutable set of keys. *signing* is the key that signs, by default the only one that can sign.

    >>> key = Key.generate("ES256")
    >>> [published["kid"] == key.kid for published in KeySet([key]).to_jwks()["keys"]]
    [True]
    """

    __slots__ = ("_by_name", "_keys", "_signing", "algorithms")

    algorithms: frozenset[str]
    _keys: tuple[Key, ...]
    _by_name: dict[tuple[str, str], tuple[Key, ...]]
    _signing: Key | None

    def __init__(self, keys: Iterable[Key], *, signing: Key | None = None) -> None:
        if isinstance(keys, Mapping) or not isinstance(keys, Iterable):
            raise ConfigurationError("a KeySet takes a list of keys: KeySet([key])")
        members = tuple(keys)
        if not all(isinstance(key, Key) for key in members):
            raise ConfigurationError("a KeySet holds Key objects; make them with Key.from_secret, from_pem or from_jwk")
        if not members:
            raise ConfigurationError("a KeySet needs at least one key")
        if len({key.is_secret for key in members}) > 1:
            raise ConfigurationError(
                "a KeySet holds secrets or asymmetric keys, never both: use one set for each issuer"
            )
        index = _index(members)
        if any(len(sharing) > 1 for sharing in index.values()):
            raise ConfigurationError("two keys of a KeySet share a kid and an algorithm: give each key its own kid")
        signers = [key for key in members if key.can_sign]
        if signing is not None and (signing not in members or not signing.can_sign):
            raise ConfigurationError("signing= must be one of the keys, and a private key or secret")
        fill = object.__setattr__
        fill(self, "_keys", members)
        fill(self, "_by_name", {label: tuple(sharing) for label, sharing in index.items()})
        fill(self, "_signing", signing or (signers[0] if len(signers) == 1 else None))
        fill(self, "algorithms", frozenset(key.algorithm for key in members))

    @classmethod
    def from_jwks(cls, document: Mapping[str, Any] | str | bytes, *, algorithms: Iterable[str] | None = None) -> KeySet:
        """Load the public keys of a JWK Set (RFC 7517 section 5), given as a mapping or as JSON text.

        Each entry that is foreign, malformed, private or secret is ignored, and the log says which and why. Two
        different keys with the same kid and algorithm are both ignored; a key that is listed twice counts once.
        Members that are null count as absent, and leading zero octets of an RSA key's `n` and `e` are removed.
        *algorithms* restricts the keys, and binds those that declare no `alg`; without it an RSA key is bound to
        RS256, an Edwards key to both its names.
        Raises `ConfigurationError` when no usable key remains.
        """
        allowed = None if algorithms is None else algorithm_names(algorithms)
        if allowed == ():
            raise ConfigurationError("algorithms= is empty: name at least one, or omit it")
        jwks = [
            without_leading_zeros(present_members(entry)) if isinstance(entry, Mapping) else None  # pyright: ignore[reportUnknownArgumentType]
            for entry in _entries(document)
        ]
        loaded = [_public_keys(jwk, allowed, check) for jwk, check in zip(jwks, _checks(jwks), strict=True)]
        found = [keys for keys, _ in loaded]
        index = _index(key for keys in found for key in keys)
        usable = [sharing[0] for sharing in index.values() if len({key.thumbprint() for key in sharing}) == 1]
        used = {(key.kid, key.algorithm) for key in usable}
        unused = [
            (place, *_why_unused(jwk, error, has_keys=bool(keys)))
            for place, (jwk, (keys, error)) in enumerate(zip(jwks, loaded, strict=True))
            if used.isdisjoint((key.kid, key.algorithm) for key in keys)
        ]
        for level in (logging.WARNING, logging.DEBUG):
            reasons = [f"keys[{place}]: {reason}" for place, own_level, reason in unused if own_level == level]
            if reasons:
                _logger.log(
                    level if usable else logging.WARNING,
                    "ignored %d of %d JWK Set entries: %s", len(reasons), len(found), "; ".join(reasons),
                )  # fmt: skip
        if not usable:
            secret = any(jwk is not None and is_private_jwk(jwk) for jwk in jwks)
            pointer = "; a secret or private key is not published: load it with Key.from_jwk" if secret else ""
            raise ConfigurationError(f"this JWK Set holds no usable public key for signatures{pointer}")
        return cls(usable)

    @property
    def signing_key(self) -> Key:
        """The key that signs. Raises `ConfigurationError` if no key can sign, or several can and none is chosen."""
        if self._signing is None:
            raise ConfigurationError("this KeySet has no single key that can sign; choose one with signing=")
        return self._signing

    @property
    def is_secret(self) -> bool:
        """True for a set of HMAC secrets."""
        return self._keys[0].is_secret

    def to_jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the JWK Set to publish, with public members only. A set of secrets raises `ConfigurationError`."""
        return {"keys": [key.to_jwk() for key in self._keys]}

    def get(self, kid: str, algorithm: str) -> tuple[Key, ...]:
        """Return the key with this *kid* and *algorithm*, as a tuple of one or none."""
        return self._by_name.get((kid, algorithm), ())

    def has_kid(self, kid: str) -> bool:
        """Return whether a key has this *kid*, under any algorithm."""
        return any(key.kid == kid for key in self._keys)

    def for_algorithm(self, algorithm: str) -> tuple[Key, ...]:
        """Return every key for *algorithm*: the candidates for a token without `kid`."""
        return tuple(key for key in self._keys if key.algorithm == algorithm)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<KeySet of {len(self._keys)}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a KeySet is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a KeySet is immutable")


def algorithm_names(algorithms: Iterable[str]) -> tuple[str, ...]:
    """Return *algorithms* as a tuple of names in `ALGORITHMS`. Raises `ConfigurationError` for other names."""
    names = listed(algorithms)
    if names is None:
        raise ConfigurationError('algorithms= takes a list, such as algorithms=["ES256"]')
    return tuple(algorithm_named(name).name for name in names)


def asymmetric_names(algorithms: Iterable[str] | None) -> tuple[str, ...]:
    """Return *algorithms* as `algorithm_names` does, but refuse HMAC, because secrets are never published.

    For None return all asymmetric algorithms.
    """
    if algorithms is None:
        return tuple(row.name for row in ALGORITHMS.values() if row.kty != "oct")
    names = algorithm_names(algorithms)
    if not names or any(ALGORITHMS[name].kty == "oct" for name in names):
        raise ConfigurationError(
            "algorithms= must name only asymmetric algorithms, such as ES256: no key server may publish a secret"
        )
    return names


def key_set(keys: Key | KeySet | Iterable[Key]) -> KeySet:
    """Return *keys* as a set. Raises `ConfigurationError` for other types."""
    if isinstance(keys, KeySet):
        return keys
    if isinstance(keys, Key):
        return KeySet([keys])
    members = listed(keys)
    if any("://" in str(text) for text in (keys, *(members or ())) if isinstance(text, (str, bytes))):
        raise ConfigurationError("keys= takes keys, not an address: JWKSClient(address) fetches the keys from there")
    if members is None:
        raise ConfigurationError(
            "keys= takes a Key or a KeySet; make one with Key.from_env, Key.from_secret or Key.from_pem"
        )
    return KeySet(members)


def _index(keys: Iterable[Key]) -> dict[tuple[str, str], list[Key]]:
    named: dict[tuple[str, str], list[Key]] = {}
    for key in keys:
        if key.kid is not None:
            named.setdefault((key.kid, key.algorithm), []).append(key)
    return named


def _entries(document: Mapping[str, Any] | str | bytes) -> list[Any]:
    value: Any = _parsed(document) if isinstance(document, (str, bytes)) else document
    entries = value.get("keys") if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if entries is None and isinstance(value, Mapping) and "kty" in value:
        raise ConfigurationError("this is a single JWK, not a JWK Set: load it with Key.from_jwk")
    if not isinstance(entries, list):
        raise ConfigurationError('a JWK Set must be a strict JSON object with a list named "keys"')
    return entries  # pyright: ignore[reportUnknownVariableType]


def _parsed(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object in *text*; an empty one, which is not a JWK Set, for other text."""
    try:
        return parse_object(text if isinstance(text, bytes) else text.encode())
    except (MalformedToken, UnicodeEncodeError):
        return {}


def _checks(jwks: list[dict[str, Any] | None]) -> Iterator[Check]:
    """Yield the check for each of *jwks*: the full one until the RSA keys have used up the maximum cost for one set."""
    checked: set[str] = set()
    left = _MAX_PRIME_SEARCH
    for jwk in jwks:
        modulus = None if jwk is None else jwk.get("n")
        if isinstance(modulus, str) and modulus not in checked and 6 * len(modulus) <= _MAX_MODULUS_BITS:
            cost = (6 * len(modulus)) ** 3
            if cost > left:
                yield check_material_quickly
                continue
            left -= cost
            checked.add(modulus)
        yield check_material


def _public_keys(
    jwk: Mapping[str, Any] | None, allowed: tuple[str, ...] | None, check: Check
) -> tuple[list[Key], str | None]:
    """Return the keys of one entry, two if its algorithm has two names, and the error if it is invalid.

    Each key is made with *check* instead of the constructor's check, so that the work for one set is bounded.
    """
    if jwk is None or is_private_jwk(jwk):
        return [], None
    try:
        if "alg" in jwk:
            keys = [Key._from_jwk(jwk, None, check)]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        else:
            fitting = fitting_algorithms(load_jwk(jwk))
            usual = fitting if "EdDSA" in fitting else fitting[:1]
            keys = [
                Key._from_jwk(jwk, name, check)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
                for name in (fitting if allowed else usual)
                if not allowed or name in allowed
            ]
    except ConfigurationError as error:
        return [], str(error)
    return [key for key in keys if allowed is None or key.algorithm in allowed], None


def _why_unused(entry: object, error: str | None, *, has_keys: bool) -> tuple[int, str]:
    """Return the log level for the unused *entry*, and the reason.

    *error* is the text of the error if its key is invalid, *has_keys* whether it has keys for the allowed algorithms.
    """
    if not isinstance(entry, Mapping):
        return logging.WARNING, "it is not an object"
    jwk: Mapping[str, Any] = entry  # pyright: ignore[reportUnknownVariableType]
    other_use = _other_use(jwk)
    if other_use is not None:
        return logging.DEBUG, other_use
    if is_private_jwk(jwk):
        return logging.WARNING, "it contains a private or secret member"
    if error is not None:
        return logging.WARNING, error
    if not has_keys:
        return logging.DEBUG, "algorithms= excludes it"
    return logging.WARNING, "a different key has the same kid and algorithm"


def _other_use(jwk: Mapping[str, Any]) -> str | None:
    """Return why *jwk*, by its own members, is not for signatures that gatepass verifies; else None."""
    use, operations = jwk.get("use"), jwk.get("key_ops")
    if isinstance(use, str) and use != "sig":
        return 'its "use" is not "sig"'
    if isinstance(operations, list) and not {"sign", "verify"}.intersection(map(str, operations)):  # pyright: ignore[reportUnknownArgumentType]
        return 'its "key_ops" do not name "verify"'
    for name, supported in (("kty", _TYPES), ("crv", _CURVES), ("alg", ALGORITHMS)):
        value = jwk.get(name)
        if isinstance(value, str) and value not in supported:
            return f'its "{name}" is not supported for signatures'
    return None

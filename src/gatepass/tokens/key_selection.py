"""Which keys may verify a token: what the argument `keys=` means, and which key a token's header selects.

A key is selected by equality of `kid` and algorithm. Without a `kid`, a few keys of the algorithm are tried. A single
`Key` whose `kid` the caller did not give is tried for any `kid`. The token's own `jwk`, `jku` and `x5c` are never used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, final

from gatepass.common.allow import HTTP_ON_LOOPBACK, Allowed
from gatepass.errors import ConfigurationError, DisallowedAlgorithm, UnknownKey
from gatepass.jwks import IssuerMetadata, JWKSClient
from gatepass.jwks.http import fetchable
from gatepass.keyring import KeyRing
from gatepass.keys import Key, KeySet
from gatepass.keys.key_set import algorithm_names, asymmetric_names, key_set
from gatepass.keys.source import KeySource
from gatepass.tokens.cache import VerifiedTokenCache
from gatepass.tokens.profile import AnyIssuer

__all__ = ["KeySnapshot", "ResolvedKeys", "resolve_keys"]

_MAX_HEADERS: Final = 128


@final
class KeySnapshot:
    """The keys at one moment, and the results of verifying with them.

    `keys_by_header` maps the exact header segments of tokens with a valid signature to the keys that they select.
    *tokens* caches the tokens that were verified with these keys. *any_kid* is True for a single key that the
    caller gave without a `kid`: it is tried for tokens with any `kid`.
    """

    __slots__ = ("any_kid", "keys", "keys_by_header", "tokens")

    def __init__(self, keys: KeySet | None, tokens: VerifiedTokenCache, *, any_kid: bool = False) -> None:
        self.any_kid: bool = any_kid
        self.keys: KeySet | None = keys
        self.keys_by_header: dict[bytes, tuple[Key, ...]] = {}
        self.tokens: VerifiedTokenCache = tokens

    def candidates(self, kid: str | None, algorithm: str, *, limit: int) -> tuple[Key, ...]:
        """Return the keys that may have signed: the key named *kid*, or for None all keys that fit, at most *limit*."""
        if self.keys is None:
            raise UnknownKey("no keys are available")
        if kid is not None:
            found = self.keys.get(kid, algorithm)
            if found:
                return found
            if self.keys.has_kid(kid):
                raise DisallowedAlgorithm("alg is not the key's")
            if not self.any_kid:
                raise UnknownKey("kid")
        fitting = self.keys.for_algorithm(algorithm)
        if not 0 < len(fitting) <= limit:
            raise UnknownKey("no kid, and no key or too many keys to try")
        return fitting

    def remember(self, segment: bytes, keys: tuple[Key, ...]) -> None:
        """Map a header *segment* to its *keys*, only after a valid signature: attackers must not fill the table."""
        if len(self.keys_by_header) >= _MAX_HEADERS:
            self.keys_by_header.clear()
        self.keys_by_header[segment] = keys


class ResolvedKeys(NamedTuple):
    """Fixed keys, or a source of keys that change, and the algorithms that a token may name."""

    keys: KeySet | KeySource
    algorithms: frozenset[str]
    any_kid: bool = False
    """True for a single key that the caller gave without a `kid` (RFC 7515 section 4.1.4)."""

    @property
    def fixed(self) -> KeySet | None:
        return self.keys if isinstance(self.keys, KeySet) else None

    @property
    def source(self) -> KeySource | None:
        return self.keys if isinstance(self.keys, KeySource) else None


def resolve_keys(
    keys: Key | KeySet | KeySource | Iterable[Key] | None,
    *,
    issuer: str | AnyIssuer,
    algorithms: Iterable[str] | None,
    leeway: float,
    allow: Allowed,
) -> ResolvedKeys:
    """Resolve *keys*; for None use the metadata of *issuer*. Raises `ConfigurationError`."""
    if isinstance(keys, KeyRing) and leeway > keys.leeway.total_seconds():
        raise ConfigurationError(
            "leeway= is longer than the key ring's, which would remove keys too early: give KeyRing the longest leeway="
        )
    if keys is None:
        keys = _discovered(issuer, algorithms, allow)
    if isinstance(keys, KeySource):
        return ResolvedKeys(keys, frozenset(asymmetric_names(algorithms)))
    fixed = key_set(keys)
    any_kid = isinstance(keys, Key) and not keys.is_named
    return ResolvedKeys(fixed, _allowed(fixed, algorithms), any_kid)


def _discovered(issuer: str | AnyIssuer, algorithms: Iterable[str] | None, allow: Allowed) -> KeySource:
    loopback = (HTTP_ON_LOOPBACK,) if allow.http_on_loopback else ()
    if isinstance(issuer, AnyIssuer) or "://" not in issuer:
        raise ConfigurationError("keys= is missing, and can be fetched only from an issuer with a URL: give keys=")
    if not fetchable(issuer, allow):
        raise ConfigurationError(
            "keys= is missing: they are not fetched from an issuer without an https URL; give keys=, such as a "
            "JWKSClient with their address"
        )
    return JWKSClient(IssuerMetadata(issuer, allow=loopback), algorithms=algorithms)


def _allowed(keys: KeySet, algorithms: Iterable[str] | None) -> frozenset[str]:
    if algorithms is None:
        return keys.algorithms
    named = frozenset(algorithm_names(algorithms))
    if not keys.algorithms <= named:
        raise ConfigurationError("algorithms= leaves out the algorithm of one of the keys: add it, or drop the key")
    return named

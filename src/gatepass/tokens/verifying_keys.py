"""The keys that a verifier goes by, and their algorithms: those that were given, or a source that finds them.

Refused: no keys for an issuer that has no URL to ask, a list of algorithms that leaves out one of the keys, and a
leeway for which a key ring does not keep its retired keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gatepass.common.allow import HTTP_ON_LOOPBACK, Allowed
from gatepass.common.settings import algorithm_names, asymmetric_names, key_set
from gatepass.errors import ConfigurationError
from gatepass.jwks import IssuerMetadata, JWKSClient
from gatepass.jwks.http import fetchable
from gatepass.keyring import KeyRing
from gatepass.keys import Key, KeySet
from gatepass.keys.source import KeySource
from gatepass.tokens.profile import AnyIssuer

__all__ = ["VerifyingKeys", "verifying_keys"]


class VerifyingKeys(NamedTuple):
    """Keys that stay, or a source of keys that change; and the algorithms that a token may name."""

    keys: KeySet | KeySource
    algorithms: frozenset[str]
    any_kid: bool = False
    """Whether the keys are a single one, given by hand, of which no `kid` is known (RFC 7515 section 4.1.4)."""

    @property
    def fixed(self) -> KeySet | None:
        return self.keys if isinstance(self.keys, KeySet) else None

    @property
    def source(self) -> KeySource | None:
        return self.keys if isinstance(self.keys, KeySource) else None


def verifying_keys(
    keys: Key | KeySet | KeySource | Iterable[Key] | None,
    *,
    issuer: str | AnyIssuer,
    algorithms: Iterable[str] | None,
    leeway: float,
    allow: Allowed,
) -> VerifyingKeys:
    """What *keys* means; left out, *issuer* is asked for them. Raises `ConfigurationError`."""
    if isinstance(keys, KeyRing) and leeway > keys.leeway.total_seconds():
        raise ConfigurationError(
            "leeway= is longer than the key ring's, which would remove keys too early: give KeyRing the longest leeway="
        )
    if keys is None:
        keys = _discovered(issuer, algorithms, allow)
    if isinstance(keys, KeySource):
        return VerifyingKeys(keys, frozenset(asymmetric_names(algorithms)))
    fixed = key_set(keys)
    any_kid = isinstance(keys, Key) and not keys.is_named
    return VerifyingKeys(fixed, _allowed(fixed, algorithms), any_kid)


def _discovered(issuer: str | AnyIssuer, algorithms: Iterable[str] | None, allow: Allowed) -> KeySource:
    loopback = (HTTP_ON_LOOPBACK,) if allow.http_on_loopback else ()
    if isinstance(issuer, AnyIssuer) or "://" not in issuer:
        raise ConfigurationError("keys= is missing: only an issuer with a URL can be asked where its keys are")
    if not fetchable(issuer, allow):
        raise ConfigurationError(
            "keys= is missing: an issuer without an https URL is not asked where its keys are; give keys=, such as a "
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

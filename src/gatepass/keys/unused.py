"""Why an entry of a JWK Set is left out: it is for something else, or it should have served and is broken.

A reason is one of ours, word for word: nothing that the set's author wrote is in it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, Final

from gatepass.errors import ConfigurationError
from gatepass.keys.algorithms import ALGORITHMS
from gatepass.keys.jwk import is_private_jwk, load_jwk
from gatepass.keys.key import Key

__all__ = ["why_unused"]

_TYPES: Final = frozenset(("RSA", "EC", "OKP", "oct"))
_CURVES: Final = frozenset(("P-256", "P-384", "P-521", "Ed25519", "Ed448"))


def why_unused(entry: object, allowed: Collection[str] | None) -> tuple[int, str]:
    """The log level that *entry* deserves, and the reason. *allowed*: the algorithms that are wanted, None for all."""
    if not isinstance(entry, Mapping):
        return logging.WARNING, "it is not an object"
    jwk: Mapping[str, Any] = entry  # pyright: ignore[reportUnknownVariableType]
    elsewhere = _elsewhere(jwk)
    if elsewhere is not None:
        return logging.DEBUG, elsewhere
    if is_private_jwk(jwk):
        return logging.WARNING, "it holds a private or secret member"
    try:
        algorithm = Key.from_jwk(jwk).algorithm if isinstance(jwk.get("alg"), str) else None
        load_jwk(jwk)
    except ConfigurationError as error:
        return logging.WARNING, str(error)
    if allowed is not None and (algorithm is None or algorithm not in allowed):
        return logging.DEBUG, "algorithms= leaves it out"
    return logging.WARNING, "another one has its kid and algorithm, and is another key"


def _elsewhere(jwk: Mapping[str, Any]) -> str | None:
    """What a key says of itself that makes it none for the signatures that we check."""
    use, operations = jwk.get("use"), jwk.get("key_ops")
    if isinstance(use, str) and use != "sig":
        return 'its "use" is not "sig"'
    if isinstance(operations, list) and not {"sign", "verify"}.intersection(map(str, operations)):  # pyright: ignore[reportUnknownArgumentType]
        return 'its "key_ops" do not name "verify"'
    known = (("kty", _TYPES), ("crv", _CURVES), ("alg", ALGORITHMS))
    for name, ours in known:
        value = jwk.get(name)
        if isinstance(value, str) and value not in ours:
            return f'its "{name}" is none that this library uses for signatures'
    return None

"""Why an entry of a JWK Set is left out: it is for something else, or it should have served and is broken.

A reason is one of ours, word for word: nothing that the set's author wrote is in it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from gatepass.keys.algorithms import ALGORITHMS
from gatepass.keys.jwk import is_private_jwk

__all__ = ["why_unused"]

_TYPES: Final = frozenset(("RSA", "EC", "OKP", "oct"))
_CURVES: Final = frozenset(("P-256", "P-384", "P-521", "Ed25519", "Ed448"))


def why_unused(entry: object, fault: str | None, *, were_made: bool) -> tuple[int, str]:
    """The log level that *entry* deserves, and the reason.

    *fault* is what is wrong with its key, and *were_made* says whether it gave keys for the algorithms that are wanted.
    """
    if not isinstance(entry, Mapping):
        return logging.WARNING, "it is not an object"
    jwk: Mapping[str, Any] = entry  # pyright: ignore[reportUnknownVariableType]
    elsewhere = _elsewhere(jwk)
    if elsewhere is not None:
        return logging.DEBUG, elsewhere
    if is_private_jwk(jwk):
        return logging.WARNING, "it holds a private or secret member"
    if fault is not None:
        return logging.WARNING, fault
    if not were_made:
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

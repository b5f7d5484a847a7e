"""The claims that a caller of `issue` adds to a token: what may go in as it is.

Refused: claims that the issuer sets itself, header members, the arguments of other libraries, and what no verifier
reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatepass.jose.strict_json import MAX_DEPTH
from gatepass.tokens.profile import Profile

__all__ = ["check_given"]

_OWN_CLAIMS = frozenset(("iss", "aud", "sub", "client_id", "iat", "exp", "nbf", "jti", "scope", "cnf"))
_HEADER_MEMBERS = frozenset(
    ("alg", "typ", "kid", "cty", "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "headers")
)
_REFUSED_CLAIMS = _OWN_CLAIMS | _HEADER_MEMBERS | Profile.GENERIC.prohibited
_LIFE = "use access_ttl= of TokenIssuer, or not_after="
_ONE_BY_ONE = 'give each claim by its own name, as in issue("anna", tenant="north"), or all of a dict with **'
# What other libraries call the arguments: as a claim each would be signed, and never read.
_NEAR_MISSES = {
    "scopes": "use scope=",
    **dict.fromkeys(("expires_in", "expires_delta", "lifetime", "ttl"), _LIFE),
    **dict.fromkeys(("claims", "additional_claims", "extra_claims", "user_claims"), _ONE_BY_ONE),
    "additional_headers": "a token's header is the issuer's to set",
}
_STRING_LISTS = frozenset(("roles", "groups", "entitlements", "amr"))


def check_given(claims: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless *claims* may stand in a token."""
    refused = _REFUSED_CLAIMS.intersection(claims)
    if refused:
        raise ValueError(f"these claims are not the caller's to set: {', '.join(sorted(refused))}")
    for name in _NEAR_MISSES.keys() & claims.keys():
        raise ValueError(f"{name} is not a claim: {_NEAR_MISSES[name]}")
    for name in _STRING_LISTS.intersection(claims):
        values = claims[name]
        if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):  # pyright: ignore[reportUnknownVariableType]
            raise ValueError(f"{name} must be a list of strings")
    for value in claims.values():
        _check_json(value, room=MAX_DEPTH - 1)


def _check_json(value: Any, *, room: int) -> None:
    """Refuse what no verifier reads, or what the JSON encoder would quietly bend. *room*: how deep it may still go."""
    if isinstance(value, (dict, list, tuple)):
        if not room:
            raise ValueError(f"a claim is nested deeper than {MAX_DEPTH}, which no verifier takes")
        if isinstance(value, dict) and not all(isinstance(name, str) for name in value):  # pyright: ignore[reportUnknownVariableType]
            raise ValueError("the member names of a claim must be strings")
        for member in value.values() if isinstance(value, dict) else value:  # pyright: ignore[reportUnknownVariableType]
            _check_json(member, room=room - 1)
    elif value is not None and not isinstance(value, (str, int, float)):
        raise ValueError("a claim holds what JSON has no word for: give strings, numbers, lists and dicts of them")

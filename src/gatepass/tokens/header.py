"""The checks of the JOSE header: extensions, `typ`, `alg` and the form of `kid` (RFC 7515 section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatepass.common.limits import MAX_KID_LENGTH
from gatepass.errors import DisallowedAlgorithm, MalformedToken, UnsupportedToken, WrongTokenType
from gatepass.tokens.profile import Profile

__all__ = ["accepted_algorithm", "key_id"]


def accepted_algorithm(header: Mapping[str, Any], profile: Profile, algorithms: frozenset[str]) -> str:
    """Return the `alg` of *header*. Raises for a `crit`, `cty`, `typ` or `alg` not accepted (RFC 7515 section 4.1)."""
    _check_extensions(header)
    _check_type(header, profile)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise DisallowedAlgorithm("alg")
    return algorithm


def key_id(header: Mapping[str, Any]) -> str | None:
    """Return the `kid` of *header*, or None."""
    if "kid" not in header:
        return None
    kid = header["kid"]
    if not isinstance(kid, str) or len(kid) > MAX_KID_LENGTH:
        raise MalformedToken("kid is not a short string")
    return kid


def _check_extensions(header: Mapping[str, Any]) -> None:
    if "crit" in header or "b64" in header:  # no extension is supported (RFC 7515 section 4.1.11, RFC 7797 section 7)
        raise UnsupportedToken("a critical header extension")
    content = header.get("cty")
    if isinstance(content, str) and _media_type(content) == "jwt":
        raise UnsupportedToken("a nested token")


def _check_type(header: Mapping[str, Any], profile: Profile) -> None:
    if "typ" not in header:
        media_type = None
    elif isinstance(header["typ"], str):
        media_type = _media_type(header["typ"])
    else:
        raise WrongTokenType("typ is not a string")
    if media_type not in profile.types:
        raise WrongTokenType("typ")


def _media_type(value: str) -> str:
    """Return *value* in lower case, without the optional `application/` (RFC 7515 section 4.1.9)."""
    return value.lower().removeprefix("application/")

"""The checks of claims whose names a profile chooses: audience, identifiers, scope, roles, the kind of token.

A claim that is there has the shape that it must have, or the token is refused: an object where scopes should be is
a mistake of somebody's, and no reason to go on with none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gatepass.common.scope import SCOPE_TOKEN, SCOPES
from gatepass.errors import InvalidAudience, InvalidClaim, MissingClaim, WrongTokenType
from gatepass.tokens.claim_names import ClaimNames, is_strings
from gatepass.tokens.profile import AnyAudience, Profile

__all__ = [
    "CHECKED_BY_NAME",
    "Check",
    "audience_check",
    "identifier_check",
    "is_scope",
    "kind_check",
    "role_check",
    "scope_check",
]

Check = Callable[[Mapping[str, Any], float], None]

_IDENTIFIERS = ("sub", "client_id", "jti")
CHECKED_BY_NAME = frozenset((*_IDENTIFIERS, "iss", "aud", "exp", "iat"))


def audience_check(audience: frozenset[str] | AnyAudience, places: tuple[str, ...]) -> Check:
    """One of *audience* is in the first of *places* that the token has (RFC 7519 section 4.1.3)."""

    def check_audience(claims: Mapping[str, Any], _now: float) -> None:
        place = next((place for place in places if place in claims), places[0])
        names = _names(claims.get(place))
        if names is None and place in claims:
            raise InvalidClaim(f"{place} is neither a string nor a list of strings")
        if not isinstance(audience, AnyAudience) and audience.isdisjoint(names or ()):
            raise InvalidAudience(place)

    return check_audience


def _names(value: Any) -> list[str] | None:
    """The names in an audience of either form (RFC 7519 section 4.1.3), or None for anything else."""
    names: list[Any] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
    return names if all(isinstance(name, str) for name in names) else None


def identifier_check(profile: Profile) -> Check:
    """What *profile* requires is there, and what identifies somebody is text."""
    clients = profile.names.client
    identifiers = tuple(dict.fromkeys((*_IDENTIFIERS, *clients)))
    others = profile.required - CHECKED_BY_NAME - set(clients)

    def check_identifiers(claims: Mapping[str, Any], _now: float) -> None:
        for name in identifiers:
            if name in claims:
                if not isinstance(claims[name], str) or not claims[name]:
                    raise InvalidClaim(f"{name} is not a string, or empty")
            elif name in profile.required:
                raise MissingClaim(name)
        if not others <= claims.keys():
            raise MissingClaim("a claim that the profile adds")
        if any(choice.isdisjoint(claims) for choice in profile.one_of):
            raise MissingClaim("all of the claims of which the profile wants one")
        if len({claims[name] for name in clients if name in claims}) > 1:
            raise InvalidClaim("two claims name different clients")

    return check_identifiers


def is_scope(text: str) -> bool:
    """Scope tokens with one blank between them, or none at all (RFC 6749 section 3.3)."""
    return not text or SCOPES.fullmatch(text) is not None


def scope_check(names: ClaimNames) -> Check:
    """The claim of scopes holds scope tokens: a text, and where *names* say so perhaps a list."""
    name = names.scope

    def check_scope(claims: Mapping[str, Any], _now: float) -> None:
        scope = claims.get(name, "")
        if names.scope_list and is_strings(scope):
            if not all(SCOPE_TOKEN.fullmatch(token) for token in scope):
                raise InvalidClaim(f"{name} is not a list of scope tokens")
            return
        if not isinstance(scope, str):
            hint = (
                f': it is a list, which a profile with scopes_in("{name}") reads' if scope and is_strings(scope) else ""
            )
            raise InvalidClaim(f"{name} is not a string{hint}")
        if not is_scope(scope):
            raise InvalidClaim(f"{name} is not a string of scope tokens")

    return check_scope


def role_check(names: ClaimNames) -> Check:
    """On each path to roles or groups there are objects, and at its end a list of strings, perhaps one, or nothing."""
    paths = tuple(dict.fromkeys((*names.roles, *names.groups)))

    def check_roles(claims: Mapping[str, Any], _now: float) -> None:
        for path in paths:
            found: Any = claims
            for name in path:
                if not isinstance(found, dict):
                    raise InvalidClaim("what holds roles is not an object")
                if name not in found:
                    break
                found = found[name]  # pyright: ignore[reportUnknownVariableType]
            else:
                if not names.is_role(found):
                    raise InvalidClaim("roles or groups are not a list of strings")

    return check_roles


def kind_check(profile: Profile) -> Check:
    """Nothing marks another kind of token, and the label of an access token is there if the profile has one."""

    def check_kind(claims: Mapping[str, Any], _now: float) -> None:
        if not profile.prohibited.isdisjoint(claims):
            raise WrongTokenType("a claim of another kind of token")
        for name in profile.kind_claims.intersection(claims):
            kind = claims[name]
            if isinstance(kind, str) and kind.lower() in profile.foreign_kinds:
                raise WrongTokenType("the payload names another kind of token")
        if profile.own_kind is not None:
            label, kinds = profile.own_kind
            if not isinstance(claims.get(label), str) or claims[label] not in kinds:
                raise WrongTokenType("the payload does not say that it is an access token")

    return check_kind

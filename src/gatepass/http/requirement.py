"""The rights that an operation requires of a verified token: scopes, roles, groups and entitlements.

The name of each rule says whether all or any of the listed values are required. A rule is validated when it is made, so
that a typing mistake in a scope fails at start-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Literal, Self, TypedDict, final

from gatepass.common.scope import BLANKS_OR_LIST, has_commas, scope_tokens
from gatepass.common.settings import strings
from gatepass.errors import ConcealedResource, ConfigurationError, Forbidden, InsufficientScope
from gatepass.tokens.access_token import AccessToken

__all__ = ["Requirement", "Rules", "ScopeHierarchy", "parse_scopes"]


class Rules(TypedDict, total=False):
    """The keyword arguments of `Requirement`, shared by every adapter's `require_auth`."""

    scopes: str | Iterable[str]
    any_scopes: str | Iterable[str]
    any_roles: str | Iterable[str]
    any_groups: str | Iterable[str]
    any_entitlements: str | Iterable[str]
    denial: Literal["forbid", "not_found"]


@final
class Requirement:
    """A rule for one operation; the token must meet all its parts.

    *scopes*: the token has all of them. *any_scopes*: at least one (name the least powerful first: the challenge
    names it). *any_roles*, *any_groups*, *any_entitlements*: the claim of that name (RFC 9068 section 2.2.3.1) holds at
    least one; a profile may read roles and groups from other claims. *denial* `"not_found"` responds with 404. That
    hides an object only from readers of the status: the body is gatepass's, not the framework's page.

    >>> Requirement(scopes=["orders:read"]).scopes
    ('orders:read',)
    """

    __slots__ = ("any_of", "any_scopes", "denial", "scopes")

    def __new__(cls, *misplaced: Any, **rules: Any) -> Self:
        """Reject unknown rules with a hint, which the `TypeError` of `__init__` lacks."""
        if misplaced:
            raise ConfigurationError(
                "rules have names, as in require_auth(scopes=[...]); without a rule write @require_auth(), with "
                "parentheses, and not @require_auth"
            )
        for name in rules.keys() - Rules.__annotations__.keys():
            near = get_close_matches(name, Rules.__annotations__, n=1)
            raise ConfigurationError(f"there is no rule {name}={f'; did you mean {near[0]}=?' if near else ''}")
        return super().__new__(cls)

    def __init__(  # pyright: ignore[reportInconsistentConstructor] - its signature is the documented one
        self,
        *,
        scopes: str | Iterable[str] = (),
        any_scopes: str | Iterable[str] | None = None,
        any_roles: str | Iterable[str] | None = None,
        any_groups: str | Iterable[str] | None = None,
        any_entitlements: str | Iterable[str] | None = None,
        denial: Literal["forbid", "not_found"] = "forbid",
    ) -> None:
        if denial not in ("forbid", "not_found"):
            raise ConfigurationError('denial= must be "forbid" (403) or "not_found" (404)')
        if scopes == "":
            raise ConfigurationError("scopes= is an empty string: name a scope, or leave it out")
        self.scopes: tuple[str, ...] = parse_scopes(scopes, "scopes")
        if isinstance(scopes, Iterator) and not self.scopes:  # such as an exhausted generator
            raise ConfigurationError("scopes= is an exhausted iterator, so that any token would pass: give a list")
        self.any_scopes: tuple[str, ...] = (
            () if any_scopes is None else _at_least_one(parse_scopes(any_scopes, "any_scopes"), "any_scopes")
        )
        named = (("roles", any_roles), ("groups", any_groups), ("entitlements", any_entitlements))
        self.any_of: tuple[tuple[str, frozenset[str]], ...] = tuple(
            (claim, frozenset(_at_least_one(strings(values, f"any_{claim}"), f"any_{claim}")))
            for claim, values in named
            if values is not None
        )
        self.denial = denial

    def check(self, token: AccessToken, hierarchy: ScopeHierarchy) -> None:
        """Raise `InsufficientScope`, `Forbidden` or `ConcealedResource` unless *token* meets the rule."""
        granted = hierarchy.expand(token.scopes)
        missing_any = bool(self.any_scopes) and granted.isdisjoint(self.any_scopes)
        if missing_any or not granted.issuperset(self.scopes):
            needed = (*self.scopes, *(self.any_scopes[:1] if missing_any else ()))
            raise self._denied(InsufficientScope(tuple(dict.fromkeys(needed))))
        for claim, values in self.any_of:
            if values.isdisjoint(_values_of(token, claim)):
                raise self._denied(Forbidden(claim))

    def _denied(self, error: Forbidden) -> Forbidden:
        return error if self.denial == "forbid" else ConcealedResource(error.reason)

    def __repr__(self) -> str:
        return f"<Requirement scopes={self.scopes} any_scopes={self.any_scopes}>"


@final
class ScopeHierarchy:
    """Which scopes include which: `{"files:write": ["files:read"]}`, transitively."""

    __slots__ = ("_included",)

    def __init__(self, implies: Mapping[str, Iterable[str]]) -> None:
        if not isinstance(implies, Mapping):
            raise ConfigurationError('implies= takes a dict such as {"orders:write": ["orders:read"]}')
        direct = {
            parse_scopes([scope], "implies")[0]: parse_scopes(narrower, "implies")
            for scope, narrower in implies.items()
        }
        self._included = {scope: frozenset(_reachable(scope, direct)) for scope in direct}

    def expand(self, scopes: frozenset[str]) -> frozenset[str]:
        """Return *scopes* and all scopes that they include."""
        if not self._included:
            return scopes
        return scopes.union(*(self._included[scope] for scope in scopes if scope in self._included))


def parse_scopes(value: str | Iterable[str], name: str) -> tuple[str, ...]:
    """Return the scopes in *value*, the setting *name*. Raises `ConfigurationError`."""
    try:
        tokens = scope_tokens(value)
    except ValueError:
        tokens = None
    if tokens is not None:
        if "offline_access" in tokens:
            raise ConfigurationError(f"{name}= must not name offline_access, a scope between client and issuer")
        return tokens
    if has_commas(value):
        raise ConfigurationError(f"{name}= takes {BLANKS_OR_LIST}")
    raise ConfigurationError(f"{name}= takes scopes: strings of printable ASCII without spaces, quotes or backslashes")


def _reachable(scope: str, direct: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = [scope]
    while waiting:
        for narrower in direct.get(waiting.pop(), ()):
            if narrower not in found:
                found.add(narrower)
                waiting.append(narrower)
    return found


def _values_of(token: AccessToken, claim: str) -> frozenset[str]:
    if claim == "roles":
        return token.roles
    return token.groups if claim == "groups" else token.strings(claim)


def _at_least_one(values: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return *values* if there are any. An empty list must not leave the operation unguarded."""
    if not values:
        raise ConfigurationError(f"{name}= is empty, so that no token could pass: name at least one, or leave it out")
    return values

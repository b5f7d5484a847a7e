"""The claim checks (RFC 7519 section 4.1, RFC 9068 section 4), compiled once from a policy.

Each check takes claims and the current time, and returns or raises. Unverified claims are passed only to reject a token
before its key is fetched. Comparisons are written so that they
fail for a clock or a claim that is not a number. No function here reads a clock.

Most tokens have one plain form. A single expression, the fast path, recognizes it; all other tokens go through the
checks. The fast path never accepts claims that a check refuses: a test compares the two on random claims.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

from gatepass.common.limits import FIRST_SECOND, LAST_SECOND
from gatepass.common.scope import SCOPE_TOKEN, SCOPES
from gatepass.errors import (
    BindingError,
    ConfigurationError,
    ExpiredToken,
    ImmatureToken,
    InvalidAudience,
    InvalidClaim,
    InvalidIssuer,
    MissingClaim,
    WrongTokenType,
)
from gatepass.tokens.profile import RFC9068_NAMES, AnyAudience, AnyIssuer, ClaimNames, Profile, is_strings

__all__ = [
    "Check",
    "NamedCheck",
    "compile_checks",
    "compile_fast_path",
    "compile_valid_until",
    "issuer_check",
    "no_fast_path",
]

Check = Callable[[Mapping[str, Any], float], None]
FastPath = Callable[[Mapping[str, Any], float], bool]
ValidUntil = Callable[[Mapping[str, Any]], float]

_IDENTIFIERS = ("sub", "client_id", "jti")
_CHECKED_BY_NAME = frozenset((*_IDENTIFIERS, "iss", "aud", "exp", "iat"))
_MAX_KNOWN_SCOPES = 256


class NamedCheck(NamedTuple):
    """A check, and its name for `explain`."""

    name: str
    check: Check


def issuer_check(issuer: str | AnyIssuer) -> Check:
    """Return the check that `iss` equals *issuer*, code point for code point (RFC 9068 section 4)."""

    def check_issuer(claims: Mapping[str, Any], _now: float) -> None:
        found = claims.get("iss")
        if found == issuer:
            return
        if found is None and "iss" not in claims:
            if isinstance(issuer, AnyIssuer):
                return
            raise MissingClaim("iss")
        if not isinstance(found, str):
            raise InvalidClaim("iss is not a string")
        if not isinstance(issuer, AnyIssuer):
            raise InvalidIssuer("iss")

    return check_issuer


def compile_checks(
    profile: Profile, *, audience: frozenset[str] | AnyAudience, leeway: float, max_token_age: float | None
) -> tuple[NamedCheck, ...]:
    """Return all checks except the one of the issuer, in the order in which they run."""
    names = profile.names
    if not isinstance(audience, AnyAudience) and not audience.isdisjoint(profile.shared_audiences):
        raise ConfigurationError(
            "audience= is in the tokens of every client: have the provider name this service in aud"
        )
    has_kind = profile.prohibited or profile.use_claims or profile.token_use
    return (
        NamedCheck("expiry", _expiry_check(leeway)),
        NamedCheck("start", _start_check(leeway, iat_required="iat" in profile.required or max_token_age is not None)),
        *([] if max_token_age is None else [NamedCheck("age", _age_check(max_token_age + leeway))]),
        NamedCheck("audience", _audience_check(audience, names.audience)),
        NamedCheck("identifiers", _identifier_check(profile)),
        NamedCheck("scope", _scope_check(names)),
        *([] if _has_usual_names(profile) else [NamedCheck("roles", _role_check(names))]),
        *([NamedCheck("token kind", _kind_check(profile))] if has_kind else []),
        NamedCheck("binding", _check_binding),
    )


def compile_fast_path(
    profile: Profile, *, audience: frozenset[str] | AnyAudience, leeway: float, max_token_age: float | None
) -> FastPath:
    """Return the test for the plain form, which passes every check of `compile_checks` for the same policy.

    If the test returns False, the claims may still be valid: the checks must run.
    """
    if not _has_usual_names(profile) or profile.any_of or profile.token_use:
        return no_fast_path
    accepted = frozenset[str]() if isinstance(audience, AnyAudience) else audience
    oldest = math.inf if max_token_age is None else max_token_age + leeway
    others = profile.required - _CHECKED_BY_NAME
    marks = profile.prohibited | profile.use_claims
    is_known_scope = lru_cache(_MAX_KNOWN_SCOPES)(_is_scope)  # a service sees few different scopes

    def passes_fast_path(claims: Mapping[str, Any], now: float) -> bool:
        try:
            exp, iat, aud = claims["exp"], claims["iat"], claims["aud"]
            sub, client_id, jti = claims["sub"], claims["client_id"], claims["jti"]
        except KeyError:
            return False
        scope = claims.get("scope", "")
        return (
            type(exp) is type(iat) is int
            and now - leeway < exp <= LAST_SECOND
            and FIRST_SECOND <= iat <= now + leeway
            and now - oldest < iat
            and type(aud) is type(sub) is type(client_id) is type(jti) is type(scope) is str
            and aud in accepted
            and bool(sub and client_id and jti)
            and is_known_scope(scope)
            and "nbf" not in claims
            and "cnf" not in claims
            and (not marks or marks.isdisjoint(claims))
            and (not others or others <= claims.keys())
        )

    return passes_fast_path


def no_fast_path(_claims: Mapping[str, Any], _now: float) -> bool:
    """Return False, so that the checks run for every token. For profiles whose claims have other names."""
    return False


def compile_valid_until(*, leeway: float, max_token_age: float | None) -> ValidUntil:
    """Return the function for the time, in seconds since 1970, from which valid claims fail the checks."""

    def valid_until(claims: Mapping[str, Any]) -> float:
        ends: float = claims["exp"] + leeway
        return ends if max_token_age is None else min(ends, claims["iat"] + max_token_age + leeway)

    return valid_until


def _has_usual_names(profile: Profile) -> bool:
    """Return whether the profile reads the claims of RFC 9068, in its forms or in wider ones."""
    return replace(profile.names, scope_list=False, single_role=False) == RFC9068_NAMES


def _expiry_check(leeway: float) -> Check:
    def check_expiry(claims: Mapping[str, Any], now: float) -> None:
        if "exp" not in claims:
            raise MissingClaim("exp")
        exp = claims["exp"]
        if not _is_date(exp):
            raise InvalidClaim("exp is not a date")
        if not now - leeway < exp:  # expired at exp, not after it
            raise ExpiredToken("exp")

    return check_expiry


def _start_check(leeway: float, *, iat_required: bool) -> Check:
    def check_start(claims: Mapping[str, Any], now: float) -> None:
        if iat_required and "iat" not in claims:
            raise MissingClaim("iat")
        for claim in ("iat", "nbf"):
            if claim not in claims:
                continue
            start = claims[claim]
            if not _is_date(start):
                raise InvalidClaim(f"{claim} is not a date")
            if not start <= now + leeway:
                raise ImmatureToken(claim)

    return check_start


def _age_check(oldest: float) -> Check:
    def check_age(claims: Mapping[str, Any], now: float) -> None:
        if not now - oldest < claims["iat"]:
            raise ExpiredToken("older than max_token_age")

    return check_age


def _is_date(value: Any) -> TypeGuard[float]:
    """Return whether *value* is a NumericDate: a JSON number, not a bool, a string or null (RFC 7519 section 2)."""
    return (type(value) is int or type(value) is float) and FIRST_SECOND <= value <= LAST_SECOND


def _audience_check(audience: frozenset[str] | AnyAudience, places: tuple[str, ...]) -> Check:
    """Return the check that the first present claim of *places* names one of *audience* (RFC 7519 section 4.1.3)."""

    def check_audience(claims: Mapping[str, Any], _now: float) -> None:
        place = next((place for place in places if place in claims), places[0])
        found = _audiences(claims.get(place))
        if found is None and place in claims:
            raise InvalidClaim(f"{place} is neither a string nor a list of strings")
        if not isinstance(audience, AnyAudience) and audience.isdisjoint(found or ()):
            raise InvalidAudience(place)

    return check_audience


def _audiences(value: Any) -> list[str] | None:
    """Return the names in an audience claim of either form (RFC 7519 section 4.1.3), or None for other values."""
    names: list[Any] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
    return names if all(isinstance(name, str) for name in names) else None


def _identifier_check(profile: Profile) -> Check:
    """Return the check of the claims that *profile* requires, and that identifiers are non-empty strings."""
    clients = profile.names.client
    identifiers = tuple(dict.fromkeys((*_IDENTIFIERS, *clients)))
    others = profile.required - _CHECKED_BY_NAME - set(clients)

    def check_identifiers(claims: Mapping[str, Any], _now: float) -> None:
        for name in identifiers:
            if name in claims:
                if not isinstance(claims[name], str) or not claims[name]:
                    raise InvalidClaim(f"{name} is not a string, or empty")
            elif name in profile.required:
                raise MissingClaim(name)
        if not others <= claims.keys():
            raise MissingClaim("a further claim that the profile requires")
        if any(choice.isdisjoint(claims) for choice in profile.any_of):
            raise MissingClaim("the profile requires one of several claims, and all are absent")
        if len({claims[name] for name in clients if name in claims}) > 1:
            raise InvalidClaim("two claims name different clients")

    return check_identifiers


def _scope_check(names: ClaimNames) -> Check:
    """Return the check that the scope claim contains scope tokens: a string, or a list if *names* allow it."""
    name = names.scope

    def check_scope(claims: Mapping[str, Any], _now: float) -> None:
        scope = claims.get(name, "")
        if names.scope_list and is_strings(scope):
            if not all(SCOPE_TOKEN.fullmatch(token) for token in scope):
                raise InvalidClaim(f"{name} is not a list of scope tokens")
            return
        if not isinstance(scope, str):
            hint = (
                f': it is a list, which a profile with scopes_in("{name}") takes' if scope and is_strings(scope) else ""
            )
            raise InvalidClaim(f"{name} is not a string{hint}")
        if not _is_scope(scope):
            raise InvalidClaim(f"{name} is not a string of scope tokens")

    return check_scope


def _is_scope(text: str) -> bool:
    """Return whether *text* is empty or scope tokens with one blank between them (RFC 6749 section 3.3)."""
    return not text or SCOPES.fullmatch(text) is not None


def _role_check(names: ClaimNames) -> Check:
    """Return the check that each path of roles or groups leads through objects to a list of strings, or is absent.

    With `single_role` it may also lead to a string.
    """
    paths = tuple(dict.fromkeys((*names.roles, *names.groups)))

    def check_roles(claims: Mapping[str, Any], _now: float) -> None:
        for path in paths:
            found: Any = claims
            for name in path:
                if not isinstance(found, dict):
                    raise InvalidClaim("a claim on the path to roles is not an object")
                if name not in found:
                    break
                found = found[name]  # pyright: ignore[reportUnknownVariableType]
            else:
                if not names.is_role(found):
                    raise InvalidClaim("roles or groups are not a list of strings")

    return check_roles


def _kind_check(profile: Profile) -> Check:
    """Return the check that no claim marks another kind of token, and that a `token_use` of the profile matches."""

    def check_kind(claims: Mapping[str, Any], _now: float) -> None:
        if not profile.prohibited.isdisjoint(claims):
            raise WrongTokenType("a claim of another kind of token")
        for name in profile.use_claims.intersection(claims):
            use = claims[name]
            if isinstance(use, str) and use.lower() in profile.rejected_uses:
                raise WrongTokenType("the payload names another kind of token")
        if profile.token_use is not None:
            name, uses = profile.token_use
            if not isinstance(claims.get(name), str) or claims[name] not in uses:
                raise WrongTokenType("the payload does not say that it is an access token")

    return check_kind


def _check_binding(claims: Mapping[str, Any], _now: float) -> None:
    if "cnf" not in claims:
        return
    if not isinstance(claims["cnf"], dict):
        raise InvalidClaim("cnf is not an object")
    # No proof of possession (RFC 7800 section 3) was checked, so it must not be accepted as a bearer token
    # (RFC 9449 section 7.2, RFC 8705 section 3).
    raise BindingError("cnf")

"""The claim checks (RFC 7519 section 4.1, RFC 9068 section 4), compiled once from a policy.

Each check takes claims whose signature holds and the time now, and either returns or raises. Comparisons
are written so that a clock or a claim that is not a number refuses. Nothing here reads a clock.

Most tokens are of one ordinary form, which a single expression recognises; the checks are for all others.
That expression never accepts what a check would refuse: a test draws claims at random to see that it does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

from gatepass.errors import (
    BindingError,
    ExpiredToken,
    ImmatureToken,
    InvalidAudience,
    InvalidClaim,
    InvalidIssuer,
    MissingClaim,
    WrongTokenType,
)
from gatepass.profile import AnyAudience, AnyIssuer, Profile

__all__ = ["Check", "IsOrdinary", "NamedCheck", "compile_checks", "compile_ordinary", "issuer_check"]

Check = Callable[[Mapping[str, Any], float], None]
IsOrdinary = Callable[[Mapping[str, Any], float], bool]

# The years 1 to 9999, which are all that datetime can say; milliseconds given for seconds lie beyond.
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
_BINDINGS = ("jkt", "x5t#S256")
_MAX_KNOWN_SCOPES = 256
_IDENTIFIERS = ("sub", "client_id", "jti")
_CHECKED_BY_NAME = frozenset((*_IDENTIFIERS, "iss", "aud", "exp", "iat"))
_SCOPES = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*")


class NamedCheck(NamedTuple):
    """A check, and what to call it when a person asks."""

    name: str
    check: Check


def issuer_check(issuer: str | AnyIssuer) -> Check:
    """`iss` equals *issuer*, code point for code point (RFC 9068 section 4)."""

    def check_issuer(claims: Mapping[str, Any], _now: float = 0.0) -> None:
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
    """Every check after the signature but the issuer's, in the order in which they are made."""
    betrayals = profile.prohibited or profile.kind_claims
    return (
        NamedCheck("expiry", _expiry_check(leeway)),
        NamedCheck("start", _start_check(leeway, iat_required="iat" in profile.required or max_token_age is not None)),
        *([] if max_token_age is None else [NamedCheck("age", _age_check(max_token_age + leeway))]),
        NamedCheck("audience", _audience_check(audience)),
        NamedCheck("identifiers", _identifier_check(profile.required)),
        NamedCheck("scope", _check_scope),
        *([NamedCheck("token kind", _kind_check(profile))] if betrayals else []),
        NamedCheck("binding", _check_binding),
    )


def compile_ordinary(
    profile: Profile, *, audience: frozenset[str] | AnyAudience, leeway: float, max_token_age: float | None
) -> IsOrdinary:
    """Whether claims are of the ordinary form, which passes every check of `compile_checks` for the same policy.

    False decides nothing: it means that the checks must be asked.
    """
    wanted = frozenset[str]() if isinstance(audience, AnyAudience) else audience
    oldest = math.inf if max_token_age is None else max_token_age + leeway
    others = profile.required - _CHECKED_BY_NAME
    betrayals = profile.prohibited | profile.kind_claims
    is_scope = lru_cache(_MAX_KNOWN_SCOPES)(_is_scope)  # the same few texts come again and again

    def is_ordinary(claims: Mapping[str, Any], now: float) -> bool:
        try:
            exp, iat, aud = claims["exp"], claims["iat"], claims["aud"]
            sub, client_id, jti = claims["sub"], claims["client_id"], claims["jti"]
        except KeyError:
            return False
        scope = claims.get("scope", "")
        return (
            type(exp) is type(iat) is int
            and now - leeway < exp <= _LAST_SECOND
            and _FIRST_SECOND <= iat <= now + leeway
            and now - oldest < iat
            and type(aud) is type(sub) is type(client_id) is type(jti) is type(scope) is str
            and aud in wanted
            and bool(sub and client_id and jti)
            and is_scope(scope)
            and "nbf" not in claims
            and "cnf" not in claims
            and (not betrayals or betrayals.isdisjoint(claims))
            and (not others or others <= claims.keys())
        )

    return is_ordinary


def _is_date(value: Any) -> TypeGuard[float]:
    """A NumericDate: a JSON number, not a bool, a string or null (RFC 7519 section 2)."""
    return (type(value) is int or type(value) is float) and _FIRST_SECOND <= value <= _LAST_SECOND


def _expiry_check(leeway: float) -> Check:
    def check_expiry(claims: Mapping[str, Any], now: float) -> None:
        if "exp" not in claims:
            raise MissingClaim("exp")
        exp = claims["exp"]
        if not _is_date(exp):
            raise InvalidClaim("exp is not a date")
        if not now - leeway < exp:  # dead at exp, not after it
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


def _names(value: Any) -> list[str] | None:
    """The names in an audience of either form (RFC 7519 section 4.1.3), or None for anything else."""
    names: list[Any] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
    return names if all(isinstance(name, str) for name in names) else None


def _audience_check(audience: frozenset[str] | AnyAudience) -> Check:
    def check_audience(claims: Mapping[str, Any], _now: float) -> None:
        found = claims.get("aud")
        names = _names(found)
        if names is None and "aud" in claims:
            raise InvalidClaim("aud is neither a string nor a list of strings")
        if not isinstance(audience, AnyAudience) and audience.isdisjoint(names or ()):
            raise InvalidAudience("aud")

    return check_audience


def _identifier_check(required: frozenset[str]) -> Check:
    others = required - _CHECKED_BY_NAME

    def check_identifiers(claims: Mapping[str, Any], _now: float) -> None:
        for name in _IDENTIFIERS:
            if name in claims:
                if not isinstance(claims[name], str) or not claims[name]:
                    raise InvalidClaim(f"{name} is not a string, or empty")
            elif name in required:
                raise MissingClaim(name)
        if not others <= claims.keys():
            raise MissingClaim("a claim that the profile adds")

    return check_identifiers


def _is_scope(text: str) -> bool:
    """Scope tokens with one blank between them, or none at all (RFC 6749 section 3.3)."""
    return not text or _SCOPES.fullmatch(text) is not None


def _check_scope(claims: Mapping[str, Any], _now: float) -> None:
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise InvalidClaim("scope is not a string")
    if not _is_scope(scope):
        raise InvalidClaim("scope is not a text of scope tokens")


def _kind_check(profile: Profile) -> Check:
    def check_kind(claims: Mapping[str, Any], _now: float) -> None:
        if not profile.prohibited.isdisjoint(claims):
            raise WrongTokenType("a claim of another kind of token")
        for name in profile.kind_claims.intersection(claims):
            kind = claims[name]
            if isinstance(kind, str) and kind.lower() in profile.foreign_kinds:
                raise WrongTokenType("the payload names another kind of token")

    return check_kind


def _check_binding(claims: Mapping[str, Any], _now: float) -> None:
    if "cnf" not in claims:
        return
    confirmation = claims["cnf"]
    if not isinstance(confirmation, dict):
        raise InvalidClaim("cnf is not an object")
    if any(name in confirmation for name in _BINDINGS):
        # RFC 9449 section 7.2, RFC 8705 section 3: without its proof a bound token is worth nothing.
        raise BindingError("cnf")

"""What a login fixes for all its tokens: its facts, claims, a label and lifetimes. Each is checked when it is granted.

An invalid value raises `ValueError`, whose text does not quote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypedDict

from gatepass.common.limits import numeric_date
from gatepass.common.scope import scope_tokens
from gatepass.common.settings import seconds
from gatepass.common.texts import is_plain_name, listed, plain
from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.strict_json import dump_object, parse_object
from gatepass.refresh.family import Family, RefreshToken, plain_text
from gatepass.tokens.issuer import validate_extra_claims

__all__ = ["Lifetimes", "LoginFacts", "check_claim_names", "claims_of", "new_login"]

_MAX_CLAIMS_LENGTH: Final = 2_048
"""Bytes of the claims of a login, as compact JSON in UTF-8: they are in every access token of the login."""
_MAX_LABEL_LENGTH: Final = 64

_RESERVED: Final = frozenset(
    ("subject", "scope", "client_id", "audience", "not_after", "auth_time", "acr", "amr", "family_id")
)


class LoginFacts(TypedDict):
    """The keyword arguments of `TokenService.grant` that have no default of the service."""

    scope: str | Iterable[str]
    auth_time: datetime | None
    acr: str | None
    amr: Iterable[str]
    claims: Mapping[str, Any] | None
    label: str | None
    refresh_ttl: float | timedelta | None
    absolute_ttl: float | timedelta | None


class Lifetimes(NamedTuple):
    """The longest lifetimes of a login, in seconds: unused, and in any case."""

    refresh_ttl: int
    absolute_ttl: int


def new_login(
    subject: str,
    *,
    now: int,
    limits: Lifetimes,
    client_id: str,
    audience: str,
    scope: str | Iterable[str],
    auth_time: datetime | None,
    acr: str | None,
    amr: Iterable[str],
    claims: Mapping[str, Any] | None,
    label: str | None,
    refresh_ttl: float | timedelta | None,
    absolute_ttl: float | timedelta | None,
) -> tuple[RefreshToken, Family]:
    """Return the first token of a new family, and the family, which is not stored yet."""
    token = RefreshToken.fresh()
    absolute = _lifetime(absolute_ttl, "absolute_ttl", limits.absolute_ttl) or limits.absolute_ttl
    idle = _lifetime(refresh_ttl, "refresh_ttl", limits.refresh_ttl) or min(limits.refresh_ttl, absolute)
    if absolute < idle:
        raise ValueError("absolute_ttl= must not be shorter than refresh_ttl=")
    return token, Family(
        family_id=token.family_id,
        subject=plain_text(subject, "subject"),
        client_id=plain_text(client_id, "client_id"),
        scope=" ".join(scope_tokens(scope)),
        audience=plain_text(audience, "audience"),
        auth_time=None if auth_time is None else numeric_date(auth_time, "auth_time"),
        acr=None if acr is None else plain_text(acr, "acr"),
        amr=_methods(amr),
        created_at=now,
        expires_at=now + absolute,
        idle_expires_at=now + idle,
        proof_hash=token.proof_hash,
        current_hash=token.secret_hash,
        claims=_claims_text(claims),
        label=_label_text(label),
        refresh_ttl=idle,
    )


def check_claim_names(claims: Mapping[str, Any], source: str) -> None:
    """Refuse names of *claims* that the service itself sets in every access token. *source* names their origin."""
    if not all(map(is_plain_name, claims)):
        raise ValueError(f"{source} must have plain strings as names")
    reserved = _RESERVED.intersection(claims)
    if reserved:
        raise ValueError(f"{source} must not set these claims: {', '.join(sorted(reserved))}")


def claims_of(family: Family) -> dict[str, Any]:
    """Return the claims of the login. Raises `MalformedToken` if the store does not return the text that was stored."""
    return parse_object(family.claims.encode()) if family.claims else {}


def _claims_text(claims: Mapping[str, Any] | None) -> str | None:
    """Return *claims* as compact JSON for the store, or None for none."""
    if claims is None:
        return None
    if not isinstance(claims, Mapping):
        raise ValueError("claims= takes a dict")  # noqa: TRY004 - one error type for all values that cannot go into a token
    try:
        members = dict(claims.items())
    except Exception:  # noqa: BLE001 - of the application's mapping, whose text may quote
        raise ValueError("claims= is a mapping that cannot be read") from None
    check_claim_names(members, "claims=")
    validate_extra_claims(members)
    encoded = dump_object(members)
    try:
        parse_object(encoded)  # as at every refresh
    except MalformedToken:
        raise ValueError("claims= is not strict JSON") from None
    if len(encoded) > _MAX_CLAIMS_LENGTH:
        raise ValueError(f"claims= has more than {_MAX_CLAIMS_LENGTH} bytes as JSON: keep what is larger in a database")
    return encoded.decode() if members else None


def _label_text(label: str | None) -> str | None:
    """Return *label* if it has at most 64 printable characters, or None for an empty one."""
    if label is None:
        return None
    text = plain(label)
    if type(text) is not str:
        raise ValueError("label= must be a string")
    if len(text) > _MAX_LABEL_LENGTH or not text.isprintable():
        raise ValueError(f"label= takes at most {_MAX_LABEL_LENGTH} printable characters, without line breaks")
    return text or None


def _lifetime(value: float | timedelta | None, name: str, limit: int) -> int | None:
    """Return *value* in whole seconds. One beyond the *limit* is refused, not cut: the caller would not notice."""
    if value is None:
        return None
    try:
        return int(seconds(value, name, minimum=1, maximum=limit))
    except ConfigurationError:
        raise ValueError(
            f"{name}= must be a timedelta or a number of seconds, from 1 second to the {name}= of the TokenService, "
            f"which is {timedelta(seconds=limit)}"
        ) from None


def _methods(amr: Iterable[str]) -> tuple[str, ...]:
    methods = (amr,) if isinstance(amr, str) else listed(amr)
    if methods is None:
        raise ValueError("amr= must be a list of strings")
    return tuple(plain_text(one, "amr") for one in methods)

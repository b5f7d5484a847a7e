"""The issuer: makes short-lived RFC 9068 access tokens, with no claims beside the required and the given ones.

Refused: a client that would pass for a user, tokens too large for any verifier, and some extra claims. These must not
set what the issuer sets or a header does, name another kind of token, be a parameter of another library (it would be
signed and never read), or hold values that JSON bends or no verifier reads.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, final

from gatepass.common.allow import Allow, allowed
from gatepass.common.limits import MAX_ACCESS_TTL, numeric_date
from gatepass.common.scope import scope_tokens
from gatepass.common.settings import audience_names, clock_function, issuer_name, seconds
from gatepass.common.texts import plain
from gatepass.errors import ConfigurationError
from gatepass.jose.compact import MAX_TOKEN_LENGTH, encode_base64url
from gatepass.jose.strict_json import MAX_DEPTH, dump_object, dump_text
from gatepass.keyring import KeyRing
from gatepass.keys import Key, KeySet
from gatepass.keys.key_set import key_set
from gatepass.tokens.profile import Profile

__all__ = ["TokenIssuer", "only_audience"]

_MAX_CONSTANT_PARTS = 1_024
_PLAIN_SCOPE_TYPES = (str, list, tuple)
_ISSUER_CLAIMS = frozenset(("iss", "aud", "sub", "client_id", "iat", "exp", "nbf", "jti", "scope", "cnf"))
_HEADER_MEMBERS = frozenset(
    ("alg", "typ", "kid", "cty", "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "headers")
)
_REFUSED_CLAIMS = _ISSUER_CLAIMS | _HEADER_MEMBERS | Profile.GENERIC.prohibited
_LIFETIME_HINT = "use access_ttl= of TokenIssuer, or not_after="
_CLAIMS_HINT = 'give each claim by its own name, as in issue("anna", tenant="north"), or all of a dict with **'
# Parameter names of other libraries.
_NEAR_MISSES = {
    "scopes": "use scope=",
    **dict.fromkeys(("expires_in", "expires_delta", "lifetime", "ttl"), _LIFETIME_HINT),
    **dict.fromkeys(("claims", "additional_claims", "extra_claims", "user_claims"), _CLAIMS_HINT),
    "additional_headers": "a token's header is the issuer's to set",
}
_STRING_LISTS = frozenset(("roles", "groups", "entitlements", "amr"))


@final
class TokenIssuer:
    """Issues access tokens (RFC 9068).

    *issuer* is this service's https URL. *audience* names the API that the tokens are for; where several are
    named, each token is for one of them, chosen at `issue`. *keys* hold the key that signs; with a `KeyRing` it is
    the one that is active at the time. *client_id* is the default for `issue`. *access_ttl* (seconds or timedelta) is
    15 minutes unless given, at most a day. *clock* gives the seconds since 1970, `time.time` unless given. *allow*:
    `HTTP_ON_LOOPBACK` for development, `NON_HTTPS_ISSUER` for an issuer that is a name.

    >>> from gatepass import Key
    >>> issuer = TokenIssuer(
    ...     issuer="https://auth.example", audience="https://api.example", keys=Key.generate("ES256"), client_id="web"
    ... )
    >>> issuer.issue("anna", scope=["orders:read"]).count(".")
    2
    """

    __slots__ = ("_client_id", "_clock", "_constant_parts", "_ring", "_signer", "_ttl", "audience", "issuer")

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Iterable[str],
        keys: Key | KeySet | KeyRing | Iterable[Key],
        client_id: str | None = None,
        access_ttl: float | timedelta = timedelta(minutes=15),
        clock: Callable[[], float] | None = None,
        allow: Allow = (),
    ) -> None:
        self.issuer: str = issuer_name(plain(issuer), allowed(allow))
        self.audience: tuple[str, ...] = audience_names(audience, "name the API that the tokens are for")
        if client_id is not None and not (isinstance(client_id, str) and client_id):
            raise ConfigurationError("client_id= must be a non-empty string")
        self._client_id = plain(client_id)
        self._ttl = int(seconds(access_ttl, "access_ttl", minimum=1, maximum=MAX_ACCESS_TTL))
        self._clock = clock_function(clock, owner="TokenIssuer")
        self._constant_parts: dict[tuple[object, ...], bytes] = {}
        self._ring = keys if isinstance(keys, KeyRing) else None
        if isinstance(keys, KeyRing) and self._ttl > keys.access_ttl.total_seconds():
            raise ConfigurationError("access_ttl= is longer than the key ring's, which would remove keys too early")
        self._signer = _signer(keys.current() if isinstance(keys, KeyRing) else key_set(keys))

    @property
    def client_id(self) -> str | None:
        """The client that tokens are for unless `issue` names another."""
        return self._client_id

    @property
    def access_ttl(self) -> timedelta:
        """How long a token lives: the `expires_in` of a token response."""
        return timedelta(seconds=self._ttl)

    def issue(
        self,
        subject: str,
        *,
        scope: str | Iterable[str] = (),
        client_id: str | None = None,
        audience: str | None = None,
        not_after: datetime | None = None,
        **claims: Any,
    ) -> str:
        """A token that lets *client_id* act for the user *subject*.

        *scope* is a list of scope tokens or their blank-separated text. Further *claims* are added as they are;
        `roles`, `groups`, `entitlements` and `amr` must be lists of strings. *not_after* (an aware datetime) ends the
        token earlier than its lifetime would. The client and the user can read a token: put nothing into it that they
        should not see (RFC 9068 section 6).

        Raises `ValueError` when an argument cannot go into a token, and `KeysUnavailable` when a `KeyRing` cannot
        be read.
        """
        client = client_id if client_id is not None else self._client_id
        if client is None:
            raise ValueError("client_id is missing: give it here or to TokenIssuer (RFC 9068 requires it)")
        if type(subject) is not str or type(client) is not str:
            subject, client = plain(subject), plain(client)
        if subject == client:
            raise ValueError("a user must not bear the client's name; for a client's own token call issue_to_client")
        return self._issue(subject, client, scope, audience, claims, not_after=not_after)

    def issue_to_client(
        self,
        client_id: str,
        *,
        scope: str | Iterable[str] = (),
        audience: str | None = None,
        not_after: datetime | None = None,
        **claims: Any,
    ) -> str:
        """A token for a client that acts for itself: `sub` and `client_id` are the same (RFC 9068 section 2.2)."""
        client = plain(client_id)
        return self._issue(client, client, scope, audience, claims, not_after=not_after)

    def _issue(
        self,
        subject: str,
        client_id: str,
        scope: str | Iterable[str],
        audience: str | None,
        extra: dict[str, Any],
        *,
        not_after: datetime | None,
    ) -> str:
        if type(subject) is not str or not subject:
            raise ValueError("subject must be a non-empty string; write str(user.id) for a number")
        try:
            now = int(self._clock())
        except (OverflowError, ValueError):
            raise ValueError("the clock gives no seconds: no token can be dated so") from None
        if now < 0:
            raise ValueError("the clock says that it is before 1970: no token can be dated so")
        expires = now + self._ttl if not_after is None else min(now + self._ttl, numeric_date(not_after, "not_after"))
        variable_part = f'"sub":{dump_text(subject)},"iat":{now},"exp":{expires},"jti":"{_new_token_id()}"'
        extra_part = b"}"
        if extra:
            validate_extra_claims(extra)
            extra_part = b"," + dump_object(extra)[1:]
        payload = self._constant_part(client_id, audience, scope) + variable_part.encode() + extra_part
        signer = self._signer if self._ring is None else self._current_signer(self._ring)
        signing_input = signer.header + encode_base64url(payload)
        token = (signing_input + b"." + encode_base64url(signer.key.sign(signing_input))).decode()
        if len(token) > MAX_TOKEN_LENGTH:
            raise ValueError(f"this token has more than {MAX_TOKEN_LENGTH} characters; put fewer claims into it")
        return token

    def _current_signer(self, ring: KeyRing) -> _Signer:
        signer, keys = self._signer, ring.current()
        if keys is not signer.keys:
            signer = self._signer = _signer(keys)
        return signer

    def _constant_part(self, client_id: str, audience: str | None, scope: str | Iterable[str]) -> bytes:
        """The members that repeat from token to token, checked and encoded once: `{"iss":...,` up to a comma."""
        if audience is not None and type(audience) is not str:
            audience = plain(audience)
        if type(scope) not in _PLAIN_SCOPE_TYPES:
            scope = plain(scope) if isinstance(scope, str) else scope_tokens(scope)
        key: tuple[object, ...]
        try:
            if type(scope) is str:
                key = client_id, audience, scope
            else:  # by its text, because a subclass of str may define its own comparison; no valid scope holds a NUL
                key = client_id, audience, "\0".join(scope), len(scope)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            known = self._constant_parts.get(key)
        except TypeError:
            raise ValueError("client_id= and audience= take a string, scope= a string or a list of strings") from None
        if known is not None:
            return known
        if type(client_id) is not str or not client_id:
            raise ValueError("client_id must be a non-empty string")
        claims = {"iss": self.issuer, "aud": self._choose_audience(audience), "client_id": client_id}
        scopes = scope_tokens(scope)
        if scopes:
            claims["scope"] = " ".join(scopes)
        if len(self._constant_parts) >= _MAX_CONSTANT_PARTS:
            self._constant_parts.clear()
        part = self._constant_parts[key] = dump_object(claims)[:-1] + b","
        return part

    def _choose_audience(self, audience: str | None) -> str:
        if audience is None:
            return only_audience(self.audience)
        if audience not in self.audience:
            raise ValueError("audience is not one of those that this issuer was made for")
        return audience

    def __repr__(self) -> str:
        return f"<TokenIssuer {self.issuer}, {self._signer.key.algorithm}>"


def only_audience(audiences: tuple[str, ...]) -> str:
    """The audience of an issuer that has one. Raises `ValueError` where there are several."""
    first, *others = audiences
    if others:
        raise ValueError("this issuer serves several audiences: say which one with audience=")
    return first


def validate_extra_claims(claims: Mapping[str, Any]) -> None:
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


class _Signer(NamedTuple):
    """The key that signs under *keys*, and the header that it signs, up to the dot."""

    keys: KeySet
    key: Key
    header: bytes


def _signer(keys: KeySet) -> _Signer:
    if not any(key.can_sign for key in keys):
        raise ConfigurationError(
            "keys= is a public key, which only checks; TokenIssuer needs the private key or a secret"
        )
    key = keys.signing_key
    header = {"alg": key.algorithm, "typ": "at+jwt", **({} if key.kid is None else {"kid": key.kid})}
    return _Signer(keys, key, encode_base64url(dump_object(header)) + b".")


def _new_token_id() -> str:
    """128 random bits in base64url, which needs no escape in JSON."""
    return encode_base64url(secrets.token_bytes(16)).decode()


def _check_json(value: Any, *, room: int) -> None:
    """Refuse values that no verifier reads or that the JSON encoder would convert. *room*: levels left to nest."""
    if isinstance(value, (dict, list, tuple)):
        if not room:
            raise ValueError(f"a claim is nested deeper than {MAX_DEPTH}, which no verifier takes")
        if isinstance(value, dict) and not all(isinstance(name, str) for name in value):  # pyright: ignore[reportUnknownVariableType]
            raise ValueError("the member names of a claim must be strings")
        for member in value.values() if isinstance(value, dict) else value:  # pyright: ignore[reportUnknownVariableType]
            _check_json(member, room=room - 1)
    elif value is not None and not isinstance(value, (str, int, float)):
        raise ValueError("a claim holds what JSON has no word for: give strings, numbers, lists and dicts of them")

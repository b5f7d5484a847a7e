"""The issuer: makes short-lived RFC 9068 access tokens with the required claims and those that the caller gives.

Refused: a user with the name of the client, tokens too large for any verifier, and some extra claims. An extra claim
must not be one that the issuer or the header sets, mark another kind of token, have the name of another library's
parameter (it would be signed and never read), or contain values that JSON would change or verifiers refuse. Tuples
become arrays.
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
from gatepass.common.texts import is_plain_name, plain
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
    "additional_headers": "only the issuer sets a token's header",
}
_STRING_LISTS = frozenset(("roles", "groups", "entitlements", "amr"))


@final
class TokenIssuer:
    """Issues access tokens (RFC 9068).

    *issuer* is this service's https URL. *audience* names the API that the tokens are for; of several, each token is
    for one, chosen at `issue`. *keys* contain the key that signs; with a `KeyRing` it is the key that is active at the
    time. *client_id* is the default for `issue`. *access_ttl* (seconds or timedelta) is 15 minutes by default, at most
    a day. *clock* returns the seconds since 1970, `time.time` by default. *allow*: `HTTP_ON_LOOPBACK` for development,
    `NON_HTTPS_ISSUER` for an issuer that is a name.

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
        """The client of tokens for which `issue` gets no *client_id*."""
        return self._client_id

    @property
    def access_ttl(self) -> timedelta:
        """The lifetime of a token: the `expires_in` of a token response."""
        return timedelta(seconds=self._ttl)

    def issue(
        self,
        /,
        subject: str,
        *,
        scope: str | Iterable[str] = (),
        client_id: str | None = None,
        audience: str | None = None,
        not_after: datetime | None = None,
        **claims: Any,
    ) -> str:
        """Issue a token with which *client_id* acts for the user *subject*.

        *scope* is a list of scope tokens or a blank-separated string. Extra *claims* are added unchanged; `roles`,
        `groups`, `entitlements` and `amr` must be lists of strings. *not_after* (an aware datetime) makes the token
        expire before the end of its lifetime. The client and the user can read a token, so it must not contain data
        that they should not see (RFC 9068 section 6).

        Raises `ValueError` if an argument cannot be put into a token, and `KeysUnavailable` if a `KeyRing` cannot be
        read.
        """
        client = client_id if client_id is not None else self._client_id
        if client is None:
            raise ValueError("client_id= is missing: give it here or to TokenIssuer (RFC 9068 requires it)")
        if type(subject) is not str or type(client) is not str:
            subject, client = plain(subject), plain(client)
        if subject == client:
            raise ValueError("subject= and client_id= must differ; for a client's own token call issue_to_client")
        return self._issue(subject, client, scope, audience, claims, not_after=not_after)

    def issue_to_client(
        self,
        /,
        client_id: str,
        *,
        scope: str | Iterable[str] = (),
        audience: str | None = None,
        not_after: datetime | None = None,
        **claims: Any,
    ) -> str:
        """Issue a token to a client that acts for itself: `sub` and `client_id` are the same (RFC 9068 section 2.2)."""
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
            raise ValueError("subject= must be a non-empty string; write str(user.id) for a number")
        try:
            now = int(self._clock())
        except (OverflowError, ValueError):
            raise ValueError("the clock does not return seconds, so a token cannot be dated") from None
        if now < 0:
            raise ValueError("the clock returns a time before 1970, so a token cannot be dated")
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
        """Return the members that many tokens share, checked and encoded once: `{"iss":...,` up to a comma."""
        if audience is not None and type(audience) is not str:
            audience = plain(audience)
        if type(scope) not in _PLAIN_SCOPE_TYPES:
            scope = plain(scope) if isinstance(scope, str) else scope_tokens(scope)
        key: tuple[object, ...]
        try:
            if type(scope) is str:
                key = client_id, audience, scope
            else:  # joined, because a subclass of str may define its own comparison; no valid scope contains a NUL
                key = client_id, audience, "\0".join(scope), len(scope)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            known = self._constant_parts.get(key)
        except TypeError:
            raise ValueError("client_id= and audience= take a string, scope= a string or a list of strings") from None
        if known is not None:
            return known
        if type(client_id) is not str or not client_id:
            raise ValueError("client_id= must be a non-empty string")
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
            raise ValueError("audience= must be one of the audience= of TokenIssuer")
        return audience

    def __repr__(self) -> str:
        return f"<TokenIssuer {self.issuer}, {self._signer.key.algorithm}>"


def only_audience(audiences: tuple[str, ...]) -> str:
    """Return the only audience of an issuer. Raises `ValueError` if there are several."""
    first, *others = audiences
    if others:
        raise ValueError("this issuer has several audiences: choose one with audience=")
    return first


def validate_extra_claims(claims: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless *claims* may be added to a token."""
    if not all(map(is_plain_name, claims)):
        raise ValueError("the names of claims must be plain strings")
    refused = _REFUSED_CLAIMS.intersection(claims)
    if refused:
        raise ValueError(f"the caller must not set these claims: {', '.join(sorted(refused))}")
    for name in _NEAR_MISSES.keys() & claims.keys():
        raise ValueError(f"{name} is not a claim: {_NEAR_MISSES[name]}")
    for name in _STRING_LISTS.intersection(claims):
        values = claims[name]
        if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):  # pyright: ignore[reportUnknownVariableType]
            raise ValueError(f"{name}= must be a list of strings")
    for value in claims.values():
        _check_json(value, levels=MAX_DEPTH - 1)


class _Signer(NamedTuple):
    """The signing key of *keys*, and the encoded header with its dot."""

    keys: KeySet
    key: Key
    header: bytes


def _signer(keys: KeySet) -> _Signer:
    if not any(key.can_sign for key in keys):
        raise ConfigurationError(
            "keys= is a public key, which cannot sign; TokenIssuer needs the private key or a secret"
        )
    key = keys.signing_key
    header = {"alg": key.algorithm, "typ": "at+jwt", **({} if key.kid is None else {"kid": key.kid})}
    return _Signer(keys, key, encode_base64url(dump_object(header)) + b".")


def _new_token_id() -> str:
    """Return 128 random bits in base64url, which needs no escapes in JSON."""
    return encode_base64url(secrets.token_bytes(16)).decode()


def _check_json(value: Any, *, levels: int) -> None:
    """Refuse values that verifiers refuse or that the JSON encoder would convert. *levels*: how deep they may nest."""
    if isinstance(value, (dict, list, tuple)):
        if not levels:
            raise ValueError(f"a claim is nested deeper than {MAX_DEPTH}, which no verifier accepts")
        if isinstance(value, dict) and not all(map(is_plain_name, value)):  # pyright: ignore[reportUnknownArgumentType]
            raise ValueError("the member names of a claim must be plain strings")
        for member in value.values() if isinstance(value, dict) else value:  # pyright: ignore[reportUnknownVariableType]
            _check_json(member, levels=levels - 1)
    elif value is not None and not isinstance(value, (str, int, float)):
        raise ValueError("a claim holds a value that JSON lacks: use strings, numbers, lists and dicts of them")

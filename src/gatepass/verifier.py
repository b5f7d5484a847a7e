"""The verifier: text in, `AccessToken` out, or an `AuthError`. Its policy is fixed when it is made.

The order is that of RFC 8725: structure; the unverified issuer, type and algorithm, which may only reject; the
key; the signature; then time, audience and the other claims; then the application's own hooks.
No claim is visible to anybody before the signature holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, final

from gatepass.access_token import AccessToken, verified
from gatepass.claims import NamedCheck, compile_checks, compile_ordinary, issuer_check
from gatepass.compact import Parts, decode_base64url, take_apart
from gatepass.errors import (
    ConfigurationError,
    DisallowedAlgorithm,
    InvalidSignature,
    MalformedToken,
    UnknownKey,
    UnsupportedToken,
    WrongTokenType,
)
from gatepass.hooks import Hook, Question, RunBlocking, check_subject_hook, is_revoked_hook
from gatepass.keys import Key, KeySet
from gatepass.keys.algorithms import algorithm_named
from gatepass.profile import AnyAudience, AnyIssuer, Profile
from gatepass.settings import audience_names, https_url, key_set, seconds
from gatepass.strict_json import parse_object

__all__ = ["TokenVerifier"]

_MAX_LEEWAY = 300.0
_MAX_KID_LENGTH = 1_024
_MAX_REMEMBERED_HEADERS = 128
_MAX_TOKEN_AGE = 366 * 86_400.0


@final
class TokenVerifier:
    """Verifies the access tokens of one issuer.

    *issuer* must equal `iss` character for character; *audience* is this service's own identifier, or several.
    *keys* are the issuer's. *algorithms* restricts them further. *profile* says what counts as an access token.
    *leeway* (seconds or timedelta, at most 300) covers clocks that disagree. *max_token_age* refuses tokens
    issued longer ago than that. *trial_keys* bounds how many keys are tried when a token names no `kid`.
    *is_revoked* and *check_subject* are asked last; each takes the `AccessToken` and answers True or False.

    Raises `ConfigurationError` when a setting is missing, weak or contradictory.

    >>> from gatepass import Key, TokenIssuer
    >>> key = Key.generate("ES256")
    >>> issuer = TokenIssuer(issuer="https://auth.example", audience="https://api.example", keys=key, client_id="web")
    >>> verifier = TokenVerifier(issuer="https://auth.example", audience="https://api.example", keys=key.public())
    >>> verifier.verify(issuer.issue("anna")).subject
    'anna'
    """

    __slots__ = (
        "_check_issuer",
        "_checks",
        "_clock",
        "_is_ordinary",
        "_known_headers",
        "_trial_keys",
        "algorithms",
        "hooks",
        "issuer",
        "keys",
        "named_checks",
        "profile",
    )

    def __init__(
        self,
        *,
        issuer: str | AnyIssuer = "",
        audience: str | Iterable[str] | AnyAudience = (),
        keys: Key | KeySet | Iterable[Key] | None = None,
        algorithms: Iterable[str] | None = None,
        profile: Profile = Profile.RFC9068,
        leeway: float | timedelta = 30,
        max_token_age: float | timedelta | None = None,
        trial_keys: int = 4,
        clock: Callable[[], float] = time.time,
        is_revoked: Question | None = None,
        check_subject: Question | None = None,
    ) -> None:
        if keys is None:
            raise ConfigurationError("keys= is missing: give the issuer's Key or KeySet")
        if not isinstance(profile, Profile):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError("profile= must be a Profile, such as Profile.RFC9068 or Profile.GENERIC")
        if type(trial_keys) is not int or not 0 <= trial_keys <= 16:
            raise ConfigurationError("trial_keys= must be a number from 0 to 16")
        tolerated = seconds(leeway, "leeway", least=0, most=_MAX_LEEWAY)
        oldest = (
            None if max_token_age is None else seconds(max_token_age, "max_token_age", least=1, most=_MAX_TOKEN_AGE)
        )
        accepted: frozenset[str] | AnyAudience = (
            audience
            if isinstance(audience, AnyAudience)
            else frozenset(
                audience_names(audience, "name this service, or say ANY_AUDIENCE to accept tokens made for others")
            )
        )
        self.issuer: str | AnyIssuer = _issuer(issuer, profile)
        self.keys: KeySet = key_set(keys)
        self.algorithms: frozenset[str] = _allowed(self.keys, algorithms)
        self.profile: Profile = profile
        self.named_checks: tuple[NamedCheck, ...] = (
            NamedCheck("issuer", issuer_check(self.issuer)),
            *compile_checks(profile, audience=accepted, leeway=tolerated, max_token_age=oldest),
        )
        self.hooks: tuple[Hook, ...] = (
            *([] if is_revoked is None else [is_revoked_hook(is_revoked)]),
            *([] if check_subject is None else [check_subject_hook(check_subject)]),
        )
        self._check_issuer, *checks = (named.check for named in self.named_checks)
        self._checks = tuple(checks)
        self._is_ordinary = compile_ordinary(profile, audience=accepted, leeway=tolerated, max_token_age=oldest)
        self._clock = clock
        self._trial_keys = trial_keys
        self._known_headers: dict[bytes, tuple[Key, ...]] = {}

    def verify(self, token: str) -> AccessToken:
        """The verified *token*, or an `AuthError`; nothing else is raised, whatever the input."""
        return self.verify_parsed(take_apart(token))

    async def verify_async(self, token: str, *, run_blocking: RunBlocking) -> AccessToken:
        """`verify` for an event loop: hooks are awaited, or run by *run_blocking* in a worker thread."""
        return await self.verify_parsed_async(take_apart(token), run_blocking)

    def verify_parsed(self, unverified: Parts) -> AccessToken:
        """`verify` for a token that was taken apart already, to choose among issuers."""
        token = self._prove(unverified)
        for hook in self.hooks:
            hook.check(token)
        return token

    async def verify_parsed_async(self, unverified: Parts, run_blocking: RunBlocking) -> AccessToken:
        """`verify_async` for a token that was taken apart already."""
        token = self._prove(unverified)
        for hook in self.hooks:
            await hook.check_async(token, run_blocking)
        return token

    def candidates(self, header: Mapping[str, Any]) -> tuple[Key, ...]:
        """The keys that may have signed under *header*. Raises where the header alone is reason to refuse."""
        _check_extensions(header)
        _check_type(header, self.profile)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            raise DisallowedAlgorithm("alg")
        if "kid" not in header:
            fitting = self.keys.fitting(algorithm)
            if not 0 < len(fitting) <= self._trial_keys:
                raise UnknownKey("no kid, and no key or too many keys to try")
            return fitting
        kid = header["kid"]
        if not isinstance(kid, str) or len(kid) > _MAX_KID_LENGTH:
            raise MalformedToken("kid is not a short string")
        found = self.keys.named(kid, algorithm)
        if not found:
            raise DisallowedAlgorithm("alg is not the key's") if self.keys.knows(kid) else UnknownKey("kid")
        return found

    def _prove(self, unverified: Parts) -> AccessToken:
        segment, signing_input, signature, claims = unverified
        if claims.get("iss") != self.issuer:
            self._check_issuer(claims, 0.0)  # a foreign issuer costs no key and no signature
        keys = self._known_headers.get(segment)
        if keys is None:
            keys = self.candidates(parse_object(decode_base64url(segment)))
        for key in keys:
            if key.verifies(signing_input, signature):
                break
        else:
            raise InvalidSignature
        if segment not in self._known_headers:
            self._remember(segment, keys)
        now = self._clock()
        if not self._is_ordinary(claims, now):
            for check in self._checks:
                check(claims, now)
        return verified(claims)

    def _remember(self, segment: bytes, keys: tuple[Key, ...]) -> None:
        # Only headers of good signatures come here, so strangers cannot fill the table.
        if len(self._known_headers) >= _MAX_REMEMBERED_HEADERS:
            self._known_headers.clear()
        self._known_headers[segment] = keys

    def __repr__(self) -> str:
        return f"<TokenVerifier of {self.issuer}, {self.profile.name}>"


def _issuer(issuer: object, profile: Profile) -> str | AnyIssuer:
    if isinstance(issuer, AnyIssuer):
        return issuer
    # Outside RFC 9068 some issuers are names, such as accounts.google.com.
    if "at+jwt" not in profile.types and isinstance(issuer, str) and issuer and "://" not in issuer:
        return issuer
    return https_url(issuer, "issuer")


def _allowed(keys: KeySet, algorithms: Iterable[str] | None) -> frozenset[str]:
    if algorithms is None:
        return keys.algorithms
    if isinstance(algorithms, str) or not isinstance(algorithms, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError('algorithms= takes a list, such as algorithms=["ES256"]')
    named = frozenset(algorithm_named(name).name for name in algorithms)
    if not keys.algorithms <= named:
        raise ConfigurationError("algorithms= leaves out the algorithm of one of the keys: add it, or drop the key")
    return named


def _check_extensions(header: Mapping[str, Any]) -> None:
    if "crit" in header or "b64" in header:  # no extension is understood (RFC 7515 section 4.1.11, RFC 7797 section 7)
        raise UnsupportedToken("a critical header extension")
    content = header.get("cty")
    if isinstance(content, str) and _media_type(content) == "jwt":
        raise UnsupportedToken("a nested token")


def _check_type(header: Mapping[str, Any], profile: Profile) -> None:
    if "typ" not in header:
        kind = None
    elif isinstance(header["typ"], str):
        kind = _media_type(header["typ"])
    else:
        raise WrongTokenType("typ is not a string")
    if kind not in profile.types:
        raise WrongTokenType("typ")


def _media_type(value: str) -> str:
    """RFC 7515 section 4.1.9: case does not matter, and `application/` may be left out."""
    return value.lower().removeprefix("application/")

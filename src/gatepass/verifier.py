"""The verifier: text in, `AccessToken` out, or an `AuthError`. Its policy is fixed when it is made.

The order is that of RFC 8725: structure; the unverified issuer, type and algorithm, which may only reject; the
key; the signature; then time, audience and the other claims; then the application's own hooks.
No claim is visible to anybody before the signature holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import timedelta
from typing import Any, final

from gatepass.access_token import AccessToken, verified
from gatepass.claims import NamedCheck, compile_checks, compile_ordinary, issuer_check
from gatepass.compact import Parts, decode_base64url, take_apart
from gatepass.errors import ConfigurationError, InvalidSignature, UnknownKey
from gatepass.header import accepted_algorithm, key_id
from gatepass.held_keys import HeldKeys
from gatepass.hooks import Hook, Question, RunBlocking, check_subject_hook, is_revoked_hook
from gatepass.jwks import IssuerMetadata, JWKSClient
from gatepass.key_source import Fetch, KeySource, settle, settle_async
from gatepass.keys import Key, KeySet
from gatepass.profile import AnyAudience, AnyIssuer, Profile
from gatepass.settings import algorithm_names, asymmetric_names, audience_names, https_url, key_set, seconds
from gatepass.strict_json import parse_object

__all__ = ["TokenVerifier"]

_MAX_LEEWAY = 300.0
_MAX_TOKEN_AGE = 366 * 86_400.0


@final
class TokenVerifier:
    """Verifies the access tokens of one issuer.

    *issuer* must equal `iss` character for character; *audience* is this service's own identifier, or several.
    *keys* are the issuer's: a `Key`, a `KeySet` or a `KeySource` such as `JWKSClient`; left out, they are found through
    the issuer's metadata (RFC 8414) and need the extra `gatepass[jwks]`. *algorithms* restricts them further.
    *profile* says what counts as an access token. *leeway* (seconds or timedelta, at most 300) covers clocks that
    disagree. *max_token_age* refuses tokens issued longer ago than that. *trial_keys* bounds how many keys are tried
    when a token names no `kid`.
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
        "_held",
        "_is_ordinary",
        "_source",
        "_trial_keys",
        "algorithms",
        "hooks",
        "issuer",
        "named_checks",
        "profile",
    )

    def __init__(
        self,
        *,
        issuer: str | AnyIssuer = "",
        audience: str | Iterable[str] | AnyAudience = (),
        keys: Key | KeySet | KeySource | Iterable[Key] | None = None,
        algorithms: Iterable[str] | None = None,
        profile: Profile = Profile.RFC9068,
        leeway: float | timedelta = 30,
        max_token_age: float | timedelta | None = None,
        trial_keys: int = 4,
        clock: Callable[[], float] = time.time,
        is_revoked: Question | None = None,
        check_subject: Question | None = None,
    ) -> None:
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
        if keys is None:
            keys = _discovered(self.issuer, algorithms)
        self._source: KeySource | None = keys if isinstance(keys, KeySource) else None
        self._held: HeldKeys = HeldKeys(None if isinstance(keys, KeySource) else key_set(keys))
        self.algorithms: frozenset[str] = _allowed(self._held.keys, algorithms)
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

    @property
    def may_wait(self) -> bool:
        """Whether a token may have to wait for keys to be fetched."""
        return self._source is not None

    def verify(self, token: str) -> AccessToken:
        """The verified *token*, or an `AuthError`; nothing else is raised, whatever the input."""
        return self.verify_parsed(take_apart(token))

    async def verify_async(self, token: str, *, run_blocking: RunBlocking) -> AccessToken:
        """`verify` for an event loop: hooks are awaited, or run by *run_blocking* in a worker thread."""
        return await self.verify_parsed_async(take_apart(token), run_blocking)

    def verify_parsed(self, unverified: Parts) -> AccessToken:
        """`verify` for a token that was taken apart already, to choose among issuers."""
        held = self._held if self._source is None else self._current(self._source)
        try:
            token = self._prove(unverified, held)
        except UnknownKey:
            if self._source is None:
                raise
            token = settle(self._search(self._source, unverified, held.keys))
        for hook in self.hooks:
            hook.check(token)
        return token

    async def verify_parsed_async(self, unverified: Parts, run_blocking: RunBlocking) -> AccessToken:
        """`verify_async` for a token that was taken apart already."""
        held = self._held if self._source is None else self._current(self._source)
        try:
            token = self._prove(unverified, held)
        except UnknownKey:
            if self._source is None:
                raise
            token = await settle_async(self._search(self._source, unverified, held.keys), run_blocking)
        for hook in self.hooks:
            await hook.check_async(token, run_blocking)
        return token

    def candidates(self, header: Mapping[str, Any]) -> tuple[Key, ...]:
        """The keys of this instant that may have signed under *header*. Raises where it is reason to refuse."""
        return self._candidates(header, self._held if self._source is None else self._current(self._source))

    def _candidates(self, header: Mapping[str, Any], held: HeldKeys) -> tuple[Key, ...]:
        algorithm = accepted_algorithm(header, self.profile, self.algorithms)
        return held.candidates(key_id(header), algorithm, most=self._trial_keys)

    def _prove(self, unverified: Parts, held: HeldKeys) -> AccessToken:
        segment, signing_input, signature, claims = unverified
        if claims.get("iss") != self.issuer:
            self._check_issuer(claims, 0.0)  # a foreign issuer costs no key and no signature
        keys = held.known.get(segment)
        if keys is None:
            keys = self._candidates(parse_object(decode_base64url(segment)), held)
        for key in keys:
            if key.verifies(signing_input, signature):
                break
        else:
            raise InvalidSignature
        if segment not in held.known:
            held.remember(segment, keys)
        now = self._clock()
        if not self._is_ordinary(claims, now):
            for check in self._checks:
                check(claims, now)
        return verified(claims, self.profile.names)

    def _current(self, source: KeySource) -> HeldKeys:
        keys = source.current()
        held = self._held
        if held.keys is not keys:
            held = self._held = HeldKeys(keys)
        return held

    def _search(self, source: KeySource, unverified: Parts, seen: KeySet | None) -> Generator[Fetch, None, AccessToken]:
        """Prove a token whose key is not among those *seen*; what is yielded must be waited for."""
        segment, _, _, claims = unverified
        now = self._clock()
        for check in self._checks:  # nobody vouches for the claims yet, so they may only refuse: junk fetches nothing
            check(claims, now)
        for fetch in source.search(key_id(parse_object(decode_base64url(segment))), seen):
            yield fetch
            try:
                return self._prove(unverified, self._current(source))
            except UnknownKey:
                continue
        raise UnknownKey("kid")

    def __repr__(self) -> str:
        return f"<TokenVerifier of {self.issuer}, {self.profile.name}>"


def _issuer(issuer: object, profile: Profile) -> str | AnyIssuer:
    if isinstance(issuer, AnyIssuer):
        return issuer
    # Outside RFC 9068 some issuers are names, such as accounts.google.com.
    if "at+jwt" not in profile.types and isinstance(issuer, str) and issuer and "://" not in issuer:
        return issuer
    return https_url(issuer, "issuer")


def _discovered(issuer: str | AnyIssuer, algorithms: Iterable[str] | None) -> KeySource:
    if isinstance(issuer, AnyIssuer) or "://" not in issuer:
        raise ConfigurationError("keys= is missing: only an issuer with a URL can be asked where its keys are")
    return JWKSClient(IssuerMetadata(issuer), algorithms=algorithms)


def _allowed(keys: KeySet | None, algorithms: Iterable[str] | None) -> frozenset[str]:
    if keys is None:
        return frozenset(asymmetric_names(algorithms))
    if algorithms is None:
        return keys.algorithms
    named = frozenset(algorithm_names(algorithms))
    if not keys.algorithms <= named:
        raise ConfigurationError("algorithms= leaves out the algorithm of one of the keys: add it, or drop the key")
    return named

"""The verifier: text in, `AccessToken` out, or an `AuthError`. Its policy is fixed when it is made.

The order is that of RFC 8725: structure; the unverified issuer, type and algorithm, which may only reject; the
key; the signature; then time, audience and the other claims; then the application's own hooks.
No claim is visible to anybody before the signature holds.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from copy import copy
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar, final

from gatepass.common.allow import HTTP_ON_LOOPBACK, Allow, Allowed, allowed
from gatepass.common.limits import MAX_LEEWAY, YEAR
from gatepass.common.settings import audience_names, clock_function, seconds
from gatepass.common.texts import plain
from gatepass.errors import ConfigurationError, InvalidSignature, UnknownKey
from gatepass.jose.compact import Parts, decode_base64url, octets_of, take_apart
from gatepass.jose.strict_json import parse_object
from gatepass.jwks import IssuerMetadata, JWKSClient
from gatepass.jwks.http import fetchable
from gatepass.keyring import KeyRing
from gatepass.keys import Key, KeySet
from gatepass.keys.key_set import algorithm_names, asymmetric_names, key_set
from gatepass.keys.source import Fetch, KeySource, RunBlocking, run, run_async
from gatepass.tokens.access_token import AccessToken, verified
from gatepass.tokens.cache import HeldKeys, KnownTokens, digest_of
from gatepass.tokens.claims import (
    NamedCheck,
    compile_checks,
    compile_end,
    compile_ordinary,
    issuer_check,
    never_ordinary,
)
from gatepass.tokens.header import accepted_algorithm, key_id
from gatepass.tokens.hooks import Hook, Question, check_subject_hook, is_revoked_hook
from gatepass.tokens.profile import ANY_AUDIENCE, AnyAudience, AnyIssuer, Profile, verified_issuer

__all__ = ["TokenVerifier", "VerifyingKeys", "verifying_keys"]

_T = TypeVar("_T")
_MAX_CACHE_TTL = 300.0
_MAX_CACHE_SIZE = 1_000_000
_MOST_TRIAL_KEYS = 16
_CHECKS_FOR_REVOCATION = {"expiry", "identifiers"}


@final
class TokenVerifier:
    """Verifies the access tokens of one issuer.

    *issuer* must equal `iss` character for character; *audience* is this service's own identifier, or several.
    *keys* are the issuer's: a `Key`, a `KeySet` or a `KeySource` such as `JWKSClient`; left out, they are found through
    the issuer's metadata (RFC 8414) and need the extra `gatepass[jwks]`. *algorithms* restricts them further.
    A single `Key` whose `kid` was computed, and not given, is tried for any `kid` of a token.
    *profile* says what counts as an access token. *leeway* (seconds or timedelta, at most 300) covers clocks that
    disagree. *max_token_age* refuses tokens issued longer ago than that. *trial_keys* bounds how many keys are tried
    when a token names no `kid`.
    *is_revoked* and *check_subject* are asked last; each takes the `AccessToken` and answers True or False.
    *clock* gives the seconds since 1970, `time.time` unless given.
    *cache_ttl* (seconds or timedelta, at most 300; 0, the default, is off) remembers which tokens were proved, at most
    *cache_size* of them: the same text is not proved again while its keys and its time last. Hooks are always asked.
    *allow*: `HTTP_ON_LOOPBACK` for development, `NON_HTTPS_ISSUER` for an issuer that is a name; it needs *keys*.

    Raises `ConfigurationError` when a setting is missing, weak or contradictory.

    >>> from gatepass import Key, TokenIssuer
    >>> key = Key.generate("ES256")
    >>> issuer = TokenIssuer(issuer="https://auth.example", audience="https://api.example", keys=key, client_id="web")
    >>> verifier = TokenVerifier(issuer="https://auth.example", audience="https://api.example", keys=key.public())
    >>> verifier.verify(issuer.issue("anna")).subject
    'anna'
    """

    __slots__ = (
        "_check_issuer", "_checks", "_clock", "_end_of", "_given", "_held", "_is_ordinary", "_remembers", "_source",
        "_trial_keys", "algorithms", "hooks", "issuer", "named_checks", "profile",
    )  # fmt: skip

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
        clock: Callable[[], float] | None = None,
        is_revoked: Question | None = None,
        check_subject: Question | None = None,
        cache_ttl: float | timedelta = 0,
        cache_size: int = 1_000,
        allow: Allow = (),
    ) -> None:
        if not isinstance(profile, Profile):
            raise ConfigurationError(f"profile= must be a Profile, such as {Profile.like(profile)}")
        if type(trial_keys) is not int or not 0 <= trial_keys <= _MOST_TRIAL_KEYS:
            raise ConfigurationError(f"trial_keys= must be a number from 0 to {_MOST_TRIAL_KEYS}")
        if type(cache_size) is not int or not 2 <= cache_size <= _MAX_CACHE_SIZE:
            raise ConfigurationError(f"cache_size= must be a number from 2 to {_MAX_CACHE_SIZE}")
        tolerated = seconds(leeway, "leeway", minimum=0, maximum=MAX_LEEWAY)
        oldest = None if max_token_age is None else seconds(max_token_age, "max_token_age", minimum=1, maximum=YEAR)
        accepted: frozenset[str] | AnyAudience = (
            audience
            if isinstance(audience, AnyAudience)
            else frozenset(
                audience_names(audience, "name this service, or say ANY_AUDIENCE to accept tokens made for others")
            )
        )
        permitted = allowed(allow)
        self.issuer: str | AnyIssuer = verified_issuer(plain(issuer), profile, permitted)
        given = verifying_keys(keys, issuer=self.issuer, algorithms=algorithms, leeway=tolerated, allow=permitted)
        self._given: KeySet | KeySource = given.keys
        self.algorithms: frozenset[str] = given.algorithms
        self._source: KeySource | None = given.source
        remembered = seconds(cache_ttl, "cache_ttl", minimum=0, maximum=_MAX_CACHE_TTL)
        self._remembers = remembered > 0
        self._held: HeldKeys = HeldKeys(
            given.fixed, KnownTokens(ttl=remembered, size=cache_size), any_kid=given.any_kid
        )
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
        self._end_of = compile_end(leeway=tolerated, max_token_age=oldest)
        self._clock = clock_function(clock, owner="TokenVerifier")
        self._trial_keys = trial_keys

    @property
    def keys(self) -> KeySet | KeySource:
        """What the verifier goes by; without *keys* it is the `JWKSClient` that asks the issuer."""
        return self._given

    def seconds_left(self, token: AccessToken) -> float:
        """For how long *token* would still pass, by this verifier's clock and leeway; negative once it does not."""
        return self._end_of(token._claims) - self._clock()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    @property
    def may_wait(self) -> bool:
        """Whether a token may have to wait for keys to be fetched."""
        return self._source is not None

    def verify(self, token: str) -> AccessToken:
        """The verified *token*, or an `AuthError`; nothing else is raised, whatever the input."""
        known = self._known(octets_of(token)) if self._remembers else None
        return self._admitted(known or self._established(take_apart(token)))

    async def verify_async(self, token: str, *, run_blocking: RunBlocking) -> AccessToken:
        """`verify` for an event loop: hooks are awaited, or run by *run_blocking* in a worker thread."""
        known = self._known(octets_of(token)) if self._remembers else None
        proved = known or await self._established_async(take_apart(token), run_blocking)
        return await self._admitted_async(proved, run_blocking)

    def verify_parsed(self, unverified: Parts) -> AccessToken:
        """`verify` for a token that was taken apart already, to choose among issuers."""
        known = self._known(unverified[0]) if self._remembers else None
        return self._admitted(known or self._established(unverified))

    async def verify_parsed_async(self, unverified: Parts, run_blocking: RunBlocking) -> AccessToken:
        """`verify_async` for a token that was taken apart already."""
        known = self._known(unverified[0]) if self._remembers else None
        proved = known or await self._established_async(unverified, run_blocking)
        return await self._admitted_async(proved, run_blocking)

    def _for_revocation(self) -> TokenVerifier:
        """A verifier of the tokens that are worth revoking: a service may accept them, now or later (RFC 7009).

        It checks the issuer's signature, the identifiers, and an end that no leeway and no clock puts off. It does not
        check audience, start, age and hooks: another service may accept what this one refuses, or this one a minute
        later.
        """
        other = copy(self)
        checks = compile_checks(self.profile, audience=ANY_AUDIENCE, leeway=2 * MAX_LEEWAY, max_token_age=None)
        kept = [named for named in checks if named.name in _CHECKS_FOR_REVOCATION]
        other.named_checks = (self.named_checks[0], *kept)
        other.hooks = ()
        other._checks = tuple(named.check for named in kept)  # noqa: SLF001 - a copy of ourselves
        other._is_ordinary = never_ordinary  # noqa: SLF001 - a copy of ourselves
        other._remembers = False  # noqa: SLF001 - a copy of ourselves
        other._trial_keys = _MOST_TRIAL_KEYS  # noqa: SLF001 - a copy of ourselves
        # Which keys a header has is another matter with more of them.
        other._held = HeldKeys(self._held.keys, KnownTokens(ttl=0, size=2), any_kid=self._held.any_kid)  # noqa: SLF001 - a copy of ourselves
        return other

    def candidates(self, header: Mapping[str, Any]) -> tuple[Key, ...]:
        """The keys of this instant that may have signed under *header*. Raises where it is reason to refuse."""
        return self._candidates(header, self._held if self._source is None else self._current(self._source))

    def sought(self, header: Mapping[str, Any]) -> tuple[Key, ...]:
        """`candidates` after the fetches that `verify` would wait for, had the token's claims passed every check."""
        if self._source is None:
            return self._candidates(header, self._held)
        source, held = self._source, self._current(self._source)
        try:
            return self._candidates(header, held)
        except UnknownKey:
            pass
        return run(_tried(source, key_id(header), held.keys, lambda: self.candidates(header)))

    def _candidates(self, header: Mapping[str, Any], held: HeldKeys) -> tuple[Key, ...]:
        algorithm = accepted_algorithm(header, self.profile, self.algorithms)
        return held.candidates(key_id(header), algorithm, most=self._trial_keys)

    def _known(self, octets: bytes) -> AccessToken | None:
        """The token with this text, if it was proved with the keys of this instant and is still good."""
        held = self._held if self._source is None else self._current(self._source)
        return held.tokens.find(digest_of(octets), self._clock())

    def _established(self, unverified: Parts) -> AccessToken:
        held = self._held if self._source is None else self._current(self._source)
        try:
            return self._prove(unverified, held)
        except UnknownKey:
            if self._source is None:
                raise
        return run(self._search(self._source, unverified, held.keys))

    async def _established_async(self, unverified: Parts, run_blocking: RunBlocking) -> AccessToken:
        held = self._held if self._source is None else self._current(self._source)
        try:
            return self._prove(unverified, held)
        except UnknownKey:
            if self._source is None:
                raise
        return await run_async(self._search(self._source, unverified, held.keys), run_blocking)

    def _admitted(self, token: AccessToken) -> AccessToken:
        for hook in self.hooks:
            hook.check(token)
        return token

    async def _admitted_async(self, token: AccessToken, run_blocking: RunBlocking) -> AccessToken:
        for hook in self.hooks:
            await hook.check_async(token, run_blocking)
        return token

    def _prove(self, unverified: Parts, held: HeldKeys) -> AccessToken:
        octets, segment, signing_input, signature, claims = unverified
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
        token = verified(claims, self.profile.names)
        if self._remembers:
            held.tokens.keep(digest_of(octets), token, now=now, ends=self._end_of(claims))
        return token

    def _current(self, source: KeySource) -> HeldKeys:
        keys = source.current()
        held = self._held
        if held.keys is not keys:
            held = self._held = HeldKeys(keys, held.tokens.emptied())
        return held

    def _search(self, source: KeySource, unverified: Parts, seen: KeySet | None) -> Generator[Fetch, None, AccessToken]:
        """Prove a token whose key is not among those *seen*; what is yielded must be waited for."""
        _, segment, _, _, claims = unverified
        now = self._clock()
        for check in self._checks:  # nobody vouches for the claims yet, so they may only refuse: junk fetches nothing
            check(claims, now)
        kid = key_id(parse_object(decode_base64url(segment)))
        return (yield from _tried(source, kid, seen, lambda: self._prove(unverified, self._current(source))))

    def __repr__(self) -> str:
        return f"<TokenVerifier of {self.issuer}, {self.profile.name}>"


def _tried(
    source: KeySource, kid: str | None, seen: KeySet | None, attempt: Callable[[], _T]
) -> Generator[Fetch, None, _T]:
    """What *attempt* returns after one of the fetches that may bring the key *kid*."""
    for fetch in source.fetch_missing(kid, seen):
        yield fetch
        try:
            return attempt()
        except UnknownKey:
            continue
    raise UnknownKey("kid")


class VerifyingKeys(NamedTuple):
    """Keys that stay, or a source of keys that change; and the algorithms that a token may name."""

    keys: KeySet | KeySource
    algorithms: frozenset[str]
    any_kid: bool = False
    """Whether the keys are a single one, given by hand, of which no `kid` is known (RFC 7515 section 4.1.4)."""

    @property
    def fixed(self) -> KeySet | None:
        return self.keys if isinstance(self.keys, KeySet) else None

    @property
    def source(self) -> KeySource | None:
        return self.keys if isinstance(self.keys, KeySource) else None


def verifying_keys(
    keys: Key | KeySet | KeySource | Iterable[Key] | None,
    *,
    issuer: str | AnyIssuer,
    algorithms: Iterable[str] | None,
    leeway: float,
    allow: Allowed,
) -> VerifyingKeys:
    """What *keys* means; left out, *issuer* is asked for them. Raises `ConfigurationError`."""
    if isinstance(keys, KeyRing) and leeway > keys.leeway.total_seconds():
        raise ConfigurationError(
            "leeway= is longer than the key ring's, which would remove keys too early: give KeyRing the longest leeway="
        )
    if keys is None:
        keys = _discovered(issuer, algorithms, allow)
    if isinstance(keys, KeySource):
        return VerifyingKeys(keys, frozenset(asymmetric_names(algorithms)))
    fixed = key_set(keys)
    any_kid = isinstance(keys, Key) and not keys.is_named
    return VerifyingKeys(fixed, _allowed(fixed, algorithms), any_kid)


def _discovered(issuer: str | AnyIssuer, algorithms: Iterable[str] | None, allow: Allowed) -> KeySource:
    loopback = (HTTP_ON_LOOPBACK,) if allow.http_on_loopback else ()
    if isinstance(issuer, AnyIssuer) or "://" not in issuer:
        raise ConfigurationError("keys= is missing: only an issuer with a URL can be asked where its keys are")
    if not fetchable(issuer, allow):
        raise ConfigurationError(
            "keys= is missing: an issuer without an https URL is not asked where its keys are; give keys=, such as a "
            "JWKSClient with their address"
        )
    return JWKSClient(IssuerMetadata(issuer, allow=loopback), algorithms=algorithms)


def _allowed(keys: KeySet, algorithms: Iterable[str] | None) -> frozenset[str]:
    if algorithms is None:
        return keys.algorithms
    named = frozenset(algorithm_names(algorithms))
    if not keys.algorithms <= named:
        raise ConfigurationError("algorithms= leaves out the algorithm of one of the keys: add it, or drop the key")
    return named

"""The verifier: returns an `AccessToken` for the text of a token, or raises an `AuthError`. Its policy is immutable.

The order of checks is that of RFC 8725: structure; the unverified issuer, type and algorithm, which can only reject;
the key; the signature; then time, audience and the other claims; then the application's hooks.
If the key must be fetched, the unverified claims are checked too before the fetch: they can only reject.
No claim leaves this module before the signature is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from copy import copy
from datetime import timedelta
from typing import Any, TypeVar, final

from gatepass.common.allow import Allow, allowed
from gatepass.common.event_loop import RunBlocking
from gatepass.common.limits import MAX_LEEWAY, YEAR
from gatepass.common.settings import audience_names, clock_function, seconds
from gatepass.common.texts import plain
from gatepass.errors import ConfigurationError, InvalidSignature, UnknownKey
from gatepass.jose.compact import CompactParts, decode_base64url, split_compact, to_bytes
from gatepass.jose.strict_json import parse_object
from gatepass.keys import Key, KeySet
from gatepass.keys.source import Fetch, KeySource, run, run_async
from gatepass.tokens.access_token import AccessToken, from_verified_claims
from gatepass.tokens.cache import VerifiedTokenCache, digest_of
from gatepass.tokens.claims import (
    NamedCheck,
    compile_checks,
    compile_fast_path,
    compile_valid_until,
    issuer_check,
    no_fast_path,
)
from gatepass.tokens.header import accepted_algorithm, key_id
from gatepass.tokens.hooks import Hook, HookFunction, check_subject_hook, is_revoked_hook
from gatepass.tokens.key_selection import KeySnapshot, resolve_keys
from gatepass.tokens.profile import ANY_AUDIENCE, AnyAudience, AnyIssuer, Profile, expected_issuer

__all__ = ["TokenVerifier"]

_T = TypeVar("_T")
_Fetching = Generator[Fetch, None, AccessToken]
"""The steps to a token whose key must be fetched. It yields each fetch to wait for."""
_MAX_CACHE_TTL = 300.0
_MAX_CACHE_SIZE = 1_000_000
_MAX_TRIAL_KEYS = 16
_CHECKS_FOR_REVOCATION = {"expiry", "identifiers"}


@final
class TokenVerifier:
    """Verifies the access tokens of one issuer.

    *issuer* must equal `iss` character for character; *audience* is this service's own identifier, or several. *keys*
    are the issuer's: a `Key`, a `KeySet` or a `KeySource` such as `JWKSClient`. Without *keys*, they are fetched
    through the issuer's metadata (RFC 8414), which needs the extra `gatepass[jwks]`. *algorithms* restricts them
    further. A single `Key` whose `kid` was computed, not given, is tried for tokens with any `kid`, unless *trial_keys*
    is 0. *profile* defines which tokens count as access tokens. *leeway* (seconds or timedelta, at most 300) is for
    clocks that disagree. *max_token_age* refuses tokens that were issued longer ago. *trial_keys* limits how many keys
    are tried for a token without `kid`. *is_revoked* and *check_subject* are called last; each takes the `AccessToken`
    and returns True or False. *clock* returns the seconds since 1970, `time.time` by default. *cache_ttl* (seconds or
    timedelta, at most 300; 0, the default, disables it) caches verified tokens, at most *cache_size* of them: the same
    text is not verified again in that time, unless the keys change or the token expires. Hooks are always called.
    *allow*: `HTTP_ON_LOOPBACK` for development, `NON_HTTPS_ISSUER` for an issuer that is a name; this needs *keys*.

    Raises `ConfigurationError` when a setting is missing, weak or contradictory.

    >>> from gatepass import Key, TokenIssuer
    >>> key = Key.generate("ES256")
    >>> issuer = TokenIssuer(issuer="https://auth.example", audience="https://api.example", keys=key, client_id="web")
    >>> verifier = TokenVerifier(issuer="https://auth.example", audience="https://api.example", keys=key.public())
    >>> verifier.verify(issuer.issue("anna")).subject
    'anna'
    """

    __slots__ = (
        "_caches", "_check_issuer", "_checks", "_clock", "_keys", "_passes_fast_path", "_snapshot", "_source",
        "_trial_keys", "_valid_until", "algorithms", "hooks", "issuer", "named_checks", "profile",
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
        is_revoked: HookFunction | None = None,
        check_subject: HookFunction | None = None,
        cache_ttl: float | timedelta = 0,
        cache_size: int = 1_000,
        allow: Allow = (),
    ) -> None:
        if not isinstance(profile, Profile):
            raise ConfigurationError(f"profile= must be a Profile, such as {Profile.suggestion(profile)}")
        if type(trial_keys) is not int or not 0 <= trial_keys <= _MAX_TRIAL_KEYS:
            raise ConfigurationError(f"trial_keys= must be a number from 0 to {_MAX_TRIAL_KEYS}")
        if type(cache_size) is not int or not 2 <= cache_size <= _MAX_CACHE_SIZE:
            raise ConfigurationError(f"cache_size= must be a number from 2 to {_MAX_CACHE_SIZE}")
        leeway_seconds = seconds(leeway, "leeway", minimum=0, maximum=MAX_LEEWAY)
        max_age = None if max_token_age is None else seconds(max_token_age, "max_token_age", minimum=1, maximum=YEAR)
        audiences: frozenset[str] | AnyAudience = (
            audience
            if isinstance(audience, AnyAudience)
            else frozenset(
                audience_names(audience, "name this service, or use ANY_AUDIENCE to accept tokens made for others")
            )
        )
        permitted = allowed(allow)
        self.issuer: str | AnyIssuer = expected_issuer(plain(issuer), profile, permitted)
        resolved = resolve_keys(keys, issuer=self.issuer, algorithms=algorithms, leeway=leeway_seconds, allow=permitted)
        self._keys = resolved.keys
        self.algorithms: frozenset[str] = resolved.algorithms
        self._source: KeySource | None = resolved.source
        cached_for = seconds(cache_ttl, "cache_ttl", minimum=0, maximum=_MAX_CACHE_TTL)
        self._caches = cached_for > 0
        self._snapshot = KeySnapshot(
            resolved.fixed, VerifiedTokenCache(ttl=cached_for, size=cache_size), any_kid=resolved.any_kid
        )
        self.profile: Profile = profile
        self.named_checks: tuple[NamedCheck, ...] = (
            NamedCheck("issuer", issuer_check(self.issuer)),
            *compile_checks(profile, audience=audiences, leeway=leeway_seconds, max_token_age=max_age),
        )
        self.hooks: tuple[Hook, ...] = (
            *([] if is_revoked is None else [is_revoked_hook(is_revoked)]),
            *([] if check_subject is None else [check_subject_hook(check_subject)]),
        )
        self._check_issuer, *checks = (named.check for named in self.named_checks)
        self._checks = tuple(checks)
        self._passes_fast_path = compile_fast_path(
            profile, audience=audiences, leeway=leeway_seconds, max_token_age=max_age
        )
        self._valid_until = compile_valid_until(leeway=leeway_seconds, max_token_age=max_age)
        self._clock = clock_function(clock, owner="TokenVerifier")
        self._trial_keys = trial_keys

    def verify(self, token: str) -> AccessToken:
        """Verify *token*. For any input, raises an `AuthError` and no other exception.

        A verifier with a coroutine function as a hook raises `ConfigurationError`: use `verify_async`.
        """
        cached = self._cached(to_bytes(token)) if self._caches else None
        return self._finish(cached or self._attempt(split_compact(token)))

    async def verify_async(self, token: str, *, run_blocking: RunBlocking) -> AccessToken:
        """Verify *token* under an event loop: hooks are awaited, or *run_blocking* runs them in a worker thread."""
        cached = self._cached(to_bytes(token)) if self._caches else None
        return await self._finish_async(cached or self._attempt(split_compact(token)), run_blocking)

    def verify_parsed(self, parts: CompactParts) -> AccessToken:
        """Verify a token that was already split to choose its issuer."""
        cached = self._cached(parts[0]) if self._caches else None
        return self._finish(cached or self._attempt(parts))

    async def verify_parsed_async(self, parts: CompactParts, run_blocking: RunBlocking) -> AccessToken:
        """Verify a token that was already split, under an event loop."""
        cached = self._cached(parts[0]) if self._caches else None
        return await self._finish_async(cached or self._attempt(parts), run_blocking)

    @property
    def keys(self) -> KeySet | KeySource:
        """The keys or their source. Without *keys*, the `JWKSClient` that fetches them from the issuer."""
        return self._keys

    def seconds_left(self, token: AccessToken) -> float:
        """Return how long *token* stays valid, by this verifier's clock and leeway; negative after its end."""
        return self._valid_until(token._claims) - self._clock()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    @property
    def may_wait(self) -> bool:
        """True if the verification of a token may wait for a fetch of keys."""
        return self._source is not None

    def candidates(self, header: Mapping[str, Any]) -> tuple[Key, ...]:
        """Return the current keys that may have signed under *header*. Raises an `AuthError` for a refused header."""
        return self._candidates(header, self._current_snapshot())

    def candidates_after_fetch(self, header: Mapping[str, Any]) -> tuple[Key, ...]:
        """Return `candidates` after the fetches that `verify` waits for. The claims are not checked before."""
        snapshot = self._current_snapshot()
        try:
            return self._candidates(header, snapshot)
        except UnknownKey:
            if self._source is None:
                raise
        return run(_retry_after(self._source, key_id(header), snapshot.keys, lambda: self.candidates(header)))

    def _for_revocation(self) -> TokenVerifier:
        """Return a verifier of the tokens that must be revocable: a service may accept them, now or later (RFC 7009).

        It checks the issuer's signature, the identifiers, and the expiry with twice the largest leeway, so that no
        service with another leeway or clock still accepts the token. It does not check audience, start, age and hooks:
        another service may accept a token that this one refuses, or this service may accept it a minute later.
        """
        other = copy(self)
        checks = compile_checks(self.profile, audience=ANY_AUDIENCE, leeway=2 * MAX_LEEWAY, max_token_age=None)
        selected = [named for named in checks if named.name in _CHECKS_FOR_REVOCATION]
        other.named_checks = (self.named_checks[0], *selected)
        other.hooks = ()
        other._checks = tuple(named.check for named in selected)  # noqa: SLF001 - a copy of this object
        other._passes_fast_path = no_fast_path  # noqa: SLF001 - a copy of this object
        other._caches = False  # noqa: SLF001 - a copy of this object
        other._trial_keys = _MAX_TRIAL_KEYS  # noqa: SLF001 - a copy of this object
        # With more trial keys a header may select other keys, so the copy has its own table.
        own = self._snapshot
        other._snapshot = KeySnapshot(own.keys, own.tokens.empty_copy(), any_kid=own.any_kid)  # noqa: SLF001 - a copy of this object
        return other

    def _candidates(self, header: Mapping[str, Any], snapshot: KeySnapshot) -> tuple[Key, ...]:
        algorithm = accepted_algorithm(header, self.profile, self.algorithms)
        return snapshot.candidates(key_id(header), algorithm, limit=self._trial_keys)

    def _cached(self, octets: bytes) -> AccessToken | None:
        """Return the cached token with this text, if it was verified with the current keys and is still valid."""
        snapshot = self._snapshot if self._source is None else self._current_snapshot()
        return snapshot.tokens.find(digest_of(octets), self._clock())

    def _attempt(self, parts: CompactParts) -> AccessToken | _Fetching:
        """Return the verified token, or the steps to it if its key must be fetched first."""
        snapshot = self._snapshot if self._source is None else self._current_snapshot()
        try:
            return self._verify_with(snapshot, parts)
        except UnknownKey:
            if self._source is None:
                raise
        return self._fetch_and_verify(self._source, parts, snapshot.keys)

    def _finish(self, found: AccessToken | _Fetching) -> AccessToken:
        # Hooks are not steps of the generator: a call with a hook would take 14 % longer, and 60 % from the cache.
        token = found if isinstance(found, AccessToken) else run(found)
        for hook in self.hooks:
            hook.check(token)
        return token

    async def _finish_async(self, found: AccessToken | _Fetching, run_blocking: RunBlocking) -> AccessToken:
        token = found if isinstance(found, AccessToken) else await run_async(found, run_blocking)
        for hook in self.hooks:
            await hook.check_async(token, run_blocking)
        return token

    def _verify_with(self, snapshot: KeySnapshot, parts: CompactParts) -> AccessToken:
        """Check signature and claims. Raises `UnknownKey` if *snapshot* has no key for the token."""
        octets, segment, signing_input, signature, claims = parts
        if claims.get("iss") != self.issuer:
            self._check_issuer(claims, 0.0)  # refuse a foreign issuer before any work on keys and signature
        keys = snapshot.keys_by_header.get(segment)
        if keys is None:
            keys = self._candidates(parse_object(decode_base64url(segment)), snapshot)
        for key in keys:
            if key.verifies(signing_input, signature):
                break
        else:
            raise InvalidSignature
        if segment not in snapshot.keys_by_header:
            snapshot.remember(segment, keys)
        now = self._clock()
        if not self._passes_fast_path(claims, now):
            for check in self._checks:
                check(claims, now)
        token = from_verified_claims(claims, self.profile.names)
        if self._caches:
            snapshot.tokens.add(digest_of(octets), token, now=now, ends=self._valid_until(claims))
        return token

    def _current_snapshot(self) -> KeySnapshot:
        """Return the current keys. If they changed, drop the cache of the old keys."""
        snapshot = self._snapshot
        keys = snapshot.keys if self._source is None else self._source.current()
        if keys is not snapshot.keys:
            snapshot = self._snapshot = KeySnapshot(keys, snapshot.tokens.empty_copy())
        return snapshot

    def _fetch_and_verify(self, source: KeySource, parts: CompactParts, seen: KeySet | None) -> _Fetching:
        """Verify a token whose key is not among *seen*. The caller must wait for each fetch that is yielded."""
        _, segment, _, _, claims = parts
        now = self._clock()
        for check in self._checks:  # unverified, so they can only reject: invalid claims cause no fetch
            check(claims, now)
        kid = key_id(parse_object(decode_base64url(segment)))
        return (yield from _retry_after(source, kid, seen, lambda: self._verify_with(self._current_snapshot(), parts)))

    def __repr__(self) -> str:
        return f"<TokenVerifier of {self.issuer}, {self.profile.name}>"


def _retry_after(
    source: KeySource, kid: str | None, seen: KeySet | None, attempt: Callable[[], _T]
) -> Generator[Fetch, None, _T]:
    """Return the result of *attempt* after one of the fetches that may bring the key *kid*."""
    for fetch in source.fetch_missing(kid, seen):
        yield fetch
        try:
            return attempt()
        except UnknownKey:
            continue
    raise UnknownKey("kid")

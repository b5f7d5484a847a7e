"""Revoke access tokens: one by `jti`, those of a family, or all of a subject or client issued before a moment.

A verifier takes an `AccessTokenRevocation` as `is_revoked=`. An entry is kept only while a token that it concerns could
still be valid, so the list stays short. If the store is unreachable, the response is 503, unless `fail_open_for=` says
for how long the check fails open. The response is also 503 for a token that lives longer than its entry would be kept,
because a revoked one would become valid again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, final

from gatepass.common.limits import MAX_ACCESS_TTL, MAX_LEEWAY
from gatepass.common.settings import clock_function, seconds
from gatepass.common.texts import plain
from gatepass.errors import ConfigurationError, RevocationUnavailable
from gatepass.revocation.store import FailOpen, LastAnswer, RevocationCache, RevocationStore
from gatepass.tokens.access_token import AccessToken

__all__ = ["AccessTokenRevocation"]

# Twice the largest leeway: once for the verifier's clock, once for tokens that the issuer's clock dated in the future.
_KEEP_MARGIN: Final = 2 * MAX_LEEWAY + 1
_MAX_CACHE_TTL: Final = 60.0
_MAX_FAIL_OPEN: Final = 300.0
_MAX_CACHE_SIZE: Final = 1_000_000
_OUTLIVES_ENTRY: Final = (
    "a token lives longer than its revocation would be kept: "
    "give AccessTokenRevocation the longest lifetime of any issuer on its store as access_ttl="
)


@final
class AccessTokenRevocation:
    """Revokes access tokens before they expire. A verifier checks it: `TokenVerifier(..., is_revoked=revocation)`.

    *access_ttl* is the longest lifetime of a token that any issuer on this store makes (seconds or timedelta). For a
    token that lives longer, and would outlive its revocation, the response is 503. Entries are kept for that lifetime
    and all the leeway that a verifier may have. After shortening the issuer's tokens, keep *access_ttl* until the
    longer ones have expired.

    Every check queries the store once. *cache_ttl* (at most 60 seconds, default 0: off) is how long this process caches
    that a token is not revoked, for at most *cache_size* tokens. A revocation by another process then takes effect up
    to *cache_ttl* later, a revocation through this object at once.

    If the store is unreachable, the response is 503. With *fail_open_for* (at most 300 seconds, default 0: never),
    tokens are accepted unchecked for that long after the store last answered this process, and the log says so.
    *clock* returns the seconds since 1970, `time.time` by default.

    >>> from gatepass.stores.memory import MemoryStore
    >>> revocation = AccessTokenRevocation(MemoryStore(), access_ttl=900)
    >>> revocation.revoke_subject("anna")
    """

    __slots__ = ("_clock", "_lifetime", "_max_lifetime", "_shared", "_store", "access_ttl")

    def __init__(
        self,
        store: RevocationStore,
        *,
        access_ttl: float | timedelta,
        cache_ttl: float | timedelta = 0,
        cache_size: int = 10_000,
        fail_open_for: float | timedelta = 0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not isinstance(store, RevocationStore):
            raise ConfigurationError("store= must be a RevocationStore, such as SQLiteStore(path)")
        lifetime = seconds(access_ttl, "access_ttl", minimum=1, maximum=MAX_ACCESS_TTL)
        self._max_lifetime = lifetime + 1  # the issuer may have rounded
        self._lifetime = int(lifetime) + _KEEP_MARGIN
        self.access_ttl: timedelta = timedelta(seconds=lifetime)
        """The longest lifetime of an access token that can be revoked here."""
        cached_for = seconds(cache_ttl, "cache_ttl", minimum=0, maximum=_MAX_CACHE_TTL)
        if type(cache_size) is not int or not 1 <= cache_size <= _MAX_CACHE_SIZE:
            raise ConfigurationError(f"cache_size= must be a number from 1 to {_MAX_CACHE_SIZE}")
        self._shared = store
        open_for = seconds(fail_open_for, "fail_open_for", minimum=0, maximum=_MAX_FAIL_OPEN)
        last_answer = LastAnswer(store)
        self._store: RevocationStore = last_answer if open_for else store
        if cached_for:
            self._store = RevocationCache(self._store, ttl=cached_for, size=cache_size)
        if open_for:
            self._store = FailOpen(self._store, last_answer, limit=open_for)
        self._clock = clock_function(clock, owner="AccessTokenRevocation")

    def __call__(self, token: AccessToken) -> bool:
        """Return whether *token* was revoked. The verifier turns errors of the store into 503."""
        claims = token._claims  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - properties would double the cost of a check
        client = token._names.client  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the same
        now = int(self._clock())
        issued = claims.get("iat")
        if claims["exp"] - (now + MAX_LEEWAY if issued is None else issued) > self._max_lifetime:
            raise RevocationUnavailable(_OUTLIVES_ENTRY)
        keys = _keys_of(claims, client)
        # A token without keys cannot have been revoked. A query would count as an answer of the store, for `FailOpen`.
        until = self._store.revoked_until(keys, now=now) if keys else None
        if until is None:
            return False
        # A token without iat counts as issued before any revocation.
        return issued is None or int(issued) <= until

    def revoke_token(self, token: AccessToken) -> None:
        """Revoke one token, by its `jti`. Raises `ValueError` for a token without one."""
        if token.token_id is None:
            raise ValueError("this token cannot be revoked by its jti: it has none")
        # A jti is unique per issuer only; an issuer contains no blank, so the key is unambiguous.
        self._put(f"jti:{token.issuer} {token.token_id}", also_later=True, end=token.expires_at)

    def revoke_family(self, family_id: str) -> None:
        """Revoke every access token of a family, including those issued later."""
        self._put(_key("family", family_id), also_later=True)

    def ensure_family_revoked(self, family_id: str, *, since: int) -> None:
        """Repeat `revoke_family` if it failed when the family was revoked at *since*. Usually this only reads."""
        now = int(self._clock())
        if now <= since + self._lifetime and self._shared.revoked_until([_key("family", family_id)], now=now) is None:
            self.revoke_family(family_id)

    def revoke_subject(self, subject: str) -> None:
        """Revoke every access token of *subject* issued up to and including this second."""
        self._put_all(_key("subject", subject))

    def revoke_client(self, client_id: str) -> None:
        """Revoke every access token of a client issued up to and including this second."""
        self._put_all(_key("client", client_id))

    def last_revocations(self, subject: str, client_id: str) -> tuple[int | None, int | None]:
        """Return a number each for *subject* and the client that grows with each revocation of all their tokens.

        Does not read the cache.
        """
        now, names = int(self._clock()), (_key("subject", subject), _key("client", client_id))
        by_subject, by_client = (self._shared.revoked_until((_count_of(name),), now=now) for name in names)
        return by_subject, by_client

    def purge(self, *, limit: int = 1_000) -> int:
        """Delete at most *limit* entries that concern no valid token any more. Returns how many."""
        return self._store.purge_revocations(before=int(self._clock()), limit=limit)

    def _put_all(self, key: str) -> None:
        """Revoke the tokens of *key* until now, and count the revocation: several may be in one second."""
        now, count = self._clock(), _count_of(key)
        last = self._shared.revoked_until((count,), now=int(now)) or 0
        number = max(last + 1, int(now * 1_000_000))
        self._store.put_revocation(count, issued_until=number, keep_until=int(now) + self._lifetime)
        self._put(key, also_later=False)

    def _put(self, key: str, *, also_later: bool, end: datetime | None = None) -> None:
        """Revoke the tokens of *key*, with *also_later* including those issued from now on. *end*: a token's expiry."""
        now = int(self._clock())
        keep_until = now + self._lifetime
        if end is not None:
            keep_until = max(keep_until, int(end.timestamp()) + _KEEP_MARGIN)
        self._store.put_revocation(key, issued_until=keep_until if also_later else now, keep_until=keep_until)


def _keys_of(claims: dict[str, Any], client: tuple[str, ...]) -> list[str]:
    """Return all keys that revoke a token with these verified *claims*. *client*: the claims that may name its client.

    This runs on every request, so the usual token, which has all these claims, takes one lookup for each.
    """
    try:
        keys = [f"jti:{claims['iss']} {claims['jti']}", "subject:" + claims["sub"], "client:" + claims[client[0]]]
    except KeyError:
        keys = _fewer_keys_of(claims, client)
    if "family_id" in claims:
        family_id = claims["family_id"]
        if type(family_id) is str:  # another issuer's claim may be of any type
            keys.append("family:" + family_id)
    return keys


def _fewer_keys_of(claims: dict[str, Any], client: tuple[str, ...]) -> list[str]:
    """Return the keys of a token that lacks a claim, as lenient profiles allow, or has its client in another one."""
    keys = [f"jti:{claims.get('iss')} {claims['jti']}"] if "jti" in claims else []
    if "sub" in claims:
        keys.append("subject:" + claims["sub"])
    for name in client:
        if name in claims:
            keys.append("client:" + claims[name])
            break  # all claims that are present agree
    return keys


def _count_of(key: str) -> str:
    """Return the key under which the revocations of *key* are counted. No token has it."""
    return f"count {key}"


def _key(kind: str, name: str) -> str:
    """Return the key that revokes all tokens of one family, subject or client."""
    return f"{kind}:{plain(name)}"

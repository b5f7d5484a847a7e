"""Revoked access tokens: by `jti`, by family, or all of a subject's or a client's that were issued before a moment.

`AccessTokenRevocation` is what a verifier takes as `is_revoked=`. An entry is kept only while a token that it concerns
could still be alive, so the list stays as short as access tokens are short-lived. A store that cannot be asked is
503, unless `fail_open_for=` says for how long the check fails open. So is a token that lives longer than its entry
would: it would be good again.
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

# Twice the most that a verifier tolerates: once for its clock, once for a token that the issuer's clock dated ahead.
_KEEP_MARGIN: Final = 2 * MAX_LEEWAY + 1
_MAX_CACHE_TTL: Final = 60.0
_MAX_FAIL_OPEN: Final = 300.0
_MAX_CACHE_SIZE: Final = 1_000_000
_TOO_LONG: Final = (
    "a token lives longer than what would revoke it: "
    "give AccessTokenRevocation the longest life of any issuer on its store as access_ttl="
)


@final
class AccessTokenRevocation:
    """Revokes access tokens before their time, and tells a verifier: `TokenVerifier(..., is_revoked=revocation)`.

    *access_ttl* is the longest life of a token that any issuer on this store makes (seconds or timedelta); a token that
    lives longer is 503, because it would outlive what revokes it. Entries outlive such tokens by all the leeway that a
    verifier may have. After shortening the issuer's tokens, leave it until the longer ones are gone.

    Every check asks the store once. *cache_ttl* (at most 60 seconds, default 0: off) lets this process remember that a
    token is not revoked, for at most *cache_size* tokens: what another process revokes is then seen up to so many
    seconds late, and what is revoked through this object at once.

    A store that cannot be asked is 503. *fail_open_for* (at most 300 seconds, default 0: never) is the other choice:
    for so long after the store last answered this process, tokens are accepted unchecked; the log says so.
    *clock* gives the seconds since 1970, `time.time` unless given.

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
        self._max_lifetime = lifetime + 1  # an issuer may have rounded
        self._lifetime = int(lifetime) + _KEEP_MARGIN
        self.access_ttl: timedelta = timedelta(seconds=lifetime)
        """The longest life of an access token that can be revoked here."""
        remembered = seconds(cache_ttl, "cache_ttl", minimum=0, maximum=_MAX_CACHE_TTL)
        if type(cache_size) is not int or not 1 <= cache_size <= _MAX_CACHE_SIZE:
            raise ConfigurationError(f"cache_size= must be a number from 1 to {_MAX_CACHE_SIZE}")
        self._shared = store
        open_for = seconds(fail_open_for, "fail_open_for", minimum=0, maximum=_MAX_FAIL_OPEN)
        last_answer = LastAnswer(store)
        self._store: RevocationStore = last_answer if open_for else store
        if remembered:
            self._store = RevocationCache(self._store, ttl=remembered, size=cache_size)
        if open_for:
            self._store = FailOpen(self._store, last_answer, limit=open_for)
        self._clock = clock_function(clock, owner="AccessTokenRevocation")

    def __call__(self, token: AccessToken) -> bool:
        """Whether *token* was revoked. The verifier answers 503 for errors of the store."""
        claims = token._claims  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - properties cost half of a check
        client = token._names.client  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the same
        now = int(self._clock())
        issued = claims.get("iat")
        if claims["exp"] - (now + MAX_LEEWAY if issued is None else issued) > self._max_lifetime:
            raise RevocationUnavailable(_TOO_LONG)
        keys = _keys_of(claims, client)
        # What has no name cannot have been revoked, and a store that need not look would seem to have answered.
        until = self._store.revoked_until(keys, now=now) if keys else None
        if until is None:
            return False
        # A token that does not say when it was issued counts as issued before any revocation.
        return issued is None or int(issued) <= until

    def revoke_token(self, token: AccessToken) -> None:
        """Revoke one token, by its `jti`. Raises `ValueError` for a token without one."""
        if token.token_id is None:
            raise ValueError("this token has no jti to be revoked by")
        # A jti is unique for its issuer alone, and an issuer holds no blank.
        self._put(f"jti:{token.issuer} {token.token_id}", lasting=True, end=token.expires_at)

    def revoke_family(self, family_id: str) -> None:
        """Revoke every access token of a family, those still to be issued included."""
        self._put(_key("family", family_id), lasting=True)

    def ensure_family_revoked(self, family_id: str, *, since: int) -> None:
        """Do what `revoke_family` did not, if it failed when the family ended at *since*. Usually it only reads."""
        now = int(self._clock())
        if now <= since + self._lifetime and self._shared.revoked_until([_key("family", family_id)], now=now) is None:
            self.revoke_family(family_id)

    def revoke_subject(self, subject: str) -> None:
        """Revoke every access token of *subject* issued up to now, this second included."""
        self._put(_key("subject", subject), lasting=False)

    def revoke_client(self, client_id: str) -> None:
        """Revoke every access token of a client issued up to now, this second included."""
        self._put(_key("client", client_id), lasting=False)

    def revoked_before(self, subject: str, client_id: str) -> int | None:
        """Up to when the tokens of *subject* at the client are revoked. It asks the store, not the cache."""
        return self._shared.revoked_until((_key("subject", subject), _key("client", client_id)), now=int(self._clock()))

    def purge(self, *, limit: int = 1_000) -> int:
        """Delete entries that concern no living token any more, at most *limit*. Returns how many."""
        return self._store.purge_revocations(before=int(self._clock()), limit=limit)

    def _put(self, key: str, *, lasting: bool, end: datetime | None = None) -> None:
        now = int(self._clock())
        keep_until = now + self._lifetime
        if end is not None:
            keep_until = max(keep_until, int(end.timestamp()) + _KEEP_MARGIN)
        self._store.put_revocation(key, issued_until=keep_until if lasting else now, keep_until=keep_until)


def _keys_of(claims: dict[str, Any], client: tuple[str, ...]) -> list[str]:
    """All that a token with these verified *claims* can be revoked by. *client*: the claims that may name its client.

    Every request pays for it, so the ordinary token, which has them all, is asked for nothing twice.
    """
    try:
        keys = [f"jti:{claims['iss']} {claims['jti']}", "subject:" + claims["sub"], "client:" + claims[client[0]]]
    except KeyError:
        keys = _fewer_keys_of(claims, client)
    if "family_id" in claims:
        family_id = claims["family_id"]
        if type(family_id) is str:  # a foreign issuer's may be of any type
            keys.append("family:" + family_id)
    return keys


def _fewer_keys_of(claims: dict[str, Any], client: tuple[str, ...]) -> list[str]:
    """The same for a token that lacks a name, as lenient profiles allow, or has its client under another."""
    keys = [f"jti:{claims.get('iss')} {claims['jti']}"] if "jti" in claims else []
    if "sub" in claims:
        keys.append("subject:" + claims["sub"])
    for name in client:
        if name in claims:
            keys.append("client:" + claims[name])
            break  # all that are there agree
    return keys


def _key(kind: str, name: str) -> str:
    """What revokes everything of one family, subject or client."""
    return f"{kind}:{plain(name)}"

"""Revoked access tokens: by `jti`, by family, or all of a subject's or a client's that were issued before a moment.

`AccessTokenRevocation` is what a verifier takes as `is_revoked=`. An entry is kept only while a token that it concerns
could still be alive, so the list stays as short as access tokens are short-lived. A store that cannot be asked is
503; nobody is let in unasked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol, final, runtime_checkable

from gatepass.access_token import AccessToken
from gatepass.errors import ConfigurationError
from gatepass.settings import seconds

__all__ = ["AccessTokenRevocation", "RevocationStore"]

_LONGEST_TTL: Final = 86_400.0
_MAX_LEEWAY: Final = 300.0


@runtime_checkable
class RevocationStore(Protocol):
    """A place for revocations, shared by all processes that verify. Times are whole seconds since 1970."""

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        """Revoke what *key* names and what was issued at or before *issued_until*; forget it after *keep_until*.

        Of two entries for one key the later times win.
        """
        ...

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        """The latest `issued_until` among *keys* whose `keep_until` is not yet past, or None. One round trip."""
        ...

    def purge_revocations(self, *, before: int, limit: int) -> int:
        """Delete at most *limit* entries whose `keep_until` is earlier than *before*; how many."""
        ...


@final
class AccessTokenRevocation:
    """Revokes access tokens before their time, and tells a verifier: `TokenVerifier(..., is_revoked=revocation)`.

    *access_ttl* is the longest life of the tokens concerned (seconds or timedelta), *leeway* the verifiers'.

    >>> from gatepass.stores.memory import MemoryStore
    >>> revocation = AccessTokenRevocation(MemoryStore(), access_ttl=900)
    >>> revocation.revoke_subject("anna")
    """

    __slots__ = ("_clock", "_life", "_store", "access_ttl")

    def __init__(
        self,
        store: RevocationStore,
        *,
        access_ttl: float | timedelta,
        leeway: float | timedelta = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(store, RevocationStore):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError("store= must be a RevocationStore, such as SQLiteStore(path)")
        life = seconds(access_ttl, "access_ttl", least=1, most=_LONGEST_TTL)
        # Twice the leeway: once for the verifier's clock, once for a token that the issuer's clock dated ahead.
        self._life = int(life + 2 * seconds(leeway, "leeway", least=0, most=_MAX_LEEWAY)) + 1
        self.access_ttl: timedelta = timedelta(seconds=life)
        """The longest life of an access token that can be revoked here."""
        self._store = store
        self._clock = clock

    def __call__(self, token: AccessToken) -> bool:
        """Whether *token* was revoked. Whatever the store raises goes to the verifier, which answers 503."""
        until = self._store.revoked_until(_keys_of(token), now=int(self._clock()))
        return until is not None and _issued(token) <= until

    def revoke_token(self, token: AccessToken) -> None:
        """Revoke one token, by its `jti`. Raises `ValueError` for a token without one."""
        if token.token_id is None:
            raise ValueError("this token has no jti to be revoked by")
        self._put(_jti_key(token.issuer, token.token_id), lasting=True)

    def revoke_family(self, family_id: str) -> None:
        """Revoke every access token of a family, those still to be issued included."""
        self._put(f"family:{family_id}", lasting=True)

    def revoke_subject(self, subject: str) -> None:
        """Revoke every access token of *subject* issued up to now, this second included."""
        self._put(f"subject:{subject}", lasting=False)

    def revoke_client(self, client_id: str) -> None:
        """Revoke every access token of a client issued up to now, this second included."""
        self._put(f"client:{client_id}", lasting=False)

    def purge(self, *, limit: int = 1_000) -> int:
        """Delete entries that concern no living token any more, at most *limit*; how many."""
        return self._store.purge_revocations(before=int(self._clock()), limit=limit)

    def _put(self, key: str, *, lasting: bool) -> None:
        now = int(self._clock())
        keep_until = now + self._life
        self._store.put_revocation(key, issued_until=keep_until if lasting else now, keep_until=keep_until)


def _keys_of(token: AccessToken) -> list[str]:
    keys: list[str] = []
    client_id, token_id, family_id = token.client_id, token.token_id, token.family_id
    try:  # noqa: SIM105 - suppress() costs every request as much as a key
        keys.append(f"subject:{token.subject}")
    except LookupError:  # only a lenient profile admits such tokens
        pass
    if client_id is not None:
        keys.append(f"client:{client_id}")
    if token_id is not None:
        keys.append(_jti_key(token.issuer, token_id))
    if family_id is not None:
        keys.append(f"family:{family_id}")
    return keys


def _jti_key(issuer: str | None, token_id: str) -> str:
    return f"jti:{issuer} {token_id}"  # a jti is unique for its issuer alone, and an issuer holds no blank


def _issued(token: AccessToken) -> float:
    """When the token was issued; for one that does not say, the beginning of time, so that any cut-off reaches it."""
    issued = token.issued_at
    return 0.0 if issued is None else issued.timestamp()

"""The end of families, and of the access tokens that came of them.

The families end first: what was exchanged before that moment was issued before it too, so the cut-off that follows
reaches every access token. Both are tried, even if one fails: what can be ended is ended, and the caller hears of
the rest. Whoever tries a token of an ended family makes up for what failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, final

from gatepass.refresh.family import Family
from gatepass.refresh.hooks import ServiceHooks, call_store
from gatepass.refresh.store import RefreshStore
from gatepass.revocation.access_tokens import AccessTokenRevocation

__all__ = ["FamilyRevoker"]

_T = TypeVar("_T")


@final
class FamilyRevoker:
    """Ends families, by one, by subject or by client. Every method raises `StoreUnavailable`, and may be repeated."""

    __slots__ = ("_clock", "_hooks", "_revocation", "_store")

    def __init__(
        self,
        store: RefreshStore,
        revocation: AccessTokenRevocation | None,
        hooks: ServiceHooks,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._revocation = revocation
        self._hooks = hooks
        self._clock = clock

    def revoke_family(self, family_id: str) -> bool:
        """Whether the family was there and not yet revoked."""
        return self._both(
            lambda: self._store.revoke(family_id, at=self._now()),
            lambda revocation: revocation.revoke_family(family_id),
        )

    def on_reuse(self, family: Family) -> None:
        """A spent token of *family* came again: the application hears of it once, however often it comes.

        It hears of it also where the store does not answer, and may have ended the family: or nobody might.
        """

        def end() -> None:
            try:
                first = self._store.revoke(family.family_id, at=self._now())
            except Exception:
                self._hooks.notify_reuse(family)
                raise
            if first:
                self._hooks.notify_reuse(family)

        self._both(end, lambda revocation: revocation.revoke_family(family.family_id))

    def ensure_revoked(self, family_id: str, *, since: int) -> None:
        """A token of a family that ended came again: if the access tokens could not be ended with it, they are now."""
        if self._revocation is not None:
            call_store(self._revocation.ensure_family_revoked, family_id, since=since)

    def revoke_subject(self, subject: str) -> int:
        """How many families of *subject* ended."""
        return self._all(
            lambda: self._store.revoke_subject(subject, at=self._now()),
            lambda revocation: revocation.revoke_subject(subject),
        )

    def revoke_client(self, client_id: str) -> int:
        """How many families of the client ended."""
        return self._all(
            lambda: self._store.revoke_client(client_id, at=self._now()),
            lambda revocation: revocation.revoke_client(client_id),
        )

    def revoked_before(self, family: Family) -> int | None:
        """Up to when the access tokens of its subject or client are revoked. A grant looks before and after."""
        if self._revocation is None:
            return None
        return call_store(self._revocation.revoked_before, family.subject, family.client_id)

    def _all(self, families: Callable[[], int], access_tokens: Callable[[AccessTokenRevocation], None]) -> int:
        """The cut-off comes first as well: a grant that is kept too late to be ended here finds it there."""
        try:
            if self._revocation is not None:
                call_store(access_tokens, self._revocation)
        finally:
            ended = self._both(families, access_tokens)
        return ended

    def _both(self, families: Callable[[], _T], access_tokens: Callable[[AccessTokenRevocation], None]) -> _T:
        try:
            return call_store(families)
        finally:
            if self._revocation is not None:
                call_store(access_tokens, self._revocation)

    def _now(self) -> int:
        return int(self._clock())

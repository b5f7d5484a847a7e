"""Revoke families, and the access tokens that were issued to them.

Access tokens are revoked after the families: a token that was rotated before was also issued before, so the revocation
covers all of them. To revoke a subject or a client, they are also revoked first. Both are attempted even if one fails,
and the caller gets the error. If the access tokens could not be revoked, the next use of a token of the revoked family
repeats the attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar, final

from gatepass.refresh.family import Family
from gatepass.refresh.hooks import call_store
from gatepass.refresh.store import RefreshStore
from gatepass.revocation.access_tokens import AccessTokenRevocation

__all__ = ["FamilyRevoker"]

_logger = logging.getLogger("gatepass.refresh")
_T = TypeVar("_T")


@final
class FamilyRevoker:
    """Revokes one family, or all of a subject or client. Methods may raise `StoreUnavailable`: call them again."""

    __slots__ = ("_clock", "_revocation", "_store")

    def __init__(
        self, store: RefreshStore, revocation: AccessTokenRevocation | None, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._revocation = revocation
        self._clock = clock

    def revoke_family(self, family_id: str) -> bool:
        """Revoke one family. Return True if it existed and was not yet revoked."""
        return self._revoke_families_then_tokens(
            lambda: self._store.revoke(family_id, at=self._now()),
            lambda revocation: revocation.revoke_family(family_id),
        )

    def revoke_reused(self, family: Family, notify: Callable[[Family], None]) -> None:
        """Revoke *family*, a spent token of which was used again, and *notify* the application once, at the first call.

        It is also notified if the store fails, because that call may have been the one that revoked the family.
        """

        def report() -> None:
            _logger.warning("refresh_reused: a spent refresh token was used again; its family is revoked")
            notify(family)

        def revoke() -> None:
            try:
                first = self._store.revoke(family.family_id, at=self._now())
            except Exception:
                report()
                raise
            if first:
                report()

        self._revoke_families_then_tokens(revoke, lambda revocation: revocation.revoke_family(family.family_id))

    def ensure_revoked(self, family_id: str, *, since: int) -> None:
        """Revoke the access tokens of a family that was revoked at *since*, if that failed then."""
        if self._revocation is not None:
            call_store(self._revocation.ensure_family_revoked, family_id, since=since)

    def revoke_subject(self, subject: str) -> int:
        """Revoke every family of *subject*. Returns how many were not yet revoked."""
        return self._revoke_all(
            lambda: self._store.revoke_subject(subject, at=self._now()),
            lambda revocation: revocation.revoke_subject(subject),
        )

    def revoke_client(self, client_id: str) -> int:
        """Revoke every family of the client. Returns how many were not yet revoked."""
        return self._revoke_all(
            lambda: self._store.revoke_client(client_id, at=self._now()),
            lambda revocation: revocation.revoke_client(client_id),
        )

    def last_revocations(self, family: Family) -> tuple[int | None, int | None]:
        """Return numbers that change when all of the subject or client is revoked, for a grant to compare twice."""
        if self._revocation is None:
            return None, None
        return call_store(self._revocation.last_revocations, family.subject, family.client_id)

    def _revoke_all(self, families: Callable[[], int], access_tokens: Callable[[AccessTokenRevocation], None]) -> int:
        """Revoke access tokens, then families, then access tokens again.

        A concurrent grant that is stored too late for the second step finds the revocation of the first.
        """
        try:
            if self._revocation is not None:
                call_store(access_tokens, self._revocation)
        finally:
            revoked = self._revoke_families_then_tokens(families, access_tokens)
        return revoked

    def _revoke_families_then_tokens(
        self, families: Callable[[], _T], access_tokens: Callable[[AccessTokenRevocation], None]
    ) -> _T:
        try:
            return call_store(families)
        finally:
            if self._revocation is not None:
                call_store(access_tokens, self._revocation)

    def _now(self) -> int:
        return int(self._clock())

"""The token service: grants, refresh tokens that are valid for one use, and their revocation.

A grant creates a family. Each refresh rotates the family's token. A spent token that is used again
revokes the family, because one of two clients has a stolen copy. Every refresh calls the application's `check_subject`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, final

from gatepass.common.limits import YEAR, numeric_date
from gatepass.common.scope import scope_tokens
from gatepass.common.settings import clock_function, seconds
from gatepass.common.texts import listed, plain
from gatepass.errors import ConfigurationError
from gatepass.refresh.errors import InvalidGrant, ServiceUnavailable
from gatepass.refresh.family import Family, RefreshToken, Rotation, plain_text
from gatepass.refresh.hooks import ServiceHooks, call_store
from gatepass.refresh.pair import TokenPair, TokenPairIssuer
from gatepass.refresh.revoker import FamilyRevoker
from gatepass.refresh.rotation import RefreshParameters, RefreshTokenRotation
from gatepass.refresh.store import PurgeResult, RefreshStore
from gatepass.revocation.access_tokens import AccessTokenRevocation
from gatepass.tokens.access_token import AccessToken
from gatepass.tokens.issuer import TokenIssuer, only_audience

__all__ = ["TokenService"]


@final
class TokenService:
    """Grants, refreshes and revokes tokens.

    *issuer* makes the access tokens, *store* keeps the families. *refresh_ttl*: how long a refresh token may be unused;
    *absolute_ttl*: when the family ends in any case (both seconds or timedelta). *grace* (at most 60 seconds,
    default 0): how long the immediate predecessor gets the same successor, for clients that lose a response.
    *check_subject* takes the subject and returns True while it may sign in; *claims_for* returns further claims for its
    access tokens. *revocation* revokes a family's access tokens with it. *on_reuse* is called with the family when a
    spent token is used again: once, or more often if the store fails meanwhile. All are plain functions that may do
    I/O. *clock* returns the seconds since 1970, `time.time` by default.

    >>> from gatepass import Key
    >>> from gatepass.stores.memory import MemoryStore
    >>> issuer = TokenIssuer(
    ...     issuer="https://auth.example", audience="https://api.example", keys=Key.generate("ES256"), client_id="web"
    ... )
    >>> service = TokenService(issuer, MemoryStore(), check_subject=lambda subject: True)
    >>> first = service.grant("anna", scope="orders:read")
    >>> service.refresh(first.refresh_token).scope
    'orders:read'
    """

    __slots__ = (
        "_absolute_ttl", "_clock", "_issuer", "_pairs", "_refresh_ttl", "_revocation", "_revoker", "_rotation",
        "_store",
    )  # fmt: skip

    def __init__(
        self,
        issuer: TokenIssuer,
        store: RefreshStore,
        *,
        check_subject: Callable[[str], bool],
        refresh_ttl: float | timedelta = timedelta(days=14),
        absolute_ttl: float | timedelta = timedelta(days=90),
        grace: float | timedelta = 0,
        claims_for: Callable[[str], Mapping[str, Any]] | None = None,
        revocation: AccessTokenRevocation | None = None,
        on_reuse: Callable[[Family], object] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not isinstance(issuer, TokenIssuer):
            raise ConfigurationError("TokenService takes the TokenIssuer that makes its access tokens")
        if not isinstance(store, RefreshStore):
            raise ConfigurationError("store= must be a RefreshStore, such as SQLiteStore(path)")
        if not (revocation is None or isinstance(revocation, AccessTokenRevocation)):
            raise ConfigurationError("revocation= takes an AccessTokenRevocation(store, access_ttl=...)")
        if revocation is not None and revocation.access_ttl < issuer.access_ttl:
            raise ConfigurationError("revocation= was made for a shorter access_ttl= than the issuer's")
        self._refresh_ttl = int(seconds(refresh_ttl, "refresh_ttl", minimum=1, maximum=YEAR))
        self._absolute_ttl = int(seconds(absolute_ttl, "absolute_ttl", minimum=1, maximum=YEAR))
        if self._absolute_ttl < self._refresh_ttl:
            raise ConfigurationError("absolute_ttl= must not be shorter than refresh_ttl=")
        hooks = ServiceHooks(check_subject=check_subject, claims_for=claims_for, on_reuse=on_reuse)
        self._issuer = issuer
        self._store = store
        self._revocation = revocation
        self._clock = clock_function(clock, owner="TokenService")
        self._pairs = TokenPairIssuer(issuer, hooks)
        self._revoker = FamilyRevoker(store, revocation, hooks, self._clock)
        self._rotation = RefreshTokenRotation(
            store,
            pairs=self._pairs,
            hooks=hooks,
            revoker=self._revoker,
            idle=self._refresh_ttl,
            grace=seconds(grace, "grace", minimum=0, maximum=Rotation.MAX_GRACE),
        )

    @property
    def client_id(self) -> str | None:
        """The issuer's own client, for calls without a *client_id*."""
        return self._issuer.client_id

    @property
    def issuer(self) -> str:
        """The `iss` of the access tokens."""
        return self._issuer.issuer

    @property
    def revokes_access_tokens(self) -> bool:
        """Whether the service has a `revocation=`, so that access tokens can be revoked."""
        return self._revocation is not None

    def grant(
        self,
        subject: str,
        *,
        scope: str | Iterable[str] = (),
        client_id: str | None = None,
        audience: str | None = None,
        auth_time: datetime | None = None,
        acr: str | None = None,
        amr: Iterable[str] = (),
    ) -> TokenPair:
        """Sign *subject* in: create a family and return its first pair of tokens.

        Call this when the user has just proved their identity; *auth_time*, *acr* and *amr* say when and how, and every
        later access token of the family repeats them. Raises `ValueError` for values that cannot go into a token, and
        `ServiceUnavailable`, with *revocation* also if the subject or client is revoked at the same moment.
        """
        now = int(self._clock())
        token = RefreshToken.fresh()
        family = Family(
            family_id=token.family_id,
            subject=plain_text(subject, "subject"),
            client_id=plain_text(self._client(client_id), "client_id"),
            scope=" ".join(scope_tokens(scope)),
            audience=plain_text(self._audience(audience), "audience"),
            auth_time=None if auth_time is None else numeric_date(auth_time, "auth_time"),
            acr=None if acr is None else plain_text(acr, "acr"),
            amr=_methods(amr),
            created_at=now,
            expires_at=now + self._absolute_ttl,
            idle_expires_at=now + self._refresh_ttl,
            proof_hash=token.proof_hash,
            current_hash=token.secret_hash,
        )
        revoked_before = self._revoker.revoked_before(family)
        pair = self._pairs.issue(family, token, scope=family.scope, now=now)
        call_store(self._store.create, family)
        if self._revoker.revoked_before(family) != revoked_before:  # perhaps before the family was stored
            self._revoker.revoke_family(family.family_id)
            raise ServiceUnavailable("ended_meanwhile")
        return pair

    def refresh(
        self,
        refresh_token: str,
        *,
        client_id: str | None = None,
        scope: str | Iterable[str] | None = None,
        audience: str | Iterable[str] | None = None,
    ) -> TokenPair:
        """Exchange *refresh_token* for the next pair (RFC 6749 section 6).

        *client_id* is the authenticated client; None stands for the issuer's own. A narrower *scope* narrows the access
        token alone. Raises a `TokenEndpointError`: `InvalidGrant` with one text for every token that does not work,
        `InvalidScope`, `InvalidTarget`, or `ServiceUnavailable`, which says when the same token may be tried again.
        """
        parameters = RefreshParameters(scope, audience)
        return self._rotation.rotate(
            refresh_token, client_id=self._client(client_id), parameters=parameters, now=int(self._clock())
        )

    def revoke(self, refresh_token: str, *, client_id: str | None = None) -> None:
        """Sign out: revoke the family of *refresh_token*, spent or not. An unknown token is ignored.

        Raises `InvalidGrant` for another client's token, and `StoreUnavailable`.
        """
        found = self._rotation.find(refresh_token, self._client(client_id))
        if found is not None:
            self._revoker.revoke_family(found[0].family_id)

    def revoke_access_token(self, token: AccessToken, *, client_id: str | None = None) -> None:
        """Revoke a verified access token. Raises `InvalidGrant` for another client's token, and `StoreUnavailable`."""
        if self._revocation is None:
            raise ConfigurationError("only a TokenService with revocation= can revoke access tokens")
        if token.client_id != self._client(client_id):
            raise InvalidGrant("access_token_client_mismatch")
        call_store(self._revocation.revoke_token, token)

    def revoke_family(self, family_id: str) -> bool:
        """Revoke one family. Return True if it existed and was not yet revoked."""
        return self._revoker.revoke_family(plain(family_id))

    def revoke_subject(self, subject: str) -> int:
        """Sign *subject* out everywhere, as after a change of password. Returns how many families were revoked.

        Tokens contain their issue time in whole seconds. With *revocation*, an access token that is issued later in the
        same second is refused too; its client gets a valid one by refreshing a moment later.
        """
        return self._revoker.revoke_subject(plain_text(subject, "subject"))

    def revoke_client(self, client_id: str) -> int:
        """Revoke every family of a client. Returns how many were revoked."""
        return self._revoker.revoke_client(plain_text(client_id, "client_id"))

    def purge(self, *, limit: int = 1_000) -> PurgeResult:
        """Delete at most *limit* families that ended more than the lifetime of an access token and a minute ago.

        One call reads no more than a few batches of families; `more` says whether to call again. It first deletes the
        salts of this process's closed grace windows.
        """
        now = self._clock()
        self._rotation.delete_salts(int(now), limit=limit)
        before = int(now - self._issuer.access_ttl.total_seconds() - Rotation.MAX_GRACE)
        return call_store(self._store.purge, before=before, limit=limit)

    def _client(self, client_id: str | None) -> str:
        return plain(client_id) if client_id is not None else self._issuer.client_id or ""

    def _audience(self, audience: str | None) -> str:
        return audience if audience is not None else only_audience(self._issuer.audience)


def _methods(amr: Iterable[str]) -> tuple[str, ...]:
    methods = (amr,) if isinstance(amr, str) else listed(amr)
    if methods is None:
        raise ValueError("amr= must be a list of strings")
    return tuple(plain_text(one, "amr") for one in methods)

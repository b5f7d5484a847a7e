"""The token service: grants, refresh tokens that are valid for one use, and their revocation.

A grant creates a family. Each refresh rotates the family's token. A spent token that is used again
revokes the family, because one of two clients has a stolen copy. Every refresh asks the application whether the subject
may still be logged in, and with which claims and scopes, before the token is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import EllipsisType
from typing import Any, Unpack, final

from gatepass.common.event_loop import RunBlocking, Shield, in_worker_thread
from gatepass.common.limits import YEAR
from gatepass.common.settings import clock_function, seconds
from gatepass.common.texts import plain
from gatepass.errors import ConfigurationError
from gatepass.refresh.errors import InvalidGrant, ServiceUnavailable
from gatepass.refresh.family import FAMILY_ID, Family, RefreshToken, Rotation, plain_text
from gatepass.refresh.hooks import CheckSubject, ClaimsFor, Decision, OnReuse, ScopesFor, ServiceHooks, call_store
from gatepass.refresh.login import Lifetimes, LoginFacts, new_login
from gatepass.refresh.pair import TokenPair, TokenPairIssuer
from gatepass.refresh.revoker import FamilyRevoker
from gatepass.refresh.rotation import RefreshRequest, RefreshTokenRotation
from gatepass.refresh.session import SessionPage, page_limit, position_of
from gatepass.refresh.store import PurgeResult, RefreshStore, require_store
from gatepass.revocation.access_tokens import AccessTokenRevocation
from gatepass.tokens.access_token import AccessToken
from gatepass.tokens.issuer import TokenIssuer, only_audience

__all__ = ["TokenService"]


@final
class TokenService:
    """Grants, refreshes and revokes tokens.

    *issuer* makes the access tokens, *store* keeps the families. *refresh_ttl*: how long a refresh token may be unused;
    *absolute_ttl*: when the family ends in any case (both seconds or timedelta). They are the limits for every login.
    *grace* (at most 60 seconds, default 0): how long the immediate predecessor gets the same successor, for clients
    that lose a response. *revocation* revokes a family's access tokens with it. *clock* returns the seconds since 1970,
    `time.time` by default.

    The application's functions may do I/O. *check_subject* takes the subject and returns True while it may be logged
    in: it is called at every refresh. *claims_for* and *scopes_for* take the `Session`, at login and at every refresh:
    *claims_for* returns further claims for the access token, and *scopes_for* the scopes that the user may have now. A
    token gets those of them that the login was granted, so *scopes_for* narrows and never widens. *on_reuse* is called
    with the family when a spent token is used again: once, or more often if the store fails meanwhile. It runs to its
    end even if the client disconnects, so it needs a timeout of its own. If one of the functions is a coroutine
    function, call `grant_async` and `refresh_async`.

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
        "_clock", "_hooks", "_issuer", "_limits", "_pairs", "_revocation", "_revoker", "_rotation", "_shield", "_store",
    )  # fmt: skip

    def __init__(
        self,
        issuer: TokenIssuer,
        store: RefreshStore,
        *,
        check_subject: CheckSubject,
        refresh_ttl: float | timedelta = timedelta(days=14),
        absolute_ttl: float | timedelta = timedelta(days=90),
        grace: float | timedelta = 0,
        claims_for: ClaimsFor | None = None,
        scopes_for: ScopesFor | None = None,
        revocation: AccessTokenRevocation | None = None,
        on_reuse: OnReuse | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not isinstance(issuer, TokenIssuer):
            raise ConfigurationError("TokenService takes the TokenIssuer that makes its access tokens")
        if not (revocation is None or isinstance(revocation, AccessTokenRevocation)):
            raise ConfigurationError("revocation= takes an AccessTokenRevocation(store, access_ttl=...)")
        if revocation is not None and revocation.access_ttl < issuer.access_ttl:
            raise ConfigurationError("revocation= was made for a shorter access_ttl= than the issuer's")
        self._limits = Lifetimes(
            refresh_ttl=int(seconds(refresh_ttl, "refresh_ttl", minimum=1, maximum=YEAR)),
            absolute_ttl=int(seconds(absolute_ttl, "absolute_ttl", minimum=1, maximum=YEAR)),
        )
        if self._limits.absolute_ttl < self._limits.refresh_ttl:
            raise ConfigurationError("absolute_ttl= must not be shorter than refresh_ttl=")
        self._hooks = ServiceHooks(
            check_subject=check_subject, claims_for=claims_for, scopes_for=scopes_for, on_reuse=on_reuse
        )
        self._issuer = issuer
        self._store = require_store(store)
        self._revocation = revocation
        self._shield = Shield()
        self._clock = clock_function(clock, owner="TokenService")
        self._pairs = TokenPairIssuer(issuer)
        self._revoker = FamilyRevoker(store, revocation, self._clock)
        self._rotation = RefreshTokenRotation(
            store,
            pairs=self._pairs,
            revoker=self._revoker,
            idle=self._limits.refresh_ttl,
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

    @property
    def needs_event_loop(self) -> bool:
        """Whether a function of the application is a coroutine function, which only the `_async` methods await."""
        return bool(self._hooks.coroutine_functions)

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
        claims: Mapping[str, Any] | None = None,
        label: str | None = None,
        refresh_ttl: float | timedelta | None = None,
        absolute_ttl: float | timedelta | None = None,
    ) -> TokenPair:
        """Log *subject* in: create a family and return its first pair of tokens.

        Call this when the user has just proved their identity; *auth_time*, *acr* and *amr* say when and how, and every
        later access token of the family repeats them. It repeats *claims* too, such as a tenant that was chosen: at
        most 2,048 bytes as JSON in UTF-8. *label* is for a list of sessions, such as the name of a device: at most 64
        printable characters. *refresh_ttl* and *absolute_ttl* shorten this login's lifetimes (seconds or timedelta);
        those of the service are the limits.

        Raises `ValueError` for values that cannot go into a token, and `ServiceUnavailable`, with *revocation* also if
        the subject or client is revoked at the same moment.

        >>> from gatepass import Key
        >>> from gatepass.stores.memory import MemoryStore
        >>> issuer = TokenIssuer(
        ...     issuer="https://auth.example",
        ...     audience="https://api.example",
        ...     keys=Key.generate("ES256"),
        ...     client_id="web",
        ... )
        >>> service = TokenService(issuer, MemoryStore(), check_subject=lambda subject: True)
        >>> pair = service.grant("anna", claims={"tenant": "north"}, label="Anna's phone", refresh_ttl=3_600)
        >>> pair.refresh_expires_in
        3600
        """
        self._require_plain_functions("grant")
        token, family = self._login(
            subject, scope=scope, client_id=client_id, audience=audience, auth_time=auth_time, acr=acr, amr=amr,
            claims=claims, label=label, refresh_ttl=refresh_ttl, absolute_ttl=absolute_ttl,
        )  # fmt: skip
        last = self._revoker.last_revocations(family)
        decision = self._hooks.decide_login(family)
        return self._store_login(token, family, decision, last)

    async def grant_async(
        self,
        subject: str,
        *,
        scope: str | Iterable[str] = (),
        client_id: str | None = None,
        audience: str | None = None,
        auth_time: datetime | None = None,
        acr: str | None = None,
        amr: Iterable[str] = (),
        claims: Mapping[str, Any] | None = None,
        label: str | None = None,
        refresh_ttl: float | timedelta | None = None,
        absolute_ttl: float | timedelta | None = None,
        run_blocking: RunBlocking = in_worker_thread,
    ) -> TokenPair:
        """Do what `grant` does, on an event loop: await coroutine functions, and run the rest in a worker thread.

        *run_blocking* takes a function and runs it in a worker thread, by default one of asyncio's or trio's.
        """
        token, family = self._login(
            subject, scope=scope, client_id=client_id, audience=audience, auth_time=auth_time, acr=acr, amr=amr,
            claims=claims, label=label, refresh_ttl=refresh_ttl, absolute_ttl=absolute_ttl,
        )  # fmt: skip
        last = await run_blocking(lambda: self._revoker.last_revocations(family))
        decision = await self._hooks.decide_login_async(family, run_blocking)
        pair: TokenPair = await run_blocking(lambda: self._store_login(token, family, decision, last))
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
        self._require_plain_functions("refresh")
        request = self._request(refresh_token, client_id, scope, audience, self._hooks.notify_reuse)
        presented = self._rotation.present(request)
        decision = self._hooks.decide(presented.family)
        return self._rotation.exchange(request, presented, decision)

    async def refresh_async(
        self,
        refresh_token: str,
        *,
        client_id: str | None = None,
        scope: str | Iterable[str] | None = None,
        audience: str | Iterable[str] | None = None,
        run_blocking: RunBlocking = in_worker_thread,
    ) -> TokenPair:
        """Do what `refresh` does, on an event loop: await coroutine functions, and run the rest in a worker thread.

        If the task is cancelled while a function of the application is awaited, the token is not spent. *run_blocking*
        takes a function and runs it in a worker thread, by default one of asyncio's or trio's.
        """
        if not self.needs_event_loop:
            pair: TokenPair = await run_blocking(
                lambda: self.refresh(refresh_token, client_id=client_id, scope=scope, audience=audience)
            )
            return pair
        reused: list[Family] = []
        request = self._request(refresh_token, client_id, scope, audience, reused.append)

        async def run(step: Callable[[], Any]) -> Any:
            try:
                return await run_blocking(step)
            finally:
                for family in reused:
                    await self._hooks.notify_reuse_async(family, run_blocking)

        # A client that disconnects must not prevent `on_reuse`.
        presented = await self._shield.run(run(lambda: self._rotation.present(request)))
        decision = await self._hooks.decide_async(presented.family, run_blocking)
        return await self._shield.run(run(lambda: self._rotation.exchange(request, presented, decision)))

    def sessions(self, subject: str, *, limit: int = 50, after: str | None = None) -> SessionPage:
        """Return a page of the sessions of *subject* that live, the newest login first.

        *limit* is from 1 to 200. *after* is the `next` of the page before. Raises `ValueError` for other values, and
        `StoreUnavailable`. Check first that the caller may see these sessions: this method does not.
        """
        size, position = page_limit(limit), None if after is None else position_of(after)
        name, now = plain_text(subject, "subject"), int(self._clock())
        families = call_store(self._store.live_families, name, at=now, limit=size + 1, after=position)
        return call_store(SessionPage.from_families, families, size)

    def revoke(self, refresh_token: str, *, client_id: str | None = None) -> None:
        """Log out: revoke the family of *refresh_token*, spent or not. An unknown token is ignored.

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

    def revoke_family(self, family_id: str, *, subject: str | EllipsisType = ...) -> bool:
        """Revoke one family: end one session. Return True if it existed and was not yet revoked.

        With *subject*, only a family of this subject is revoked: give the user who asks for it, because *family_id* may
        come from the request.
        """
        name = plain(family_id)
        if type(name) is not str:
            raise ValueError("family_id= takes the `family_id` of a session")
        if not FAMILY_ID.fullmatch(name):
            return False
        if subject is not ...:  # None is refused: an identity that is missing must not end every user's session
            owner, family = plain_text(subject, "subject"), call_store(self._store.get, name)
            if family is None or family.subject != owner:
                return False
        return self._revoker.revoke_family(name)

    def revoke_subject(self, subject: str) -> int:
        """Log *subject* out everywhere, as after a change of password. Returns how many families were revoked.

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

    def _login(
        self, subject: str, *, client_id: str | None, audience: str | None, **facts: Unpack[LoginFacts]
    ) -> tuple[RefreshToken, Family]:
        client, name, now = self._client(client_id), self._audience(audience), int(self._clock())
        return new_login(subject, client_id=client, audience=name, now=now, limits=self._limits, **facts)

    def _store_login(
        self, token: RefreshToken, family: Family, decision: Decision, last: tuple[int | None, int | None]
    ) -> TokenPair:
        """Store the login and return its pair, unless all of the subject or client was revoked after *last*."""
        pair = self._pairs.issue(family, token, decision, scope=family.scope, now=family.created_at)
        call_store(self._store.create, family)
        try:
            if self._revoker.last_revocations(family) == last:
                return pair
        except BaseException:
            with suppress(ServiceUnavailable):  # no client will have its token
                self._revoker.revoke_family(family.family_id)
            raise
        self._revoker.revoke_family(family.family_id)
        raise ServiceUnavailable("ended_meanwhile")

    def _request(
        self,
        refresh_token: str,
        client_id: str | None,
        scope: str | Iterable[str] | None,
        audience: str | Iterable[str] | None,
        on_reuse: Callable[[Family], None],
    ) -> RefreshRequest:
        return RefreshRequest(
            token=refresh_token,
            client_id=self._client(client_id),
            scope=scope,
            audience=audience,
            now=int(self._clock()),
            on_reuse=on_reuse,
        )

    def _require_plain_functions(self, method: str) -> None:
        if self.needs_event_loop:
            raise ConfigurationError(
                f"{' and '.join(self._hooks.coroutine_functions)} of the TokenService cannot be awaited by {method}(), "
                f"which has no event loop: await {method}_async(), or use plain functions"
            )

    def _client(self, client_id: str | None) -> str:
        return plain(client_id) if client_id is not None else self._issuer.client_id or ""

    def _audience(self, audience: str | None) -> str:
        return audience if audience is not None else only_audience(self._issuer.audience)

"""Rotate a refresh token, exactly once. Every step that may fail comes before the token is spent.

Unknown, expired, revoked and spent tokens, and those of another client, are refused with one and the same error. A
spent token of an active family also revokes it, except in two cases, in which the client gets the existing successor:
the immediate predecessor within the grace window, and a rotation in doubt, whose outcome the store did not report
because a connection broke after the commit (`InDoubtRotations`).

A salt and a spent token together give the current one, so the salts of closed windows are deleted from the store
(`GraceWindows`). Otherwise a reader of the database with an old token could take over the session.

A token pair is returned only after the same call has written it. What the store returns may not be durable yet (MariaDB
shows a commit before it waits for its log), so a successor that was only read is written again first.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final, NamedTuple, final

from gatepass.common.runtime import PerProcess
from gatepass.common.scope import scope_tokens, split_scope
from gatepass.common.texts import listed
from gatepass.errors import ConfigurationError
from gatepass.refresh.errors import (
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    RefreshTokenReused,
    StoreUnavailable,
)
from gatepass.refresh.family import SEED_OCTETS, Family, RefreshToken, Rotation, seed_of
from gatepass.refresh.hooks import Decision, call_store
from gatepass.refresh.pair import TokenPair, TokenPairIssuer, no_access_token
from gatepass.refresh.revoker import FamilyRevoker
from gatepass.refresh.store import RefreshStore

__all__ = ["PresentedToken", "RefreshRequest", "RefreshTokenRotation"]

_WINDOWS_PER_ROTATION: Final = 2
"""The number of closed windows that each rotation deletes. It opens one."""
_MAX_IN_DOUBT: Final = 10_000
_MAX_IN_DOUBT_PER_FAMILY: Final = 100
_MAX_WINDOWS: Final = 10_000
_logger = logging.getLogger("gatepass.refresh")


class RefreshRequest(NamedTuple):
    """A refresh request at *now*. For `scope` and `resource` (*audience*), None stands for the whole grant.

    *on_reuse* is called with the family of a spent token that is used again.
    """

    token: str
    client_id: str
    scope: str | Iterable[str] | None
    audience: str | Iterable[str] | None
    now: int
    on_reuse: Callable[[Family], None]

    def within(self, family: Family) -> str:
        """Return the requested scope. Raises `InvalidScope` or `InvalidTarget` if the request exceeds the grant."""
        requested = () if self.audience is None else self.audience
        named = (requested,) if isinstance(requested, str) else listed(requested)
        if named is None or any(one != family.audience for one in named):
            raise InvalidTarget
        if self.scope is None:
            return family.scope
        try:
            wanted = set(scope_tokens(split_scope(self.scope) if isinstance(self.scope, str) else self.scope))
        except ValueError:
            raise InvalidScope from None
        granted = split_scope(family.scope)
        if not wanted <= set(granted):
            raise InvalidScope
        return " ".join(one for one in granted if one in wanted)

    def __repr__(self) -> str:
        return "<RefreshRequest, not shown>"


class PresentedToken(NamedTuple):
    """A refresh token that may be exchanged, its family, the requested scope, and whether the token is current."""

    token: RefreshToken
    family: Family
    scope: str
    is_current: bool


@final
class RefreshTokenRotation:
    """Rotates the tokens of one store's families. *idle* and *grace* are in seconds."""

    __slots__ = ("_grace", "_idle", "_in_doubt", "_pairs", "_revoker", "_store", "_windows")

    def __init__(
        self, store: RefreshStore, *, pairs: TokenPairIssuer, revoker: FamilyRevoker, idle: int, grace: float
    ) -> None:
        self._store = store
        self._pairs = pairs
        self._revoker = revoker
        self._idle = idle
        self._grace = grace
        self._in_doubt = InDoubtRotations()
        self._windows = GraceWindows(grace)

    def present(self, request: RefreshRequest) -> PresentedToken:
        """Return the token of *request* if it is current, or may get the existing successor.

        Raises a `TokenEndpointError`. Every other spent token revokes its family.
        """
        token, family = self._load_active(request.token, request.client_id, request.now)
        is_current = compare_digest(family.current_hash, token.secret_hash)
        if not is_current and self._successor(token, family, request.now) is None:
            raise self._reuse(family, request)
        return PresentedToken(token, family, request.within(family), is_current)

    def exchange(self, request: RefreshRequest, presented: PresentedToken, decision: Decision) -> TokenPair:
        """Spend the *presented* token and return the next pair. Raises a `TokenEndpointError`.

        If this raises, it has not spent the token, unless the store failed after it had applied the rotation
        (`StoreUnavailable`); then a retry in this process, or in any within the grace window, gets the successor. A
        refused subject's family is revoked.
        """
        if not decision.is_allowed:
            self._revoker.revoke_family(presented.family.family_id)
            raise InvalidGrant("refresh_subject")
        pair = self._exchange(request, presented, decision)
        self.delete_salts(request.now, limit=_WINDOWS_PER_ROTATION)
        return pair

    def delete_salts(self, now: int, *, limit: int) -> None:
        """Delete the salts of at most *limit* closed windows from the store.

        Failures are ignored, so that they cannot withhold a pair that was just written: the family's next rotation
        replaces the salt.
        """
        for family in self._windows.pop_closed(now, limit=limit):
            with suppress(ConfigurationError, StoreUnavailable):
                call_store(self._store.rotate, family.family_id, Rotation.deleting_salt(family))

    def find(self, text: str, client_id: str) -> tuple[RefreshToken, Family] | None:
        """Return the token and its family, ended or not, or None. Raises `InvalidGrant` for another client's."""
        token = RefreshToken.parse(text)
        if token is None:
            return None
        family = call_store(self._store.get, token.family_id)
        if family is None or not compare_digest(family.proof_hash, token.proof_hash):
            return None
        if family.client_id != client_id:
            raise InvalidGrant("refresh_client_mismatch")
        return token, family

    def _exchange(self, request: RefreshRequest, presented: PresentedToken, decision: Decision) -> TokenPair:
        token, family, scope, is_current = presented
        if not is_current:
            return self._repeat(request, presented, decision)
        salt = secrets.token_bytes(SEED_OCTETS)
        successor = token.successor(salt)
        rotation = Rotation(
            current_hash=successor.secret_hash,
            previous_hash=family.current_hash,
            salt=salt if self._grace else b"",
            rotated_at=request.now,
            idle_expires_at=self._idle_end(family, request.now),
        )
        rotated = family.rotated(rotation)
        pair = self._pair(rotated, successor, decision, scope=scope, now=request.now)
        if self._grace:
            self._windows.add(rotated)
        if self._apply(family.family_id, rotation, salt):
            return pair
        reloaded = presented._replace(family=self._reload(token, rotation, request))
        return self._repeat(request, reloaded, decision)

    def _idle_end(self, family: Family, now: int) -> int:
        """Return until when the next token of *family* may be unused.

        With the same lifetimes it is never moved back: the clock may be days behind now, and right again before the
        client's next request. A shorter lifetime of the service counts from the last use that the stored end shows.
        """
        longest = self._idle if family.refresh_ttl is None else family.refresh_ttl
        last_use = max(now, family.idle_expires_at - longest)
        return min(last_use + min(longest, self._idle), family.expires_at)

    def _load_active(self, text: str, client_id: str, now: int) -> tuple[RefreshToken, Family]:
        found = self.find(text, client_id)
        if found is None:
            raise InvalidGrant("refresh_unknown")
        _, family = found
        if family.revoked_at is not None:
            self._revoker.ensure_revoked(family.family_id, since=family.revoked_at)
            raise InvalidGrant("refresh_revoked")
        if now >= min(family.expires_at, family.idle_expires_at):
            raise InvalidGrant("refresh_expired")
        if not self._pairs.serves(family.audience):
            raise InvalidGrant("refresh_audience")
        return found

    def _pair(self, family: Family, token: RefreshToken, decision: Decision, *, scope: str, now: int) -> TokenPair:
        try:
            return self._pairs.issue(family, token, decision, scope=scope, now=now)
        except ValueError as error:  # such as a claim of `claims_for`, which the client cannot correct
            raise no_access_token(error) from error

    def _apply(self, family_id: str, rotation: Rotation, salt: bytes) -> bool:
        try:
            return call_store(self._store.rotate, family_id, rotation)
        except BaseException as error:
            self._in_doubt.remember(family_id, rotation, salt)
            if isinstance(error, StoreUnavailable) and self._was_applied(family_id, rotation):
                return True
            raise

    def _was_applied(self, family_id: str, rotation: Rotation) -> bool:
        """Return whether *rotation* is stored and durable, and this caller may return its successor."""
        again = call_store(self._store.rotate, family_id, Rotation.rewriting(rotation))
        return again and self._in_doubt.settle(family_id, rotation.current_hash)

    def _reload(self, token: RefreshToken, rotation: Rotation, request: RefreshRequest) -> Family:
        """Reload the family after the store refused *rotation*, whose `previous_hash` can no longer be current."""
        _, family = self._load_active(request.token, request.client_id, request.now)
        if any(compare_digest(family.current_hash, one) for one in (token.secret_hash, rotation.previous_hash)):
            _logger.error("the store refused a rotation although the hash that it would replace is current")
            raise StoreUnavailable("store_contradiction")  # or a crash undid a concurrent rotation
        return family

    def _successor(self, token: RefreshToken, family: Family, now: int) -> RefreshToken | None:
        """Return the existing successor of *token* if it is the immediate predecessor and may have it, or None."""
        remembered = self._in_doubt.salt_of(family.family_id, family.current_hash)
        salt = (seed_of(family.salt) if self._in_grace(family, now) else b"") or remembered
        successor = token.successor(salt)
        return successor if salt and compare_digest(family.current_hash, successor.secret_hash) else None

    def _in_grace(self, family: Family, now: int) -> bool:
        return abs(now - family.rotated_at) < self._grace  # a clock that was set back does not widen the window

    def _repeat(self, request: RefreshRequest, presented: PresentedToken, decision: Decision) -> TokenPair:
        """Return the existing successor of a spent token that may have it; revoke the family for every other token."""
        token, family, scope, _ = presented
        successor = self._successor(token, family, request.now)
        if successor is None:
            raise self._reuse(family, request)
        in_grace = self._in_grace(family, request.now)
        pair = self._pair(family, successor, decision, scope=scope, now=request.now)
        if in_grace:
            self._windows.add(family)
        again = Rotation.rewriting(family)
        if not call_store(self._store.rotate, family.family_id, again):  # revoked or rotated concurrently
            raise self._reuse(self._reload(token, again, request), request)
        settled = self._in_doubt.settle(family.family_id, successor.secret_hash)
        if not (in_grace or settled):
            raise self._reuse(family, request)
        return pair

    def _reuse(self, family: Family, request: RefreshRequest) -> RefreshTokenReused:
        self._revoker.revoke_reused(family, request.on_reuse)
        return RefreshTokenReused("refresh_reused")


@dataclass(slots=True)
class _Salts:
    salts: OrderedDict[str, dict[bytes, bytes]] = field(default_factory=OrderedDict[str, dict[bytes, bytes]])
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@final
class InDoubtRotations:
    """Salts of rotations whose outcome is unknown, by family and hash of the successor. The oldest are evicted if full.

    A client that retries in this process gets the successor, once, and its family is not revoked. No usable token is
    kept: the client's own token is needed too. The number per family is limited, so that one client's retries do not
    displace those of others. A forked process begins with none, because its parent returns them.
    """

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = PerProcess(_Salts)

    def remember(self, family_id: str, rotation: Rotation, salt: bytes) -> None:
        """Remember the *salt* of *rotation*, which may have been applied."""
        state = self._state.get()
        with state.lock:
            own = state.salts.setdefault(family_id, {})
            own[rotation.current_hash] = salt
            state.count += 1
            if len(own) > _MAX_IN_DOUBT_PER_FAMILY:
                del own[next(iter(own))]
                state.count -= 1
            if state.count > _MAX_IN_DOUBT:
                state.count -= len(state.salts.popitem(last=False)[1])

    def salt_of(self, family_id: str, current_hash: bytes) -> bytes:
        """Return the salt of the successor with *current_hash*, or `b""`."""
        return self._state.get().salts.get(family_id, {}).get(current_hash, b"")

    def settle(self, family_id: str, current_hash: bytes) -> bool:
        """Forget the rotation. Return True to exactly one caller, which may return the successor."""
        state = self._state.get()
        with state.lock:
            own = state.salts.get(family_id, {})
            if own.pop(current_hash, None) is None:
                return False
            state.count -= 1
            if not own:
                del state.salts[family_id]
            return True


@dataclass(slots=True)
class _Windows:
    # When full, the oldest is dropped: the next rotation of that family replaces its salt anyway.
    families: deque[Family] = field(default_factory=lambda: deque[Family](maxlen=_MAX_WINDOWS))
    lock: threading.Lock = field(default_factory=threading.Lock)


@final
class GraceWindows:
    """The families that this process rotated last. The window of each is open for *grace* seconds."""

    __slots__ = ("_grace", "_state")

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._state = PerProcess(_Windows)

    def add(self, family: Family) -> None:
        """Open the window of *family*, whose token is being rotated."""
        self._state.get().families.append(family)

    def pop_closed(self, now: int, *, limit: int) -> list[Family]:
        """Return at most *limit* families whose window is closed, and forget them."""
        found: list[Family] = []
        windows = self._state.get()
        with windows.lock:
            while windows.families and len(found) < limit and now - windows.families[0].rotated_at >= self._grace:
                found.append(windows.families.popleft())
        return found

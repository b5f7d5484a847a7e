"""A reference implementation of token families, and a state machine that compares the service with it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.support.breaking_store import AUDIENCE, BreakingStore, Clock, make_revocation, make_service, make_verifier

from gatepass.errors import ExpiredToken, RevokedToken
from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import InvalidGrant, TokenEndpointError

IDLE, ABSOLUTE, ACCESS, MAX_GRACE = 3_000, 8_000, 900, 60
SUBJECTS, CLIENTS = ("anna", "bert"), ("web", "mobile")
SCOPES, AUDIENCES = ("a", "b", "a b", "c", None, None), (None, None, None, AUDIENCE, "https://other.example")
FAULTS = ("before", "after", "unheard")
ENDS = ("token", "family", "subject", "client")
PICK, AT = st.integers(0, 999), st.sampled_from((0, 1))
MOMENTS = st.sampled_from((0, 1, 8, 9, 10, 60))
RIGHTS = ("a b", "a", "b", "", "a b c", ["c", "b"])
"""What `scopes_for` returns: more than the grant, and less."""
CLAIMS = (None, {"tenant": "north"}, {"tenant": "south", "plan": [1, {"x": None}]})
CURRENT_CLAIMS = ({}, {"tenant": "moved"}, {"roles": ["clerk"]})
LIFETIMES = ((None, None), (None, None), (1_000, None), (None, 2_000), (500, 4_000), (IDLE, ABSOLUTE))
LABELS = (None, "", "Anna’s phone 📱")
BROKEN = ("check_subject", "claims_for", "scopes_for")
UNHEARD = None
"""A token that is current in the store and that no client received."""


@dataclass
class Reference:
    """The reference state of one family."""

    subject: str
    client: str
    scope: set[str]
    born: int
    used: int
    tokens: list[str | None] = field(default_factory=list)
    claims: dict = field(default_factory=dict)
    label: str | None = None
    idle: int = IDLE
    absolute: int = ABSOLUTE
    revoked: int | None = None
    told: int = 0
    remembered_by: int | None = None
    """The service that has recorded that a response to it was lost."""

    def end(self):
        ends = [self.born + self.absolute, self.used + self.idle]
        return min(ends if self.revoked is None else [*ends, self.revoked])

    def expired(self, now):
        return now >= self.born + self.absolute or now >= self.used + self.idle


class Families(RuleBasedStateMachine):
    """*store* is empty. *purges* says whether its `purge` deletes ended families, or they expire by themselves."""

    def __init__(self, store, *, grace, purges):
        super().__init__()
        self.grace, self.purges = grace, purges
        self.clock = Clock()
        self.store = BreakingStore(store)
        self.revocation = make_revocation(self.store, self.clock)
        self.welcome = set(SUBJECTS)
        self.rights = dict.fromkeys(SUBJECTS, RIGHTS[0])
        self.current_claims = dict.fromkeys(SUBJECTS, CURRENT_CLAIMS[0])
        self.broken = None
        self.told = []
        self.services = [self.service(), self.service()]
        self.open_verifier = make_verifier(self.clock, leeway=0)
        self.verifier = make_verifier(self.clock, is_revoked=self.revocation, leeway=0)
        self.families = {}
        self.ever = []
        self.access = []
        self.cut = {}

    def service(self):
        return make_service(
            self.store,
            self.clock,
            check_subject=lambda subject: None if self.broken == "check_subject" else subject in self.welcome,
            claims_for=lambda session: self.answer("claims_for", session, self.current_claims),
            scopes_for=lambda session: self.answer("scopes_for", session, self.rights),
            refresh_ttl=IDLE,
            absolute_ttl=ABSOLUTE,
            grace=self.grace,
            revocation=self.revocation,
            on_reuse=lambda family: self.told.append(family.family_id),
        )

    def answer(self, hook, session, answers):
        """Return what *hook* says about *session*, which must be the whole login."""
        family = self.families.get(session.family_id)
        if family is not None:
            assert_same_login(session, family)
        return None if self.broken == hook else answers[session.subject]

    def seen(self, pair, family, requested):
        """Check what a new pair contains, and remember it."""
        rights = self.rights[family.subject]
        rights = set(rights.split() if isinstance(rights, str) else rights)
        token = self.open_verifier.verify(pair.access_token)
        assert set(pair.scope.split()) == token.scopes == requested & rights <= family.scope
        assert pair.narrowed is not (requested <= rights)
        expected = {**family.claims, **self.current_claims[family.subject]}
        assert {name: token.to_dict().get(name) for name in ("tenant", "plan", "roles")} == {
            name: expected.get(name) for name in ("tenant", "plan", "roles")
        }
        assert 0 < pair.refresh_expires_in <= min(family.idle, family.born + family.absolute - self.clock.now)
        self.access.append((pair.access_token, family, self.clock.now, pair.expires_in))

    @initialize()
    def begin(self):
        self.grant(subject=SUBJECTS[0], client=CLIENTS[0], claims=None, lifetimes=(None, None), label=None)

    @rule(
        subject=st.sampled_from(SUBJECTS), client=st.sampled_from(CLIENTS), claims=st.sampled_from(CLAIMS),
        lifetimes=st.sampled_from(LIFETIMES), label=st.sampled_from(LABELS),
    )  # fmt: skip
    def grant(self, *, subject, client, claims, lifetimes, label):
        idle, absolute = lifetimes
        pair = self.services[0].grant(
            subject, client_id=client, scope="a b", claims=claims, label=label, refresh_ttl=idle, absolute_ttl=absolute
        )
        family = Reference(
            subject, client, {"a", "b"}, self.clock.now, self.clock.now, [pair.refresh_token], claims or {},
            label or None, idle or IDLE, absolute or ABSOLUTE,
        )  # fmt: skip
        self.families[RefreshToken.parse(pair.refresh_token).family_id] = family
        self.ever.append(pair.refresh_token)
        self.seen(pair, family, family.scope)

    @rule(subject=st.sampled_from(SUBJECTS), rights=st.sampled_from(RIGHTS), claims=st.sampled_from(CURRENT_CLAIMS))
    def change_rights(self, subject, rights, claims):
        self.rights[subject], self.current_claims[subject] = rights, claims

    @precondition(lambda self: self.families)
    @rule(pick=PICK, at=AT, age=st.sampled_from((1, 1, 2)), hook=st.sampled_from(BROKEN))
    def refresh_while_a_hook_returns_nothing(self, *, pick, at, age, hook):
        family, token = self.picked(pick, age)
        self.broken = hook
        self.refresh(token, at, family.client)
        self.broken = None

    @rule(subject=st.sampled_from(SUBJECTS), limit=st.sampled_from((1, 2, 50)), at=AT)
    def list_sessions(self, subject, limit, at):
        page = self.services[at].sessions(subject, limit=limit)
        found = [*page.sessions]
        while page.next is not None:
            assert len(page.sessions) == limit
            page = self.services[at].sessions(subject, limit=limit, after=page.next)
            found += page.sessions
        living = {
            family_id: family
            for family_id, family in self.families.items()
            if family.subject == subject and family.revoked is None and not family.expired(self.clock.now)
        }
        assert sorted(session.family_id for session in found) == sorted(living)
        assert [session.created_at for session in found] == sorted(
            (session.created_at for session in found), reverse=True
        )
        for session in found:
            family = living[session.family_id]
            assert_same_login(session, family)
            assert session.last_used_at == datetime.fromtimestamp(family.used, UTC)

    def picked(self, pick, age=1):
        """Return a family and the last token that its client received, or one of those before it."""
        family = list(self.families.values())[-1 - pick % len(self.families)]
        known = [one for one in family.tokens if one is not UNHEARD]
        return family, known[max(-age, -len(known))]

    @precondition(lambda self: self.families)
    @rule(pick=PICK, at=AT, passing=st.sampled_from((0, 0, 1, 9, 900, 2_000, 2_999, 3_000)))
    def go_on(self, pick, at, passing):
        """Do what most clients do most of the time."""
        family, token = self.picked(pick)
        self.clock.now += passing
        self.refresh(token, at, family.client)

    @precondition(lambda self: self.families)
    @rule(pick=PICK, at=AT)
    def grow_old(self, pick, at):
        """Refresh until shortly before the absolute end."""
        family, _ = self.picked(pick)
        while self.clock.now + 2_500 < family.born + family.absolute and not family.expired(self.clock.now + 2_500):
            self.clock.now += 2_500
            self.refresh(self.picked(pick)[1], at, family.client)

    @precondition(lambda self: self.families)
    @rule(pick=PICK, at=AT, rotations=st.integers(0, 3), age=st.integers(1, 4), passing=MOMENTS)
    def bring_an_older_token(self, pick, at, rotations, age, passing):
        family, token = self.picked(pick)
        for _ in range(rotations):
            self.refresh(token, at, family.client)
            family, token = self.picked(pick)
        self.clock.now += passing
        self.refresh(self.picked(pick, age)[1], at, family.client)

    @precondition(lambda self: self.families)
    @rule(
        pick=PICK, at=AT, age=st.sampled_from((1, 1, 2)), client=st.sampled_from((None, None, None, *CLIENTS)),
        scope=st.sampled_from(SCOPES), audience=st.sampled_from(AUDIENCES),
    )  # fmt: skip
    def wish_for_something(self, *, pick, at, age, client, scope, audience):
        family, token = self.picked(pick, age)
        self.refresh(token, at, client or family.client, scope=scope, audience=audience)

    @precondition(lambda self: self.families)
    @rule(pick=PICK, at=AT, age=st.sampled_from((1, 1, 1, 2)), fault=st.sampled_from(FAULTS), again=AT, passing=MOMENTS)
    def refresh_while_the_store_fails(self, *, pick, at, age, fault, again, passing):
        family, token = self.picked(pick, age)
        self.store.before.update({"rotate"} if fault == "before" else ())
        self.store.after_once.update({"rotate"} if fault == "after" else ())
        self.store.after.update({"rotate"} if fault == "unheard" else ())
        try:
            self.refresh(token, at, family.client, fault=fault)
        finally:
            for one in (self.store.before, self.store.after, self.store.after_once):
                one.clear()
        if family.tokens[-1] is UNHEARD:
            self.clock.now += passing
            for _ in range(2):
                self.refresh(token, again, family.client)

    @precondition(lambda self: self.families)
    @rule(pick=PICK, at=AT, age=st.sampled_from((1, 1, 2)))
    def refresh_while_turned_away(self, pick, at, age):
        family, token = self.picked(pick, age)
        self.welcome.discard(family.subject)
        self.refresh(token, at, family.client)
        self.welcome.add(family.subject)

    @rule(pick=PICK, at=AT)
    def refresh_with_any_token_ever_given(self, pick, at):
        token = self.ever[-1 - pick % len(self.ever)]
        family = self.families.get(RefreshToken.parse(token).family_id)
        self.refresh(token, at, CLIENTS[0] if family is None else family.client)

    def refresh(self, token, at, client, *, scope=None, audience=None, fault=None):
        expected, family = self.expectation(token, at, (client, scope, audience))
        if expected == "next" and fault in ("before", "unheard"):
            expected = ("StoreUnavailable", "store_unavailable")
            if fault == "unheard":
                family.used, family.remembered_by = self.clock.now, at
                family.tokens.append(UNHEARD)
        if expected == "same" and fault is not None:  # it is written before it is returned again
            expected = ("StoreUnavailable", "store_unavailable")
        if expected not in ("next", "same"):
            with pytest.raises(TokenEndpointError) as caught:
                self.services[at].refresh(token, client_id=client, scope=scope, audience=audience)
            assert (type(caught.value).__name__, caught.value.reason) == expected
            return
        pair = self.services[at].refresh(token, client_id=client, scope=scope, audience=audience)
        if expected == "next":
            family.used, family.remembered_by = self.clock.now, None
            family.tokens.append(UNHEARD)
        elif family.remembered_by == at:
            family.remembered_by = None
        if family.tokens[-1] is UNHEARD:
            assert pair.refresh_token not in family.tokens
            family.tokens[-1] = pair.refresh_token
        assert pair.refresh_token == family.tokens[-1]
        self.ever.append(pair.refresh_token)
        self.seen(pair, family, family.scope if scope is None else set(scope.split()))

    def expectation(self, token, at, wish):  # noqa: C901, PLR0911 - one return for each outcome
        now, (client, scope, audience) = self.clock.now, wish
        family = self.families.get(RefreshToken.parse(token).family_id)
        if family is None:
            return ("InvalidGrant", "refresh_unknown"), None
        if family.client != client:
            return ("InvalidGrant", "refresh_client_mismatch"), family
        if family.revoked is not None:
            return ("InvalidGrant", "refresh_revoked"), family
        if family.expired(now):
            return ("InvalidGrant", "refresh_expired"), family
        is_next = token == family.tokens[-1]
        is_last_but_one = len(family.tokens) > 1 and token == family.tokens[-2]
        if not is_next and not (is_last_but_one and (now - family.used < self.grace or family.remembered_by == at)):
            family.revoked = now
            family.told += 1
            return ("RefreshTokenReused", "refresh_reused"), family
        if audience not in (None, AUDIENCE):
            return ("InvalidTarget", "invalid_target"), family
        if scope is not None and not set(scope.split()) <= family.scope:
            return ("InvalidScope", "invalid_scope"), family
        if self.broken == "check_subject":
            return ("HookUnavailable", "check_subject_unavailable"), family
        if family.subject not in self.welcome:
            family.revoked = now
            return ("InvalidGrant", "refresh_subject"), family
        if self.broken is not None:
            return ("HookUnavailable", f"{self.broken}_unavailable"), family
        return "next" if is_next else "same", family

    @rule(pick=PICK, what=st.sampled_from(ENDS), client=st.sampled_from((None, None, *CLIENTS)))
    def end_something(self, pick, what, client):
        token = self.ever[-1 - pick % len(self.ever)]
        family_id = RefreshToken.parse(token).family_id
        family = self.families.get(family_id)
        subject = SUBJECTS[pick % 2] if family is None else family.subject
        owner = CLIENTS[pick % 2] if family is None else family.client
        self.clock.now += 1
        if what == "token":
            if family is not None and (client or owner) != owner:
                with pytest.raises(InvalidGrant):
                    self.services[0].revoke(token, client_id=client)
                return
            self.services[0].revoke(token, client_id=client or owner)
            self.end(() if family is None else (family,))
        elif what == "family":
            assert self.services[1].revoke_family(family_id) is (family is not None and family.revoked is None)
            self.end(() if family is None else (family,))
        elif what == "subject":
            alive = [one for one in self.families.values() if one.subject == subject and one.revoked is None]
            assert self.services[0].revoke_subject(subject) == len(alive)
            self.end(alive)
            self.cut[subject] = self.clock.now
        else:
            alive = [one for one in self.families.values() if one.client == owner and one.revoked is None]
            assert self.services[0].revoke_client(owner) == len(alive)
            self.end(alive)
            self.cut[owner] = self.clock.now

    def end(self, families):
        for family in families:
            family.revoked = self.clock.now if family.revoked is None else family.revoked

    @rule(pick=PICK)
    def try_what_was_never_given(self, pick):
        real = RefreshToken.parse(self.ever[-1 - pick % len(self.ever)])
        invented = RefreshToken(real.name, bytes(16), real.secret).text()
        with pytest.raises(InvalidGrant):
            self.services[0].refresh(invented)
        self.services[0].revoke(invented)

    @rule(passing=st.sampled_from((1, 60, 899, 900, 961, 962, 2_000, 4_500)))
    def wait(self, passing):
        self.clock.now += passing

    @rule(limit=st.sampled_from((1, 2, 1_000, 1_000)), pick=PICK, beyond=st.sampled_from((None, 0, 1)))
    def purge(self, limit, pick, beyond):
        """Purge at any time, also when a family has been over just long enough to be deleted, or not quite."""
        self.purge_now(limit)
        if beyond is not None and self.families:
            self.clock.now = max(self.clock.now, self.picked(pick)[0].end() + ACCESS + MAX_GRACE + beyond)
            self.purge_now(limit)
        self.revocation.purge()

    def purge_now(self, limit):
        before = self.clock.now - ACCESS - MAX_GRACE
        over = {family_id for family_id, one in self.families.items() if one.end() < before}
        count = self.services[1].purge(limit=limit).deleted
        gone = {family_id for family_id in self.families if self.store.inner.get(family_id) is None}
        assert gone <= over, "a family was deleted before its time"
        assert len(gone) == count == (min(len(over), limit) if self.purges else 0)
        for family_id in gone:
            del self.families[family_id]

    @invariant()
    def alarms_are_the_references(self):
        assert len(self.told) == len(set(self.told))
        for family_id, family in self.families.items():
            assert self.told.count(family_id) == family.told

    @invariant()
    def access_tokens_are_good_exactly_while_family_and_cut_offs_let_them(self):
        for token, family, issued, life in self.access[-4:]:
            assert 0 < life <= min(ACCESS, family.born + family.absolute - issued)
            cut = max(self.cut.get(family.subject, -1), self.cut.get(family.client, -1))
            if self.clock.now >= issued + life:
                with pytest.raises(ExpiredToken):
                    self.verifier.verify(token)
            elif issued <= cut or family.revoked is not None:
                with pytest.raises(RevokedToken):
                    self.verifier.verify(token)
            else:
                assert self.verifier.verify(token).subject == family.subject


def assert_same_login(session, family):
    """Check that *session* is the public view of *family*, except for its last use."""
    assert (session.subject, session.client_id, session.created_at) == (
        family.subject,
        family.client,
        datetime.fromtimestamp(family.born, UTC),
    )
    assert (set(session.scope.split()), json.loads(json.dumps(session.claims)), session.label) == (
        family.scope,
        family.claims,
        family.label,
    )

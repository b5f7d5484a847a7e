"""Families against a simple reference: whatever clients do in whatever order, service and reference agree.

The reference holds every token that was ever given out in a list, and says by plain looking what must happen.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from gatepass.errors import ExpiredToken, RevokedToken
from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import InvalidGrant, TokenEndpointError
from gatepass.stores.memory import MemoryStore

from .doubles import Clock, make_revocation, make_service, make_verifier

IDLE, ABSOLUTE, ACCESS = 3_000, 8_000, 900
SUBJECTS, CLIENTS, SCOPES = ("anna", "bert"), ("web", "mobile"), ("a", "b", "a b", "c", None)


@dataclass
class Reference:
    """One family as a child would keep it."""

    subject: str
    client: str
    scope: set[str]
    born: int
    used: int
    tokens: list[str] = field(default_factory=list)
    revoked: bool = False
    told: int = 0

    def dead(self, now):
        return self.revoked or now >= self.born + ABSOLUTE or now >= self.used + IDLE


class Families(RuleBasedStateMachine):
    grace = 0

    held = Bundle("held")

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.store = MemoryStore()
        revocation = make_revocation(self.store, self.clock)
        self.welcome = set(SUBJECTS)
        self.told = []
        self.service = make_service(
            self.store,
            self.clock,
            check_subject=self.welcome.__contains__,
            refresh_ttl=IDLE,
            absolute_ttl=ABSOLUTE,
            grace=self.grace,
            revocation=revocation,
            on_reuse=lambda family: self.told.append(family.family_id),
        )
        self.verifier = make_verifier(self.clock, is_revoked=revocation, leeway=0)
        self.families = {}
        self.access = []
        self.cut = {}

    def seen(self, pair, family):
        self.access.append((pair.access_token, family, self.clock.now, pair.expires_in))

    @rule(target=held, subject=st.sampled_from(SUBJECTS), client=st.sampled_from(CLIENTS))
    def grant(self, subject, client):
        pair = self.service.grant(subject, client_id=client, scope="a b")
        family = Reference(subject, client, {"a", "b"}, self.clock.now, self.clock.now, [pair.refresh_token])
        self.families[RefreshToken.parse(pair.refresh_token).family_id] = family
        self.seen(pair, family)
        return pair.refresh_token

    @rule(target=held, token=held, client=st.sampled_from(CLIENTS), scope=st.sampled_from(SCOPES))
    def refresh_with_any_token(self, token, client, scope):
        return self.refresh(token, client, scope)

    def refresh(self, token, client, scope):
        expected, family = self.expectation(token, client, scope)
        if expected not in ("next", "same"):
            with pytest.raises(TokenEndpointError) as caught:
                self.service.refresh(token, client_id=client, scope=scope)
            assert (type(caught.value).__name__, caught.value.reason) == expected
            return multiple()
        pair = self.service.refresh(token, client_id=client, scope=scope)
        if expected == "next":
            assert pair.refresh_token not in family.tokens
            family.tokens.append(pair.refresh_token)
        else:
            assert pair.refresh_token == family.tokens[-1]
        assert set(pair.scope.split()) == (family.scope if scope is None else set(scope.split()))
        self.seen(pair, family)
        return pair.refresh_token

    @precondition(lambda self: self.families)
    @rule(target=held, data=st.data(), age=st.sampled_from([1, 1, 1, 2, 2, 3]))
    def refresh_with_a_late_token(self, data, age):
        """The last token of a family, or one of those before it: what a walk at random rarely comes to."""
        family = list(self.families.values())[data.draw(st.integers(0, len(self.families) - 1))]
        return self.refresh(family.tokens[max(-age, -len(family.tokens))], family.client, None)

    def expectation(self, token, client, scope):  # noqa: PLR0911 - one return for each outcome
        now = self.clock.now
        family = self.families.get(RefreshToken.parse(token).family_id)
        if family is None:
            return ("InvalidGrant", "refresh_unknown"), None
        if family.client != client:
            return ("InvalidGrant", "refresh_client_mismatch"), family
        if family.revoked:
            return ("InvalidGrant", "refresh_revoked"), family
        if family.dead(now):
            return ("InvalidGrant", "refresh_expired"), family
        is_next = token == family.tokens[-1]
        is_same = len(family.tokens) > 1 and token == family.tokens[-2] and now - family.used < self.grace
        if not is_next and not is_same:
            family.revoked = True
            family.told += 1
            return ("RefreshTokenReused", "refresh_reused"), family
        if scope is not None and not set(scope.split()) <= family.scope:
            return ("InvalidScope", "invalid_scope"), family
        if family.subject not in self.welcome:
            family.revoked = True
            return ("InvalidGrant", "refresh_subject"), family
        if is_next:
            family.used = now
        return "next" if is_next else "same", family

    @rule(token=held, client=st.sampled_from(CLIENTS))
    def sign_out(self, token, client):
        family = self.families.get(RefreshToken.parse(token).family_id)
        if family is not None and family.client != client:
            with pytest.raises(InvalidGrant):
                self.service.revoke(token, client_id=client)
            return
        self.service.revoke(token, client_id=client)
        if family is not None:
            family.revoked = True

    @rule(token=held)
    def try_what_was_never_given(self, token):
        real = RefreshToken.parse(token)
        invented = RefreshToken(real.name, bytes(16), real.secret).text()
        with pytest.raises(InvalidGrant):
            self.service.refresh(invented)
        self.service.revoke(invented)

    @rule(subject=st.sampled_from(SUBJECTS))
    def sign_out_everywhere(self, subject):
        alive = [one for one in self.families.values() if one.subject == subject and not one.revoked]
        assert self.service.revoke_subject(subject) == len(alive)
        for family in alive:
            family.revoked = True
        self.cut[subject] = self.clock.now

    @rule(client=st.sampled_from(CLIENTS))
    def end_a_client(self, client):
        alive = [one for one in self.families.values() if one.client == client and not one.revoked]
        assert self.service.revoke_client(client) == len(alive)
        for family in alive:
            family.revoked = True
        self.cut[client] = self.clock.now

    @rule(subject=st.sampled_from(SUBJECTS))
    def turn_away_or_welcome(self, subject):
        self.welcome.symmetric_difference_update({subject})

    @rule(passing=st.sampled_from([1, 9, 10, 60, 899, 900, 2_000, 2_999, 3_000]))
    def wait(self, passing):
        self.clock.now += passing

    @precondition(lambda self: all(one.dead(self.clock.now) for one in self.families.values()))
    @rule()
    def purge_after_a_long_time(self):
        self.clock.now += 10_000
        assert self.service.purge() == len(self.families)
        self.families.clear()

    @invariant()
    def alarms_are_the_references(self):
        assert len(self.told) == len(set(self.told))
        for family_id, family in self.families.items():
            assert self.told.count(family_id) == family.told

    @invariant()
    def access_tokens_are_good_exactly_while_family_and_cut_offs_let_them(self):
        for token, family, issued, life in self.access[-4:]:
            cut = max(self.cut.get(family.subject, -1), self.cut.get(family.client, -1))
            if self.clock.now >= issued + life:
                with pytest.raises(ExpiredToken):
                    self.verifier.verify(token)
            elif issued <= cut or self.is_ended_by_itself(family):
                with pytest.raises(RevokedToken):
                    self.verifier.verify(token)
            else:
                assert self.verifier.verify(token).subject == family.subject
                assert life <= family.born + ABSOLUTE - issued

    def is_ended_by_itself(self, family):
        return family.revoked


class FamiliesWithGrace(Families):
    grace = 10


_SETTINGS = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestFamilies = Families.TestCase
TestFamilies.settings = _SETTINGS
TestFamiliesWithGrace = FamiliesWithGrace.TestCase
TestFamiliesWithGrace.settings = _SETTINGS

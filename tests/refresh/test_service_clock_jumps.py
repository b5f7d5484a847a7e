"""Clocks that jump by hours, on every store: no token is accepted twice, no access token outlives its family, and every
family ends.
"""

import json
import random
from base64 import urlsafe_b64decode

import pytest
from tests.support.breaking_store import NOW, Clock, make_revocation, make_service, make_verifier
from tests.support.databases.store_factories import EVERY_KIND, store_factory

from gatepass.errors import AuthError
from gatepass.refresh import RefreshToken
from gatepass.refresh.errors import InvalidGrant, RefreshTokenReused
from gatepass.stores.redis import MARGIN

HOUR = 3_600
IDLE, ABSOLUTE, ACCESS = 4 * HOUR, 24 * HOUR, 900
PURGED_AFTER = ACCESS + 60 + 1


@pytest.fixture(scope="module", params=EVERY_KIND)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def factory(kind, tmp_path_factory):
    with store_factory(kind, tmp_path_factory.mktemp("clocks")) as factory:
        yield factory


@pytest.fixture
def store(factory):
    return factory.open_empty()


@pytest.fixture
def clock():
    return Clock()


def service_on(store, clock, **settings):
    return make_service(store, clock, refresh_ttl=IDLE, absolute_ttl=ABSOLUTE, **settings)


def family_in(store, token):
    return store.get(RefreshToken.parse(token).family_id)


def says(access_token):
    payload = access_token.split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@pytest.mark.parametrize("seed", range(3))
def test_jumps_between_calls_each_token_is_exchanged_once_and_only_while_valid(store, clock, seed):
    service, chance = service_on(store, clock), random.Random(seed)  # noqa: S311 - a draw for a test
    pair = service.grant("anna")
    spent, born = [], clock.now
    for _ in range(40):
        clock.now = born + chance.randrange(-5 * HOUR, 26 * HOUR)
        before = family_in(store, pair.refresh_token)
        if clock.now >= min(before.expires_at, before.idle_expires_at):
            with pytest.raises(InvalidGrant):
                service.refresh(pair.refresh_token)
            assert family_in(store, pair.refresh_token) == before
            clock.now = before.rotated_at or born
        spent.append(pair.refresh_token)
        pair = service.refresh(pair.refresh_token)
        after = family_in(store, pair.refresh_token)
        assert after.expires_at == born + ABSOLUTE, "an end that moves is no end"
        assert after.idle_expires_at == min(max(clock.now + IDLE, before.idle_expires_at), after.expires_at)
        assert says(pair.access_token)["exp"] <= after.expires_at
        assert clock.now + pair.expires_in <= after.expires_at
        service.purge()

    assert len({*spent, pair.refresh_token}) == len(spent) + 1
    clock.now = chance.choice([born - 5 * HOUR, born, after.rotated_at])
    with pytest.raises(RefreshTokenReused):
        service.refresh(chance.choice(spent))
    for now in (born - 5 * HOUR, born, after.rotated_at, born + ABSOLUTE):
        clock.now = now
        with pytest.raises(InvalidGrant):
            service.refresh(pair.refresh_token)


class Unsteady(Clock):
    """A clock that returns a different time, hours apart, at each reading within one call."""

    def __init__(self, chance):
        super().__init__()
        self._chance = chance

    def __call__(self):
        return self.now + self._chance.randrange(-HOUR, HOUR)


@pytest.mark.parametrize("grace", [0, 60])
def test_jumps_within_a_call_each_token_is_exchanged_once_and_only_while_valid(store, grace):
    chance = random.Random(grace)  # noqa: S311 - a draw for a test
    clock = Unsteady(chance)
    services = [service_on(store, clock, grace=grace) for _ in range(2)]
    pair = services[0].grant("anna")
    end = family_in(store, pair.refresh_token).expires_at
    successors, refused = {}, set()
    for step in range(60):
        token = pair.refresh_token
        clock.now = NOW + step * HOUR // 2
        try:
            pair = services[step % 2].refresh(token)
        except InvalidGrant as error:
            refused.add(error.reason)
            continue
        successors.setdefault(token, set()).add(pair.refresh_token)
        assert says(pair.access_token)["exp"] <= end
        assert 0 < pair.expires_in <= ACCESS

    assert 40 < len(successors) < 60
    assert refused == {"refresh_expired"}
    assert {len(one) for one in successors.values()} == {1}
    with pytest.raises(InvalidGrant):
        services[0].refresh(pair.refresh_token)


def test_a_session_used_while_the_clock_was_days_behind_survives_its_correction(store, clock):
    service = service_on(store, clock)
    token = service.grant("anna").refresh_token
    for _ in range(3):
        clock.now -= 2 * IDLE
        token = service.refresh(token).refresh_token
    clock.now = NOW + IDLE - 1

    assert service.purge().deleted == 0
    assert service.refresh(token)


@pytest.mark.parametrize("jump", [-5 * HOUR, -10, -9, 0, 9, 10, 3 * HOUR])
def test_a_jump_does_not_change_the_width_of_the_grace_window(store, clock, jump):
    service = service_on(store, clock, grace=10)
    first = service.grant("anna").refresh_token
    second = service.refresh(first).refresh_token
    clock.now += jump

    if abs(jump) < 10:
        assert service.refresh(first).refresh_token == second
    else:
        with pytest.raises(RefreshTokenReused):
            service.refresh(first)


@pytest.mark.parametrize("jump", [-3 * HOUR, 3 * HOUR])
def test_a_clock_that_is_corrected_within_the_window_opens_it_for_no_other_token(store, clock, jump):
    service = service_on(store, clock, grace=10)
    first = service.grant("anna").refresh_token
    second = service.refresh(first).refresh_token
    clock.now += jump
    third = service.refresh(second).refresh_token
    clock.now -= jump

    assert service.refresh(third), "the session goes on"
    with pytest.raises(RefreshTokenReused):
        service.refresh(first)


@pytest.mark.parametrize("jump", [-5 * HOUR, 3 * HOUR])
def test_a_revoked_family_stays_revoked_at_any_time(store, clock, jump):
    service = service_on(store, clock, grace=10)
    for end in (
        lambda pair: service.revoke(pair.refresh_token),
        lambda pair: service.revoke_subject("anna"),
        lambda pair: service.revoke_client("web"),
    ):
        start = clock.now
        pair = service.grant("anna")
        clock.now += jump
        end(pair)
        for now in (start, start + jump, start - jump, start + 1, start + ABSOLUTE):
            clock.now = now
            with pytest.raises(InvalidGrant):
                service.refresh(pair.refresh_token)
        clock.now = start


@pytest.mark.parametrize("offset", [-30, 0, 30])
def test_revoked_access_tokens_stay_revoked_for_clocks_that_differ_by_the_leeway(store, clock, offset):
    revocation = make_revocation(store, clock)
    service = service_on(store, clock, revocation=revocation)
    pair = service.grant("anna")
    clock.now += offset
    service.revoke_family(RefreshToken.parse(pair.refresh_token).family_id)
    verifier = make_verifier(clock, is_revoked=revocation)
    for now in range(NOW - 30, NOW + ACCESS + 60, 15):
        clock.now = now
        with pytest.raises(AuthError):
            verifier.verify(pair.access_token)


def test_no_jump_makes_a_family_permanent_or_deletes_it_before_its_end(kind, store, clock):
    service, chance = service_on(store, clock), random.Random(5)  # noqa: S311 - a draw for a test
    tokens = [service.grant(f"user-{number}").refresh_token for number in range(6)]
    for _ in range(10):
        for number, token in enumerate(tokens):
            clock.now = NOW + chance.randrange(-HOUR, HOUR)
            tokens[number] = service.refresh(token).refresh_token
        clock.now = NOW + chance.randrange(-HOUR, HOUR)
        assert service.purge().deleted == 0
    ends = sorted(family_in(store, token).idle_expires_at for token in tokens)

    if kind == "redis":  # Redis expires keys by its own clock, after the difference of two of our times
        lives = [store._client.ttl(store._family(RefreshToken.parse(token).family_id)) for token in tokens]
        assert all(0 < life <= IDLE + 2 * HOUR + MARGIN for life in lives)
        return
    for number, end in enumerate(ends):
        clock.now = end + PURGED_AFTER - 1
        assert service.purge().deleted == 0 or ends[number - 1] == end
        clock.now = end + PURGED_AFTER
        assert service.purge().deleted == 1 or end in ends[:number] + ends[number + 1 :]
    assert [family_in(store, token) for token in tokens] == [None] * 6

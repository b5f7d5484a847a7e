"""The default clock is `time.time`, looked up at each call, and an implausible clock is reported."""

import logging
import math
import time
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from unittest import mock

import pytest
from tests.support.keys import SECRET
from tests.support.needs import reason_for

from gatepass import (
    AccessTokenRevocation,
    ConfigurationError,
    JWKSClient,
    Key,
    KeyRing,
    ResourceServer,
    TokenIssuer,
    TokenService,
    TokenVerifier,
)
from gatepass.errors import ExpiredToken, KeysUnavailable, RevokedToken
from gatepass.refresh.errors import InvalidGrant
from gatepass.revocation.store import FailOpen, LastAnswer, RevocationCache
from gatepass.stores.memory import MemoryStore
from gatepass.tokens.explain import explain

NAMES = {"issuer": "https://auth.example", "audience": "https://api.example", "keys": Key.from_secret(SECRET)}
HOUR = 3_600


def issuer(**settings):
    return TokenIssuer(**NAMES, client_id="web", **settings)


def verifier(**settings):
    return TokenVerifier(**NAMES, **settings)


def revocation(**settings):
    return AccessTokenRevocation(MemoryStore(), access_ttl=900, **settings)


def service(**settings):
    return TokenService(issuer(), MemoryStore(), check_subject=lambda _: True, refresh_ttl=HOUR, **settings)


def at(seconds):
    """Replace `time.time` from now on, as freezegun and tests do."""
    return mock.patch("time.time", return_value=time.time() + seconds)


def later(seconds):
    return mock.patch("time.monotonic", return_value=time.monotonic() + seconds)


class TestTimeTimeIsLookedUpAtEachCall:
    @pytest.mark.parametrize("settings", [{}, {"clock": None}, {"cache_ttl": 300}])
    def test_by_a_verifier(self, settings):
        made, token = verifier(**settings), issuer().issue("anna")
        made.verify(token)

        with at(2 * HOUR), pytest.raises(ExpiredToken):
            made.verify(token)
        with at(2 * HOUR):
            assert [finding.name for finding in explain(token, made) if finding.outcome == "failed"] == ["expiry"]
        made.verify(token)

    def test_by_an_issuer(self):
        made = issuer()

        with at(2 * HOUR):
            token = made.issue("anna")
            assert abs(verifier().verify(token).issued_at.timestamp() - time.time()) < 1

    def test_by_a_service(self):
        made = service()
        pair = made.grant("anna")

        with at(2 * HOUR), pytest.raises(InvalidGrant):
            made.refresh(pair.refresh_token)
        assert made.refresh(pair.refresh_token)

    def test_by_a_revocation_list(self):
        revoked = revocation()
        with at(-600):
            revoked.revoke_subject("anna")
            token = issuer().issue("anna")

        assert verifier(is_revoked=revoked).verify(issuer().issue("anna")).subject == "anna"
        with pytest.raises(RevokedToken):
            verifier(is_revoked=revoked).verify(token)

    def test_by_a_key_ring(self, tmp_path):
        made = KeyRing(tmp_path / "ring", rotate_every=timedelta(days=1))
        opened = KeyRing.open(tmp_path / "ring")
        with at(2 * 86_400):
            made.rotate_if_due()
            assert len(made.current()) == 2
            assert len(opened.current()) == 2

    @pytest.mark.skipif(
        find_spec("httpx") is None, reason=reason_for("every extra and group", "httpx is not installed")
    )
    def test_by_fetched_keys(self):
        made = JWKSClient("https://keys.invalid/jwks", transport=lambda _verify: None)
        with pytest.raises(KeysUnavailable) as first:
            made.refresh()
        with pytest.raises(KeysUnavailable):
            next(made.fetch_missing("kid", None))
        with later(HOUR):
            assert next(made.fetch_missing("kid", None)) is not None

        assert first.value.retry_after

    def test_by_the_revocation_cache(self):
        store = MemoryStore()
        answers = LastAnswer(store)
        remembered, open_for = RevocationCache(store, ttl=60, size=10), FailOpen(answers, answers, limit=60)
        for check in (remembered, open_for):
            assert check.revoked_until(["subject:anna"], now=int(time.time())) is None
        store.put_revocation("subject:anna", issued_until=2**40, keep_until=2**40)

        assert remembered.revoked_until(["subject:anna"], now=int(time.time())) is None
        with later(61):
            assert remembered.revoked_until(["subject:anna"], now=int(time.time())) == 2**40


def test_seconds_left_are_computed_by_the_verifier_of_the_tokens_issuer():
    other = "https://other.example"
    ours = verifier(clock=lambda: 1_000, leeway=10)
    theirs = TokenVerifier(**{**NAMES, "issuer": other}, clock=lambda: 1_500, leeway=0, max_token_age=600)
    server = ResourceServer([ours, theirs], https="off")
    for name, left in ((ours.issuer, 910), (other, 100)):
        token = TokenIssuer(**{**NAMES, "issuer": name}, client_id="web", clock=lambda: 1_000).issue("anna")

        assert server.seconds_left(server.authenticate([f"Bearer {token}"], url_scheme="https")) == left


class TestAnInvalidClock:
    MAKERS = (issuer, verifier, revocation, service)

    @pytest.mark.parametrize("make", MAKERS)
    @pytest.mark.parametrize(
        "clock",
        [time.time_ns, lambda: time.time() * 1_000, lambda: datetime.now(UTC), lambda: None, lambda: "now", lambda: True, len, 5,
         lambda: 10**400, lambda: -(10**400), time.sleep],
    )  # fmt: skip
    def test_is_refused(self, make, clock):
        with pytest.raises(ConfigurationError, match=r"^clock= "):
            make(clock=clock)

    @pytest.mark.parametrize("make", MAKERS)
    @pytest.mark.parametrize(
        ("apart", "words"),
        [(-600, "600 seconds behind"), (-300, "300 seconds behind"), (2 * HOUR, "7200 seconds ahead of")],
    )
    def test_is_named_in_the_log_when_it_is_minutes_or_hours_away(self, caplog, make, apart, words):
        now = time.time()
        with mock.patch("time.time", return_value=now), caplog.at_level(logging.WARNING, "gatepass"):
            made = make(clock=lambda: now + apart)
            again = [record.getMessage() for record in caplog.records]

        assert made
        assert len(again) == 1
        assert words in again[0]
        assert "clock=" in again[0]

    @pytest.mark.parametrize("make", MAKERS)
    @pytest.mark.parametrize(
        "clock", [time.time, lambda: time.time() - 30, lambda: 1e9, lambda: 1_800_000_000, lambda: math.inf, None]
    )
    def test_is_neither_a_nearly_correct_clock_nor_one_in_another_year(self, caplog, make, clock):
        make(clock=clock)

        assert caplog.records == []

    @pytest.mark.parametrize("make", MAKERS)
    def test_is_not_a_clock_that_raises_an_exception(self, make):
        assert make(clock=lambda: 1 / 0)


@pytest.mark.parametrize("reading", [float("inf"), float("nan")])
def test_no_token_is_issued_by_a_clock_that_returns_no_number(reading):
    readings = iter([1_000.0, reading])
    issuing = TokenIssuer(**NAMES, client_id="web", clock=lambda: next(readings))

    with pytest.raises(ValueError, match="the clock does not return seconds"):
        issuing.issue("anna")

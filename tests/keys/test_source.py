"""How a verifier uses keys that change: no search for known keys, and a search only for tokens that may be valid."""

import asyncio
import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.support.needs import reason_for
from tests.support.tokens import ISSUER, NOW, SECRET_KEY, SIGNING_KEY, claims_for, header_for, make_verifier, signed

from gatepass import ANY_ISSUER, ConfigurationError, JWKSClient, Key, KeyRing, KeySet, Profile
from gatepass.errors import (
    AuthError,
    DisallowedAlgorithm,
    ExpiredToken,
    ImmatureToken,
    InvalidAudience,
    InvalidIssuer,
    InvalidSignature,
    KeysUnavailable,
    MalformedToken,
    MissingClaim,
    RevokedToken,
    UnknownKey,
    UnsupportedToken,
    WrongTokenType,
)
from gatepass.keys.source import Fetch, KeySource
from gatepass.tokens.explain import explain
from gatepass.tokens.verifiers import Verifiers

NEXT_KEY = Key.generate("ES256")
OLD, BOTH, NEW = (
    KeySet([key.public() for key in keys]) for keys in ([SIGNING_KEY], [SIGNING_KEY, NEXT_KEY], [NEXT_KEY])
)


class Cabinet(KeySource):
    """Keys that the test changes. Each search takes the next of the prepared results."""

    def __init__(self, keys, *answers):
        self.keys = keys
        self.answers = list(answers)
        self.searches = []

    def current(self):
        return self.keys

    def fetch_missing(self, kid, seen):
        self.searches.append((kid, seen))
        while self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            self.keys = answer
            yield Fetch.already_ended()


def verify_sync(verifier, token):
    return verifier.verify(token)


def verify_async(verifier, token):
    async def in_thread(function):
        return await asyncio.to_thread(function)

    return asyncio.run(verifier.verify_async(token, run_blocking=in_thread))


verify_either_way = pytest.mark.parametrize("verify", [verify_sync, verify_async])


@verify_either_way
class TestKnownKeys:
    def test_no_search_is_made(self, verify):
        source = Cabinet(OLD)

        assert verify(make_verifier(keys=source), signed()).subject == "anna"
        assert source.searches == []

    def test_new_keys_are_used_at_once(self, verify):
        source = Cabinet(OLD)
        verifier = make_verifier(keys=source)
        verify(verifier, signed())

        source.keys = NEW

        assert verify(verifier, signed(key=NEXT_KEY)).subject == "anna"
        assert source.searches == []

    def test_a_removed_key_is_not_used_although_its_header_was_cached(self, verify):
        source = Cabinet(BOTH)
        verifier = make_verifier(keys=source)
        verify(verifier, signed())

        source.keys = NEW

        with pytest.raises(UnknownKey):
            verify(verifier, signed())

    def test_a_bad_signature_causes_no_search(self, verify):
        source = Cabinet(OLD)
        forged = signed(header_for(SIGNING_KEY), key=NEXT_KEY)

        with pytest.raises(InvalidSignature):
            verify(make_verifier(keys=source), forged)
        assert source.searches == []


@verify_either_way
class TestMissingKeys:
    @pytest.mark.parametrize("held", [None, OLD])
    def test_the_search_receives_the_kid_and_the_previous_keys(self, held, verify):
        source = Cabinet(held, BOTH)

        assert verify(make_verifier(keys=source), signed(key=NEXT_KEY)).subject == "anna"
        assert source.searches == [(NEXT_KEY.kid, held)]

    def test_a_token_without_kid_is_searched_for_without_one(self, verify):
        source = Cabinet(None, OLD)

        assert verify(make_verifier(keys=source), signed(header_for(kid=...))).subject == "anna"
        assert source.searches == [(None, None)]

    def test_the_search_continues_until_the_key_is_found(self, verify):
        source = Cabinet(None, OLD, OLD, BOTH, NEW)

        assert verify(make_verifier(keys=source), signed(key=NEXT_KEY)).subject == "anna"
        assert source.answers == [NEW]

    def test_a_search_that_ends_without_it_is_an_unknown_key(self, verify):
        source = Cabinet(OLD, OLD)

        with pytest.raises(UnknownKey) as caught:
            verify(make_verifier(keys=source), signed(key=NEXT_KEY))
        assert caught.value.log_detail == "kid"
        assert len(source.searches) == 1

    def test_a_source_without_search_has_no_other_keys(self, verify):
        class Fixed(KeySource):
            def current(self):
                return OLD

        with pytest.raises(UnknownKey):
            verify(make_verifier(keys=Fixed()), signed(key=NEXT_KEY))

    def test_a_source_may_raise_keys_unavailable(self, verify):
        with pytest.raises(KeysUnavailable):
            verify(make_verifier(keys=Cabinet(OLD, KeysUnavailable())), signed(key=NEXT_KEY))

    def test_a_forged_token_with_the_new_kid_is_refused_after_the_search(self, verify):
        source = Cabinet(OLD, BOTH)

        with pytest.raises(InvalidSignature):
            verify(make_verifier(keys=source), signed(header_for(NEXT_KEY), key=SIGNING_KEY))

    def test_the_hooks_are_called_for_a_token_whose_key_was_searched_for(self, verify):
        with pytest.raises(RevokedToken):
            verify(make_verifier(keys=Cabinet(None, OLD), is_revoked=lambda _: True), signed())

    @pytest.mark.parametrize(
        ("header", "claims", "refusal"),
        [
            ({}, {"exp": NOW}, ExpiredToken),
            ({}, {"nbf": NOW + 1}, ImmatureToken),
            ({}, {"iss": "https://other.example"}, InvalidIssuer),
            ({}, {"aud": "https://other.example"}, InvalidAudience),
            ({}, {"jti": ...}, MissingClaim),
            ({"typ": "JWT"}, {}, WrongTokenType),
            ({"alg": "none"}, {}, DisallowedAlgorithm),
            ({"alg": "HS256"}, {}, DisallowedAlgorithm),
            ({"crit": ["exp"]}, {}, UnsupportedToken),
            ({"cty": "JWT"}, {}, UnsupportedToken),
            ({"kid": "k" * 1_025}, {}, MalformedToken),
            ({"kid": 5}, {}, MalformedToken),
        ],
    )
    @pytest.mark.parametrize("held", [None, OLD])
    def test_malformed_tokens_cause_no_search(self, held, header, claims, refusal, verify):
        source = Cabinet(held, NEW)

        with pytest.raises(refusal):
            verify(make_verifier(keys=source), signed(header_for(NEXT_KEY, **header), claims_for(**claims)))
        assert source.searches == []

    def test_a_wrong_algorithm_causes_no_search(self, verify):
        source = Cabinet(OLD, NEW)

        with pytest.raises(DisallowedAlgorithm):
            verify(make_verifier(keys=source), signed(header_for(alg="ES384")))
        assert source.searches == []


PATIENCE = 120
"""The timeout after which a test counts as hanging, in seconds."""


async def until_waiting(fetch, tasks):
    for _ in iter(lambda: len(fetch._ended._done_callbacks) == tasks, True):
        await asyncio.sleep(0)


class TestAFetch:
    def test_waiting_ends_with_the_fetch(self):
        fetch = Fetch(1, timeout=PATIENCE)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(fetch.wait)
            while not fetch._ended._condition._waiters:
                assert not waiting.done()
            fetch.end(succeeded=True)
            waiting.result(PATIENCE)

        assert fetch.succeeded

    def test_waiting_ends_at_the_timeout(self):
        fetch = Fetch(1, timeout=0.05)

        fetch.wait()

        assert not fetch.succeeded

    def test_waiting_on_an_event_loop_neither_blocks_it_nor_occupies_a_thread(self):
        async def no_thread(_):
            pytest.fail("a thread was spent on waiting")

        async def main():
            fetch = Fetch(1, timeout=PATIENCE)
            waiting = [asyncio.create_task(fetch.wait_async(no_thread)) for _ in range(100)]
            await until_waiting(fetch, 100)
            assert not any(task.done() for task in waiting)
            threading.Thread(target=fetch.end, kwargs={"succeeded": True}).start()
            await asyncio.wait_for(asyncio.gather(*waiting), timeout=PATIENCE)
            return fetch

        assert asyncio.run(main()).succeeded

    def test_waiting_on_an_event_loop_ends_at_the_timeout(self):
        fetch = Fetch(1, timeout=0.05)

        asyncio.run(fetch.wait_async(lambda _: pytest.fail("a thread was spent")))

        assert not fetch.succeeded

    def test_a_cancelled_task_does_not_cancel_the_fetch(self):
        async def main():
            fetch = Fetch(1, timeout=PATIENCE)
            first, second = (asyncio.create_task(fetch.wait_async(None)) for _ in range(2))
            await until_waiting(fetch, 2)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            fetch.end(succeeded=True)
            await asyncio.wait_for(second, timeout=PATIENCE)
            return first.cancelled(), fetch.succeeded

        assert asyncio.run(main()) == (True, True)

    def test_another_event_loop_waits_in_a_thread(self):
        fetch = Fetch(1, timeout=PATIENCE)
        asked = []

        async def run_blocking(function):
            asked.append(function)

        with pytest.raises(StopIteration):
            fetch.wait_async(run_blocking).send(None)
        assert asked == [fetch.wait]

    def test_a_finished_fetch_is_not_waited_for(self):
        with pytest.raises(StopIteration):
            Fetch.already_ended().wait_async(None).send(None)


class TestSettings:
    def test_a_verifier_reports_whether_it_may_wait(self):
        assert make_verifier(keys=Cabinet(None)).may_wait
        assert not make_verifier().may_wait

    def test_without_algorithms_all_but_secrets_are_allowed(self):
        verifier = make_verifier(keys=Cabinet(None))

        assert {"RS256", "PS512", "ES256", "Ed25519", "Ed448", "EdDSA"} < verifier.algorithms
        assert not {"HS256", "HS384", "HS512", "none"} & verifier.algorithms

    def test_algorithms_restrict_the_accepted_ones(self):
        source = Cabinet(OLD)

        assert make_verifier(keys=source, algorithms=["ES384"]).algorithms == {"ES384"}
        with pytest.raises(DisallowedAlgorithm):
            make_verifier(keys=source, algorithms=["ES384"]).verify(signed())

    @pytest.mark.parametrize("algorithms", [["HS256"], ["ES256", "HS512"], []])
    def test_hmac_algorithms_are_refused_for_published_keys(self, algorithms):
        with pytest.raises(ConfigurationError, match="only asymmetric algorithms"):
            make_verifier(keys=Cabinet(None), algorithms=algorithms)

    def test_an_explanation_uses_the_current_keys(self):
        source = Cabinet(OLD)
        verifier = make_verifier(keys=source)

        assert "failed" not in {finding.outcome for finding in explain(signed(), verifier)}
        source.keys = NEW
        assert [finding.name for finding in explain(signed(), verifier) if finding.outcome == "failed"] == ["key"]

    def test_an_explanation_searches_where_verify_would(self):
        source = Cabinet(None, OLD)

        assert {finding.outcome for finding in explain(signed(), make_verifier(keys=source))} == {"passed"}
        assert source.searches == [(SIGNING_KEY.kid, None)]

    @pytest.mark.parametrize("seen", [None, NEW])
    @pytest.mark.parametrize(
        ("answers", "failure"),
        [
            ([], ("key", "unknown_key")),
            ([NEW], ("key", "unknown_key")),
            ([KeysUnavailable("x", retry_after=5)], ("key", "keys_unavailable")),
            (
                [KeySet([Key.from_jwk({**NEXT_KEY.to_jwk(), "kid": SIGNING_KEY.kid})])],
                ("signature", "invalid_signature"),
            ),
            ([NEW, OLD], None),
        ],
    )
    def test_an_explanation_of_a_searched_key_agrees_with_verify(self, seen, answers, failure):
        told = explain(signed(), make_verifier(keys=Cabinet(seen, *answers)))
        with contextlib.nullcontext() if failure is None else pytest.raises(AuthError) as caught:
            make_verifier(keys=Cabinet(seen, *answers)).verify(signed())

        assert [(finding.name, finding.reason) for finding in told if finding.outcome == "failed"] == (
            [] if failure is None else [failure]
        )
        assert failure is None or caught.value.reason == failure[1]

    @pytest.mark.parametrize(
        ("header", "claims"),
        [
            ({}, {"exp": NOW - 1}),
            ({}, {"aud": "https://else.example"}),
            ({}, {"iss": "https://else.example"}),
            ({}, {"cnf": {}}),
            ({"typ": "JWT"}, {}),
            ({"alg": "none"}, {}),
            ({"crit": ["x"]}, {}),
        ],
    )
    def test_an_explanation_of_a_malformed_token_searches_no_more_than_verify_and_reports_no_unknown_key(
        self, header, claims
    ):
        source = Cabinet(None, OLD)
        found = {
            finding.name: finding.outcome
            for finding in explain(signed(header_for(**header), claims_for(**claims)), make_verifier(keys=source))
        }

        assert source.searches == []
        assert (found["key"], found["signature"]) == ("not reached", "not reached")
        assert "failed" in found.values()

    @pytest.mark.parametrize("issuer", [ANY_ISSUER, "accounts.example"])
    def test_an_issuer_without_a_url_requires_keys(self, issuer):
        with pytest.raises(ConfigurationError) as caught:
            make_verifier(keys=None, issuer=issuer, profile=Profile.GENERIC)
        assert str(caught.value) == "keys= is missing, and can be fetched only from an issuer with a URL: give keys="

    def test_without_keys_they_are_fetched_from_the_issuer(self):
        pytest.importorskip("httpx")

        source = make_verifier(keys=None, algorithms=["ES384", "ES512"])._source

        assert isinstance(source, JWKSClient)
        assert source.source == ISSUER
        assert source._flight._fetcher._algorithms == ("ES384", "ES512")

    def test_a_token_received_before_any_keys_is_logged_as_such(self):
        with pytest.raises(UnknownKey) as caught:
            make_verifier(keys=Cabinet(None)).candidates(header_for())
        assert caught.value.log_detail == "no keys are available"

    def test_a_source_is_abstract(self):
        with pytest.raises(TypeError):
            KeySource()


@pytest.mark.parametrize("others", [[], [make_verifier(issuer="https://other.example")]], ids=["one", "two"])
def test_another_event_loop_than_asyncio_waits_in_the_given_thread(others):
    class Slow(Cabinet):
        def fetch_missing(self, kid, seen):
            self.fetch = Fetch(1, timeout=30)
            yield self.fetch

    source = Slow(None)
    asked = []

    async def run_blocking(function):
        asked.append(function)
        source.keys = OLD

    verifiers = Verifiers([make_verifier(keys=source), *others])
    with pytest.raises(StopIteration) as done:
        verifiers.verify_async(signed(), run_blocking).send(None)
    assert asked == [source.fetch.wait]
    assert done.value.value.subject == "anna"


def test_a_source_of_secrets_is_refused_by_the_algorithms():
    """A key server must not be able to make a verifier accept HMAC."""
    source = Cabinet(KeySet([SECRET_KEY]))

    with pytest.raises(AuthError):
        make_verifier(keys=source, leeway=timedelta(0)).verify(signed(header_for(SECRET_KEY), key=SECRET_KEY))


def test_a_verifier_exposes_its_keys():
    """For example, for a readiness check."""
    source = Cabinet(OLD)

    assert make_verifier(keys=source).keys is source
    assert make_verifier(keys=OLD).keys is OLD


@pytest.mark.skipif(not hasattr(os, "fork"), reason=reason_for("POSIX", "a key ring needs its file locks and modes"))
def test_the_leeway_of_a_verifier_is_at_most_that_of_its_key_ring(tmp_path):
    ring = KeyRing(tmp_path / "ring", leeway=60)

    assert make_verifier(keys=ring, leeway=60).keys is ring
    with pytest.raises(ConfigurationError) as refused:
        make_verifier(keys=ring, leeway=61)
    assert str(refused.value) == (
        "leeway= is longer than the key ring's, which would remove keys too early: give KeyRing the longest leeway="
    )

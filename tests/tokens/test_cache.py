"""A verifier with a cache of verified tokens returns the same results as one without, at any time and after any change
(F1).
"""

import asyncio
import gc
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.tokens import NOW, SIGNING_KEY, Clock, claims_for, make_verifier, signed

from gatepass import ConfigurationError, Key, KeySet, ResourceServer
from gatepass.errors import (
    AuthError,
    ExpiredToken,
    ImmatureToken,
    InvalidAudience,
    InvalidSignature,
    InvalidSubject,
    RevocationUnavailable,
    RevokedToken,
    UnknownKey,
)
from gatepass.keys.source import KeySource
from gatepass.tokens.cache import VerifiedTokenCache, digest_of

TOKEN = signed()


class Keys(KeySource):
    """Keys that the test changes."""

    def __init__(self, *keys):
        self.now = KeySet(keys)

    def current(self):
        return self.now


def remembering(**changes):
    return make_verifier(**{"cache_ttl": 60, **changes})


def is_remembered(verifier, token=TOKEN):
    return verifier.verify(token) is verifier.verify(token)


def test_without_a_cache_a_verifier_checks_every_signature():
    assert not is_remembered(make_verifier())


def test_the_signature_of_a_cached_token_is_not_checked_again():
    verifier = remembering()

    assert is_remembered(verifier)
    assert verifier.verify(TOKEN).subject == "anna"
    assert is_remembered(verifier, signed(claims=claims_for(sub="bert")))


def test_the_signature_of_a_cached_token_is_not_checked_again_on_an_event_loop():
    verifier = remembering()

    async def run_blocking(function):
        return function()

    async def twice():
        return [await verifier.verify_async(TOKEN, run_blocking=run_blocking) for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first is second is verifier.verify(TOKEN)


@pytest.mark.parametrize("leeway", [0, 30])
def test_a_cached_token_expires_on_time(leeway):
    clock = Clock()
    verifier = remembering(clock=clock, leeway=leeway, cache_ttl=300)
    token = signed(claims=claims_for(exp=NOW + 100))

    verifier.verify(token)
    clock.now = NOW + 100 + leeway - 0.001
    verifier.verify(token)
    clock.now = NOW + 100 + leeway
    with pytest.raises(ExpiredToken):
        verifier.verify(token)


def test_a_cached_token_reaches_its_maximum_age_on_time():
    clock = Clock()
    verifier = remembering(clock=clock, max_token_age=120, cache_ttl=300)

    verifier.verify(TOKEN)
    clock.now = NOW + 120
    with pytest.raises(ExpiredToken):
        verifier.verify(TOKEN)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_cached_token_is_not_yet_valid_once_the_clock_is_set_back(claim):
    clock = Clock()
    verifier = remembering(clock=clock)

    token = signed(claims=claims_for(**{claim: NOW}))
    verifier.verify(token)
    clock.now = NOW - 1
    with pytest.raises(ImmatureToken):
        verifier.verify(token)


def test_no_token_is_cached_longer_than_configured():
    clock = Clock()
    verifier = remembering(clock=clock, cache_ttl=10)

    first = verifier.verify(TOKEN)
    clock.now = NOW + 9.9
    assert verifier.verify(TOKEN) is first
    clock.now = NOW + 10
    assert verifier.verify(TOKEN) is not first


def test_a_cache_time_of_half_a_second_is_accepted():
    assert is_remembered(remembering(cache_ttl=0.5))


@pytest.mark.parametrize("policy", [{"leeway": 30}, {"leeway": 30, "max_token_age": 500}])
def test_a_token_is_cached_until_shortly_before_its_expiry(policy):
    clock = Clock()
    verifier = remembering(clock=clock, cache_ttl=300, **policy)
    last = 500 if "max_token_age" in policy else 900

    clock.now = NOW + last + 30 - 200
    first = verifier.verify(TOKEN)
    clock.now = NOW + last + 30 - 2
    assert verifier.verify(TOKEN) is first


def test_a_revocation_takes_effect_at_once():
    revoked = set()
    verifier = remembering(is_revoked=lambda token: token.token_id in revoked)

    verifier.verify(TOKEN)
    revoked.add("j-1")
    with pytest.raises(RevokedToken):
        verifier.verify(TOKEN)


def test_a_rejected_subject_takes_effect_at_once():
    welcome = {"anna"}
    verifier = remembering(check_subject=lambda token: token.subject in welcome)

    verifier.verify(TOKEN)
    welcome.clear()
    with pytest.raises(InvalidSubject):
        verifier.verify(TOKEN)


def test_an_outage_of_the_revocation_list_rejects_a_cached_token():
    answers = iter([False])
    verifier = remembering(is_revoked=lambda _: next(answers))

    verifier.verify(TOKEN)
    with pytest.raises(RevocationUnavailable):
        verifier.verify(TOKEN)


def test_an_async_hook_is_called_every_time():
    revoked = []

    async def is_revoked(token):
        return token.subject in revoked

    async def run_blocking(function):
        return function()

    async def twice():
        verifier = remembering(is_revoked=is_revoked)
        await verifier.verify_async(TOKEN, run_blocking=run_blocking)
        revoked.append("anna")
        with pytest.raises(RevokedToken):
            await verifier.verify_async(TOKEN, run_blocking=run_blocking)

    asyncio.run(twice())


class TestKeysThatChange:
    def test_a_cached_token_is_dropped_with_its_key(self):
        keys = Keys(SIGNING_KEY.public())
        verifier = remembering(keys=keys)

        verifier.verify(TOKEN)
        keys.now = KeySet([Key.generate("ES256").public()])
        with pytest.raises(UnknownKey):
            verifier.verify(TOKEN)

    def test_a_new_key_with_the_same_kid_does_not_accept_a_cached_token(self):
        keys = Keys(SIGNING_KEY.public())
        verifier = remembering(keys=keys)

        verifier.verify(TOKEN)
        keys.now = KeySet([Key.from_jwk({**Key.generate("ES256").to_jwk(), "kid": SIGNING_KEY.kid})])
        with pytest.raises(InvalidSignature):
            verifier.verify(TOKEN)

    def test_without_keys_no_cached_token_is_accepted(self):
        keys = Keys(SIGNING_KEY.public())
        verifier = remembering(keys=keys)

        verifier.verify(TOKEN)
        keys.now = None
        with pytest.raises(UnknownKey):
            verifier.verify(TOKEN)

    def test_new_keys_start_with_an_empty_cache(self):
        keys = Keys(SIGNING_KEY.public())
        verifier = remembering(keys=keys)

        first = verifier.verify(TOKEN)
        keys.now = KeySet([SIGNING_KEY.public(), Key.generate("ES256").public()])
        assert verifier.verify(TOKEN) is not first
        assert is_remembered(verifier)


def test_a_token_that_differs_in_any_character_is_not_cached():
    verifier = remembering()
    verifier.verify(TOKEN)

    for place in (0, TOKEN.index(".") + 5, len(TOKEN) - 5):
        bent = TOKEN[:place] + ("A" if TOKEN[place] != "A" else "B") + TOKEN[place + 1 :]
        with pytest.raises(AuthError):
            verifier.verify(bent)
    for beside in (TOKEN + "=", TOKEN + " ", " " + TOKEN, TOKEN.upper(), TOKEN + "\ud800", None, TOKEN.encode()):
        with pytest.raises(AuthError):
            verifier.verify(beside)


def test_a_refusal_is_not_cached():
    clock = Clock(NOW - 100)
    verifier = remembering(clock=clock)

    with pytest.raises(ImmatureToken):
        verifier.verify(TOKEN)
    clock.now = NOW
    verifier.verify(TOKEN)


def test_verifiers_do_not_share_a_cache():
    here, elsewhere = remembering(), remembering(audience="https://other.example")

    here.verify(TOKEN)
    with pytest.raises(InvalidAudience):
        elsewhere.verify(TOKEN)


def test_each_of_several_issuers_has_its_own_cache():
    other = "https://other.example"
    key = Key.generate("ES256")
    server = ResourceServer([remembering(), remembering(issuer=other, keys=key.public())], https="off")
    theirs = signed(claims=claims_for(iss=other), key=key)

    assert server.authenticate([f"Bearer {TOKEN}"]) is server.authenticate([f"Bearer {TOKEN}"])
    assert server.authenticate([f"Bearer {theirs}"]) is server.authenticate([f"Bearer {theirs}"])
    assert server.authenticate([f"Bearer {theirs}"]).issuer == other
    assert asyncio.run(_twice(server, theirs)) == [server.authenticate([f"Bearer {theirs}"])] * 2
    with pytest.raises(InvalidSignature):
        server.authenticate([f"Bearer {signed(claims=claims_for(iss=other), key=_named(SIGNING_KEY, key.kid))}"])


async def _twice(server, token):
    async def run_blocking(function):
        return function()

    return [await server.authenticate_async([f"Bearer {token}"], run_blocking=run_blocking) for _ in range(2)]


def _named(key, kid):
    return Key.from_jwk({**key.to_private_jwk(), "kid": kid})


def test_the_cache_contains_no_usable_token():
    verifier = remembering()
    token = signed(claims=claims_for(jti="to-be-searched-for"))
    verifier.verify(token)
    texts, seen, waiting = [], set(), [verifier]
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and not isinstance(thing, type) and not callable(thing):
            seen.add(id(thing))
            texts += [thing] if isinstance(thing, (str, bytes)) else []
            waiting += gc.get_referents(thing)

    assert "to-be-searched-for" in texts, "the search reaches what is remembered"
    signature = token.rpartition(".")[2]
    assert not any((signature in text if isinstance(text, str) else signature.encode() in text) for text in texts)


@pytest.mark.parametrize("size", [2, 3, 10, 11])
def test_the_cache_is_bounded_and_keeps_the_newest(size):
    memory = VerifiedTokenCache(ttl=60, size=size)
    token = make_verifier().verify(TOKEN)
    digests = [digest_of(str(number).encode()) for number in range(100)]

    for digest in digests:
        memory.add(digest, token, now=NOW, ends=NOW + 900)
        assert memory.find(digest, NOW) is token
        assert sum(memory.find(one, NOW) is not None for one in digests) <= size
        kept = digests[: digests.index(digest) + 1]
        assert all(memory.find(one, NOW) is token for one in kept[-(size // 2) :])
    assert memory.empty_copy().find(digests[-1], NOW) is None


def test_threads_share_a_small_cache():
    verifier = remembering(cache_size=2)
    tokens = [signed(claims=claims_for(sub=f"user-{number}")) for number in range(8)]
    wrong = []

    def ask():
        for _ in range(50):
            wrong.extend(n for n, token in enumerate(tokens) if verifier.verify(token).subject != f"user-{n}")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


_TIMES = st.one_of(
    st.sampled_from([0.0, 29.5, 30.0, 99.999, 100.0, 130.0, 129.9999999]), st.floats(-200, 500, allow_nan=False)
)


_ULP = 2.0**-22  # the distance between neighbouring floats at NOW


@example(exp=100, leeway=1.5 * _ULP, oldest=None, times=[0, 100 + _ULP])  # sum and difference are rounded differently
@given(
    exp=st.sampled_from([100, 100.1, 99.9999999]),
    leeway=st.sampled_from([0, 30, 0.1]),
    oldest=st.sampled_from([None, 70, 70.3]),
    times=st.lists(_TIMES, min_size=2, max_size=6),
)
def test_results_with_a_cache_equal_results_without_one_at_any_time(exp, leeway, oldest, times):
    clock = Clock()
    policy = {"clock": clock, "leeway": leeway, "max_token_age": oldest}
    verifiers = make_verifier(**policy), remembering(**policy, cache_ttl=300)
    token = signed(claims=claims_for(exp=NOW + exp))

    for moment in times:
        clock.now = NOW + moment
        plain, recalled = (_outcome(verifier, token) for verifier in verifiers)
        assert plain == recalled, moment


def _outcome(verifier, token):
    try:
        return verifier.verify(token).subject
    except AuthError as error:
        return type(error)


@pytest.mark.parametrize(
    "settings", [{"cache_ttl": 301}, {"cache_ttl": -1}, {"cache_ttl": "60"}, {"cache_size": 1}, {"cache_size": 1e3}]
)
def test_an_unbounded_cache_is_refused_at_start_up(settings):
    with pytest.raises(ConfigurationError, match=f"^{next(iter(settings))}= must be"):
        make_verifier(**settings)


def test_a_large_cache_may_be_configured():
    assert make_verifier(cache_ttl=300, cache_size=1_000_000)

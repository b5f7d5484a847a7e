"""The hooks of the application: their result, or 503, and never acceptance by accident (F2, V-33)."""

import asyncio
import functools
import logging

import pytest
from tests.support.tokens import claims_for, make_verifier, signed

from gatepass import AuthError, ConfigurationError, ResourceServer
from gatepass.errors import (
    AuthUnavailable,
    ExpiredToken,
    InvalidSubject,
    RevocationUnavailable,
    RevokedToken,
    SubjectUnavailable,
    traced,
)

REFUSALS = {"is_revoked": (RevokedToken, RevocationUnavailable), "check_subject": (InvalidSubject, SubjectUnavailable)}
PASSING = {"is_revoked": False, "check_subject": True}


async def inline(function):
    return function()


def outcome(token=None, **hooks):
    """Return the outcome for a token, which must be the same with the sync and the async methods."""
    answers = []
    verifier = make_verifier(**hooks)
    for attempt in (
        lambda: verifier.verify(token or signed()),
        lambda: asyncio.run(verifier.verify_async(token or signed(), run_blocking=inline)),
    ):
        try:
            answers.append(attempt().subject)
        except AuthError as error:
            answers.append(type(error))
    assert answers[0] == answers[1]
    return answers[0]


def returning(value):
    return lambda token: value


def raising(error):
    def hook(token):
        raise error

    return hook


@pytest.mark.parametrize("name", REFUSALS)
class TestEachHook:
    def test_the_accepting_result_accepts_the_token(self, name):
        assert outcome(**{name: returning(PASSING[name])}) == "anna"

    def test_the_rejecting_result_rejects_the_token(self, name):
        assert outcome(**{name: returning(not PASSING[name])}) is REFUSALS[name][0]

    @pytest.mark.parametrize("answer", [None, 0, 1, "", "no", [], object()])
    def test_any_other_result_is_an_outage(self, name, answer, caplog):
        assert outcome(**{name: returning(answer)}) is REFUSALS[name][1]
        assert f"{name} returned neither True nor False" in caplog.text

    @pytest.mark.parametrize(
        "error",
        [RuntimeError("sentinel"), KeyError("sentinel"), OSError(), TimeoutError(), RevokedToken(), ExpiredToken()],
    )
    def test_an_exception_is_an_outage(self, name, error, caplog):
        with caplog.at_level(logging.DEBUG):
            assert outcome(**{name: raising(error)}) is REFUSALS[name][1]
        assert type(error).__qualname__ in caplog.text
        assert "sentinel" not in caplog.text

    def test_an_outage_may_set_its_own_retry_after(self, name):
        with pytest.raises(AuthUnavailable) as refused:
            make_verifier(**{name: raising(AuthUnavailable(retry_after=42))}).verify(signed())

        assert refused.value.retry_after == 42

    def test_an_interrupt_is_not_swallowed(self, name):
        with pytest.raises(KeyboardInterrupt):
            make_verifier(**{name: raising(KeyboardInterrupt())}).verify(signed())

    def test_a_coroutine_function_is_awaited(self, name):
        for answer, expected in [
            (PASSING[name], "anna"),
            (not PASSING[name], REFUSALS[name][0]),
            (None, REFUSALS[name][1]),
        ]:

            async def hook(token, answer=answer):
                await asyncio.sleep(0)
                return answer

            class Callable:
                async def __call__(self, token, answer=answer):
                    return answer

            for ask in (hook, functools.partial(hook), Callable()):
                verifier = make_verifier(**{name: ask})
                try:
                    found = asyncio.run(verifier.verify_async(signed(), run_blocking=inline)).subject
                except AuthError as error:
                    found = type(error)
                assert found == expected

    def test_a_coroutine_that_raises_is_an_outage(self, name):
        async def hook(token):
            raise RuntimeError

        with pytest.raises(REFUSALS[name][1]):
            asyncio.run(make_verifier(**{name: hook}).verify_async(signed(), run_blocking=inline))

    def test_a_coroutine_function_is_refused_by_the_sync_methods(self, name):
        async def hook(token):
            return PASSING[name]

        server = ResourceServer(make_verifier(**{name: hook}), https="off")
        assert server.needs_event_loop
        with pytest.raises(ConfigurationError, match="coroutine function"):
            server.require_sync()
        with pytest.raises(ConfigurationError, match=name):
            server.authenticate([f"Bearer {signed()}"])

    def test_a_plain_function_that_returns_a_coroutine_accepts_no_token(self, name):
        async def answer():
            return PASSING[name]

        assert outcome(**{name: lambda token: answer()}) is REFUSALS[name][1]

    def test_it_is_not_called_for_invalid_tokens(self, name):
        asked = []

        outcome(signed(claims=claims_for(exp=1)), **{name: asked.append})
        assert not asked

    def test_it_is_called_for_every_request(self, name):
        asked = []
        verifier = make_verifier(**{name: lambda token: bool(asked.append(token)) or PASSING[name]})
        text = signed()
        verifier.verify(text)
        verifier.verify(text)

        assert [token.token_id for token in asked] == ["j-1", "j-1"]


def test_revocation_is_checked_before_the_subject():
    assert outcome(is_revoked=returning(True), check_subject=returning(False)) is RevokedToken


def test_a_plain_hook_runs_in_the_given_thread():
    places = []

    async def elsewhere(function):
        places.append("thread")
        return function()

    verifier = make_verifier(is_revoked=returning(False), check_subject=returning(True))
    asyncio.run(verifier.verify_async(signed(), run_blocking=elsewhere))
    assert places == ["thread", "thread"]


def test_without_hooks_nothing_may_block():
    assert not ResourceServer(make_verifier()).may_block
    assert ResourceServer(make_verifier(is_revoked=returning(False))).may_block
    ResourceServer(make_verifier(is_revoked=returning(False))).require_sync()


@pytest.mark.parametrize("raised", [RevocationUnavailable(), ConnectionError("anna's session")])
def test_an_outage_raised_by_a_hook_is_not_its_own_cause(raised, caplog):
    """A loop over the causes of an error must terminate."""
    for attempt in (
        lambda verifier: verifier.verify(signed()),
        lambda verifier: asyncio.run(verifier.verify_async(signed(), run_blocking=inline)),
    ):
        with pytest.raises(AuthUnavailable) as refused:
            attempt(make_verifier(is_revoked=raising(raised)))

        causes, error = [], refused.value
        while error is not None and len(causes) < 10:
            causes.append(error)
            error = error.__cause__
        assert causes == ([raised] if isinstance(raised, AuthUnavailable) else [refused.value, raised])
    assert "anna" not in caplog.text


def ask_the_database(token):
    return missing_name  # noqa: F821 - the mistake


@pytest.mark.parametrize("name", REFUSALS)
def test_an_error_in_a_hook_is_logged_with_file_and_line_and_without_its_text(name, caplog):
    secret = "xyzzy of a token"

    def hook(token):
        try:
            ask_the_database(token)
        except NameError as error:
            raise ValueError(secret) from error

    assert outcome(**{name: hook}) is REFUSALS[name][1]

    line = ask_the_database.__code__.co_firstlineno + 1
    assert len(caplog.records) == 2  # by the sync and by the async method
    for record in caplog.records:
        told = record.getMessage()
        assert told.startswith(f"{name} raised ValueError at {__file__}:")
        assert f", from NameError at {__file__}:{line} in ask_the_database < {__file__}:" in told
        assert record.exc_info is None
    assert secret not in caplog.text
    assert "missing_name" not in caplog.text


def test_endless_recursion_is_cut_short():
    def again():
        again()

    with pytest.raises(RecursionError) as caught:
        again()

    assert traced(caught.value).count(" in ") == 12


def test_circular_causes_are_cut_short():
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert traced(first) == "ValueError, from KeyError, from ValueError, from KeyError"

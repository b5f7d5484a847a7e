"""The hooks of the application: when they are called, and how invalid results are handled."""

import pytest
from tests.support.breaking_store import Outage, make_service, reason_of

from gatepass.refresh.errors import HookUnavailable, InvalidGrant


def test_the_application_is_notified_of_a_reuse_once(store, clock, caplog):
    heard = []
    service = make_service(store, clock, on_reuse=heard.append)
    first = service.grant("anna")
    service.refresh(first.refresh_token)

    for _ in range(3):
        reason_of(service.refresh, first.refresh_token)

    assert [family.subject for family in heard] == ["anna"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert first.refresh_token not in caplog.text


def test_a_reuse_hook_that_raises_does_not_change_the_result(store, clock, caplog):
    def fail(family):
        raise Outage

    service = make_service(store, clock, on_reuse=fail)
    first = service.grant("anna")
    second = service.refresh(first.refresh_token)

    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"
    assert reason_of(service.refresh, second.refresh_token) == "refresh_revoked"
    assert "on_reuse raised Outage" in caplog.text
    assert "secret text" not in caplog.text


def test_a_subject_that_is_rejected_loses_the_family(store, clock):
    welcome = {"anna"}
    service = make_service(store, clock, check_subject=welcome.__contains__)
    pair = service.grant("anna")
    welcome.clear()

    assert reason_of(service.refresh, pair.refresh_token) == "refresh_subject"
    welcome.add("anna")
    assert reason_of(service.refresh, pair.refresh_token) == "refresh_revoked"


@pytest.mark.parametrize("answer", [None, 1, 0, "yes", object()])
def test_a_hook_result_other_than_true_or_false_is_an_outage(store, clock, answer):
    answers = [answer, True]
    service = make_service(store, clock, check_subject=lambda subject: answers.pop(0))
    pair = service.grant("anna")

    with pytest.raises(HookUnavailable):
        service.refresh(pair.refresh_token)

    assert service.refresh(pair.refresh_token)


def test_a_refusal_raised_by_a_hook_is_an_outage(store, clock):
    def fail(subject):
        raise InvalidGrant("mine")

    service = make_service(store, clock, check_subject=fail)
    pair = service.grant("anna")

    with pytest.raises(HookUnavailable):
        service.refresh(pair.refresh_token)


async def asynchronous(family):
    """Do nothing with *family*."""


def test_a_plain_reuse_hook_that_returns_a_coroutine_is_logged(store, clock, caplog):
    def forgets_to_await(family):
        return asynchronous(family)

    service = make_service(store, clock, on_reuse=forgets_to_await)
    first = service.grant("anna")
    service.refresh(first.refresh_token)

    assert reason_of(service.refresh, first.refresh_token) == "refresh_reused"
    assert "on_reuse returned a coroutine: make it a coroutine function (async def)" in caplog.text


@pytest.mark.parametrize("hook", ["claims_for", "scopes_for", "check_subject"])
def test_the_log_says_that_a_return_may_be_missing(store, clock, caplog, hook):
    token = make_service(store, clock).grant("anna").refresh_token

    reason_of(make_service(store, clock, **{hook: lambda given: None}).refresh, token)

    assert f"{hook} returned None: a `return` may be missing" in caplog.text


@pytest.mark.parametrize("check_subject", [{"anna": True}.get, {"anna"}.__contains__, bool, lambda *given: True])
def test_any_function_that_takes_one_argument_is_a_hook(store, clock, check_subject):
    service = make_service(store, clock, check_subject=check_subject)

    assert service.refresh(service.grant("anna").refresh_token)

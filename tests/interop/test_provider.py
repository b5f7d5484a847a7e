"""Tokens of a real OpenID provider, from its metadata to its rotations, with only its issuer configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.interop.provider import AUDIENCE, Provider, running_provider

from gatepass import AccessToken, JWKSClient, Key, TokenVerifier
from gatepass.errors import InvalidAudience, KeysUnavailable, UnknownKey
from gatepass.jwks import FetchFailed, IssuerMetadata, KeyEvent, KeysChanged

ALGORITHMS = ["RS256", "PS256", "ES256", "ES512", "Ed25519"]
JWKS = "/jwks"


@pytest.fixture(scope="module")
def provider(node_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(node_directory, tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture
def events() -> list[KeyEvent]:
    return []


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier_for(
    provider: Provider, events: list[KeyEvent], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TokenVerifier]:
    monkeypatch.setattr("gatepass.jwks.client._MAX_WAIT", 60)

    def verifier(audience: str = AUDIENCE) -> TokenVerifier:
        keys = JWKSClient(
            IssuerMetadata(provider.issuer),
            transport=provider.transport,
            on_event=events.append,
            clock=clock,
            timeout=60,
        )
        return TokenVerifier(issuer=provider.issuer, audience=audience, keys=keys)

    return verifier


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_its_tokens_are_accepted_with_their_claims(algorithm, provider, verifier_for):
    provider.publish(Key.generate(algorithm))

    token = verifier_for().verify(provider.token("orders:read orders:write"))

    assert (token.subject, token.client_id, token.scopes) == ("machine", "machine", {"orders:read", "orders:write"})
    assert token.issuer == provider.issuer


def test_its_tokens_for_another_service_are_refused(provider, verifier_for):
    provider.publish(Key.generate("ES256"))

    with pytest.raises(InvalidAudience):
        verifier_for("https://other.example").verify(provider.token())


@pytest.mark.parametrize(("old", "new"), [("RS256", "RS256"), ("RS256", "ES256"), ("ES256", "Ed25519")])
def test_a_rotation_is_followed_immediately_with_one_fetch(old, new, provider, verifier_for, events):
    first, second = Key.generate(old), Key.generate(new)
    provider.publish(first)
    verifier = verifier_for()
    old_token = provider.token()
    verifier.verify(old_token)
    before = provider.requests(JWKS)

    provider.publish(second, first)
    new_token = provider.token()

    assert verifier.verify(new_token).subject == "machine"
    assert verifier.verify(old_token).subject == "machine"
    assert provider.requests(JWKS) == before + 1
    assert [event for event in events if isinstance(event, KeysChanged)] == [KeysChanged(provider.issuer, 1, 0, 2)]


def test_a_withdrawn_key_is_refused_after_the_next_refresh(provider, verifier_for, clock):
    first, second = Key.generate("ES256"), Key.generate("ES256")
    provider.publish(first, second)
    verifier = verifier_for()
    stolen = provider.token()
    verifier.verify(stolen)

    provider.publish(second)
    clock.now += 3_600  # older than `usable_for`, regardless of the cache lifetime that the provider sent

    with pytest.raises(UnknownKey):
        verifier.verify(stolen)
    assert verifier.verify(provider.token()).subject == "machine"


def test_tokens_of_cached_keys_are_accepted_during_an_outage_until_the_keys_are_too_old(
    provider, verifier_for, events, clock
):
    key = Key.generate("ES256")
    provider.publish(key)
    verifier = verifier_for()
    token = provider.token()
    verifier.verify(token)
    provider.publish(Key.generate("ES256"), key)
    fresh = provider.token()

    provider.serve(answers=False)
    try:
        assert verifier.verify(token).subject == "machine"
        with pytest.raises(KeysUnavailable):
            verifier.verify(fresh)
        clock.now += 3_599
        assert verifier.verify(token).subject == "machine"
        clock.now += 1
        with pytest.raises(KeysUnavailable):
            verifier.verify(token)
    finally:
        provider.serve(answers=True)
    assert {event.cause for event in events if isinstance(event, FetchFailed)} <= {"status", "no_metadata"}

    clock.now += 60
    assert verifier.verify(fresh).subject == "machine"


def test_concurrent_tasks_on_an_event_loop_share_one_fetch(provider, verifier_for):
    provider.publish(Key.generate("ES256"))
    verifier = verifier_for()
    token = provider.token()
    before = provider.requests(JWKS)

    async def in_thread(function: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(function)

    async def many() -> list[AccessToken]:
        return await asyncio.gather(*(verifier.verify_async(token, run_blocking=in_thread) for _ in range(50)))

    assert {found.subject for found in asyncio.run(many())} == {"machine"}
    assert provider.requests(JWKS) == before + 1

"""Many issuers at one service: each has its own keys, its own key server and its own outages."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.issuers import AUDIENCE, NEW, OLD, client, jwks, token, verifier
from tests.support.key_server import document, hang, refuse, until

from gatepass import Key, ResourceServer
from gatepass.errors import InvalidIssuer, InvalidSignature, KeysUnavailable, UnknownKey

COUNT = 100


def name(number):
    return f"https://tenant-{number}.example"


def named_alike(key):
    """Return the public JWK of *key* with the kid that all issuers here use."""
    return {**jwks(key)["keys"][0], "kid": "2026"}


@pytest.fixture
def tenants(serve):
    """Yield a hundred issuers whose keys share one kid. The server of the first one hangs, and that of the second one
    fails.
    """
    private = [Key.generate("ES256") for _ in range(COUNT)]
    server = serve(lambda exchange: None)

    def answer(exchange):
        number = int(exchange.request.path.rpartition("/")[2])
        trouble = {0: hang, 1: refuse}.get(number)
        (trouble or document({"keys": [named_alike(private[number])]}))(exchange)

    server.answer = answer
    keys = [client(f"{server.origin}/{number}") for number in range(COUNT)]
    verifiers = [verifier(source, issuer=name(number)) for number, source in enumerate(keys)]
    return private, ResourceServer(verifiers, https="off"), server


def raw(private, number, *, signer=None):
    return [f"Bearer {token(private[number if signer is None else signer], header={'kid': '2026'}, iss=name(number))}"]


def test_an_unavailable_or_slow_issuer_delays_no_other(tenants):
    private, resource, server = tenants
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(resource.authenticate, raw(private, 0)) for _ in range(2)]
        assert until(lambda: "/0" in server.paths)
        with pytest.raises(KeysUnavailable):
            resource.authenticate(raw(private, 1))
        for number in range(2, COUNT):
            assert resource.authenticate(raw(private, number)).issuer == name(number)

        assert not any(one.done() for one in waiting)
        server.close()
        for one in waiting:
            with pytest.raises(KeysUnavailable):
                one.result()
    assert sorted(server.paths) == sorted(f"/{number}" for number in range(COUNT))


def test_an_unavailable_or_slow_issuer_delays_no_other_on_one_event_loop(tenants):
    private, resource, server = tenants

    async def one(number):
        try:
            await resource.authenticate_async(raw(private, number), run_blocking=asyncio.to_thread)
        except KeysUnavailable:
            return "cannot tell"
        return "accepted"

    async def all_of_them():
        slow = asyncio.ensure_future(one(0))
        assert await asyncio.to_thread(until, lambda: "/0" in server.paths)
        answers = await asyncio.gather(*(one(number) for number in range(1, COUNT)))
        assert not slow.done()
        again = await asyncio.gather(*(one(number) for number in range(2, COUNT)))
        assert not slow.done()
        await asyncio.to_thread(server.close)
        assert await slow == "cannot tell"
        return answers, again

    answers, again = asyncio.run(all_of_them())

    assert answers[0] == "cannot tell"
    assert set(answers[1:] + again) == {"accepted"}
    assert sorted(server.paths) == sorted(f"/{number}" for number in range(COUNT))


def test_a_kid_is_valid_for_its_issuer_only(tenants):
    private, resource, _ = tenants
    for number in (2, 3, 4):
        resource.authenticate(raw(private, number))
        with pytest.raises(InvalidSignature):
            resource.authenticate(raw(private, number, signer=5))

    header = {"kid": "2026"}
    with pytest.raises(InvalidIssuer):
        resource.authenticate([f"Bearer {token(private[2], header=header, iss='https://tenant-200.example')}"])


def test_a_flood_at_one_issuer_uses_up_no_other_issuers_limit(serve, clock):
    servers = [serve(document(jwks(OLD))) for _ in range(2)]
    clients = [client(server.url, clock=clock) for server in servers]
    resource = ResourceServer([verifier(keys, issuer=name(number)) for number, keys in enumerate(clients)], https="off")
    for keys in clients:
        keys.refresh()
    for number in range(50):
        with pytest.raises(UnknownKey):
            resource.authenticate([f"Bearer {token(NEW, header={'kid': f'forged-{number}'}, iss=name(0))}"])
    servers[1].answer = document(jwks(OLD, NEW))

    assert resource.authenticate([f"Bearer {token(NEW, iss=name(1))}"]).issuer == name(1)
    assert [len(server.requests) for server in servers] == [3, 2]


def test_fetched_keys_and_configured_keys_can_be_combined(serve):
    secret = Key.from_secret("8d0c1ab2e8f64d2f9a0b5f6c7d1e3a48", kid=OLD.kid)
    remote = verifier(client(serve(document(jwks(OLD))).url), issuer=name(1))
    resource = ResourceServer([remote, verifier(secret, issuer=name(2))], https="off")

    assert resource.may_block
    assert resource.authenticate([f"Bearer {token(OLD, iss=name(1))}"]).audience == (AUDIENCE,)
    assert resource.authenticate([f"Bearer {token(secret, iss=name(2))}"]).issuer == name(2)
    for key, number in ((secret, 1), (OLD, 2)):
        with pytest.raises(Exception, match="algorithm is not accepted"):
            resource.authenticate([f"Bearer {token(key, iss=name(number))}"])

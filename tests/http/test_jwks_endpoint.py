"""The JWK Set endpoint of the core: the contract, and the options of a direct caller."""

import json
import threading

import pytest
from tests.http.jwks_contract import PATH, JWKSContract
from tests.support.clients import Answer
from tests.support.growth import assert_linear
from tests.support.rings import make_ring

from gatepass import ConfigurationError, Key, KeySet
from gatepass.adapter import JWKSEndpoint

SECRET = Key.from_secret("kXq2Zr8vT5mWn3bLc9dHf6gJs1pYt4Ru", kid="s1")


class CoreClient:
    """A client that calls the core directly; every other path is 401, as behind the middleware."""

    def __init__(self, keys, path=PATH, **options):
        self.path = path
        self.endpoint = JWKSEndpoint(keys, **options)

    def send(self, method, target, headers=(), body=b""):
        if target != self.path:
            return Answer(401, [], b"")
        known = tuple(value for name, value in headers if name == "If-None-Match")
        answer = self.endpoint.answer(method, if_none_match=known)
        return Answer(answer.status, [(name.lower(), value) for name, value in answer.headers], answer.body)


class TestCore(JWKSContract):
    def build(self, server, keys, **options):
        return CoreClient(keys, **options)


@pytest.mark.parametrize("keys", [SECRET, KeySet([SECRET]), [SECRET]])
def test_secrets_are_refused_when_the_endpoint_is_created(keys):
    with pytest.raises(ConfigurationError, match="no public half"):
        JWKSEndpoint(keys)


def test_cache_ttl_is_refused_beside_a_ring_and_if_negative(ring):
    with pytest.raises(ConfigurationError, match="give it to the KeyRing"):
        JWKSEndpoint(ring, cache_ttl=300)
    with pytest.raises(ConfigurationError, match="cache_ttl="):
        JWKSEndpoint(Key.generate("ES256"), cache_ttl=-1)


def test_the_etag_depends_on_the_cache_lifetime():
    key = Key.generate("ES256")
    tags = {dict(JWKSEndpoint(key, cache_ttl=age).answer("GET").headers)["ETag"] for age in (60, 600)}

    assert len(tags) == 2


@pytest.mark.parametrize(
    ("beginning", "pump", "end"), [('"a"', " ,", "x"), ("", '"a",', "x"), ("", " ", ""), ("", '"', ""), ("", ",", '"')]
)
def test_a_long_header_costs_no_more_than_its_length(ring, beginning, pump, end):
    endpoint = JWKSEndpoint(ring)

    def ask(text):
        return endpoint.answer("GET", if_none_match=(text,))

    assert ask(beginning + pump * 30_000 + end).status == 200
    assert_linear(ask, lambda size: beginning + pump * (size // len(pump)) + end, 65_536)


def test_two_processes_publish_the_same_document(ring, place, clock):
    ring.rotate()
    answers = {JWKSEndpoint(one).answer("GET") for one in (ring, make_ring(place, clock))}

    assert len(answers) == 1


def test_concurrent_threads_get_complete_responses(ring, clock):
    endpoint, bodies = JWKSEndpoint(ring), []

    def ask():
        for _ in range(200):
            answer = endpoint.answer("GET")
            bodies.append(
                (dict(answer.headers)["Content-Length"], len(answer.body), len(json.loads(answer.body)["keys"]))
            )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    ring.rotate()
    for thread in threads:
        thread.join()

    assert all(int(said) == length for said, length, _ in bodies)
    assert {count for _, _, count in bodies} <= {1, 2}

"""The responses of the JWK Set endpoint in every framework, byte for byte: one suite to inherit.

The tests of a new adapter implement `build`: an application with the endpoint, behind its access-token middleware,
where no other path is public.
"""

import base64
import hashlib
import json

import pytest
from tests.support.rings import AHEAD, make_issuer, make_verifier

from gatepass import Key, KeySet, ResourceServer

PATH = "/.well-known/jwks.json"
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
ASYMMETRIC = ["RS256", "PS256", "ES256", "ES384", "ES512", "Ed25519", "Ed448", "EdDSA"]
METHODS = ["get", "Get", "head", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "X-INVENTED"]


def golden(keys, max_age=300):
    body = json.dumps({"keys": [key.to_jwk() for key in keys]}, separators=(",", ":")).encode()
    digest = hashlib.sha256(f"public, max-age={max_age}\n".encode() + body).digest()
    tag = '"' + base64.urlsafe_b64encode(digest).rstrip(b"=").decode() + '"'
    validators = [("etag", tag), ("cache-control", f"public, max-age={max_age}")]
    described = [("content-type", "application/jwk-set+json"), ("content-length", str(len(body)))]
    return 200, [*validators, *described], body


def refused(status, *headers):
    return status, [*headers, ("cache-control", "no-store"), ("content-length", "0")], b""


def members(value):
    """Return the name of every member, at any depth."""
    if isinstance(value, dict):
        return {*value, *(name for member in value.values() for name in members(member))}
    if isinstance(value, list):
        return {name for member in value for name in members(member)}
    return set()


class JWKSContract:
    """`build(server, keys, **options)` returns a client of the application."""

    def build(self, server, keys, **options):
        raise NotImplementedError

    @pytest.fixture
    def server(self, ring, clock):
        return ResourceServer(make_verifier(ring, clock), https="off")

    @pytest.fixture
    def client(self, server, ring):
        return self.build(server, ring)

    def check(self, answer, expected):
        assert answer.crash is None
        assert (answer.status, answer.headers, answer.body) == expected

    def tag(self, client):
        return dict(client.send("GET", PATH).headers)["etag"]

    def test_the_keys_of_a_ring_are_published_to_the_byte(self, client, ring):
        self.check(client.send("GET", PATH), golden(ring.current()))

    @pytest.mark.parametrize("given", [iter, list, tuple, KeySet])
    def test_keys_from_an_iterator_are_published_for_every_request(self, server, given):
        key = Key.generate("ES256").public()
        client = self.build(server, given([key]))

        self.check(client.send("GET", PATH), golden([key]))
        self.check(client.send("POST", PATH, [], b"x"), refused(405, ("allow", "GET, HEAD")))

    def test_the_published_keys_follow_the_ring(self, client, ring, clock):
        before = self.tag(client)
        ring.rotate()
        self.check(client.send("GET", PATH), golden(ring.current()))
        assert len(json.loads(client.send("GET", PATH).body)["keys"]) == 2
        announced = self.tag(client)
        clock.now += AHEAD

        assert self.tag(client) == announced != before  # the published keys are the same

    def test_a_verifier_that_fetches_the_published_keys_accepts_tokens(self, client, ring, clock):
        fetched = KeySet.from_jwks(client.send("GET", PATH).body)

        assert make_verifier(fetched, clock).verify(make_issuer(ring, clock).issue("anna")).subject == "anna"

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_head_request_gets_the_headers_of_get(self, client, ring, method):
        status, headers, body = golden(ring.current())

        self.check(client.send(method, PATH), (status, headers, body if method == "GET" else b""))

    @pytest.mark.parametrize("method", METHODS)
    def test_another_method_is_405_with_allow(self, client, method):
        self.check(client.send(method, PATH, [], b"x"), refused(405, ("allow", "GET, HEAD")))

    @pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"a",W/"b" , {} ,', ', {},"c"', "*", " * "])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_matching_etag_is_304(self, client, form, method):
        tag = self.tag(client)
        answer = client.send(method, PATH, [("If-None-Match", form.replace("{}", tag))])

        self.check(answer, (304, [("etag", tag), ("cache-control", "public, max-age=300")], b""))

    def test_if_none_match_may_have_two_lines(self, client):
        answer = client.send("GET", PATH, [("If-None-Match", '"other"'), ("If-None-Match", self.tag(client))])

        assert answer.status == 304

    @pytest.mark.parametrize(
        "form", ['"other"', "{bare}", "w/{}", "{} x", "x{}", '"{bare}x"', '"*"', "* , {}", "", '"a" {}', "\xe9", '"']
    )
    def test_another_or_a_malformed_etag_gets_the_keys(self, client, ring, form):
        tag = self.tag(client)
        value = form.replace("{}", tag).replace("{bare}", tag.strip('"'))

        self.check(client.send("GET", PATH, [("If-None-Match", value)]), golden(ring.current()))

    @pytest.mark.parametrize("header", ["Bearer x", "Basic eDp5", "Bearer"])
    def test_credentials_are_ignored(self, client, ring, header):
        self.check(client.send("GET", PATH, [("Authorization", header)]), golden(ring.current()))

    def test_the_rest_of_the_application_stays_protected(self, client):
        for path in (
            "/",
            "/.well-known",
            "/.well-known/",
            f"{PATH}/",
            f"{PATH}x",
            "/jwks.json",
            "/.well-known/JWKS.json",
        ):
            assert client.send("GET", path).status == 401, path

    def test_a_ring_that_cannot_be_read_is_503(self, client, ring, clock, place):
        place.rename(place.with_name("away"))
        clock.now += 301

        self.check(client.send("GET", PATH), refused(503, ("retry-after", "5")))

    @pytest.mark.parametrize("algorithm", ASYMMETRIC)
    def test_no_private_member_is_published_of_any_kind_of_key(self, server, algorithm):
        key = Key.generate(algorithm)
        answer = self.build(server, key).send("GET", PATH)

        self.check(answer, golden([key]))
        document = json.loads(answer.body)
        assert members(document).isdisjoint(PRIVATE)
        assert [sorted({"kid", "use", "alg", "kty"} & set(jwk)) for jwk in document["keys"]] == [
            ["alg", "kid", "kty", "use"]
        ]

    def test_no_private_member_of_a_ring_is_published_in_any_state(self, client, ring, clock):
        for _ in range(4):
            ring.rotate()
            assert members(json.loads(client.send("GET", PATH).body)).isdisjoint(PRIVATE)
            clock.now += AHEAD

    def test_static_keys_are_published_with_the_given_max_age(self, server):
        old, new = Key.generate("ES256"), Key.generate("Ed25519")
        client = self.build(server, KeySet([old, new.public()]), cache_ttl=3_600, path="/keys")

        self.check(client.send("GET", "/keys"), golden([old, new], max_age=3_600))

"""Each other library, each algorithm, both directions: a token has the same meaning on both sides."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from tests.interop.peers import ALGORITHMS, Joserfc, Jwk, Node, Peer, Refused

from gatepass import Key, KeySet, Profile, TokenIssuer, TokenVerifier
from gatepass.errors import (
    DisallowedAlgorithm,
    ExpiredToken,
    InvalidAudience,
    InvalidIssuer,
    InvalidSignature,
    WrongTokenType,
)
from gatepass.jose.compact import decode_base64url, encode_base64url

# joserfc warns about the older name of the algorithms of Edwards curves, which tokens still use.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

ISSUER, AUDIENCE = "https://auth.example", "https://api.example"
HOUR = 3600
_OTHERS = {"HS256": "HS384", "RS256": "PS256", "PS384": "RS384"}
"""Algorithms with the same kind of key."""


def issuer_of(key: Key, *, now: float | None = None) -> TokenIssuer:
    clock = time.time if now is None else lambda: now
    return TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key, client_id="web", clock=clock)


def verifier_of(key: Key, *, profile: Profile = Profile.RFC9068) -> TokenVerifier:
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=key, profile=profile)


def claims_now(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "žofie",
        "client_id": "web",
        "jti": "1",
        "iat": now,
        "exp": now + HOUR,
    }
    return claims | {"scope": "orders:read"} | changes


def header_for(key: Key, **changes: str) -> dict[str, str]:
    named = {} if key.kid is None else {"kid": key.kid}
    return {"alg": key.algorithm, "typ": "at+jwt", **named} | changes


def altered(token: str) -> str:
    """Return *token* with another subject and the old signature."""
    header, payload, signature = token.split(".")
    claims = decode_base64url(payload.encode()).replace(b"anna", b"anne")
    assert claims.count(b"anne") == 1
    return f"{header}.{encode_base64url(claims).decode()}.{signature}"


class TestOurTokensThere:
    @pytest.fixture
    def key(self, algorithm: str, our_keys: Callable[[str], Key]) -> Key:
        return our_keys(algorithm)

    @pytest.fixture
    def verify(self, peer: Peer, key: Key, verifying_jwk: Callable[[Key], Jwk]) -> Callable[..., dict[str, Any]]:
        def verify(token: str, *, issuer: str = ISSUER, audience: str = AUDIENCE) -> dict[str, Any]:
            return peer.verify(token, verifying_jwk(key), algorithm=key.algorithm, issuer=issuer, audience=audience)

        return verify

    def test_a_valid_token_has_the_same_claims_on_both_sides(self, key, verify):
        token = issuer_of(key).issue("žofie", scope=["orders:read"], roles=["admin"])
        assert verify(token) == dict(verifier_of(key).verify(token).claims) | {"roles": ["admin"]}

    def test_a_forged_token_is_refused(self, key, verify, namesakes):
        with pytest.raises(Refused, match="signature"):
            verify(issuer_of(namesakes(key.algorithm)).issue("žofie"))

    def test_an_altered_token_is_refused(self, key, verify):
        with pytest.raises(Refused, match="signature"):
            verify(altered(issuer_of(key).issue("anna")))

    def test_an_expired_token_is_refused(self, key, verify):
        with pytest.raises(Refused, match="expired"):
            verify(issuer_of(key, now=time.time() - HOUR).issue("žofie"))

    def test_a_token_for_another_audience_is_refused(self, key, verify):
        with pytest.raises(Refused, match="audience"):
            verify(issuer_of(key).issue("žofie"), audience="https://other.example")

    def test_a_token_of_another_issuer_is_refused(self, key, verify):
        with pytest.raises(Refused, match="issuer"):
            verify(issuer_of(key).issue("žofie"), issuer="https://other.example")


class TestTheirTokensHere:
    """joserfc makes the keys, so that the signing side uses none of our code."""

    @pytest.fixture
    def jwk(self, algorithm: str, their_keys: Callable[[str], Jwk]) -> Jwk:
        return their_keys(algorithm)

    @pytest.fixture
    def key(self, jwk: Jwk, algorithm: str) -> Key:
        key = Key.from_jwk(jwk, algorithm=algorithm)
        return key if key.is_secret else key.public()

    def test_a_valid_token_has_the_same_claims_on_both_sides(self, peer, jwk, key):
        claims = claims_now()
        token = verifier_of(key).verify(peer.sign(claims, header_for(key), jwk))
        assert dict(token.claims) == claims
        assert (token.subject, token.client_id, set(token.scopes)) == ("žofie", "web", {"orders:read"})

    def test_a_forged_token_is_refused(self, peer, key, algorithm, untrusted_keys):
        with pytest.raises(InvalidSignature):
            verifier_of(key).verify(peer.sign(claims_now(), header_for(key), untrusted_keys(algorithm)))

    def test_an_altered_token_is_refused(self, peer, jwk, key):
        token = peer.sign(claims_now(sub="anna"), header_for(key), jwk)
        with pytest.raises(InvalidSignature):
            verifier_of(key).verify(altered(token))

    def test_an_expired_token_is_refused(self, peer, jwk, key):
        with pytest.raises(ExpiredToken):
            verifier_of(key).verify(peer.sign(claims_now(exp=int(time.time()) - HOUR), header_for(key), jwk))

    def test_a_token_for_another_audience_is_refused(self, peer, jwk, key):
        with pytest.raises(InvalidAudience):
            verifier_of(key).verify(peer.sign(claims_now(aud="https://other.example"), header_for(key), jwk))

    def test_a_token_of_another_issuer_is_refused(self, peer, jwk, key):
        with pytest.raises(InvalidIssuer):
            verifier_of(key).verify(peer.sign(claims_now(iss="https://other.example"), header_for(key), jwk))

    def test_a_plain_jwt_is_accepted_by_the_generic_profile_only(self, peer, jwk, key):
        now = int(time.time())
        token = peer.sign(
            {"iss": ISSUER, "aud": [AUDIENCE], "sub": "anna", "exp": now + HOUR}, header_for(key, typ="JWT"), jwk
        )
        assert verifier_of(key, profile=Profile.GENERIC).verify(token).subject == "anna"
        with pytest.raises(WrongTokenType):
            verifier_of(key).verify(token)

    @pytest.mark.parametrize("pairing", list(product(ALGORITHMS, _OTHERS)), indirect=True, ids="-".join)
    def test_the_same_key_under_another_algorithm_is_refused(self, peer, jwk, key, algorithm):
        token = peer.sign(claims_now(), header_for(key, alg=_OTHERS[algorithm]), jwk)
        with pytest.raises(DisallowedAlgorithm):
            verifier_of(key).verify(token)


class TestKeys:
    @pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "ES512", "Ed25519"])
    def test_a_pem_made_by_jose_signs_and_verifies_here(self, jose: Node, algorithm: str):
        made = jose.generate(algorithm)
        private = Key.from_pem(made["private_pem"], algorithm=algorithm)
        public = Key.from_pem(made["public_pem"], algorithm=algorithm)
        assert (private.can_sign, public.can_sign, private.kid) == (True, False, public.kid)
        assert verifier_of(public).verify(issuer_of(private).issue("anna")).subject == "anna"
        jose_says = jose.verify(
            issuer_of(private).issue("anna"), public.to_jwk(), algorithm=algorithm, issuer=ISSUER, audience=AUDIENCE
        )
        assert jose_says["sub"] == "anna"

    @pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"])
    def test_a_jwk_made_by_jose_is_the_same_key_here(self, jose: Node, algorithm: str):
        made = jose.generate(algorithm)
        key = Key.from_jwk(made["jwk"], algorithm=algorithm)
        assert key.to_pem() == made["public_pem"].rstrip() + "\n"
        assert key.to_private_jwk() == made["jwk"] | {"kid": key.kid, "use": "sig", "alg": algorithm}

    @pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512", "Ed25519"])
    def test_all_libraries_compute_the_same_thumbprint(self, jose: Node, joserfc: Joserfc, our_keys, algorithm: str):
        key = our_keys(algorithm)
        assert key.thumbprint() == jose.thumbprint(key.to_jwk()) == joserfc.thumbprint(key.to_jwk())

    @pytest.mark.parametrize(
        ("reader", "algorithms"),
        [
            ("jose", ["RS256", "PS256", "ES256", "ES512", "EdDSA", "Ed25519"]),
            ("pyjwt", ["RS256", "PS256", "ES256", "ES512", "EdDSA"]),
        ],
    )
    def test_the_key_of_each_token_is_found_in_our_published_set(self, request, our_keys, reader, algorithms):
        peer, keys = request.getfixturevalue(reader), [our_keys(algorithm) for algorithm in algorithms]
        published = KeySet(keys, signing=keys[0]).to_jwks()
        for key in keys:
            token = issuer_of(key).issue("anna")
            assert peer.verify_with_key_set(token, published, issuer=ISSUER, audience=AUDIENCE)["sub"] == "anna"

    def test_the_key_of_each_token_is_found_in_the_set_that_joserfc_publishes(self, joserfc: Joserfc, their_keys):
        algorithms = ["RS256", "PS384", "ES256", "ES384", "EdDSA", "Ed25519", "Ed448"]
        private = [their_keys(algorithm) | {"kid": algorithm, "alg": algorithm} for algorithm in algorithms]
        published = KeySet.from_jwks(joserfc.publish(private))
        assert [key.can_sign for key in published] == [False] * len(algorithms)
        verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=published)
        for jwk in private:
            token = joserfc.sign(claims_now(), {"alg": jwk["alg"], "kid": jwk["kid"], "typ": "at+jwt"}, jwk)
            assert verifier.verify(token).subject == "žofie"

    def test_jose_finds_no_key_that_we_did_not_publish(self, jose: Node, our_keys):
        published = KeySet([our_keys("ES256")]).to_jwks()
        with pytest.raises(RuntimeError, match="ERR_JWKS_NO_MATCHING_KEY"):
            jose.verify_with_key_set(
                issuer_of(our_keys("ES384")).issue("anna"), published, issuer=ISSUER, audience=AUDIENCE
            )

"""The keys that are tried for a token: those of its key id, or all matching ones up to a limit (V-10, V-11, K-13)."""

import asyncio
from itertools import permutations

import pytest
from tests.support.tokens import (
    SECRET_KEY,
    SIGNING_KEY,
    claims_for,
    header_for,
    make_issuer,
    make_verifier,
    refusal,
    signed,
)

from gatepass import Key, KeySet, ResourceServer
from gatepass.errors import DisallowedAlgorithm, InvalidSignature, MalformedToken, UnknownKey
from gatepass.jose.compact import parse_compact
from gatepass.tokens.explain import explain

NAMELESS = {
    "secret": Key.from_secret("mW4kZ9xQ2vT7cR1yB6nL3hJ8gF5dS0pA"),
    "PEM": Key.from_pem(Key.generate("ES256").to_private_pem()),
    "JWK": Key.from_jwk(
        {name: value for name, value in Key.generate("Ed25519").to_private_jwk().items() if name != "kid"}
    ),
    "generated": Key.generate("ES384"),
}
"""Keys for which neither the caller nor a JWK set a kid."""


class TestKeysAndSignature:
    """V-10, V-11, V-16, V-23, K-13, K-23."""

    def test_a_signature_by_another_key_with_the_same_kid_is_invalid(self):
        namesake = Key.generate("ES256")

        assert type(refusal(signed(header_for(), key=namesake))) is InvalidSignature

    def test_every_single_changed_character_invalidates_a_token(self):
        good = signed(claims=claims_for(note="x"))
        verifier = make_verifier()

        for place, character in enumerate(good):
            changed = good[:place] + ("B" if character == "A" else "A") + good[place + 1 :]
            if changed != good:
                refusal(changed, verifier)

    def test_an_empty_signature_is_invalid(self):
        assert type(refusal(signed().rpartition(".")[0] + ".")) is InvalidSignature

    def test_a_cached_header_does_not_validate_another_payload(self):
        verifier = make_verifier()
        header, payload, signature = signed().split(".")
        verifier.verify(f"{header}.{payload}.{signature}")
        other = signed(claims=claims_for(sub="mallory"), key=Key.generate("ES256")).split(".")[1]

        assert type(refusal(f"{header}.{other}.{signature}", verifier)) is InvalidSignature

    def test_a_token_without_a_kid_is_tried_with_all_matching_keys(self):
        keys = KeySet([Key.generate("ES256"), SIGNING_KEY, Key.generate("ES384")])

        make_verifier(keys=keys).verify(signed(header_for(kid=...)))

    @pytest.mark.parametrize("trial_keys", [0, 2])
    def test_more_matching_keys_than_allowed_are_an_unknown_key(self, trial_keys):
        keys = KeySet([SIGNING_KEY, Key.generate("ES256"), Key.generate("ES256")])
        verifier = make_verifier(keys=keys, trial_keys=trial_keys)

        assert type(refusal(signed(header_for(kid=...)), verifier)) is UnknownKey
        make_verifier(keys=keys, trial_keys=3).verify(signed(header_for(kid=...)))

    def test_a_token_without_a_kid_may_be_tried_and_fail(self):
        assert type(refusal(signed(header_for(kid=...), key=Key.generate("ES256")))) is InvalidSignature

    @pytest.mark.parametrize("cache_ttl", [0, 60])
    @pytest.mark.parametrize("form", NAMELESS)
    @pytest.mark.parametrize("kids", list(permutations(["", "k1", "another", ...])))
    def test_a_single_key_without_a_kid_is_tried_for_any_kid_in_any_order(self, form, kids, cache_ttl):
        """RFC 7515 section 4.1.4: a kid is a hint."""
        key = NAMELESS[form]
        verifier = make_verifier(keys=key.public() if not key.is_secret else key, cache_ttl=cache_ttl)
        stranger = SECRET_KEY if key.is_secret else Key.generate(key.algorithm)

        for kid in kids * 2:
            header = header_for(key, kid=kid)
            verifier.verify(signed(header, key=key))
            assert type(refusal(signed(header, claims_for(sub="mallory"), key=stranger), verifier)) is InvalidSignature

    @pytest.mark.parametrize("form", NAMELESS)
    def test_such_a_key_still_refuses_an_invalid_kid_and_another_algorithm(self, form):
        key = NAMELESS[form]
        verifier = make_verifier(keys=key, algorithms=[key.algorithm, "HS384" if key.is_secret else "RS256"])
        other = Key.generate("HS384" if key.is_secret else "RS256")

        for kid in (5, None, ["k1"], {"k1": 1}, True, "k" * 1_025):
            assert type(refusal(signed(header_for(key, kid=kid), key=key), verifier)) is MalformedToken
        assert type(refusal(signed(header_for(other, kid="x"), key=other), verifier)) is UnknownKey
        assert type(refusal(signed(header_for(key, alg="none", kid="x"), key=key), verifier)) is DisallowedAlgorithm

    @pytest.mark.parametrize("form", NAMELESS)
    def test_a_set_with_that_single_key_requires_a_matching_kid(self, form):
        key = NAMELESS[form]
        token = signed(header_for(key, kid="another"), key=key)

        sets = [KeySet([key]), [key], (key,), iter([key])]
        if not key.is_secret:
            sets.append(KeySet.from_jwks({"keys": [key.to_jwk()]}))
        for keys in sets:
            assert type(refusal(token, make_verifier(keys=keys))) is UnknownKey
        second = Key.generate(key.algorithm)
        assert type(refusal(token, make_verifier(keys=[key, second]))) is UnknownKey

    @pytest.mark.parametrize("form", NAMELESS)
    def test_a_single_key_with_a_kid_is_used_for_no_other_kid(self, form):
        named = Key.from_jwk({**NAMELESS[form].to_private_jwk(), "kid": "its name"})
        verifier = make_verifier(keys=named)

        verifier.verify(signed(header_for(named), key=named))
        for kid in ("another", "", NAMELESS[form].thumbprint()):
            assert type(refusal(signed(header_for(named, kid=kid), key=named), verifier)) is UnknownKey

    def test_without_trial_keys_a_single_key_requires_a_matching_kid(self):
        key = NAMELESS["PEM"]
        verifier = make_verifier(keys=key, trial_keys=0)

        verifier.verify(signed(header_for(key), key=key))
        assert type(refusal(signed(header_for(key, kid="another"), key=key), verifier)) is UnknownKey

    def test_the_result_is_the_same_on_an_event_loop_in_an_explanation_and_before_a_revocation(self):
        key = NAMELESS["PEM"]
        verifier = make_verifier(keys=key)
        token = signed(header_for(key, kid="another"), key=key)

        assert asyncio.run(verifier.verify_async(token, run_blocking=None)).subject == "anna"
        assert {finding.outcome for finding in explain(token, verifier)} == {"passed"}
        assert verifier._for_revocation().verify(token).subject == "anna"

    def test_the_issuer_still_writes_the_thumbprint_as_kid(self):
        key = NAMELESS["PEM"]
        token = make_issuer(keys=key).issue("anna")

        assert parse_compact(token).header()["kid"] == key.thumbprint()
        make_verifier(keys=KeySet([key.public()])).verify(token)

    def test_a_key_without_a_kid_is_used_for_its_own_issuer_only(self):
        ours, theirs = NAMELESS["PEM"], Key.generate("ES256")
        server = ResourceServer([make_verifier(keys=ours), make_verifier(keys=theirs, issuer="https://other.example")])
        crossed = signed(header_for(ours, kid="x"), claims_for(iss="https://other.example"), key=ours)

        server.authenticate([f"Bearer {signed(header_for(ours, kid='x'), key=ours)}"])
        with pytest.raises(InvalidSignature):
            server.authenticate([f"Bearer {crossed}"])

    def test_the_cache_of_headers_is_bounded(self):
        verifier = make_verifier()

        for number in range(300):
            verifier.verify(signed(header_for(extra=number)))
        assert len(verifier._snapshot.keys_by_header) <= 128

    def test_headers_of_invalid_signatures_are_not_cached(self):
        verifier = make_verifier()
        refusal(signed(header_for(), key=Key.generate("ES256")), verifier)

        assert not verifier._snapshot.keys_by_header

    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
                                           "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"])  # fmt: skip
    def test_every_algorithm_verifies_its_own_tokens(self, algorithm):
        key = Key.generate(algorithm)

        make_verifier(keys=key).verify(signed(key=key))

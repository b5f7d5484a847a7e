"""Several issuers, each with its own keys, algorithms and policy. The exact `iss` selects one."""

import pytest
from tests.support.resource_server import bearer, refusal
from tests.support.tokens import ISSUER, SECRET_KEY, SIGNING_KEY, claims_for, header_for, make_verifier, signed

from gatepass import ANY_ISSUER, ConfigurationError, Key, Profile, ResourceServer
from gatepass.errors import DisallowedAlgorithm, InvalidClaim, InvalidIssuer, InvalidSignature, MissingClaim

OTHER_ISSUER = "https://else.example"
OTHER_KEY = Key(Key.generate("RS256")._material, algorithm="RS256", kid=SIGNING_KEY.kid)


class TestSeveralIssuers:
    """V-10, V-23, A6."""

    server = ResourceServer([
        make_verifier(),
        make_verifier(issuer=OTHER_ISSUER, keys=OTHER_KEY.public()),
        make_verifier(issuer="https://third.example", keys=SECRET_KEY, profile=Profile.GENERIC),
    ], https="off")  # fmt: skip

    def test_the_tokens_of_each_issuer_are_accepted(self):
        for token, issuer in [
            (signed(), ISSUER),
            (signed(header_for(OTHER_KEY), claims_for(iss=OTHER_ISSUER), key=OTHER_KEY), OTHER_ISSUER),
            (signed(header_for(SECRET_KEY, typ="JWT"), claims_for(iss="https://third.example"), key=SECRET_KEY), "https://third.example"),
        ]:  # fmt: skip
            assert self.server.authenticate(bearer(token)).issuer == issuer

    def test_a_key_is_used_for_its_own_issuer_only_even_with_the_same_kid(self):
        assert (
            refusal(self.server, bearer(signed(header_for(OTHER_KEY), claims_for(), key=OTHER_KEY)))
            is DisallowedAlgorithm
        )
        assert refusal(self.server, bearer(signed(claims=claims_for(iss=OTHER_ISSUER)))) is DisallowedAlgorithm
        same_kid = Key(Key.generate("ES256")._material, algorithm="ES256", kid=SIGNING_KEY.kid)
        twin = ResourceServer(
            [make_verifier(), make_verifier(issuer=OTHER_ISSUER, keys=same_kid.public())], https="off"
        )
        assert refusal(twin, bearer(signed(claims=claims_for(iss=OTHER_ISSUER)))) is InvalidSignature
        assert refusal(twin, bearer(signed(key=same_kid))) is InvalidSignature

    def test_one_issuers_profile_does_not_relax_that_of_another(self):
        assert refusal(self.server, bearer(signed(header_for(typ="JWT")))).__name__ == "WrongTokenType"

    @pytest.mark.parametrize("iss", ["https://evil.example", ISSUER + "/", ISSUER.upper(), "", "a" * 5_000])
    def test_an_unknown_issuer_is_not_accepted(self, iss):
        assert refusal(self.server, bearer(signed(claims=claims_for(iss=iss)))) is InvalidIssuer

    @pytest.mark.parametrize(
        ("iss", "error"),
        [(..., MissingClaim), (None, InvalidClaim), ([ISSUER], InvalidClaim), (5, InvalidClaim), ({}, InvalidClaim)],
    )
    def test_an_issuer_that_is_no_string_selects_no_verifier(self, iss, error):
        assert refusal(self.server, bearer(signed(claims=claims_for(iss=iss)))) is error

    def test_one_issuer_and_several_give_the_same_refusals(self):
        alone = ResourceServer(make_verifier(), https="off")

        for token in ["x", "x.y.z", signed(header_for(alg="none")), signed(header_for(kid="x")), signed(key=Key.generate("ES256")),
                      signed(claims=claims_for(exp=1)), signed(claims=claims_for(iss="x")), signed(claims=claims_for(iss=...)),
                      signed(claims=claims_for(iss=[ISSUER])), signed(claims=claims_for(aud="x"))]:  # fmt: skip
            assert refusal(alone, bearer(token)) is refusal(self.server, bearer(token))

    @pytest.mark.parametrize(
        "verifiers",
        [[], [make_verifier(), make_verifier()], [make_verifier(), make_verifier(issuer=ANY_ISSUER)], ["x"], [None],
         [make_verifier(issuer=ANY_ISSUER), make_verifier(issuer=ANY_ISSUER)]],
    )  # fmt: skip
    def test_duplicate_issuers_fail_at_once(self, verifiers):
        with pytest.raises(ConfigurationError):
            ResourceServer(verifiers)

    def test_a_single_verifier_may_accept_any_issuer(self):
        server = ResourceServer([make_verifier(issuer=ANY_ISSUER)], https="off")

        assert (
            server.authenticate(bearer(signed(claims=claims_for(iss="https://any.example")))).issuer
            == "https://any.example"
        )

"""What the verifier accepts and what it rejects, check by check in their order."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.tokens import (
    AUDIENCE,
    ISSUER,
    NOW,
    SECRET_KEY,
    SIGNING_KEY,
    Clock,
    claims_for,
    header_for,
    make_verifier,
    refusal,
    signed,
)

from gatepass import ANY_AUDIENCE, ANY_ISSUER, ConfigurationError, Key, Profile, TokenVerifier
from gatepass.errors import (
    BindingError,
    DisallowedAlgorithm,
    ExpiredToken,
    ImmatureToken,
    InvalidAudience,
    InvalidClaim,
    InvalidIssuer,
    InvalidSignature,
    MalformedToken,
    MissingClaim,
    UnknownKey,
    UnsupportedToken,
    WrongTokenType,
)
from gatepass.jose.compact import encode_base64url


def test_a_valid_token_has_subject_client_and_scopes():
    token = make_verifier().verify(signed())

    assert (token.subject, token.issuer, token.audience, token.client_id) == ("anna", ISSUER, (AUDIENCE,), "web")
    assert token.scopes == {"orders:read", "orders:write"}
    assert token.token_id == "j-1"
    assert token.issued_at == datetime.fromtimestamp(NOW, UTC)
    assert token.expires_at == datetime.fromtimestamp(NOW + 900, UTC)
    assert not token.is_client


class TestTime:
    """V-26 to V-30: a token is expired at `exp`, not after it."""

    @pytest.mark.parametrize(
        ("exp", "dead"), [(NOW - 1, True), (NOW, True), (NOW + 1, False), (NOW + 0.5, False), (NOW - 0.5, True)]
    )
    def test_a_token_is_expired_at_exp(self, exp, dead):
        token = signed(claims=claims_for(exp=exp))

        if dead:
            assert type(refusal(token)) is ExpiredToken
        else:
            make_verifier().verify(token)

    @pytest.mark.parametrize("claim", ["nbf", "iat"])
    @pytest.mark.parametrize(("offset", "early"), [(-1, False), (0, False), (1, True), (0.5, True), (-0.5, False)])
    def test_a_token_is_valid_from_nbf_and_iat(self, claim, offset, early):
        token = signed(claims=claims_for(**{claim: NOW + offset}))

        if early:
            assert type(refusal(token)) is ImmatureToken
        else:
            make_verifier().verify(token)

    @pytest.mark.parametrize("leeway", [60, 60.0, timedelta(minutes=1)])
    def test_leeway_widens_every_bound_equally(self, leeway):
        verifier = make_verifier(leeway=leeway)

        for claim, last_good, first_bad, error in [
            ("exp", NOW - 59, NOW - 60, ExpiredToken), ("nbf", NOW + 60, NOW + 61, ImmatureToken), ("iat", NOW + 60, NOW + 61, ImmatureToken),
        ]:  # fmt: skip
            verifier.verify(signed(claims=claims_for(**{claim: last_good})))
            assert type(refusal(signed(claims=claims_for(**{claim: first_bad})), verifier)) is error

    def test_leeway_is_30_seconds_by_default(self):
        verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=SIGNING_KEY, clock=Clock())

        verifier.verify(signed(claims=claims_for(exp=NOW - 29)))
        assert type(refusal(signed(claims=claims_for(exp=NOW - 30)), verifier)) is ExpiredToken

    @pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize(
        "value",
        [
            str(NOW + 900),
            True,
            False,
            None,
            [NOW],
            {"a": 1},
            "",
            "soon",
            10**18,
            -(10**18),
            10**400,
            253_402_300_800,
            -62_135_596_801,
            -62_135_596_800.5,
            1e300,
        ],
    )
    def test_an_invalid_date_is_an_invalid_claim_and_not_an_expired_token(self, claim, value):
        assert type(refusal(signed(claims=claims_for(**{claim: value})))) is InvalidClaim

    def test_fractions_of_a_second_are_dates(self):
        token = make_verifier().verify(signed(claims=claims_for(exp=NOW + 1.5, iat=NOW - 0.25, nbf=NOW - 1.5)))

        assert token.expires_at == datetime.fromtimestamp(NOW + 1.5, UTC)

    def test_a_date_before_1970_is_a_date(self):
        assert type(refusal(signed(claims=claims_for(exp=-1)))) is ExpiredToken
        make_verifier().verify(signed(claims=claims_for(iat=-1, nbf=-1.5)))

    def test_every_accepted_date_fits_into_a_datetime(self):
        token = make_verifier().verify(signed(claims=claims_for(iat=-62_135_596_800, exp=253_402_300_799)))

        assert (token.issued_at.year, token.expires_at.year) == (1, 9999)

    def test_the_clock_is_read_for_every_token(self):
        clock = Clock()
        verifier = make_verifier(clock=clock)
        token = signed()
        verifier.verify(token)
        clock.now = NOW + 900

        assert type(refusal(token, verifier)) is ExpiredToken

    @pytest.mark.parametrize("now", [float("nan"), float("inf")])
    def test_an_invalid_clock_accepts_no_token(self, now):
        refusal(signed(), make_verifier(clock=Clock(now)))
        refusal(signed(claims=claims_for(exp=NOW + 0.5)), make_verifier(clock=Clock(now)))

    def test_a_clock_far_behind_accepts_no_token(self):
        assert type(refusal(signed(), make_verifier(clock=Clock(float("-inf"))))) is ImmatureToken

    def test_max_token_age_bounds_how_long_ago_a_token_was_issued(self):
        verifier = make_verifier(max_token_age=timedelta(seconds=60), leeway=5)

        verifier.verify(signed(claims=claims_for(iat=NOW - 64)))
        assert type(refusal(signed(claims=claims_for(iat=NOW - 65)), verifier)) is ExpiredToken

    def test_max_token_age_requires_iat_in_every_profile(self):
        verifier = make_verifier(max_token_age=60, profile=Profile.GENERIC)

        assert type(refusal(signed(header_for(typ="JWT"), claims_for(iat=...)), verifier)) is MissingClaim


class TestIssuer:
    """V-22, V-23, V-25: the issuer must match exactly."""

    @pytest.mark.parametrize(
        "iss", [ISSUER + "/", ISSUER.upper(), "HTTPS://auth.example", ISSUER + ":443", "http://auth.example", ISSUER + "#", ISSUER + "?",
                " " + ISSUER, ISSUER + "\n", ISSUER[:-1], "", "https://auth.examplé", "https://auth%2eexample"],
    )  # fmt: skip
    def test_any_other_spelling_is_another_issuer(self, iss):
        assert type(refusal(signed(claims=claims_for(iss=iss)))) is InvalidIssuer

    @pytest.mark.parametrize("iss", [[ISSUER], {"iss": ISSUER}, 5, None, True])
    def test_an_issuer_that_is_no_string_is_invalid(self, iss):
        assert type(refusal(signed(claims=claims_for(iss=iss)))) is InvalidClaim

    def test_a_missing_issuer_is_missing(self):
        assert type(refusal(signed(claims=claims_for(iss=...)))) is MissingClaim

    def test_a_foreign_issuer_is_rejected_before_any_key_is_selected(self):
        assert (
            type(refusal(signed(header_for(alg="none", kid="unknown"), claims_for(iss="https://else.example"))))
            is InvalidIssuer
        )

    @pytest.mark.parametrize("iss", ["https://else.example", ...])
    def test_any_issuer_accepts_any_issuer_or_none(self, iss):
        token = make_verifier(issuer=ANY_ISSUER).verify(signed(claims=claims_for(iss=iss)))

        assert token.issuer == (None if iss is ... else iss)

    @pytest.mark.parametrize("iss", [[ISSUER], 5, None])
    def test_any_issuer_still_requires_a_string(self, iss):
        assert type(refusal(signed(claims=claims_for(iss=iss)), make_verifier(issuer=ANY_ISSUER))) is InvalidClaim


class TestAudience:
    """V-24, V-25."""

    @pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["https://else.example", AUDIENCE]])
    def test_one_of_the_audiences_must_match(self, aud):
        token = make_verifier().verify(signed(claims=claims_for(aud=aud)))

        assert AUDIENCE in token.audience

    @pytest.mark.parametrize(
        "aud", [..., "", [], [""], "https://else.example", AUDIENCE.upper(), AUDIENCE + "/", AUDIENCE[:-1], AUDIENCE + " x", ["a", "b"],
                f"{AUDIENCE} https://else.example"],
    )  # fmt: skip
    def test_a_token_for_another_audience_is_rejected(self, aud):
        assert type(refusal(signed(claims=claims_for(aud=aud)))) is InvalidAudience

    @pytest.mark.parametrize("aud", [None, 5, True, {AUDIENCE: 1}, [AUDIENCE, 5], [[AUDIENCE]], [None]])
    def test_an_audience_of_another_type_is_invalid(self, aud):
        assert type(refusal(signed(claims=claims_for(aud=aud)))) is InvalidClaim
        assert type(refusal(signed(claims=claims_for(aud=aud)), make_verifier(audience=ANY_AUDIENCE))) is InvalidClaim

    def test_a_service_may_have_several_audiences(self):
        verifier = make_verifier(audience=["https://api.example", "urn:orders"])

        for name in ("https://api.example", "urn:orders"):
            verifier.verify(signed(claims=claims_for(aud=name)))

    @pytest.mark.parametrize("aud", [..., "https://else.example", [], ["a", "b"]])
    def test_any_audience_accepts_any_audience_or_none(self, aud):
        make_verifier(audience=ANY_AUDIENCE).verify(signed(claims=claims_for(aud=aud)))


class TestOtherClaims:
    """V-31, V-32, V-35, D7."""

    @pytest.mark.parametrize("claim", ["exp", "sub", "client_id", "iat", "jti", "iss"])
    def test_the_seven_claims_are_required(self, claim):
        assert type(refusal(signed(claims=claims_for(**{claim: ...})))) is MissingClaim

    @pytest.mark.parametrize("claim", ["sub", "client_id", "jti"])
    @pytest.mark.parametrize("value", [5, None, True, ["a"], {"a": 1}, ""])
    @pytest.mark.parametrize("profile", [Profile.RFC9068, Profile.GENERIC])
    def test_subject_client_and_token_id_must_be_strings(self, claim, value, profile):
        typ = "at+jwt" if profile is Profile.RFC9068 else "JWT"

        assert (
            type(refusal(signed(header_for(typ=typ), claims_for(**{claim: value})), make_verifier(profile=profile)))
            is InvalidClaim
        )

    @pytest.mark.parametrize(
        "scope", [5, None, ["orders:read"], {"a": 1}, "a  b", " a", "a ", 'a"b', "a\\b", "a\tb", "é", "a\nb", "\0"]
    )
    def test_a_scope_must_be_a_string_of_scope_tokens(self, scope):
        assert type(refusal(signed(claims=claims_for(scope=scope)))) is InvalidClaim

    @pytest.mark.parametrize("scope", [..., ""])
    def test_a_token_without_scope_has_no_scopes(self, scope):
        assert make_verifier().verify(signed(claims=claims_for(scope=scope))).scopes == frozenset()

    def test_scopes_are_correct_whether_cached_or_not(self):
        verifier = make_verifier()

        for number in range(600):
            token = verifier.verify(signed(claims=claims_for(scope=f"a:{number} b", jti=f"j-{number}")))
            assert token.scopes == {f"a:{number}", "b"}

    def test_unknown_claims_and_header_members_are_ignored(self):
        extra = {"x": [1, {"y": None}], "nonce": 5, "roles": "not a list", "": 0}

        make_verifier().verify(signed(header_for(**{"x-y": [None]}), claims_for(**extra)))

    def test_a_profile_may_make_claims_optional(self):
        verifier = make_verifier(profile=Profile.RFC9068.allow_missing("jti", "client_id", "iat"))
        token = verifier.verify(signed(claims=claims_for(jti=..., client_id=..., iat=...)))

        assert (token.token_id, token.client_id, token.issued_at) == (None, None, None)
        assert type(refusal(signed(claims=claims_for(sub=...)), verifier)) is MissingClaim

    def test_reading_a_missing_subject_raises(self):
        token = make_verifier(profile=Profile.GENERIC).verify(signed(header_for(typ="JWT"), claims_for(sub=...)))

        with pytest.raises(LookupError):
            token.subject  # noqa: B018
        assert not token.is_client

    def test_a_custom_profile_may_require_more(self):
        from dataclasses import replace

        profile = replace(Profile.RFC9068, required=Profile.RFC9068.required | {"tenant"})

        assert type(refusal(signed(), make_verifier(profile=profile))) is MissingClaim
        make_verifier(profile=profile).verify(signed(claims=claims_for(tenant=5)))


class TestBinding:
    """V-38: a sender-constrained token is worthless without its proof."""

    @pytest.mark.parametrize(
        "cnf",
        [{"jkt": "x"}, {"x5t#S256": "x"}, {"kid": "x"}, {"jwk": {"kty": "EC"}}, {"jwe": "x"}, {"jku": "https://a", "kid": "x"},
         {"jkt": None}, {"jkt": "x", "other": 1}, {"tbh": "x"}, {"unknown": 1}, {"": ""}, {}],
    )  # fmt: skip
    @pytest.mark.parametrize("profile", [Profile.RFC9068, Profile.GENERIC, Profile.RFC9068.roles_at(("app", "roles"))])
    def test_every_sender_constrained_token_is_rejected_as_a_bearer_token(self, profile, cnf):
        token = signed(header_for(typ="JWT" if profile is Profile.GENERIC else "at+jwt"), claims_for(cnf=cnf))

        assert type(refusal(token, make_verifier(profile=profile))) is BindingError
        assert type(refusal(token, make_verifier(profile=profile, cache_ttl=60))) is BindingError

    @pytest.mark.parametrize("cnf", [None, "jkt", ["jkt"], 5, "", [], False])
    def test_a_confirmation_that_is_not_an_object_is_invalid(self, cnf):
        assert type(refusal(signed(claims=claims_for(cnf=cnf)))) is InvalidClaim


class TestOrder:
    """V-39: cheap and certain checks come first. Claims are trusted only under a valid signature."""

    def test_the_first_failing_check_determines_the_error(self):
        bad_claims = claims_for(exp=NOW - 1, aud="https://else.example", jti=...)
        stranger = Key.generate("ES256")

        assert type(refusal("x.y")) is MalformedToken
        assert (
            type(refusal(signed(header_for(typ="JWT", alg="none"), {**bad_claims, "iss": "x"}, key=stranger)))
            is InvalidIssuer
        )
        assert (
            type(refusal(signed(header_for(crit=["x"], typ="JWT", alg="none"), bad_claims, key=stranger)))
            is UnsupportedToken
        )
        assert type(refusal(signed(header_for(typ="JWT", alg="none"), bad_claims, key=stranger))) is WrongTokenType
        assert type(refusal(signed(header_for(alg="none", kid="x"), bad_claims, key=stranger))) is DisallowedAlgorithm
        assert type(refusal(signed(header_for(kid="x"), bad_claims, key=stranger))) is UnknownKey
        assert type(refusal(signed(header_for(), bad_claims, key=stranger))) is InvalidSignature
        assert type(refusal(signed(claims=bad_claims))) is ExpiredToken
        assert type(refusal(signed(claims={**bad_claims, "exp": NOW + 1}))) is InvalidAudience
        assert type(refusal(signed(claims={**bad_claims, "exp": NOW + 1, "aud": AUDIENCE}))) is MissingClaim

    def test_an_error_contains_no_claims(self):
        error = refusal(signed(claims=claims_for(exp=1, sub="sentinel")))

        assert "sentinel" not in repr(vars(error)) + str(error) + repr(error.args)


class TestConfiguration:
    """Invalid settings raise when the verifier is created, with a sentence that says what to do."""

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"audience": ()}, "audience= is missing"),
            ({"audience": None}, "audience= is missing"),
            ({"audience": ""}, "audience= is missing"),
            ({"audience": ["a", ""]}, "non-empty strings"),
            ({"audience": ["a", "a"]}, "twice"),
            ({"audience": [5]}, "non-empty strings"),
            ({"issuer": None}, "issuer= is missing"),
            ({"issuer": ""}, "issuer= is missing"),
            ({"issuer": "http://auth.example"}, "https URL"),
            ({"issuer": "https://"}, "https URL"),
            ({"issuer": "auth.example"}, "https URL"),
            ({"issuer": "HTTPS://auth.example"}, "https URL"),
            ({"issuer": "https://auth.example:port"}, "https URL"),
            ({"issuer": "https://user@auth.example"}, "https URL"),
            ({"issuer": "https://auth.example?x"}, "without query"),
            ({"issuer": "https://auth.example#x"}, "without query"),
            ({"issuer": "https://auth.example/a b"}, "spaces"),
            ({"issuer": ["https://auth.example"]}, "make a TokenVerifier for each"),
            ({"keys": None, "issuer": ANY_ISSUER}, "keys= is missing"),
            ({"keys": "a secret that is long enough for HS256"}, "Key.from_env"),
            ({"keys": []}, "at least one key"),
            ({"keys": [SIGNING_KEY, "x"]}, "Key objects"),
            ({"keys": [SIGNING_KEY, SECRET_KEY]}, "never both"),
            ({"algorithms": []}, "algorithms="),
            ({"algorithms": "ES256"}, "takes a list"),
            ({"algorithms": ["none"]}, "unknown algorithm"),
            ({"algorithms": ["ES256", None]}, "unknown algorithm"),
            ({"algorithms": ["RS256"]}, "algorithms="),
            ({"leeway": -1}, "leeway="),
            ({"leeway": 301}, "leeway="),
            ({"leeway": timedelta(hours=1)}, "leeway="),
            ({"leeway": float("nan")}, "leeway="),
            ({"leeway": True}, "leeway="),
            ({"leeway": "30"}, "leeway="),
            ({"max_token_age": 0}, "max_token_age="),
            ({"max_token_age": float("inf")}, "max_token_age="),
            ({"trial_keys": -1}, "trial_keys="),
            ({"trial_keys": 17}, "trial_keys="),
            ({"trial_keys": True}, "trial_keys="),
            ({"profile": "rfc9068"}, "Profile.RFC9068"),
            ({"is_revoked": True}, "is_revoked="),
            ({"check_subject": "users.exists"}, "check_subject="),
        ],
    )
    def test_a_bad_setting_fails_with_what_to_do(self, changes, sentence):
        with pytest.raises(ConfigurationError, match=sentence):
            make_verifier(**changes)

    @pytest.mark.parametrize("name", ["issuer", "audience"])
    def test_a_missing_setting_fails_with_what_to_do(self, name):
        settings = {"issuer": ISSUER, "audience": AUDIENCE, "keys": SIGNING_KEY}
        del settings[name]

        with pytest.raises(ConfigurationError, match=f"{name}= is missing"):
            TokenVerifier(**settings)

    def test_an_unknown_setting_fails(self):
        with pytest.raises(TypeError):
            make_verifier(verify_exp=False)

    def test_an_issuer_that_is_a_name_is_for_the_generic_profile_only(self):
        token = signed(header_for(typ="JWT"), claims_for(iss="accounts.example"))

        make_verifier(issuer="accounts.example", profile=Profile.GENERIC).verify(token)
        make_verifier(issuer="accounts.example", profile=Profile.GENERIC.allow_missing()).verify(token)

    def test_algorithms_may_include_some_without_a_key(self):
        make_verifier(algorithms=["ES256", "ES384"]).verify(signed())

    @pytest.mark.parametrize("claim", ["exp", "iss", "aud", "nonsense"])
    def test_a_profile_cannot_disable_the_security_checks(self, claim):
        with pytest.raises(ConfigurationError):
            Profile.RFC9068.allow_missing(claim)

    def test_the_repr_of_a_verifier_contains_its_policy_and_no_secret(self):
        shown = repr(make_verifier(keys=SECRET_KEY, issuer=ISSUER))

        assert ISSUER in shown
        assert "kXq2" not in shown


def test_a_public_key_as_hmac_secret_is_rejected():
    """A2: an attacker uses the text of the public key as an HMAC secret."""
    rsa = Key.generate("RS256")
    verifier = make_verifier(keys=rsa.public())
    pem = rsa.public().to_pem().encode()

    import hashlib
    import hmac

    for secret in (pem, pem.strip(), json.dumps(rsa.to_jwk()).encode()):
        parts = [encode_base64url(json.dumps(part).encode()) for part in (header_for(rsa, alg="HS256"), claims_for())]
        signing_input = b".".join(parts)
        mac = hmac.new(secret, signing_input, hashlib.sha256).digest()
        forged = (signing_input + b"." + encode_base64url(mac)).decode()
        assert type(refusal(forged, verifier)) is DisallowedAlgorithm

"""The contents of issued tokens, and what the issuer refuses to write (I-01 to I-17)."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tokens import AUDIENCE, ISSUER, NOW, SECRET_KEY, SIGNING_KEY, Clock, make_issuer, make_verifier

from gatepass import ConfigurationError, Key, KeySet, TokenIssuer
from gatepass.jose.compact import MAX_TOKEN_LENGTH
from gatepass.jose.strict_json import MAX_DEPTH


def parts(token):
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def test_a_token_contains_the_seven_required_claims_only():
    header, claims = parts(make_issuer().issue("anna"))

    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": SIGNING_KEY.kid}
    assert len(claims.pop("jti")) == 22
    assert claims == {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "client_id": "web", "iat": NOW, "exp": NOW + 900}


def test_a_token_verifies():
    token = make_issuer().issue("anna", scope=["orders:read"], roles=["admin"], tenant={"id": 7, "names": ["ä"]})
    verified = make_verifier().verify(token)

    assert (verified.subject, verified.scopes, verified.strings("roles")) == ("anna", {"orders:read"}, {"admin"})
    assert verified.claims["tenant"] == {"id": 7, "names": ("ä",)}


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "PS256", "ES256", "ES512", "EdDSA", "Ed25519", "Ed448"])
def test_tokens_of_every_algorithm_verify_with_its_key(algorithm):
    key = Key.generate(algorithm)

    make_verifier(keys=key).verify(make_issuer(keys=key).issue("anna"))


def test_a_secret_without_kid_signs_without_a_kid():
    header, _ = parts(make_issuer(keys=Key.from_secret("kXq2Zr8vT5mWn3bLc9dHf6gJs1pYt4Ru")).issue("anna"))

    assert header == {"alg": "HS256", "typ": "at+jwt"}


def test_no_two_tokens_share_an_id():
    issuer = make_issuer(keys=SECRET_KEY)

    assert len({parts(issuer.issue("anna"))[1]["jti"] for _ in range(2_000)}) == 2_000


def test_the_same_constant_part_serves_different_subjects_scopes_and_clients():
    issuer = make_issuer(audience=[AUDIENCE, "urn:other"], client_id=None)
    seen = [
        parts(issuer.issue(subject, scope=scope, client_id=client, audience=audience))[1]
        for subject in ("anna", "bert")
        for scope in ("a", ["b"], ("a", "b"), ())
        for client in ("web", "app")
        for audience in (AUDIENCE, "urn:other")
    ]

    told = {(c["sub"], c.get("scope"), c["client_id"], c["aud"]) for c in seen}
    assert len(told) == len(seen) == 32


def test_the_cache_of_grants_is_bounded():
    issuer = make_issuer(keys=SECRET_KEY)
    for number in range(1_100):
        issuer.issue("anna", scope=f"s:{number}")

    assert len(issuer._constant_parts) <= 1_024


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ("a b", "a b"),
        (["b", "a"], "b a"),
        (["a", "a"], "a"),
        ((), None),
        ("", None),
        ([], None),
        (dict.fromkeys(("x", "y")).keys(), "x y"),
        ({"y", "x"}, "x y"),
        (["a,b"], "a,b"),
    ],
)
def test_scope_is_one_text_of_scope_tokens(scope, text):
    assert parts(make_issuer().issue("anna", scope=scope))[1].get("scope") == text


@pytest.mark.parametrize("scope", ["a  b", " a", 'a"b', "a\\b", ["a b"], ["a", ""], [5], [None], "é", ["a\n"]])
def test_a_scope_outside_the_grammar_is_not_written(scope):
    with pytest.raises(ValueError, match="scope"):
        make_issuer().issue("anna", scope=scope)


class TestTime:
    """I-06, I-13."""

    def test_access_tokens_are_valid_for_15_minutes_by_default(self):
        assert make_issuer().access_ttl == timedelta(minutes=15)
        _, claims = parts(make_issuer(access_ttl=timedelta(minutes=30)).issue("anna"))
        assert claims["exp"] - claims["iat"] == 1_800

    def test_times_are_whole_seconds_from_the_given_clock(self):
        clock = Clock(NOW + 0.9)
        issuer = make_issuer(clock=clock)
        assert (parts(issuer.issue("anna"))[1]["iat"], parts(issuer.issue("anna"))[1]["exp"]) == (NOW, NOW + 900)
        clock.now += 1
        assert parts(issuer.issue("anna"))[1]["iat"] == NOW + 1

    @pytest.mark.parametrize("ttl", [0, -1, timedelta(days=2), float("nan"), float("inf"), True, "900", None])
    def test_a_lifetime_out_of_bounds_fails_at_once(self, ttl):
        with pytest.raises(ConfigurationError, match="access_ttl="):
            make_issuer(access_ttl=ttl)


class TestSubjectsAndClients:
    """I-02, I-07 to I-09, I-16."""

    def test_a_client_credentials_token_has_the_client_as_subject(self):
        token = make_verifier().verify(make_issuer().issue_to_client("batch", scope="a"))

        assert (token.subject, token.client_id, token.is_client) == ("batch", "batch", True)

    def test_a_subject_equal_to_the_client_id_is_refused(self):
        with pytest.raises(ValueError, match="issue_to_client"):
            make_issuer().issue("web")
        with pytest.raises(ValueError, match="issue_to_client"):
            make_issuer().issue("app", client_id="app")

    def test_without_a_client_no_token_is_issued(self):
        with pytest.raises(ValueError, match="client_id= is missing"):
            make_issuer(client_id=None).issue("anna")
        make_issuer(client_id=None).issue("anna", client_id="web")

    @pytest.mark.parametrize("subject", ["", None, 5, b"anna", ["anna"]])
    def test_a_subject_must_be_a_string(self, subject):
        with pytest.raises(ValueError, match="subject"):
            make_issuer().issue(subject)

    @pytest.mark.parametrize("client", ["", 5, b"web", ("web",)])
    def test_a_client_id_must_be_a_string(self, client):
        with pytest.raises(ValueError, match="client_id"):
            make_issuer().issue("anna", client_id=client)
        with pytest.raises(ConfigurationError, match="client_id="):
            make_issuer(client_id=client)

    def test_a_token_is_for_one_of_the_configured_audiences(self):
        issuer = make_issuer(audience=[AUDIENCE, "https://files.example"])

        assert parts(issuer.issue("anna", audience="https://files.example"))[1]["aud"] == "https://files.example"
        with pytest.raises(ValueError, match="several audiences"):
            issuer.issue("anna")
        for other in ("https://else.example", AUDIENCE + "/", ""):
            with pytest.raises(ValueError, match="audience= must be one of"):
                issuer.issue("anna", audience=other)

    def test_audiences_must_be_distinct(self):
        with pytest.raises(ConfigurationError, match="twice"):
            make_issuer(audience=[AUDIENCE, AUDIENCE])


class TestExtraClaims:
    """I-11, I-13, I-14."""

    @pytest.mark.parametrize(
        "name",
        ["iss", "aud", "exp", "nbf", "iat", "jti", "cnf", "nonce", "at_hash", "events", "alg", "typ", "kid", "crit", "b64",
         "jwk", "jku", "x5u", "x5c", "headers"],
    )  # fmt: skip
    def test_registered_claims_and_header_members_are_refused_as_extra_claims(self, name):
        with pytest.raises(ValueError, match=name):
            make_issuer().issue("anna", **{name: "x"})

    @pytest.mark.parametrize("name", ["roles", "groups", "entitlements", "amr"])
    @pytest.mark.parametrize("value", ["admin", [5], {"a": 1}, None, [["a"]]])
    def test_lists_of_names_must_be_lists_of_strings(self, name, value):
        with pytest.raises(ValueError, match=name):
            make_issuer().issue("anna", **{name: value})

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), "\ud800", {5: "x"}, {"a": [{None: 1}]}, [({True: 1},)]]
    )
    def test_values_that_json_would_change_are_refused(self, value):
        with pytest.raises(ValueError):  # noqa: PT011 - the encoder's own words
            make_issuer().issue("anna", extra=value)

    def test_a_claim_is_nested_as_deeply_as_verifiers_accept_and_no_deeper(self):
        def nested(depth):
            return [nested(depth - 1)] if depth else "x"

        token = make_issuer().issue("anna", tree=nested(MAX_DEPTH - 1))
        assert make_verifier().verify(token).claims["tree"]
        endless = []
        endless.append(endless)
        for tree in (nested(MAX_DEPTH), {"a": nested(MAX_DEPTH - 1)}, nested(900), endless):
            with pytest.raises(ValueError, match="nested"):
                make_issuer().issue("anna", tree=tree)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"scope": 5},
            {"scope": [["x"]]},
            {"scope": [5]},
            {"client_id": ["web"]},
            {"audience": ["https://api.example"]},
            {"not_after": 5},
            {"not_after": datetime(2027, 1, 15, 8)},  # noqa: DTZ001 - it does not know its zone, that is the point
        ],
    )
    def test_an_argument_of_another_type_is_a_value_error(self, arguments):
        with pytest.raises(ValueError, match=r"take|scope|client_id"):
            make_issuer().issue("anna", **arguments)

    def test_no_token_is_issued_before_1970(self):
        with pytest.raises(ValueError, match="1970"):
            make_issuer(clock=Clock(-1)).issue("anna")

    def test_a_client_credentials_token_may_expire_early_too(self):
        ends = datetime.fromtimestamp(NOW + 60, UTC)

        assert parts(make_issuer().issue_to_client("svc", not_after=ends))[1]["exp"] == NOW + 60
        assert parts(make_issuer().issue("anna", not_after=ends))[1]["exp"] == NOW + 60
        assert "not_after" not in parts(make_issuer().issue_to_client("svc", not_after=ends))[1]

    @pytest.mark.parametrize("value", [{1, 2}, b"raw", object()])
    def test_values_that_json_cannot_encode_are_refused(self, value):
        with pytest.raises(ValueError, match="JSON lacks"):
            make_issuer().issue("anna", extra=value)

    @pytest.mark.parametrize(
        ("name", "instead"),
        [
            ("scopes", "scope="),
            ("expires_in", "access_ttl="),
            ("expires_delta", "access_ttl="),
            ("claims", "by its own name"),
            ("additional_claims", "by its own name"),
            ("additional_headers", "header"),
        ],
    )
    def test_an_argument_name_of_other_libraries_is_refused_as_a_claim(self, name, instead):
        with pytest.raises(ValueError, match=instead):
            make_issuer().issue("anna", **{name: "orders:read"})

    def test_authentication_facts_are_written_as_given(self):
        _, claims = parts(make_issuer().issue("anna", auth_time=NOW - 5, acr="urn:mfa", amr=["pwd", "otp"]))

        assert (claims["auth_time"], claims["acr"], claims["amr"]) == (NOW - 5, "urn:mfa", ["pwd", "otp"])

    def test_a_token_too_large_for_any_verifier_is_not_issued(self):
        with pytest.raises(ValueError, match=str(MAX_TOKEN_LENGTH)):
            make_issuer().issue("anna", story="x" * MAX_TOKEN_LENGTH)

    @given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1).map(lambda name: f"x{name}"),
                           st.recursive(st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="utf-8")),
                                        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3),
                                        max_leaves=8), max_size=4),
           st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text != "web"))  # fmt: skip
    def test_every_issued_token_verifies_with_the_same_claims(self, extra, subject):
        token = make_verifier(keys=SECRET_KEY).verify(make_issuer(keys=SECRET_KEY).issue(subject, **extra))

        assert token.subject == subject
        assert json.loads(json.dumps(extra)) == {name: _thawed(token.claims[name]) for name in extra}


def _thawed(value):
    if isinstance(value, tuple):
        return [_thawed(member) for member in value]
    return {name: _thawed(member) for name, member in value.items()} if hasattr(value, "items") else value


class TestConfiguration:
    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"issuer": "http://auth.example"}, "https URL"),
            ({"issuer": "auth.example"}, "https URL"),
            ({"issuer": ""}, "issuer= is missing"),
            ({"audience": ""}, "audience= is missing"),
            ({"audience": []}, "audience= is missing"),
            ({"keys": SIGNING_KEY.public()}, "keys= is a public key, which cannot sign"),
            ({"issuer": [ISSUER]}, "for several issuers make a TokenVerifier for each"),
            ({"keys": KeySet([SIGNING_KEY, Key.generate()])}, "signing="),
            ({"keys": "secret"}, "keys="),
            ({"keys": None}, "keys="),
        ],
    )
    def test_a_bad_setting_fails_with_what_to_do(self, changes, sentence):
        with pytest.raises(ConfigurationError, match=sentence):
            make_issuer(**changes)

    def test_one_of_several_keys_may_be_selected_to_sign(self):
        other = Key.generate("ES384")
        issuer = make_issuer(keys=KeySet([SIGNING_KEY, other], signing=other))

        assert parts(issuer.issue("anna"))[0]["kid"] == other.kid

    def test_an_unsecured_token_cannot_be_requested(self):
        with pytest.raises(TypeError):
            TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=SIGNING_KEY, algorithm="none")

    def test_the_repr_of_an_issuer_contains_no_secret(self):
        assert repr(make_issuer(keys=SECRET_KEY)) == f"<TokenIssuer {ISSUER}, HS256>"

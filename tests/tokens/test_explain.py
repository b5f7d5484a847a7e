"""`explain` reports every check, and always agrees with `verify`."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepass import ANY_ISSUER, AuthError, Key, KeySet, Profile, TokenIssuer, TokenVerifier
from gatepass.jose.compact import encode_base64url
from gatepass.tokens.claims import NamedCheck
from gatepass.tokens.explain import explain

NOW = 1_800_000_000
ISSUER = "https://auth.example"
AUDIENCE = "https://api.example"
KEY = Key.from_jwk({**Key.generate("HS256").to_private_jwk(), "kid": "one"})
NAMESAKE = Key.from_jwk({**Key.generate("HS256").to_private_jwk(), "kid": "one"})
OTHER = Key.from_jwk({**Key.generate("HS384").to_private_jwk(), "kid": "two"})
KEYS = KeySet([KEY, OTHER], signing=KEY)


def clock():
    return NOW


def verifier(**settings):
    return TokenVerifier(**{"issuer": ISSUER, "audience": AUDIENCE, "keys": KEYS, "clock": clock, **settings})


def issuer(**settings):
    given_settings = {"issuer": ISSUER, "audience": AUDIENCE, "keys": KEYS, "client_id": "web", "clock": clock}
    return TokenIssuer(**{**given_settings, **settings})


def signed(header, claims, key=KEY):
    parts = [encode_base64url(json.dumps(part).encode()) for part in (header, claims)]
    signing_input = b".".join(parts)
    return (signing_input + b"." + encode_base64url(key.sign(signing_input))).decode()


def outcomes(findings):
    return {finding.name: finding.outcome for finding in findings}


def failures(findings):
    return [finding.reason for finding in findings if finding.outcome == "failed"]


def test_a_good_token_passes_every_check():
    findings = explain(issuer().issue("anna"), verifier(is_revoked=lambda _: False, check_subject=lambda _: True))

    assert {finding.outcome for finding in findings} == {"passed"}
    assert {finding.name for finding in findings} >= {
        "structure", "extensions", "type", "algorithm", "key", "signature",
        "issuer", "expiry", "audience", "is_revoked", "check_subject",
    }  # fmt: skip


def test_every_failure_is_reported_and_not_only_the_first():
    token = issuer(issuer="https://else.example", audience="https://else.example", clock=lambda: NOW - 9_000).issue("a")

    assert sorted(failures(explain(token, verifier()))) == ["expired_token", "invalid_audience", "invalid_issuer"]


def test_claims_are_checked_even_though_the_signature_fails():
    token = issuer(keys=NAMESAKE, clock=lambda: NOW - 9_000).issue("anna")

    assert failures(explain(token, verifier())) == ["invalid_signature", "expired_token"]


def test_a_refused_type_does_not_hide_the_signature():
    findings = explain(signed({"alg": "HS256", "typ": "JWT", "kid": "one"}, {}), verifier())

    assert outcomes(findings)["type"] == "failed"
    assert outcomes(findings)["signature"] == "passed"


def test_a_refused_extension_does_not_hide_the_type_nor_the_key():
    findings = explain(signed({"alg": "HS256", "kid": "who", "crit": ["x"]}, {}), verifier())

    assert failures(findings)[:3] == ["unsupported_token", "wrong_token_type", "unknown_key"]
    assert outcomes(findings)["signature"] == "not reached"


def test_an_algorithm_that_is_refused_leaves_no_key_to_try():
    findings = outcomes(explain(signed({"alg": "HS512", "typ": "at+jwt", "kid": "one"}, {}), verifier()))

    assert [findings[name] for name in ("algorithm", "key", "signature")] == ["failed", "not reached", "not reached"]


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "a.b.c.d.e", "\x1b[31m", "💥.e30.e30"])
def test_malformed_text_fails_the_structure_check_only(token):
    first, *others = explain(token, verifier())

    assert (first.name, first.outcome) == ("structure", "failed")
    assert {finding.outcome for finding in others} == {"not reached"}


def test_claims_are_checked_even_though_the_header_is_no_json():
    token = issuer().issue("anna")
    findings = outcomes(explain("AAAA" + token[token.index(".") :], verifier()))

    assert findings["structure"] == "failed"
    assert findings["signature"] == "not reached"
    assert findings["expiry"] == "passed"


def test_a_check_that_relies_on_a_failed_one_is_not_reached():
    token = signed({"alg": "HS256", "typ": "at+jwt", "kid": "one"}, {"iat": "noon"})
    findings = explain(token, verifier(max_token_age=60))

    assert "iat is not a date" in [finding.detail for finding in findings]
    assert outcomes(findings)["age"] == "not reached"


def test_an_exception_in_a_check_is_reported():
    broken = verifier()
    broken.named_checks = (NamedCheck("broken", lambda claims, _now: claims["no such claim"]),)

    with pytest.raises(KeyError):
        explain(issuer().issue("anna"), broken)


def test_hooks_are_called_for_valid_tokens_only():
    asked = []
    guarded = verifier(is_revoked=lambda token: asked.append(token.subject) or False)

    findings = outcomes(explain(issuer(keys=NAMESAKE).issue("mallory"), guarded))
    explain(issuer().issue("anna"), guarded)

    assert findings["is_revoked"] == "not reached"
    assert asked == ["anna"]


def test_an_async_hook_is_reported_and_not_called():
    async def is_revoked(_):
        raise AssertionError

    asked = []
    guarded = verifier(is_revoked=is_revoked, check_subject=lambda token: asked.append(token.subject) or True)
    first, second = explain(issuer().issue("anna"), guarded)[-2:]

    assert (first.outcome, first.detail) == ("not reached", "a coroutine function, which is not awaited here")
    assert (second.outcome, asked) == ("passed", ["anna"])


def test_a_hook_that_rejects_does_not_hide_the_next():
    guarded = verifier(is_revoked=lambda _: True, check_subject=lambda _: 1 / 0)

    assert failures(explain(issuer().issue("anna"), guarded)) == ["revoked_token", "subject_unavailable"]


def test_no_finding_repeats_text_of_the_token():
    claims = {name: f"SENTINEL{name}" for name in ("iss", "aud", "exp", "iat", "nbf", "cnf", "typ", "nonce")}
    for header in (
        {"alg": "SENTINEL", "typ": "SENTINEL", "kid": "SENTINEL", "crit": ["SENTINEL"]},
        {"alg": "HS256", "typ": "SENTINEL", "kid": "SENTINEL", "cty": "jwt"},
    ):
        assert "SENTINEL" not in repr(explain(signed(header, claims), verifier()))


numbers = st.sampled_from([NOW, NOW - 9_000, NOW + 9_000, NOW + 0.5, -1, 10**400, True, None, "x", [], {}])
texts = st.sampled_from([ISSUER, AUDIENCE, "anna", "web", "", " ", "a  b", None, 5, True, [AUDIENCE], ["x", 5], {}])
claim_sets = st.builds(
    lambda base, changes, dropped: {name: value for name, value in {**base, **changes}.items() if name not in dropped},
    st.just(
        {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "client_id": "web", "jti": "1", "iat": NOW, "exp": NOW + 60}
    ),
    st.one_of(
        st.just({}),
        st.dictionaries(st.sampled_from(["exp", "iat", "nbf"]), numbers, max_size=2),
        st.dictionaries(
            st.sampled_from(["iss", "aud", "sub", "client_id", "jti", "scope", "cnf", "nonce", "typ", "token_use"]),
            texts,
            max_size=2,
        ),
    ),
    st.frozensets(st.sampled_from(["iss", "aud", "sub", "client_id", "jti", "iat", "exp"]), max_size=1),
)
headers = st.builds(
    lambda base, changes, dropped: {name: value for name, value in {**base, **changes}.items() if name not in dropped},
    st.just({"alg": "HS256", "typ": "at+jwt", "kid": "one"}),
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "cty"]),
        st.sampled_from(
            ["HS256", "HS384", "none", "JWT", "application/AT+JWT", "one", "two", "x" * 2_000, 5, None, []]
        ),
        max_size=2,
    ),
    st.frozensets(st.sampled_from(["alg", "typ", "kid"]), max_size=1),
)
mangled = st.builds(
    lambda token, at, character: token[: at % len(token)] + character + token[at % len(token) + 1 :],
    st.builds(signed, headers, claim_sets),
    st.integers(min_value=0),
    st.sampled_from(["A", ".", "=", "é", ""]),
)
tokens = st.one_of(st.builds(signed, headers, claim_sets, st.sampled_from([KEY, NAMESAKE, OTHER])), mangled, st.text())
VERIFIERS = [
    verifier(),
    verifier(profile=Profile.GENERIC, max_token_age=60, leeway=0),
    verifier(
        issuer=ANY_ISSUER, profile=Profile.RFC9068.allow_missing("jti"), is_revoked=lambda token: "x" in token.claims
    ),
    verifier(check_subject=lambda token: token.subject == "web"),
]


@settings(max_examples=400, deadline=None)
@given(token=tokens, judge=st.sampled_from(VERIFIERS))
def test_there_is_a_failure_if_and_only_if_verify_raises(token, judge):
    try:
        judge.verify(token)
        raised = None
    except AuthError as error:
        raised = error.reason

    told = failures(explain(token, judge))

    assert (raised in told) if raised else told == []

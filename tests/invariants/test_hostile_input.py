"""Any input results in a verified token or an `AuthError`, and no text of the input is repeated."""

import copy
import json
import logging
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.tokens import SECRET_KEY, SIGNING_KEY, claims_for, header_for, make_verifier, segment, signed

from gatepass import AccessToken, AuthError, Key, KeySet, ResourceServer
from gatepass.jose.compact import encode_base64url

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
HEADER_NAMES = st.sampled_from(["alg", "typ", "kid", "crit", "b64", "cty", "jku", "jwk", "x5c", "zip", "enc"])
CLAIM_NAMES = st.sampled_from(
    ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "client_id", "scope", "cnf", "roles", "nonce"]
)
SENTINEL = "SENTINEL-8c1f"


def judge(text, verifier=None):
    try:
        token = (verifier or make_verifier()).verify(text)
    except AuthError as error:
        return error
    assert isinstance(token, AccessToken)
    return token


def touch(token):
    """Use every attribute that an application may use."""
    if isinstance(token, AccessToken):
        assert token.scopes is not None
        assert token.claims is not None
        assert token.audience is not None
        assert token.expires_at is not None
        assert (token.issued_at, token.issuer, token.client_id, token.token_id, token.is_client) is not None
        assert token.strings("roles") is not None


@given(st.text() | st.binary() | st.none() | st.integers())
def test_any_value_is_verified_or_rejected(value):
    judge(value)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_segments_are_verified_or_rejected(segments):
    judge(b".".join(map(encode_base64url, segments)).decode())


@given(st.text(alphabet="abcABC019-_.=+/ ", max_size=200))
def test_text_in_the_form_of_a_token_is_verified_or_rejected(text):
    judge(text)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(HEADER_NAMES, JSON, max_size=4))
def test_any_header_with_a_valid_signature_is_verified_or_rejected(changes):
    header = {**header_for(SECRET_KEY), **changes}

    touch(judge(_signed_loosely(header, claims_for()), make_verifier(keys=SECRET_KEY)))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(st.dictionaries(CLAIM_NAMES, JSON, max_size=4), st.sets(CLAIM_NAMES, max_size=2))
def test_any_claims_with_a_valid_signature_are_verified_or_rejected(changes, missing):
    claims = {name: value for name, value in {**claims_for(), **changes}.items() if name not in missing}

    touch(judge(_signed_loosely(header_for(SECRET_KEY), claims), make_verifier(keys=SECRET_KEY)))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=40), max_size=3))
def test_any_authorization_header_lines_are_verified_or_rejected(lines):
    server = ResourceServer(make_verifier(), https="off")
    try:
        server.authenticate(lines)
    except AuthError as error:
        answer = server.respond(error)
        assert answer.status in (400, 401)
        assert all(value.isascii() and value.isprintable() for _, value in answer.headers)


@given(st.data())
def test_a_token_with_a_changed_character_is_rejected(data):
    good = signed(key=SECRET_KEY)
    place = data.draw(st.integers(0, len(good) - 1))
    changed = good[:place] + data.draw(st.characters(max_codepoint=255)) + good[place + 1 :]

    if changed != good:
        assert isinstance(judge(changed, make_verifier(keys=SECRET_KEY)), AuthError)


def _signed_loosely(header, claims):
    """Return a signed token whose JSON may contain NaN or lone surrogates."""
    parts = [encode_base64url(json.dumps(part).encode()) for part in (header, claims)]
    signing_input = b".".join(parts)
    return (signing_input + b"." + encode_base64url(SECRET_KEY.sign(signing_input))).decode()


def sentinel_tokens():
    """Yield tokens for every kind of refusal, with the sentinel in each place that an attacker controls."""
    stranger = Key.generate("ES256")
    everywhere = {"sub": SENTINEL, "jti": SENTINEL, "client_id": SENTINEL, SENTINEL: SENTINEL, "scope": SENTINEL}
    yield SENTINEL
    yield f"{SENTINEL}.{SENTINEL}.{SENTINEL}"
    yield ".".join([segment(SENTINEL.encode()).decode()] * 3)
    for change in [
        {"kid": SENTINEL}, {"alg": SENTINEL}, {"typ": SENTINEL}, {"crit": [SENTINEL]}, {"cty": "JWT", SENTINEL: SENTINEL}, {"kid": [SENTINEL]},
        {"kid": SENTINEL, "alg": "HS256"},
    ]:  # fmt: skip
        yield signed(header_for(**change), claims_for(**everywhere))
    for change in [
        {"iss": SENTINEL}, {"aud": SENTINEL}, {"aud": [SENTINEL, 5]}, {"exp": SENTINEL}, {"exp": 1}, {"nbf": SENTINEL}, {"iat": SENTINEL}, {"sub": [SENTINEL]},
        {"scope": SENTINEL + '"'}, {"scope": [SENTINEL]}, {"cnf": {"jkt": SENTINEL}}, {"cnf": SENTINEL}, {"jti": ...},
    ]:  # fmt: skip
        yield signed(
            claims={**claims_for(**everywhere), **change} if ... not in change.values() else claims_for(**change)
        )
    yield signed(claims=claims_for(**everywhere), key=stranger)
    yield signed(SENTINEL.encode())
    yield signed(claims=SENTINEL.encode())
    yield signed(claims=(json.dumps(claims_for(**everywhere))[:-1] + ',"sub":"x"}').encode())


@pytest.mark.parametrize("number", range(len(list(sentinel_tokens()))))
def test_no_text_of_a_token_is_repeated_in_logs_or_responses(number, caplog, capsys):
    token = list(sentinel_tokens())[number]
    server = ResourceServer(
        make_verifier(is_revoked=lambda held: True), https="off", resource_metadata="https://api.example/meta"
    )

    with caplog.at_level(logging.DEBUG):
        try:
            server.authenticate([f"Bearer {token}"])
        except AuthError as error:
            answer = server.respond(error)
            told = [repr(answer), str(error), repr(error), repr(vars(error)), repr(error.args), error.log_detail]
            told += ["".join(traceback.format_exception(error))]
            told += [repr(context) + repr(vars(context)) for context in _contexts(error)]
        else:
            pytest.fail("this token should have been refused")
    told += [caplog.text, *[repr(vars(record)) for record in caplog.records], *capsys.readouterr()]
    assert SENTINEL not in "".join(told)
    assert SENTINEL.lower() not in "".join(told).lower()


def _contexts(error):
    seen = []
    for linked in (error.__context__, error.__cause__):
        if linked is not None:
            seen += [linked, *_contexts(linked)]
    return seen


def test_no_text_of_other_headers_is_repeated(caplog):
    server = ResourceServer(make_verifier())

    with caplog.at_level(logging.DEBUG):
        for line in (SENTINEL, f"Basic {SENTINEL}", f"Bearer {SENTINEL} {SENTINEL}", f"Bearer a, Bearer {SENTINEL}"):
            with pytest.raises(AuthError) as refused:
                server.authenticate([line], url_scheme=SENTINEL, peer=SENTINEL)
            assert SENTINEL not in repr(server.respond(refused.value)) + repr(refused.value) + repr(vars(refused.value))
    assert SENTINEL not in caplog.text


def test_reprs_contain_no_secret():
    secret = "kXq2Zr8vT5mWn3bLc9dHf6gJs1pYt4Ru"
    verifier = make_verifier(keys=SECRET_KEY)
    server = ResourceServer(verifier)

    for thing in (SECRET_KEY, KeySet([SECRET_KEY]), verifier, server, copy.copy(SECRET_KEY), SIGNING_KEY):
        assert secret not in repr(thing) + str(thing)

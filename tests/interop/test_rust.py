"""Rust's jsonwebtoken, in the plain program on the first page of its documentation.

That program issues `{sub, exp}` with `Header::default()` and verifies with `Validation::default()`. Its tokens name
no issuer and no audience and do not follow RFC 9068, so here they need the three named opt-outs.

Version 8 ignores `aud` unless an audience is configured, so it accepts our tokens. Version 9 and later refuse them
until the program sets its audience, which it should do under any version: that is `verify_bound`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.interop.toolchains import JSONLines

from gatepass import ANY_AUDIENCE, ANY_ISSUER, Key, Profile, TokenIssuer, TokenVerifier
from gatepass.errors import ExpiredToken, InvalidAudience, InvalidIssuer, InvalidSignature, MissingClaim, WrongTokenType
from gatepass.jose.compact import decode_base64url, encode_base64url

ISSUER, AUDIENCE = "https://auth.example", "https://api.example"
SECRET = "a-secret-that-both-programs-were-given-žluť"
"""Not only ASCII, so that both sides must use its UTF-8 bytes."""
HOUR = 3600


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(
        issuer=ANY_ISSUER, audience=ANY_AUDIENCE, profile=Profile.GENERIC, keys=Key.from_secret(SECRET)
    )


@pytest.fixture
def issue() -> Callable[..., str]:
    def issue(*, secret: str = SECRET, now: float | None = None) -> str:
        clock = time.time if now is None else lambda: now
        key = Key.from_secret(secret)
        return TokenIssuer(issuer=ISSUER, audience=AUDIENCE, keys=key, client_id="web", clock=clock).issue("žofie")

    return issue


def test_our_token_is_accepted_by_the_plain_program(rust: JSONLines, issue):
    assert rust.request("verify", secret=SECRET, token=issue())["claims"]["sub"] == "žofie"


def test_our_token_is_accepted_by_the_program_that_sets_audience_and_issuer(rust: JSONLines, issue):
    answer = rust.request("verify_bound", secret=SECRET, token=issue(), audience=AUDIENCE, issuer=ISSUER)
    assert answer["claims"]["sub"] == "žofie"
    assert answer["claims"]["exp"] > time.time()


@pytest.mark.parametrize(
    ("audience", "issuer", "error"),
    [("https://other.example", ISSUER, "InvalidAudience"), (AUDIENCE, "https://other.example", "InvalidIssuer")],
)
def test_our_token_for_another_audience_or_issuer_is_refused_there(rust: JSONLines, issue, audience, issuer, error):
    answer = rust.request("verify_bound", secret=SECRET, token=issue(), audience=audience, issuer=issuer)
    assert answer == {"error": error}


def test_our_expired_token_is_refused_there(rust: JSONLines, issue):
    assert rust.request("verify", secret=SECRET, token=issue(now=time.time() - HOUR)) == {"error": "ExpiredSignature"}


def test_our_token_under_another_secret_is_refused_there(rust: JSONLines, issue):
    answer = rust.request("verify", secret=SECRET, token=issue(secret="tB7wq-Lk29_vXzR4hYpN8sGfDm3CjEaUo1"))
    assert answer == {"error": "InvalidSignature"}


def test_their_token_is_accepted_here_with_the_named_opt_outs(rust: JSONLines, verifier: TokenVerifier):
    expiry = int(time.time()) + HOUR
    token = verifier.verify(rust.request("issue", secret=SECRET, sub="žofie", exp=expiry)["token"])
    assert dict(token.claims) == {"sub": "žofie", "exp": expiry}
    assert token.subject == "žofie"


def test_their_token_is_refused_without_the_opt_outs(rust: JSONLines):
    token = rust.request("issue", secret=SECRET, sub="anna", exp=int(time.time()) + HOUR)["token"]
    key = Key.from_secret(SECRET)
    with pytest.raises(WrongTokenType):
        TokenVerifier(issuer=ANY_ISSUER, audience=ANY_AUDIENCE, keys=key).verify(token)
    with pytest.raises((InvalidAudience, MissingClaim)):
        TokenVerifier(issuer=ANY_ISSUER, audience=AUDIENCE, profile=Profile.GENERIC, keys=key).verify(token)
    with pytest.raises((InvalidIssuer, MissingClaim)):
        TokenVerifier(issuer=ISSUER, audience=ANY_AUDIENCE, profile=Profile.GENERIC, keys=key).verify(token)


def test_their_expired_token_is_refused_here(rust: JSONLines, verifier: TokenVerifier):
    token = rust.request("issue", secret=SECRET, sub="anna", exp=int(time.time()) - HOUR)["token"]
    with pytest.raises(ExpiredToken):
        verifier.verify(token)


def test_their_token_under_another_secret_is_refused_here(rust: JSONLines, verifier: TokenVerifier):
    forged = rust.request("issue", secret="another-secret-that-is-not-shared-with-us", sub="anna", exp=2**32)["token"]
    with pytest.raises(InvalidSignature):
        verifier.verify(forged)


def test_an_altered_token_is_refused_on_both_sides(rust: JSONLines, verifier: TokenVerifier):
    token = rust.request("issue", secret=SECRET, sub="anna", exp=2**32)["token"]
    header, payload, signature = token.split(".")
    swapped = encode_base64url(decode_base64url(payload.encode()).replace(b"anna", b"root")).decode()
    altered = f"{header}.{swapped}.{signature}"
    with pytest.raises(InvalidSignature):
        verifier.verify(altered)
    assert rust.request("verify", secret=SECRET, token=altered) == {"error": "InvalidSignature"}

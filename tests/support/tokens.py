"""Tokens of every form: valid ones from the issuer, and invalid ones written by hand."""

import json
from typing import Any

import pytest

from gatepass import AuthError, Key, KeySet, TokenIssuer, TokenVerifier
from gatepass.jose.compact import encode_base64url

ISSUER = "https://auth.example"
AUDIENCE = "https://api.example"
NOW = 1_800_000_000

SECRET_KEY = Key.from_secret("kXq2Zr8vT5mWn3bLc9dHf6gJs1pYt4Ru", kid="s1")
SIGNING_KEY = Key.from_jwk(Key.generate("ES256").to_private_jwk())  # its kid is a name, because the JWK contains it


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Verbatim(str):
    """JSON text that is put into a segment unchanged."""

    __slots__ = ()


def segment(value: Any) -> bytes:
    """Return a base64url segment of JSON, of verbatim text, or of raw octets."""
    if isinstance(value, Verbatim):
        return encode_base64url(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes):
        return encode_base64url(value)
    return encode_base64url(json.dumps(value).encode())


def header_for(key: Key = SIGNING_KEY, **changes: Any) -> dict[str, Any]:
    """Return the header that the issuer would write, with *changes*. A change to `...` removes the member."""
    return _changed({"alg": key.algorithm, "typ": "at+jwt", "kid": key.kid}, changes)


def claims_for(**changes: Any) -> dict[str, Any]:
    """Return claims that pass every check at `NOW`, with *changes*. A change to `...` removes the claim."""
    good = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "client_id": "web",
        "iat": NOW, "exp": NOW + 900, "jti": "j-1", "scope": "orders:read orders:write",
    }  # fmt: skip
    return _changed(good, changes)


def signed(header: Any = None, claims: Any = None, *, key: Key = SIGNING_KEY) -> str:
    """Return a token with any header and payload and a valid signature of *key*."""
    parts = (header_for(key) if header is None else header, claims_for() if claims is None else claims)
    signing_input = b".".join(segment(part) for part in parts)
    return (signing_input + b"." + encode_base64url(key.sign(signing_input))).decode()


def make_verifier(**changes: Any) -> TokenVerifier:
    """Return a verifier of `SIGNING_KEY`'s tokens at `NOW`, without leeway by default."""
    settings = {"issuer": ISSUER, "audience": AUDIENCE, "keys": SIGNING_KEY.public(), "clock": Clock(), "leeway": 0}
    return TokenVerifier(**{**settings, **changes})


def make_issuer(**changes: Any) -> TokenIssuer:
    """Return an issuer with `SIGNING_KEY` at `NOW`."""
    settings = {
        "issuer": ISSUER, "audience": AUDIENCE, "keys": KeySet([SIGNING_KEY]), "client_id": "web", "clock": Clock(),
    }  # fmt: skip
    return TokenIssuer(**{**settings, **changes})


def refusal(token: str, verifier: TokenVerifier | None = None) -> AuthError:
    with pytest.raises(AuthError) as refused:
        (verifier or make_verifier()).verify(token)
    return refused.value


def _changed(good: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}

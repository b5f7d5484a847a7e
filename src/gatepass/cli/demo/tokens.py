"""The demo's tokens: good ones from a `TokenIssuer`, and bad ones that no issuer would make, put together by hand."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gatepass import Key, TokenIssuer
from gatepass.cli.demo.resource import AUDIENCE, CLIENT, ISSUER, LONGEST_TTL
from gatepass.jose.compact import encode_base64url, parse_compact

__all__ = ["Mint"]


@dataclass(frozen=True, slots=True)
class Mint:
    """Makes tokens with one private key, by the names that the demo's requests use."""

    key: Key = field(default_factory=Key.generate)

    def tokens(self) -> dict[str, str]:
        """Every token of the demo by its name."""
        good = self._issued(scope="orders:read")
        namesake = Key.from_jwk({**Key.generate().to_private_jwk(), "kid": self.key.kid})
        return {
            "good": good,
            "unscoped": self._issued(scope="profile"),
            "expired": self._issued(clock=lambda: time.time() - 86_400),
            "foreign_audience": self._issued(audience="https://billing.example"),
            "foreign_issuer": self._issued(issuer="https://evil.example"),
            "strange_key": self._issued(keys=Key.generate()),
            "namesake_key": self._issued(keys=namesake),
            "id_token": self._by_hand(self._header(typ="JWT")),
            "unsigned": self._by_hand(self._header(alg="none"), sign=_no_signature),
            "confused": self._by_hand(self._header(alg="HS256"), sign=self._hmac_with_public_key),
            "altered": _with_subject(good, "admin"),
            "endless": "A" * 20_000,
        }

    def _issued(self, *, scope: str = "orders:read", **settings: Any) -> str:
        given: dict[str, Any] = {
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "keys": self.key,
            "access_ttl": LONGEST_TTL,
        }
        return TokenIssuer(**{**given, **settings}, client_id=CLIENT).issue("anna", scope=scope)

    def _header(self, **changes: str) -> dict[str, Any]:
        return {"alg": self.key.algorithm, "typ": "at+jwt", "kid": self.key.kid, **changes}

    def _by_hand(self, header: dict[str, Any], sign: Callable[[bytes], bytes] | None = None) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "admin", "client_id": CLIENT, "scope": "orders:read"}
        parts = (header, {**claims, "iat": now, "exp": now + 3_600, "jti": "1"})
        signing_input = b".".join(encode_base64url(json.dumps(part).encode()) for part in parts)
        return (signing_input + b"." + encode_base64url((sign or self.key.sign)(signing_input))).decode()

    def _hmac_with_public_key(self, signing_input: bytes) -> bytes:
        """The oldest forgery of all: everybody has the public key, so everybody could sign."""
        return hmac.digest(self.key.to_pem().encode(), signing_input, "sha256")


def _no_signature(_signing_input: bytes) -> bytes:
    return b""


def _with_subject(token: str, subject: str) -> str:
    """*token* with another payload and the old signature."""
    unverified = parse_compact(token)
    altered = encode_base64url(json.dumps({**unverified.claims, "sub": subject}).encode()).decode()
    header, _, signature = token.split(".")
    return f"{header}.{altered}.{signature}"

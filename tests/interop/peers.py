"""The other libraries behind one interface: each signs and verifies as its own documentation shows.

Keys are passed as JWKs, as between services. A peer that refuses a token raises `Refused` with a reason of this
module; an unknown error is re-raised unchanged, so that no test takes a broken set-up for a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import jwt
from tests.interop.toolchains import JSONLines
from tests.support.needs import missing

try:
    from joserfc import errors as joserfc_errors
    from joserfc import jwk as joserfc_jwk
    from joserfc import jwt as joserfc_jwt
except ImportError:
    joserfc_jwt = None  # type: ignore[assignment]

Jwk = dict[str, Any]
Reason = Literal["signature", "expired", "audience", "issuer"]

_CLASSIC = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
ALGORITHMS = {
    "pyjwt": (*_CLASSIC, "EdDSA"),
    "joserfc": (*_CLASSIC, "EdDSA", "Ed25519", "Ed448"),
    "jose": (*_CLASSIC, "EdDSA", "Ed25519"),
    "jsonwebtoken": _CLASSIC,
}
"""The algorithms of each peer, by the name of its fixture."""


class Refused(Exception):
    """The peer refuses a token."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Peer(Protocol):
    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any], jwk: Jwk) -> str: ...

    def verify(self, token: str, jwk: Jwk, *, algorithm: str, issuer: str, audience: str) -> dict[str, Any]: ...


class PyJWT:
    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any], jwk: Jwk) -> str:
        key = jwt.PyJWK.from_dict(jwk, algorithm=header["alg"]).key
        return jwt.encode(dict(claims), key, algorithm=header["alg"], headers=dict(header))

    def verify(self, token: str, jwk: Jwk, *, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        key = jwt.PyJWK.from_dict(jwk, algorithm=algorithm)
        return self._decode(token, key, algorithm=algorithm, issuer=issuer, audience=audience)

    def verify_with_key_set(self, token: str, jwks: dict[str, Any], *, issuer: str, audience: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        key = jwt.PyJWKSet.from_dict(jwks)[header["kid"]]
        return self._decode(token, key, algorithm=key.algorithm_name, issuer=issuer, audience=audience)

    def _decode(self, token: str, key: jwt.PyJWK, *, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, key, algorithms=[algorithm], issuer=issuer, audience=audience)
        except jwt.InvalidSignatureError:
            raise Refused("signature") from None
        except jwt.ExpiredSignatureError:
            raise Refused("expired") from None
        except jwt.InvalidAudienceError:
            raise Refused("audience") from None
        except jwt.InvalidIssuerError:
            raise Refused("issuer") from None


class Joserfc:
    def __init__(self) -> None:
        if joserfc_jwt is None:
            missing("every extra and group", "joserfc is not installed")

    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any], jwk: Jwk) -> str:
        return joserfc_jwt.encode(dict(header), dict(claims), joserfc_jwk.import_key(jwk), algorithms=[header["alg"]])

    def verify(self, token: str, jwk: Jwk, *, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        registry = joserfc_jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )
        try:
            claims = joserfc_jwt.decode(token, joserfc_jwk.import_key(jwk), algorithms=[algorithm]).claims
            registry.validate(claims)
        except joserfc_errors.BadSignatureError:
            raise Refused("signature") from None
        except joserfc_errors.ExpiredTokenError:
            raise Refused("expired") from None
        except joserfc_errors.InvalidClaimError as error:
            raise Refused({"aud": "audience", "iss": "issuer"}[error.claim]) from None  # type: ignore[arg-type]
        return claims

    def generate(self, algorithm: str) -> Jwk:
        """Return a private key (for HMAC: a secret) for *algorithm*."""
        kind, parameter = _JOSERFC_KEYS[algorithm[:2] if algorithm != "Ed448" else algorithm]
        key = joserfc_jwk.JWKRegistry.generate_key(kind, parameter or _CURVES[algorithm])
        return key.as_dict(private=True)

    def publish(self, private: list[Jwk]) -> dict[str, Any]:
        """Return the public JWK Set of *private* keys."""
        return dict(joserfc_jwk.KeySet([joserfc_jwk.import_key(jwk) for jwk in private]).as_dict(private=False))

    def thumbprint(self, jwk: Jwk) -> str:
        return joserfc_jwk.import_key(jwk).thumbprint()


class Node:
    """`jose` or `jsonwebtoken`, in a Node.js process."""

    def __init__(self, name: Literal["jose", "jsonwebtoken"], process: JSONLines) -> None:
        self._name = name
        self._process = process

    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any], jwk: Jwk) -> str:
        return self._ask("sign", claims=claims, header=header, jwk=jwk)["token"]

    def verify(self, token: str, jwk: Jwk, *, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        request = {"token": token, "jwk": jwk, "algorithm": algorithm, "issuer": issuer, "audience": audience}
        return self._ask("verify", **request)["claims"]

    def verify_with_key_set(self, token: str, jwks: dict[str, Any], *, issuer: str, audience: str) -> dict[str, Any]:
        return self._ask("verify with key set", token=token, jwks=jwks, issuer=issuer, audience=audience)["claims"]

    def generate(self, algorithm: str) -> dict[str, Any]:
        """Return `jwk`, `private_pem` and `public_pem` of a new key pair."""
        return self._ask("generate", algorithm=algorithm)

    def thumbprint(self, jwk: Jwk) -> str:
        return self._ask("thumbprint", jwk=jwk)["thumbprint"]

    def _ask(self, command: str, **request: Any) -> dict[str, Any]:
        answer = self._process.request(f"{self._name} {command}", **request)
        if "error" not in answer:
            return answer
        reason = next((r for text, r in _NODE_REFUSALS.items() if answer["error"].startswith(text)), None)
        if reason is None:
            raise RuntimeError(answer["error"])
        raise Refused(reason)


_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_JOSERFC_KEYS: dict[str, tuple[Any, Any]] = {
    "HS": ("oct", 512),
    "RS": ("RSA", 2048),
    "PS": ("RSA", 2048),
    "ES": ("EC", None),
    "Ed": ("OKP", "Ed25519"),
    "Ed448": ("OKP", "Ed448"),
}
_NODE_REFUSALS: dict[str, Reason] = {
    "ERR_JWS_SIGNATURE_VERIFICATION_FAILED": "signature",
    "ERR_JWT_EXPIRED": "expired",
    "ERR_JWT_CLAIM_VALIDATION_FAILED aud": "audience",
    "ERR_JWT_CLAIM_VALIDATION_FAILED iss": "issuer",
    "invalid signature": "signature",
    "jwt expired": "expired",
    "jwt audience invalid": "audience",
    "jwt issuer invalid": "issuer",
}

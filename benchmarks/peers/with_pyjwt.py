"""PyJWT with a prepared key: a `PyJWK` for a secret, the key object for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt

from benchmarks.peers.with_gatepass import key as gatepass_key
from benchmarks.sample import AUDIENCE, HEADER_EXTRA, ISSUER, LEEWAY, REQUIRED, KeyMaterial, new_claims

NAME = "PyJWT"


def verifying(material: KeyMaterial) -> Callable[[str], dict[str, Any]]:
    key: Any = _jwk(material) if material.private is None else material.public
    algorithms, options = [material.algorithm], {"require": REQUIRED}

    def verify(token: str) -> dict[str, Any]:
        return jwt.decode(
            token, key, algorithms=algorithms, audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY, options=options
        )

    return verify


def issuing(material: KeyMaterial) -> Callable[[], object]:
    key: Any = material.private or _jwk(material)
    algorithm = material.algorithm
    return lambda: jwt.encode(new_claims(), key, algorithm=algorithm, headers=HEADER_EXTRA)


def _jwk(material: KeyMaterial) -> jwt.PyJWK:
    return jwt.PyJWK.from_dict(gatepass_key(material).to_private_jwk())

"""joserfc, with its claims registry. It warns about the name EdDSA at each call; the time includes the warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from joserfc import jwk, jwt

from benchmarks.sample import AUDIENCE, HEADER_EXTRA, ISSUER, LEEWAY, REQUIRED, KeyMaterial, new_claims

NAME = "joserfc"

_KINDS: dict[str, Any] = {"ES256": jwk.ECKey, "EdDSA": jwk.OKPKey}


def verifying(material: KeyMaterial) -> Callable[[str], object]:
    warnings.filterwarnings("ignore", message="EdDSA is deprecated")
    key, algorithms = _key(material), [material.algorithm]
    wanted: dict[str, Any] = {name: {"essential": True} for name in REQUIRED}
    wanted["iss"]["value"] = ISSUER
    wanted["aud"]["value"] = AUDIENCE
    registry = jwt.JWTClaimsRegistry(leeway=LEEWAY, **wanted)

    def verify(token: str) -> object:
        claims = jwt.decode(token, key, algorithms=algorithms).claims
        registry.validate(claims)
        return claims

    return verify


def issuing(material: KeyMaterial) -> Callable[[], object]:
    key, algorithms, header = _key(material), [material.algorithm], {"alg": material.algorithm, **HEADER_EXTRA}
    return lambda: jwt.encode(header, new_claims(), key, algorithms=algorithms)


def _key(material: KeyMaterial) -> Any:
    if material.private is None:
        return jwk.OctKey.import_key(material.secret)
    return _KINDS.get(material.algorithm, jwk.RSAKey).import_key(material.private_pem)

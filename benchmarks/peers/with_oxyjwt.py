"""oxyjwt, a binding to Rust, by its documented interface, which resembles PyJWT's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import oxyjwt

from benchmarks.sample import AUDIENCE, HEADER_EXTRA, ISSUER, LEEWAY, REQUIRED, KeyMaterial, new_claims

NAME = "oxyjwt (Rust)"

_LOADERS: dict[str, Any] = {"ES256": oxyjwt.DecodingKey.from_ec_pem, "EdDSA": oxyjwt.DecodingKey.from_ed_pem}


def verifying(material: KeyMaterial) -> Callable[[str], object]:
    algorithms, options = [material.algorithm], {"require": REQUIRED}
    if material.private is None:
        key = oxyjwt.DecodingKey.from_secret(material.secret)
    else:
        key = _LOADERS.get(material.algorithm, oxyjwt.DecodingKey.from_rsa_pem)(material.public_pem)

    def verify(token: str) -> object:
        return oxyjwt.decode(
            token, key, algorithms=algorithms, audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY, options=options
        )

    return verify


def issuing(material: KeyMaterial) -> Callable[[], object]:
    if material.private is None:
        key = oxyjwt.EncodingKey.from_secret(material.secret)
    else:
        key = oxyjwt.EncodingKey.from_rsa_pem(material.private_pem)
    algorithm = material.algorithm
    return lambda: oxyjwt.encode(new_claims(), key, algorithm=algorithm, headers=HEADER_EXTRA)

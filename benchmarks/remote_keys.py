"""The cost of verifying with keys from a key server instead of local keys: `python -m benchmarks.remote_keys`.

The keys are fetched beforehand. What is measured is the check, at each verification, that they are unchanged.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import httpx

from benchmarks.interleave import Batch, Effort, interleave
from benchmarks.peers.with_gatepass import key, sample_token
from benchmarks.sample import AUDIENCE, FETCHED, ISSUER, KeyMaterial, fresh_materials
from gatepass import JWKSClient, KeySet, TokenVerifier
from gatepass.keys.source import KeySource

__all__ = ["AT_HAND", "FETCHED_KEYS", "ONCE_MORE", "contenders"]

_FULL = Effort(rounds=400, seconds_a_turn=0.002)
_QUICK = Effort(rounds=2, seconds_a_turn=0.0002)
AT_HAND, FETCHED_KEYS, ONCE_MORE = "keys at hand", "keys fetched", "keys at hand, once more"
"""The third is the same as the first: their difference shows the accuracy of the measurement."""


def contenders(material: KeyMaterial) -> dict[str, Batch]:
    """Return three verifications of the same token with the same key."""
    keys = KeySet([key(material).public()])
    fetched = JWKSClient(
        "https://auth.example.com/jwks.json",
        transport=lambda: httpx.MockTransport(lambda _: httpx.Response(200, json=keys.to_jwks())),
    )
    fetched.refresh()
    token = sample_token(material)
    return {
        name: _repeat_with(_verifier(source).verify, token)
        for name, source in ((AT_HAND, keys), (FETCHED_KEYS, fetched), (ONCE_MORE, keys))
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remote_keys", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only check that every benchmark runs; ignore the figures")
    effort = _QUICK if parser.parse_args().quick else _FULL
    materials = fresh_materials()
    for algorithm in FETCHED:
        times = interleave(contenders(materials[algorithm]), effort)
        base = times[AT_HAND]
        for name, time in times.items():
            print(
                f"{algorithm}  {name:24} {time.minimum:7.2f} us at best ({time.minimum / base.minimum - 1:+.1%}), "
                f"{time.median:7.2f} us median ({time.median / base.median - 1:+.1%})"
            )


def _verifier(keys: KeySet | KeySource) -> TokenVerifier:
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys)


def _repeat_with(verify: Callable[[str], object], token: str) -> Batch:
    def batch(count: int) -> None:
        for _ in range(count):
            verify(token)

    return batch


if __name__ == "__main__":
    main()

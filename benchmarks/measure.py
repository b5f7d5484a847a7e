"""All measurements of one process: jobs, each with its contenders."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from jwt.utils import base64url_decode, base64url_encode

from benchmarks import primitive, remote_keys
from benchmarks.frameworks import FRAMEWORKS, requests
from benchmarks.interleave import Batch, Effort, Timing, interleave
from benchmarks.peers import PYJWT, installed_peers, with_gatepass, with_pyjwt
from benchmarks.sample import AGAIN, FETCHED, ISSUED, VERIFIED, KeyMaterial, fresh_materials
from gatepass import AccessTokenRevocation, AuthError
from gatepass.stores.memory import MemoryStore

__all__ = ["CACHED", "CACHED_WITH_REVOCATION", "UNCACHED", "measure"]

UNCACHED, CACHED, CACHED_WITH_REVOCATION = "gatepass", "gatepass, cache_ttl=", "gatepass, cache_ttl= and is_revoked="

Results = dict[str, dict[str, Timing]]


def measure(effort: Effort) -> Results:
    """Return the timings of every job by contender."""
    return {job: interleave(contenders, effort) for job, contenders in _jobs(fresh_materials())} | {
        "import": _import_times(max(1, effort.rounds // 10))
    }


def _jobs(materials: dict[str, KeyMaterial]) -> Iterator[tuple[str, dict[str, Batch]]]:
    for algorithm in VERIFIED:
        yield f"verify {algorithm}", _verifying(materials[algorithm])
    for algorithm in AGAIN:
        yield f"again {algorithm}", _verifying_again(materials[algorithm])
    for algorithm in FETCHED:
        yield f"fetched {algorithm}", remote_keys.contenders(materials[algorithm])
    for algorithm in ISSUED:
        yield f"issue {algorithm}", _issuing(materials[algorithm])
    for framework in FRAMEWORKS:
        for algorithm in ("HS256", "RS256"):
            yield f"{framework} {algorithm}", requests(framework, materials[algorithm])
    yield "refuse", _refusing(materials["HS256"])


def _verifying(material: KeyMaterial) -> dict[str, Batch]:
    token = with_gatepass.sample_token(material)
    signing_input, _, signature = token.encode().rpartition(b".")
    alone = primitive.verifying(material, base64url_decode(signature))
    return {
        **{peer.NAME: _repeat_with(peer.verifying(material), token) for peer in installed_peers()},
        primitive.PRIMITIVE: _repeat_with(alone, signing_input),
    }


def _verifying_again(material: KeyMaterial) -> dict[str, Batch]:
    """Return verifications of the same token, with a cache and without one."""
    token = with_gatepass.sample_token(material)
    revocation = AccessTokenRevocation(MemoryStore(), access_ttl=86_400)
    verifiers = {
        UNCACHED: with_gatepass.verifier(material),
        CACHED: with_gatepass.verifier(material, cache_ttl=300),
        CACHED_WITH_REVOCATION: with_gatepass.verifier(material, cache_ttl=300, is_revoked=revocation),
    }
    return {
        **{name: _repeat_with(verifier.verify, token) for name, verifier in verifiers.items()},
        PYJWT: _repeat_with(with_pyjwt.verifying(material), token),
    }


def _issuing(material: KeyMaterial) -> dict[str, Batch]:
    signing_input = with_gatepass.sample_token(material).encode().rpartition(b".")[0]
    return {
        **{peer.NAME: _repeat(peer.issuing(material)) for peer in installed_peers()},
        primitive.PRIMITIVE: _repeat_with(primitive.signing(material), signing_input),
    }


def _refusing(material: KeyMaterial) -> dict[str, Batch]:
    """Return verifications of texts that are meant to be expensive; every one is refused."""
    verify = with_gatepass.verifier(material).verify
    header, _, _ = with_gatepass.sample_token(material).split(".")

    def signed(payload: bytes) -> str:
        signing_input = header.encode() + b"." + base64url_encode(payload)
        signature = with_gatepass.key(material).sign(signing_input)
        return (signing_input + b"." + base64url_encode(signature)).decode()

    texts = {
        "a token of 8 MB": signed(b'{"a":"' + b"a" * 6_000_000 + b'"}'),
        "10,000 dots": "." * 10_000,
        "100,000 nested arrays": signed(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "6,000 nested arrays, within the size limit": signed(b'{"a":' + b"[" * 6_000 + b"]" * 6_000 + b"}"),
        "2,300 members with one name": signed(b'{"":0' + b',"":0' * 2_300 + b"}"),
        "5,500 quotes in an unterminated string": signed(b'{"a":' + b"[" * 40 + b'"\\' * 5_500),
        "a number of 12,000 digits": signed(b'{"a":' + b"9" * 12_000 + b"}"),
    }
    return {name: _refused(verify, text) for name, text in texts.items()}


def _refused(verify: Callable[[str], object], text: str) -> Batch:
    def batch(count: int) -> None:
        for _ in range(count):
            try:
                verify(text)
            except AuthError:
                continue
            raise RuntimeError("this token should have been refused")

    return batch


def _repeat_with(job: Callable[[Any], object], given: Any) -> Batch:
    def batch(count: int) -> None:
        for _ in range(count):
            job(given)

    return batch


def _repeat(job: Callable[[], object]) -> Batch:
    def batch(count: int) -> None:
        for _ in range(count):
            job()

    return batch


def _import_times(repeats: int) -> dict[str, Timing]:
    """Measure in turns what each import adds to the start of an interpreter."""
    programs = {"nothing": "pass", **{name: f"import {name}" for name in ("gatepass", "jwt", "cryptography.x509")}}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(repeats):
        for name, program in programs.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own interpreter
            times[name].append((time.perf_counter() - start) * 1e6)
    return {name: Timing(min(taken), sorted(taken)[len(taken) // 2]) for name, taken in times.items()}

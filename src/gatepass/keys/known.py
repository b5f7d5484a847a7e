"""Secrets that others know: samples of standards, manuals and tutorials, and digests of usual words.

`known_secrets.txt` holds the SHA-256 of each sample, so that the samples are not spread further, with where it is
printed. A sample is found as it stands and under up to two layers of hex or base64. `usual_words.txt` holds the words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from gatepass.keys.layers import decodings

__all__ = ["is_known", "usual_words"]

_Digest = Callable[..., Any]
_DIGESTS: Final[dict[int, _Digest]] = {
    16: hashlib.md5,
    20: hashlib.sha1,
    32: hashlib.sha256,
    48: hashlib.sha384,
    64: hashlib.sha512,
}  # by their size


def is_known(secret: bytes) -> bool:
    """Whether *secret* is one of the samples, or the MD5, SHA-1 or SHA-2 digest of a usual word."""
    once = decodings(secret)
    layers = {secret, *once, *(twice for layer in once for twice in decodings(layer))}
    samples = {line.split()[0] for line in _lines("known_secrets.txt")}
    return any(hashlib.sha256(layer).hexdigest() in samples or _is_digest_of_a_word(layer) for layer in layers)


def usual_words() -> list[bytes]:
    """Words of placeholders and of sentences about secrets, and usual passwords; letters and digits in lower case."""
    return [word.encode() for line in _lines("usual_words.txt") for word in line.split()]


def _is_digest_of_a_word(octets: bytes) -> bool:
    digest = _DIGESTS.get(len(octets))
    if digest is None:
        return False
    spellings = {spelt for word in usual_words() for spelt in (word, word.capitalize(), word.upper())}
    return any(
        digest(word + end, usedforsecurity=False).digest() == octets
        for word in (b"", *spellings)
        for end in (b"", b"\n")  # as a shell's echo writes it
    )


def _lines(name: str) -> list[str]:
    from importlib.resources import files  # noqa: PLC0415 - a service without a secret does not need it

    text = (files("gatepass.keys") / name).read_text(encoding="ascii")
    return [line for line in text.splitlines() if line and not line.startswith("#")]

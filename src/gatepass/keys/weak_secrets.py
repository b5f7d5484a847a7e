"""Detection of secrets that have a guessable form or are known: published examples, and digests of usual words.

Guessable forms: repeated, sequential, a walk over the keyboard, a placeholder, a sentence. A rule is included only if a
random secret in hex, base64, base64url or plain octets has a negligible chance to match it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from itertools import pairwise
from typing import Any, Final

from gatepass.keys.encodings import decodings, layers

__all__ = ["is_guessable", "is_known", "usual_words"]

_MIN_DISTINCT_OCTETS: Final = 8
_MIN_TEXT: Final = 12
_MIN_WORD: Final = 3
_MAX_JUDGED: Final = 1_024  # octets: enough to recognize the form of a longer secret

# Phrases of placeholders and tutorials, compared by letters and digits only, in lower case.
_WELL_KNOWN_PHRASES: Final = (
    b"changeme", b"changethis", b"replaceme", b"replacethis", b"yoursecret", b"mysecret", b"supersecret",
    b"topsecret", b"secretkey", b"jwtsecret", b"testsecret", b"examplesecret", b"secretstring", b"secretatleast",
    b"your256bit", b"your384bit", b"your512bit", b"256bitslong", b"djangoinsecure", b"insecure", b"password",
    b"donotuse", b"dontuse", b"placeholder", b"correcthorsebattery", b"qwertyuiop", b"1234567890123", b"abcdefghijkl",
    b"zyxwvutsrqpo", b"helloworld", b"iloveyou", b"passw0rd", b"letmein", b"customsecret", b"longsecret",
    b"314159265358", b"271828182845", b"161803398874", b"141421356237", b"112358132134",
)  # fmt: skip
_ROWS: Final = (
    b"1234567890", b"0123456789", b"abcdefghijklmnopqrstuvwxyz",
    b"qwertyuiop", b"asdfghjkl", b"zxcvbnm", b"qwertzuiop", b"yxcvbnm", b"azertyuiop", b"qsdfghjklm", b"wxcvbn",
    b"1q2w3e4r5t6y7u8i9o0p", b"1qaz", b"2wsx", b"3edc", b"4rfv", b"5tgb", b"6yhn", b"7ujm", b"8ik", b"9ol", b"0p",
)  # fmt: skip
_NEIGHBOURS: Final = frozenset(
    pair for row in _ROWS for key, after in pairwise(row) for pair in ((key, after), (after, key), (key, key))
)
_WITHOUT_SHIFT: Final = bytes.maketrans(b"!@#$%^&*()", b"1234567890")
# The digits and signs that stand for letters, as in P@ssw0rd.
_AS_LETTERS: Final = bytes.maketrans(b"013457@$!", b"oieastasi")
# A website generates slices of one sequence: each character is 34 or 35 places after the one before, in this ring.
_RING: Final = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789!/$%?&(*)+-@"
_STEPS_IN_RING: Final = frozenset(
    (sign, _RING[(place + step) % len(_RING)]) for place, sign in enumerate(_RING) for step in (34, 35)
)
_SIGNS: Final = re.compile(rb"[^a-z0-9]")
_BETWEEN_WORDS: Final = b" \t\r\n-_.,:;!?'\"/"

_Digest = Callable[..., Any]
# By digest size.
_DIGESTS: Final[dict[int, _Digest]] = {
    16: hashlib.md5, 20: hashlib.sha1, 32: hashlib.sha256, 48: hashlib.sha384, 64: hashlib.sha512,
}  # fmt: skip


def is_guessable(secret: bytes) -> bool:
    """Return whether *secret* has a guessable form, plain or as text under one or two layers of an encoding."""
    secret = secret[:_MAX_JUDGED]
    once = _texts(secret)
    words = frozenset(word for word in usual_words() if len(word) >= _MIN_WORD)
    texts = (secret, *once, *(twice for text in once for twice in _texts(text)))
    return any(_is_plainly_guessable(text, words) for text in texts)


def is_known(secret: bytes) -> bool:
    """Return whether *secret* is one of the samples, or the MD5, SHA-1 or SHA-2 digest of a usual word."""
    samples = {line.split()[0] for line in _lines("known_secrets.txt")}
    readings = set(layers(secret))
    return any(hashlib.sha256(octets).hexdigest() in samples or _is_digest_of_a_word(octets) for octets in readings)


def usual_words() -> list[bytes]:
    """Return the words of placeholders and of sentences about secrets, and usual passwords, in lower case."""
    return [word.encode() for line in _lines("usual_words.txt") for word in line.split()]


def _texts(data: bytes) -> list[bytes]:
    return [layer for layer in decodings(data) if len(layer) >= _MIN_TEXT and layer.isascii()]


def _is_plainly_guessable(secret: bytes, words: Collection[bytes]) -> bool:
    lower = secret.lower()
    spellings = {_SIGNS.sub(b"", lower), _SIGNS.sub(b"", lower.translate(_AS_LETTERS))}
    return (
        len(set(secret)) < _MIN_DISTINCT_OCTETS
        or _repeats(secret)
        or len({(after - before) % 256 for before, after in pairwise(secret)}) == 1
        or any(phrase in folded for folded in spellings for phrase in _WELL_KNOWN_PHRASES)
        or _is_walk(lower.translate(_WITHOUT_SHIFT), _NEIGHBOURS)
        or _is_walk(lower.translate(_WITHOUT_SHIFT), _NEIGHBOURS, stride=2)
        or _is_walk(secret, _STEPS_IN_RING)
        or any(_is_sentence(secret, folded, words) for folded in spellings)
    )


def _repeats(secret: bytes) -> bool:
    """Return whether *secret* repeats a part of at most half its length.

    Shorter periods than `_MIN_DISTINCT_OCTETS` have too few distinct octets, which another rule refuses.
    """
    half = secret[: len(secret) - len(secret) // 2]
    # The first place where the first half occurs again is a period, if there is any (Fine and Wilf).
    period = secret.find(half, _MIN_DISTINCT_OCTETS)
    return period > 0 and secret.startswith(secret[period:])


def _is_walk(text: bytes, known_steps: Collection[tuple[int, int]], *, stride: int = 1) -> bool:
    """Return whether two of three octets are a known step from the octet *stride* before, as in a1b2c3 with 2.

    In random text one octet in four is a neighbour on a keyboard or in the alphabet, or the same.
    """
    steps = sum(pair in known_steps for pair in zip(text, text[stride:], strict=False))
    return steps * 3 >= 2 * (len(text) - stride)


def _is_sentence(secret: bytes, folded: bytes, words: Collection[bytes]) -> bool:
    """Return whether half of *secret*, not counting blanks and punctuation, consists of *words*."""
    sizes = range(max(map(len, words)), _MIN_WORD - 1, -1)
    usual = place = 0
    while place < len(folded):
        pieces = (folded[place : place + size] for size in sizes)
        word = next((piece for piece in pieces if piece in words), b"")  # the longest match
        usual += len(word)
        place += len(word) or 1
    return 2 * usual >= len(secret.translate(None, _BETWEEN_WORDS))


def _is_digest_of_a_word(octets: bytes) -> bool:
    digest = _DIGESTS.get(len(octets))
    if digest is None:
        return False
    spellings = {spelt for word in usual_words() for spelt in (word, word.capitalize(), word.upper())}
    return any(
        digest(word + end, usedforsecurity=False).digest() == octets
        for word in (b"", *spellings)
        for end in (b"", b"\n")  # as the shell's echo writes it
    )


def _lines(name: str) -> list[str]:
    from importlib.resources import files  # noqa: PLC0415 - only a service with a secret needs it

    text = (files("gatepass.keys") / name).read_text(encoding="ascii")
    return [line for line in text.splitlines() if line and not line.startswith("#")]

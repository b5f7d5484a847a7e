"""Data under one or two layers of hex, base32 or base64, and the end of a DER sequence."""

from __future__ import annotations

import base64
import binascii

__all__ = ["BEFORE_TEXT", "decodings", "first_sequence", "layers"]

BEFORE_TEXT = b" \t\r\n\v\f\xef\xbb\xbf\xff\xfe"
"""Blanks, and the byte order marks of UTF-8 and UTF-16."""


def decodings(data: bytes) -> list[bytes]:
    """*data* read as hex, base32 and base64, as far as it can be: also with blanks, colons or a byte order mark."""
    packed = b"".join(data.replace(b"\0", b"").lstrip(BEFORE_TEXT).split()).removeprefix(b"base64:")
    digits = packed.replace(b":", b"").lower().removeprefix(b"0x")
    found: list[bytes] = []
    # The last decoder takes both alphabets, any padding, and passes over what belongs to neither.
    for decode, text in (
        (binascii.unhexlify, digits),
        (_base32, packed.upper().rstrip(b"=")),
        (base64.urlsafe_b64decode, packed + b"=="),
    ):
        try:
            found.append(decode(text))
        except ValueError:
            continue
    return found


def layers(data: bytes) -> list[bytes]:
    """*data*, its decodings, and theirs."""
    once = decodings(data)
    return [data, *once, *(twice for layer in once for twice in decodings(layer))]


def _base32(text: bytes) -> bytes:
    return base64.b32decode(text + b"=" * (-len(text) % 8))


def first_sequence(data: bytes) -> bytes:
    """The DER SEQUENCE that *data* begins with; what follows it does not count."""
    start, size = 2, int.from_bytes(data[1:2])
    if size & 0x80:  # the long form: so many octets of length follow
        start += size & 0x7F
        size = int.from_bytes(data[2:start])
    return data[: start + size]

"""Decoding of data under one or two layers of hex, base32 or base64, and of the length of a DER SEQUENCE."""

from __future__ import annotations

import base64
import binascii

__all__ = ["BLANKS_AND_BOMS", "decodings", "first_sequence", "layers"]

BLANKS_AND_BOMS = b" \t\r\n\v\f\xef\xbb\xbf\xff\xfe"
"""Blanks, and the byte order marks of UTF-8 and UTF-16."""


def decodings(data: bytes) -> list[bytes]:
    """Decode *data* as hex, base32 and base64, where possible, also with blanks, colons or a byte order mark."""
    packed = b"".join(data.replace(b"\0", b"").lstrip(BLANKS_AND_BOMS).split()).removeprefix(b"base64:")
    digits = packed.replace(b":", b"").lower().removeprefix(b"0x")
    found: list[bytes] = []
    # The last decoder accepts both alphabets and any padding, and skips all other characters.
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
    """Return *data*, its decodings, and the decodings of these."""
    once = decodings(data)
    return [data, *once, *(twice for layer in once for twice in decodings(layer))]


def first_sequence(data: bytes) -> bytes:
    """Return the DER SEQUENCE at the start of *data*, without the data after it."""
    start, size = 2, int.from_bytes(data[1:2])
    if size & 0x80:  # long form: the low bits count the octets of the length
        start += size & 0x7F
        size = int.from_bytes(data[2:start])
    return data[: start + size]


def _base32(text: bytes) -> bytes:
    return base64.b32decode(text + b"=" * (-len(text) % 8))

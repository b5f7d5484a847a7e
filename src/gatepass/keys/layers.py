"""What stands under a layer of hex or base64."""

from __future__ import annotations

import base64
import binascii

__all__ = ["BEFORE_TEXT", "decodings"]

BEFORE_TEXT = b" \t\r\n\v\f\xef\xbb\xbf\xff\xfe"
"""Blanks, and the byte order marks of UTF-8 and UTF-16."""


def decodings(data: bytes) -> list[bytes]:
    """*data* read as hex and as base64, as far as it can be: also with blanks, colons or a byte order mark."""
    packed = b"".join(data.replace(b"\0", b"").lstrip(BEFORE_TEXT).split())
    digits = packed.replace(b":", b"").lower().removeprefix(b"0x")
    found: list[bytes] = []
    # The second decoder takes both alphabets, any padding, and passes over what belongs to neither.
    for decode, text in ((binascii.unhexlify, digits), (base64.urlsafe_b64decode, packed + b"==")):
        try:
            found.append(decode(text))
        except ValueError:
            continue
    return found

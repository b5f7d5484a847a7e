"""The JWS Compact Serialization (RFC 7515 section 7.1) and base64url, parsed strictly: each value has one encoding.

Refused: text longer than `MAX_TOKEN_LENGTH`, fewer or more than three segments, characters
outside base64url, padding, unused bits that are set. The results are *unverified*.

The text of a token does not identify it: the holder of an ECDSA token can compute a second valid signature for it.
Revoke by `jti`, never by text or digest.
"""

from __future__ import annotations

import binascii
from typing import Any, NamedTuple

from gatepass.common.texts import plain
from gatepass.errors import MalformedToken, UnsupportedToken
from gatepass.jose.strict_json import parse_object

__all__ = [
    "MAX_TOKEN_LENGTH",
    "CompactParts",
    "UnverifiedToken",
    "decode_base64url",
    "encode_base64url",
    "parse_compact",
    "split_compact",
    "to_bytes",
]

MAX_TOKEN_LENGTH = 16_384
"""Characters. Longer tokens are refused before any other work."""

_JWE_DOTS = 4
_DOT = ord(".")

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# Every octet outside the alphabet, also "+", "/" and "=", becomes "!", which a strict decoder refuses.
_TO_STANDARD = bytes(
    octet if octet in _ALPHABET else {ord("-"): ord("+"), ord("_"): ord("/")}.get(octet, ord("!"))
    for octet in range(256)
)
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", b"", b"==", b"=")
# After one octet four bits of the last character are unused, after two octets two bits: they must be zero.
_CANONICAL_ENDS = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")


class UnverifiedToken(NamedTuple):
    """The parts of a token whose signature is not verified yet."""

    octets: bytes
    header_segment: bytes
    signing_input: bytes
    signature: bytes
    claims: dict[str, Any]

    def header(self) -> dict[str, Any]:
        """Parse and return the JOSE header. The verifier seldom needs it: it caches keys by the header segment."""
        return parse_object(decode_base64url(self.header_segment))


CompactParts = tuple[bytes, bytes, bytes, bytes, dict[str, Any]]
"""The fields of an `UnverifiedToken`, without their names."""


def parse_compact(token: str) -> UnverifiedToken:
    """Split and decode *token*. Raises `MalformedToken`, or `UnsupportedToken` for an encrypted one."""
    return UnverifiedToken(*split_compact(token))


def split_compact(token: str) -> CompactParts:
    """Split and decode *token* into a plain tuple. A named one would take as long again as finding the dots."""
    octets = to_bytes(token)
    signing_input, _, signature_segment = octets.rpartition(b".")
    header_segment, dot, payload_segment = signing_input.partition(b".")
    if not dot or _DOT in payload_segment:
        if octets.count(b".") == _JWE_DOTS:
            raise UnsupportedToken("five segments: an encrypted token")
        raise MalformedToken("not three segments")
    signature = decode_base64url(signature_segment)
    claims = parse_object(decode_base64url(payload_segment))
    return octets, header_segment, signing_input, signature, claims


def to_bytes(token: str) -> bytes:
    """Return the octets of *token*. Raises `MalformedToken` for text that is too long or not ASCII."""
    if type(token) is not str:
        token = plain(token)
    if type(token) is not str or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise MalformedToken("not a token, or too long")
    return token.encode()


def decode_base64url(segment: bytes) -> bytes:
    """Decode *segment*, which must be unpadded and canonical (RFC 4648 sections 3.5 and 5). Raises `MalformedToken`.

    >>> decode_base64url(b"aGk")
    b'hi'
    """
    surplus = len(segment) & 3
    if surplus and segment[-1] not in _CANONICAL_ENDS[surplus]:
        raise MalformedToken("not canonical base64url")
    try:
        return binascii.a2b_base64(segment.translate(_TO_STANDARD) + _PADDING[surplus], strict_mode=True)
    except binascii.Error:
        pass
    raise MalformedToken("not base64url")


def encode_base64url(octets: bytes) -> bytes:
    """Encode *octets* as unpadded base64url.

    >>> encode_base64url(b"hi")
    b'aGk'
    """
    return binascii.b2a_base64(octets, newline=False).translate(_TO_URL_SAFE, b"=")

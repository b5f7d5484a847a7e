"""What may serve as an HMAC secret: long enough, not guessable, and not somebody's public key.

Public keys taken for HMAC secrets are the oldest hole in this field (algorithm confusion). The first
defence is that a `Key` is bound to one algorithm; this module is the second: whatever parses as key
material, also inside one or two layers of base64, hex or JSON, is refused as a secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from itertools import islice, pairwise

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from gatepass.errors import ConfigurationError
from gatepass.keys.misplaced import misplaced

__all__ = ["check_secret", "is_key_material"]

_LEAST_DISTINCT_OCTETS = 8
_LEAST_TEXT = 12

# Phrases of placeholders and tutorials; compared on the letters and digits alone, in lower case.
_WELL_KNOWN_PHRASES = (
    b"changeme", b"changethis", b"replaceme", b"replacethis", b"yoursecret", b"mysecret", b"supersecret",
    b"topsecret", b"secretkey", b"jwtsecret", b"testsecret", b"examplesecret", b"secretstring", b"secretatleast",
    b"your256bit", b"your384bit", b"your512bit", b"256bitslong", b"djangoinsecure", b"insecure", b"password",
    b"donotuse", b"dontuse", b"placeholder", b"correcthorsebattery", b"qwertyuiop", b"1234567890123", b"abcdefghijkl",
    b"zyxwvutsrqpo", b"helloworld", b"iloveyou", b"passw0rd", b"letmein", b"customsecret", b"longsecret",
)  # fmt: skip
# Printed in widely read documents, and in production more often than they should be; letters and digits in lower case.
_WELL_KNOWN_SECRETS = (
    b"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's tutorial
    b"404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",  # tutorials for Spring Boot
    b"413f4428472b4b6250655368566d5970337336763979244226452948404d6351",
    b"5367566b59703373367639792f423f4528482b4d6251655468576d5a71347437",
    b"3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
    b"3ek6fdo0c7tzbnvfjpmkndi2yaraakzqlk8o2ikoxqu4nf7edah8s3twphwrdwt6r",  # Hasura's documentation
)

_TEXTUAL_KEY = re.compile(
    rb"-----BEGIN|---- BEGIN SSH2|PuTTY-User-Key-File|<(?:\w+:)?RSAKeyValue\b"
    rb"|\bBEGIN [A-Z0-9 ]{0,64}(?:KEY|CERTIFICATE)\b"  # without its dashes; unbounded labels would cost quadratic time
    rb"|\bkty[\\\"']*\s*:"  # a JWK, however it is quoted and wherever it is nested
    rb"|(?<![a-z0-9])(?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)[a-z0-9@.-]{1,64}[ \t]"  # RFC 4251 section 6
    rb"|\0\0\0[\x07-\x40](?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)",  # the same as RFC 4253 has it, in octets
    re.IGNORECASE,
)
_BEFORE_TEXT = b" \t\r\n\v\f\xef\xbb\xbf\xff\xfe"  # blanks, and the byte order marks of UTF-8 and UTF-16
_DER_BEGINS = re.compile(rb"M[CEFHI]")  # a SEQUENCE of a usual length, in base64
_MOST_BEGINNINGS = 32
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+")
_SIGNS = re.compile(rb"[^a-z0-9]")
_LINE_BREAKS = re.compile(rb"\s+|\\[nr]")
_CURVES: dict[int, ec.EllipticCurve] = {
    65: ec.SECP256R1(),
    97: ec.SECP384R1(),
    133: ec.SECP521R1(),
}  # by the size of an uncompressed point


def check_secret(secret: bytes, *, algorithm: str, least: int) -> None:
    """Raise `ConfigurationError` unless *secret* may sign with *algorithm* (RFC 7518 section 3.2).

    *least* is the length in bytes that the hash demands.
    """
    advice = f"make one with: gatepass keygen {algorithm}"
    if is_key_material(secret):
        raise ConfigurationError(
            "this secret is itself a key, a certificate or a JWK, which others may know; "
            f"load it with Key.from_pem or Key.from_jwk, or {advice}"
        )
    other = misplaced(secret)
    if other is not None:
        raise ConfigurationError(other)
    if len(secret) < least:
        raise ConfigurationError(
            f"an {algorithm} secret needs at least {least} bytes, this one has {len(secret)}; {advice}"
        )
    if _is_guessable(secret):
        raise ConfigurationError(f"this secret is guessable: repeated, sequential or a well-known example; {advice}")


def is_key_material(data: bytes) -> bool:
    """Whether *data* is a key, certificate or JWK, as it stands or under one or two layers of encoding."""
    once = _decodings(data)
    layers = [data, *once, *(twice for layer in once for twice in _decodings(layer))]
    return any(_is_plain_key(form) for layer in layers for form in _forms(layer))


def _forms(data: bytes) -> tuple[bytes, bytes]:
    """*data* without what may precede text, and again without the zero octets of ASCII in UTF-16 or UTF-32."""
    return data.lstrip(_BEFORE_TEXT), data.replace(b"\0", b"").lstrip(_BEFORE_TEXT)


def _is_plain_key(data: bytes) -> bool:
    return (
        bool(_TEXTUAL_KEY.search(data))
        or _is_escaped_key(data)
        or _is_der(data)
        or _is_point(data)
        or _has_der_inside(data)
    )


def _has_der_inside(data: bytes) -> bool:
    """Whether the base64 of a key stands somewhere in it: behind a comment, a name, another text."""
    for begins in islice(_DER_BEGINS.finditer(data), _MOST_BEGINNINGS):
        text = _BASE64.findall(_LINE_BREAKS.sub(b"", data[begins.start() :]))[0]
        whole = text[:-1] if len(text) % 4 == 1 else text  # a single character is no octet
        if _is_der(base64.urlsafe_b64decode(whole + b"==")):
            return True
    return False


def _is_escaped_key(data: bytes) -> bool:
    """Whether JSON says it in another spelling."""
    if data[:1] not in (b"{", b"[", b'"'):
        return False
    try:
        plain = json.dumps(json.loads(data)).encode()
    except (ValueError, RecursionError):
        return False
    return bool(_TEXTUAL_KEY.search(plain)) or b'"keys": [' in plain


def _is_der(data: bytes) -> bool:
    if data[:1] != b"\x30":
        return False
    sequence = _first_sequence(data)
    for load in (load_der_public_key, x509.load_der_x509_certificate, x509.load_der_x509_csr, _load_private):
        try:
            load(sequence)
        except ValueError:
            continue
        except Exception:  # noqa: BLE001 - the readers have errors of many families
            return True  # encrypted, or of a kind that is read and not supported
        return True
    return False


def _first_sequence(data: bytes) -> bytes:
    """The DER SEQUENCE that *data* begins with, whatever follows it."""
    start, size = 2, int.from_bytes(data[1:2])
    if size & 0x80:  # the long form: so many octets of length follow
        start += size & 0x7F
        size = int.from_bytes(data[2:start])
    return data[: start + size]


def _load_private(data: bytes) -> object:
    return load_der_private_key(data, password=None)


def _is_point(data: bytes) -> bool:
    curve = _CURVES.get(len(data))
    try:
        return curve is not None and bool(ec.EllipticCurvePublicKey.from_encoded_point(curve, data))
    except ValueError:
        return False


def _decodings(data: bytes) -> list[bytes]:
    packed = b"".join(data.replace(b"\0", b"").lstrip(_BEFORE_TEXT).split())
    digits = packed.replace(b":", b"").lower().removeprefix(b"0x")
    found: list[bytes] = []
    # The second decoder takes both alphabets, any padding, and passes over what belongs to neither.
    for decode, text in ((binascii.unhexlify, digits), (base64.urlsafe_b64decode, packed + b"==")):
        try:
            found.append(decode(text))
        except ValueError:
            continue
    return found


def _is_guessable(secret: bytes) -> bool:
    """Also under one layer of base64 or hex, if that is text: random octets say nothing there."""
    texts = [layer for layer in _decodings(secret) if len(layer) >= _LEAST_TEXT and layer.isascii()]
    return any(_is_plainly_guessable(text) for text in (secret, *texts))


def _is_plainly_guessable(secret: bytes) -> bool:
    folded = _SIGNS.sub(b"", secret.lower())
    return (
        len(set(secret)) < _LEAST_DISTINCT_OCTETS
        or _repeats(secret)
        or len({(after - before) % 256 for before, after in pairwise(secret)}) == 1
        or folded in _WELL_KNOWN_SECRETS
        or any(phrase in folded for phrase in _WELL_KNOWN_PHRASES)
    )


def _repeats(secret: bytes) -> bool:
    """Whether some text of at most half the length, repeated, makes the whole. Shorter ones have too few octets."""
    half = secret[: len(secret) - len(secret) // 2]
    # The first place where the first half comes again is a period, if there is any (Fine and Wilf).
    period = secret.find(half, _LEAST_DISTINCT_OCTETS)
    return period > 0 and secret.startswith(secret[period:])

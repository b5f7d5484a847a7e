"""The check of an HMAC secret: long enough, not guessable, not key material, and not another value by mistake.

Public keys used as HMAC secrets are the oldest attack on JWT (algorithm confusion). The first defence is that a `Key`
is bound to one algorithm. This module is the second: data that parses as key material, also inside one or two layers
of base64, hex or JSON, is refused as a secret. The path of a key's file, an address, a value in quotes and a token are
refused too: they are long enough, but not secret.
"""

from __future__ import annotations

import base64
import json
import re
from itertools import islice
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from gatepass.errors import ConfigurationError
from gatepass.keys.encodings import BLANKS_AND_BOMS, first_sequence, layers
from gatepass.keys.weak_secrets import is_guessable, is_known

__all__ = ["check_secret", "is_key_material"]

_TEXTUAL_KEY = re.compile(
    rb"-----BEGIN|---- BEGIN SSH2|PuTTY-User-Key-File|<(?:\w+:)?RSAKeyValue\b"
    rb"|\bBEGIN [A-Z0-9 ]{0,64}(?:KEY|CERTIFICATE)\b"  # without its dashes; unbounded labels would take quadratic time
    rb"|\bkty[\\\"']*\s*:"  # a JWK, however it is quoted and wherever it is nested
    rb"|(?<![a-z0-9])(?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)[a-z0-9@.-]{1,64}[ \t]"  # RFC 4251 section 6
    rb"|\0\0\0[\x07-\x40](?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-)",  # the binary form of RFC 4253
    re.IGNORECASE,
)
_DER_BEGINS = re.compile(rb"M[CEFHI]")  # a SEQUENCE of a usual length, in base64
_MAX_DER_CANDIDATES = 32
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+")
_LINE_BREAKS = re.compile(rb"\s+|\\[nr]")
# By the size of an uncompressed point.
_CURVES: dict[int, ec.EllipticCurve] = {65: ec.SECP256R1(), 97: ec.SECP384R1(), 133: ec.SECP521R1()}

_PATH: Final = re.compile(
    rb"(?:\.{1,2}|~|[a-z]:|file:/?)[/\\][\w .~+@/\\-]+"
    rb"|(?:.*[/\\])?[\w .~+@-]+\.(?:pem|key|der|crt|cer|p8|p12|json|jwks?)"
    # A secret may begin with a slash, but hardly with one of these.
    rb"|/(?-i:app|code|data|etc|home|mnt|opt|private|root|run|srv|tmp|Users|usr|var)/[\w .~+@/-]+",
    re.IGNORECASE | re.DOTALL,
)
_ADDRESS: Final = re.compile(rb"(?:[a-z][a-z0-9+.-]*://|arn:[a-z])\S+", re.IGNORECASE)
# With other punctuation inside, the quotes may be part of the secret.
_QUOTED: Final = re.compile(rb"([\"'])[\w+/=.~ -]*\1")
_TOKEN: Final = re.compile(rb"(?:bearer +)?([\w-]+)\.[\w-]+\.[\w-]*", re.IGNORECASE)


def check_secret(secret: bytes, *, algorithm: str, minimum: int) -> None:
    """Raise `ConfigurationError` unless *secret* may sign with *algorithm* (RFC 7518 section 3.2).

    *minimum* is the length in bytes that the hash requires.
    """
    advice = f"make one with: gatepass keygen {algorithm}"
    if is_key_material(secret):
        raise ConfigurationError(
            "this secret is itself a key, a certificate or a JWK, which others may know; "
            f"load it with Key.from_pem or Key.from_jwk, or {advice}"
        )
    if error := _not_a_secret(secret):
        raise ConfigurationError(error)
    if len(secret) < minimum:
        raise ConfigurationError(
            f"an {algorithm} secret needs at least {minimum} bytes, this one has {len(secret)}; {advice}"
        )
    if is_guessable(secret) or is_known(secret):
        raise ConfigurationError(f"this secret is guessable: repeated, sequential or a well-known example; {advice}")


def is_key_material(data: bytes) -> bool:
    """Return whether *data* is a key, certificate or JWK, plain or under one or two layers of encoding."""
    return any(_is_plain_key(form) for layer in layers(data) for form in _forms(layer))


def _forms(data: bytes) -> tuple[bytes, bytes]:
    """Return *data* without leading blanks and byte order marks, with and without the zero octets of UTF-16 or 32."""
    return data.lstrip(BLANKS_AND_BOMS), data.replace(b"\0", b"").lstrip(BLANKS_AND_BOMS)


def _is_plain_key(data: bytes) -> bool:
    return (
        bool(_TEXTUAL_KEY.search(data))
        or _is_escaped_key(data)
        or _is_der(data)
        or _is_point(data)
        or _has_der_inside(data)
    )


def _has_der_inside(data: bytes) -> bool:
    """Return whether *data* contains the base64 of a key, for example after a comment, a name or other text."""
    for begins in islice(_DER_BEGINS.finditer(data), _MAX_DER_CANDIDATES):
        text = _BASE64.findall(_LINE_BREAKS.sub(b"", data[begins.start() :]))[0]
        whole = text[:-1] if len(text) % 4 == 1 else text  # a single character is not a whole octet
        if _is_der(base64.urlsafe_b64decode(whole + b"==")):
            return True
    return False


def _is_escaped_key(data: bytes) -> bool:
    """Return whether *data* is JSON that contains key material in escaped form."""
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
    sequence = first_sequence(data)
    for load in (load_der_public_key, x509.load_der_x509_certificate, x509.load_der_x509_csr, _load_private):
        try:
            load(sequence)
        except ValueError:
            continue
        except Exception:  # noqa: BLE001 - the loaders raise many types of errors
            return True  # an encrypted key, or one of an unsupported kind
        return True
    return False


def _load_private(data: bytes) -> object:
    return load_der_private_key(data, password=None)


def _is_point(data: bytes) -> bool:
    curve = _CURVES.get(len(data))
    try:
        return curve is not None and bool(ec.EllipticCurvePublicKey.from_encoded_point(curve, data))
    except ValueError:
        return False


def _not_a_secret(secret: bytes) -> str | None:
    """Return the error for *secret* if it is a path, an address, a quoted value or a token; else None.

    No random secret in base64 or hex matches the patterns: their alphabets have `/`, but no dots, tildes or quotes.
    """
    if _PATH.fullmatch(secret):
        return "this is the path of a file, not a secret; load its content with Key.from_pem(Path(...).read_bytes())"
    if _ADDRESS.fullmatch(secret):
        return "this is an address, not a secret; give the value that is stored there"
    if _QUOTED.fullmatch(secret):
        return "this secret is in quotes, which would be part of it: remove them"
    token = _TOKEN.fullmatch(secret)
    if token and _is_header(token[1]):
        return "this is a token, not a secret: give the secret that signs tokens"
    return None


def _is_header(segment: bytes) -> bool:
    try:
        header: Any = json.loads(base64.urlsafe_b64decode(segment + b"=="))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in header

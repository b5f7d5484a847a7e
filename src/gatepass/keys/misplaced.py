"""What stands where a secret should be and is none: the path of a key's file, a value in its quotes, a token.

Each is long enough to pass, and guessable: a path is in the deployment's files, and a token goes with every request.
Nothing here can hit a random secret in base64 or hex, whose alphabets have `/` but neither dots, tildes nor quotes.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Final

__all__ = ["misplaced"]

_PATH: Final = re.compile(
    rb"(?:\.{1,2}|~|[a-z]:|file:/?)[/\\][\w .~+@/\\-]+"
    rb"|(?:.*[/\\])?[\w .~+@-]+\.(?:pem|key|der|crt|cer|p8|p12|json|jwks?)"
    # A secret may begin with a slash, but hardly with one of these.
    rb"|/(?-i:app|code|data|etc|home|mnt|opt|private|root|run|srv|tmp|Users|usr|var)/[\w .~+@/-]+",
    re.IGNORECASE | re.DOTALL,
)
_ADDRESS: Final = re.compile(rb"(?:[a-z][a-z0-9+.-]*://|arn:[a-z])\S+", re.IGNORECASE)
# With other punctuation inside, the quotes may well be some of it.
_QUOTED: Final = re.compile(rb"([\"'])[\w+/=.~ -]*\1")
_TOKEN: Final = re.compile(rb"(?:bearer +)?([\w-]+)\.[\w-]+\.[\w-]*", re.IGNORECASE)


def misplaced(secret: bytes) -> str | None:
    """A sentence for what *secret* is instead of a secret, or None."""
    if _PATH.fullmatch(secret):
        return "this is the path of a file and no secret; load what is in it with Key.from_pem(Path(...).read_bytes())"
    if _ADDRESS.fullmatch(secret):
        return "this is an address and no secret; give what is kept there"
    if _QUOTED.fullmatch(secret):
        return "this secret stands in quotes, which would be part of it: take them away"
    token = _TOKEN.fullmatch(secret)
    if token and _is_header(token[1]):
        return "this is a token and no secret: a secret is what signs tokens"
    return None


def _is_header(segment: bytes) -> bool:
    try:
        header: Any = json.loads(base64.urlsafe_b64decode(segment + b"=="))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in header

"""The key in a file, in whichever of its forms: PEM, JWK, JWK Set, or a bare secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gatepass.errors import ConfigurationError
from gatepass.keys import Key, KeySet
from gatepass.keys.pem import plain_pem

__all__ = ["read_keys"]

_LONGEST_FILE = 1_000_000


def read_keys(path: Path, *, algorithm: str | None, kid: str | None) -> Key | KeySet:
    """What *path* holds, bound to *algorithm* and *kid* where the file does not say.

    Raises `ConfigurationError` or `OSError`.
    """
    with path.open("rb") as file:
        raw = file.read(_LONGEST_FILE)
    text = raw.strip()
    if not text:
        raise ConfigurationError(f"{path} is empty")
    if text.startswith(b"{"):
        if kid is not None:
            raise ConfigurationError(f"{path} says its key ids itself: leave out --kid")
        return _from_json(text, path, algorithm)
    if plain_pem(text) is not None:
        return Key.from_pem(text, algorithm=algorithm, kid=kid)
    return Key.from_secret(text, algorithm=algorithm or "HS256", kid=kid)


def _from_json(text: bytes, path: Path, algorithm: str | None) -> Key | KeySet:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{path} begins like a JWK but is not valid JSON") from None
    if "keys" in document:
        return KeySet.from_jwks(document, algorithms=None if algorithm is None else [algorithm])
    return Key.from_jwk(document, algorithm=algorithm)

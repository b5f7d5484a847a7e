"""The endpoint that publishes public keys (RFC 7517 section 5): a method and its validators in, a response out.

The same lifetime tells clients how long to cache the keys, and the key ring how early to publish a new one. No response
contains a private member or a secret.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, final

from gatepass.common.limits import MAX_JWKS_CACHE_TTL
from gatepass.common.settings import seconds
from gatepass.errors import ConfigurationError, KeysUnavailable
from gatepass.http.response import Response
from gatepass.jose.compact import encode_base64url
from gatepass.keyring.ring import KeyRing
from gatepass.keys import Key, KeySet
from gatepass.keys.key_set import key_set

__all__ = ["JWKSEndpoint"]

_DEFAULT_TTL: Final = timedelta(minutes=5)
_TAG: Final = r'(?:W/)?"[!#-~\x80-\xff]*"'
_TAGS: Final = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_OPAQUE: Final = re.compile(r'"[^"]*"')


@final
class JWKSEndpoint:
    """Publishes *keys*, a `KeyRing` or fixed keys. Raises `ConfigurationError` if a secret is among them.

    *cache_ttl* (seconds or timedelta, 5 minutes unless given) is how long other services may cache fixed keys;
    a key ring has its own. `answer` may read a file: an event loop calls it in a worker thread.
    """

    __slots__ = ("_cache_control", "_document", "_keys", "_ring")

    def __init__(
        self, keys: KeyRing | Key | KeySet | Iterable[Key], *, cache_ttl: float | timedelta | None = None
    ) -> None:
        if isinstance(keys, KeyRing):
            if cache_ttl is not None:
                raise ConfigurationError("a key ring has its own cache_ttl=: give it to the KeyRing")
            self._ring: KeyRing | None = keys
            lifetime, self._keys = keys.cache_ttl.total_seconds(), keys.current()
        else:
            self._ring = None
            given = _DEFAULT_TTL if cache_ttl is None else cache_ttl
            lifetime, self._keys = seconds(given, "cache_ttl", minimum=0, maximum=MAX_JWKS_CACHE_TTL), key_set(keys)
        self._cache_control = ("Cache-Control", f"public, max-age={int(lifetime)}")
        self._document = self._serialize(self._keys)

    def answer(self, method: str, *, if_none_match: Sequence[str] = ()) -> Response:
        """Return the response to *method*; *if_none_match* holds the lines of `If-None-Match`, as received."""
        if method not in ("GET", "HEAD"):
            return _refusal(405, ("Allow", "GET, HEAD"))
        try:
            keys = self._keys if self._ring is None else self._ring.current()
        except KeysUnavailable as error:
            return _refusal(error.status, ("Retry-After", str(error.retry_after)))
        document = self._document
        if document[0] is not keys:
            document = self._document = self._serialize(keys)
        _, tag, body = document
        validators = (("ETag", tag), self._cache_control)
        if _matches(if_none_match, tag):
            return Response(304, validators, b"")
        content = (("Content-Type", "application/jwk-set+json"), ("Content-Length", str(len(body))))
        return Response(200, (*validators, *content), b"" if method == "HEAD" else body)

    def _serialize(self, keys: KeySet) -> tuple[KeySet, str, bytes]:
        """Return *keys*, their document, and a strong `ETag` of the document and its `Cache-Control`."""
        body = json.dumps(keys.to_jwks(), separators=(",", ":")).encode()
        digest = hashlib.sha256(self._cache_control[1].encode() + b"\n" + body).digest()
        return keys, f'"{encode_base64url(digest).decode()}"', body


def _matches(lines: Sequence[str], tag: str) -> bool:
    """Compare weakly (RFC 9110 section 13.1.2); a value that is not a list of entity tags does not match."""
    value = ",".join(lines)
    if value.strip(" \t") == "*":
        return True
    return _TAGS.fullmatch(value) is not None and tag in _OPAQUE.findall(value)


def _refusal(status: int, header: tuple[str, str]) -> Response:
    return Response(status, (header, ("Cache-Control", "no-store"), ("Content-Length", "0")), b"")

"""Documents from a server that may be hostile, slow or broken: the GET request, the response's freshness, its keys.

Uses https only, identity encoding, and no proxy or password from the environment. Follows no redirect and keeps no
cookie. Limits the bytes and the keys of a document. Ignores foreign, malformed, secret and private entries of a key set
one by one. Every failure is a `FetchError` with a cause from a fixed list and without text from the server.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, final
from urllib.parse import urlsplit

from gatepass.common.allow import Allowed, is_loopback
from gatepass.common.settings import extra_hint, wrong_module
from gatepass.common.texts import MAX_HEADER_NUMBER, header_number
from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.strict_json import parse_object
from gatepass.keys import KeySet
from gatepass.keys.algorithms import load_pyjwt
from gatepass.keys.jwk import is_private_jwk

__all__ = [
    "Connection",
    "Document",
    "FetchError",
    "HttpClient",
    "Transport",
    "fetchable",
    "fingerprint",
    "freshness_lifetime",
    "read_key_set",
]

if TYPE_CHECKING:
    import ssl

    import httpx


Cause: TypeAlias = Literal[
    "unreachable", "untrusted_certificate", "expired_certificate", "wrong_host_name", "tls_failed", "timeout", "status",
    "redirect", "too_large", "encoded", "truncated", "not_json", "not_a_key_set", "too_many_keys", "no_usable_key",
    "no_metadata", "issuer_mismatch", "insecure_jwks_uri", "foreign_jwks_uri", "unexpected",
]  # fmt: skip
Transport: TypeAlias = "Callable[[], httpx.AsyncBaseTransport]"

_MAX_BYTES: Final = 256 * 1024
"""The maximum for a document, which is held in memory. A hundred RSA keys with a certificate each are smaller."""
_MAX_KEYS: Final = 100
"""The maximum for a document: each key costs a check. Providers publish a few."""
_logger = logging.getLogger("gatepass.jwks")
_URL: Final = re.compile(
    r"https?://[A-Za-z0-9\-._~:\[\]%]+(?:/[A-Za-z0-9\-._~:/@!$&'()*+,;=%]*)?(?:\?[A-Za-z0-9\-._~:/?@!$&'()*+,;=%]*)?"
)
# Verification errors of OpenSSL: CERT_NOT_YET_VALID and CERT_HAS_EXPIRED, HOSTNAME_MISMATCH and IP_ADDRESS_MISMATCH.
_CERTIFICATES: Final[Mapping[int, Cause]] = {
    9: "expired_certificate", 10: "expired_certificate", 62: "wrong_host_name", 64: "wrong_host_name",
}  # fmt: skip
_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{1,200}"')


class FetchError(Exception):
    """A failed fetch: its *cause*, and the *status* code of a response with an unexpected one."""

    def __init__(self, cause: Cause, status: int | None = None) -> None:
        super().__init__(cause)
        self.cause: Cause = cause
        self.status: int | None = status


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a response. *body* is None if the server responded that the document has not changed."""

    body: bytes | None
    etag: str | None
    fresh_for: float | None


class Connection(NamedTuple):
    """The transport of one fetch, and the headers of its requests."""

    transport: httpx.AsyncBaseTransport
    headers: Mapping[str, str]


@final
class HttpClient:
    """An HTTP client for documents. The constructor loads the library and the trusted certificates, once, at start-up.

    *transport* returns a new `httpx` transport for each fetch, for a proxy or a private CA.
    """

    __slots__ = ("_headers", "_httpx", "_timeout", "_transport")

    def __init__(self, transport: Transport | None, *, timeout: float) -> None:
        self._httpx = _client_library()
        load_pyjwt()  # parses the keys: refuse to start if it is missing or is another library
        if transport is not None and not callable(transport):
            raise ConfigurationError("transport= must be a function that returns an httpx.AsyncBaseTransport")
        self._transport = transport or self._default_transport()
        # Shorter than the fetch: httpx closes its socket on its own timeout, but not if it is cancelled in a handshake.
        self._timeout = self._httpx.Timeout(timeout * 0.95).as_dict()
        self._headers = {
            "Accept": "application/jwk-set+json, application/json",
            "Accept-Encoding": "identity",
            "Connection": "keep-alive",
            "User-Agent": "gatepass",
        }

    def _default_transport(self) -> Transport:
        context, library = _trusted_certificates(), self._httpx

        def transport() -> httpx.AsyncBaseTransport:
            made: httpx.AsyncBaseTransport = library.AsyncHTTPTransport(verify=context, trust_env=False)
            return made

        transport()  # the first transport imports more modules, which should happen at start-up too
        return transport

    @contextlib.asynccontextmanager
    async def connection(self, headers: Mapping[str, str]) -> AsyncGenerator[Connection, None]:
        """Open the connection of one fetch, which sends *headers* with each request."""
        # No httpx.AsyncClient: it logs URLs with their query, and keeps cookies.
        async with self._transport() as transport:
            yield Connection(transport, {**self._headers, **headers})

    async def get(self, connection: Connection, url: str, *, etag: str | None = None) -> Document:
        """Return the document at *url*. Raises `FetchError`."""
        conditional = {} if etag is None else {"If-None-Match": etag}
        try:
            request = self._httpx.Request(
                "GET", url, headers={**connection.headers, **conditional}, extensions={"timeout": self._timeout}
            )
            response = await connection.transport.handle_async_request(request)
            try:
                return await self._document(response, conditional=bool(conditional))
            finally:
                await response.aclose()
        except self._httpx.RemoteProtocolError:
            raise FetchError("truncated") from None
        except (self._httpx.TimeoutException, TimeoutError):
            raise FetchError("timeout") from None
        except (self._httpx.HTTPError, self._httpx.InvalidURL, OSError) as error:
            raise FetchError(_connection_cause(error)) from None

    async def _document(self, response: httpx.Response, *, conditional: bool) -> Document:
        headers = response.headers
        fresh_for = freshness_lifetime(headers.get("cache-control", ""), headers.get("age", ""))
        etag = headers.get("etag", "")
        valid_etag = etag if _ETAG.fullmatch(etag) else None
        if conditional and response.status_code == 304:
            return Document(None, valid_etag, fresh_for)
        if 300 <= response.status_code < 400 and response.status_code != 304:
            raise FetchError("redirect", response.status_code)
        if response.status_code != 200:
            raise FetchError("status", response.status_code)
        if headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            raise FetchError("encoded")
        body = bytearray()
        async for chunk in response.aiter_bytes():  # not aiter_raw, which a mock transport has already consumed
            body += chunk
            if len(body) > _MAX_BYTES:
                raise FetchError("too_large")
        return Document(bytes(body), valid_etag, fresh_for)


def fetchable(url: str, allow: Allowed) -> bool:
    """Return whether *url* may be fetched: https, a host, no user, no fragment; or http to loopback, if allowed."""
    if not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - a port that is not a number raises here
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (allow.http_on_loopback and is_loopback(parts.hostname))


def read_key_set(body: bytes, *, algorithms: Iterable[str] | None) -> KeySet:
    """Return the usable keys in *body* (RFC 7517 section 5). Raises `FetchError`."""
    try:
        document = parse_object(body)
    except MalformedToken:
        raise FetchError("not_json") from None
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise FetchError("not_a_key_set")
    if len(entries) > _MAX_KEYS:  # pyright: ignore[reportUnknownArgumentType]
        raise FetchError("too_many_keys")
    leaked = sum(isinstance(entry, dict) and is_private_jwk(entry) for entry in entries)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if leaked:
        _logger.error("a key server publishes %d private or secret keys, now ignored: inform its operator", leaked)
    try:
        return KeySet.from_jwks(document, algorithms=algorithms)
    except ConfigurationError:
        raise FetchError("no_usable_key") from None


def fingerprint(keys: KeySet | None) -> frozenset[tuple[str | None, str, str]]:
    """Return what identifies a key set: each key's kid, algorithm and RFC 7638 thumbprint."""
    return frozenset((key.kid, key.algorithm, key.thumbprint()) for key in keys or ())


def freshness_lifetime(cache_control: str, age: str) -> float | None:
    """Return the seconds that `Cache-Control` and `Age` state (RFC 9111 section 4.2), or None if they state none.

    A value that forbids caching, contradicts itself or is not a number counts as 0: the caller applies a lower bound.

    >>> freshness_lifetime("public, max-age=300", "60")
    240.0
    """
    directives = [directive.strip().lower().partition("=") for directive in cache_control.split(",")]
    names = {name for name, _, _ in directives}
    if names & {"no-store", "no-cache"}:
        return 0.0
    ages = {header_number(value.strip('"')) for name, _, value in directives if name == "max-age"}
    if not ages:
        return None
    stated = ages.pop()
    if ages or stated is None or stated == MAX_HEADER_NUMBER:
        return 0.0
    spent = header_number(age.partition(",")[0].strip()) or 0  # the first of several (RFC 9111 section 5.1)
    return max(0.0, float(stated - spent))


@cache
def _trusted_certificates() -> ssl.SSLContext:
    """Load the certificates of this machine once for all clients, at start-up: that takes tens of milliseconds."""
    import ssl  # noqa: PLC0415 - loaded by services that fetch

    return ssl.create_default_context()


def _client_library() -> Any:
    try:
        library = importlib.import_module("httpx")
    except ImportError:
        raise ConfigurationError(
            f"fetching keys needs an HTTP client: {extra_hint('jwks')}, or give a Key or KeySet as keys="
        ) from None
    if not hasattr(library, "AsyncHTTPTransport"):
        raise ConfigurationError(f"{wrong_module(library)}: rename or remove it, then {extra_hint('jwks')}")
    return library


def _connection_cause(error: BaseException | None) -> Cause:
    """Return why no connection was made. The HTTP library wraps the TLS error, which is the most specific one."""
    import ssl  # noqa: PLC0415 - loaded by services that fetch

    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATES.get(error.verify_code, "untrusted_certificate")
    return "unreachable" if error is None else "tls_failed"

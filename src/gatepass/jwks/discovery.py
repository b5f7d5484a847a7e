"""The location of an issuer's key set: a configured URL, or the `jwks_uri` of the issuer's own metadata.

Metadata (RFC 8414, OpenID Connect Discovery) counts only if its `issuer` is the configured one to the character. No
issuer is taken from a token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol, final
from urllib.parse import urlsplit, urlunsplit

from gatepass.common.allow import Allow, Allowed, allowed
from gatepass.common.limits import DAY
from gatepass.common.settings import https_url, strings
from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.strict_json import parse_object
from gatepass.jwks.http import Document, FetchError, fetchable

__all__ = ["FixedLocation", "IssuerMetadata", "JWKSLocation", "metadata_urls"]

_FRESH_FOR: Final = 3_600.0
"""Seconds: an issuer rarely moves its keys, and a failed fetch of keys asks for the metadata at once."""
_USABLE_FOR: Final = DAY
"""Seconds: an outage of the metadata alone does not stop fetches of keys."""

Get = Callable[[str], Awaitable[Document]]


class JWKSLocation(Protocol):
    """Knows a key set's URL, or how to ask for it."""

    name: str
    """What events, logs and reprs call it."""

    async def resolve(self, get: Get, now: float, *, time_limit: float) -> str:
        """The URL. Raises `FetchError`. *time_limit*: seconds to ask for a new answer while an old one is usable."""
        ...

    def invalidate(self, now: float) -> bool:
        """Report at *now* that no keys came from the URL. True if the next `resolve` may give another one."""
        ...


@final
class FixedLocation:
    """A configured `jwks_uri`. Raises `ConfigurationError` for a URL that must not be fetched.

    Its query may hold a password, so *name*, which is logged, is without it.
    """

    __slots__ = ("_url", "name")

    def __init__(self, jwks_uri: str, allow: Allowed) -> None:
        if not isinstance(jwks_uri, str) or not fetchable(jwks_uri, allow):
            raise ConfigurationError(
                "jwks_uri must be an https URL such as https://auth.example.com/jwks.json; "
                "for a server on this machine say allow=HTTP_ON_LOOPBACK"
            )
        self._url = jwks_uri
        self.name: str = jwks_uri.partition("?")[0]

    async def resolve(self, get: Get, now: float, *, time_limit: float) -> str:  # noqa: ARG002 - the protocol's
        return self._url

    def invalidate(self, now: float) -> bool:  # noqa: ARG002 - the same
        return False


@final
class IssuerMetadata:
    """The `jwks_uri` in the issuer's metadata, fetched anew each hour and whenever no keys came from it, and usable for
    a day while that fails.

    It must have the issuer's own origin or one of *jwks_origins*, such as `https://keys.example.com`, so that changed
    metadata cannot lead elsewhere. *allow*: `HTTP_ON_LOOPBACK` for development. Raises `ConfigurationError`.
    """

    __slots__ = ("_allow", "_asked_at", "_fetched_at", "_invalidated", "_jwks_uri", "_origins", "_urls", "name")

    def __init__(self, issuer: str, *, jwks_origins: str | Iterable[str] = (), allow: Allow = ()) -> None:
        self._allow = allowed(allow)
        self.name: str = https_url(issuer, "issuer", self._allow)
        others = (_checked_origin(origin, self._allow) for origin in strings(jwks_origins, "jwks_origins"))
        self._origins = frozenset((_origin(issuer), *others))
        self._urls = metadata_urls(issuer)
        self._jwks_uri: str | None = None
        self._asked_at = self._fetched_at = 0.0
        self._invalidated = False

    async def resolve(self, get: Get, now: float, *, time_limit: float) -> str:
        """The URL, asked by *get* if the last answer is old; *now*, *time_limit*: seconds. Raises `FetchError`."""
        import asyncio  # noqa: PLC0415 - loaded by services that fetch

        if self._jwks_uri is not None and now - self._fetched_at < _FRESH_FOR and not self._invalidated:
            return self._jwks_uri
        self._asked_at = now
        try:
            async with asyncio.timeout(None if self._jwks_uri is None else time_limit):
                self._jwks_uri = await self._fetch(get)
        except (FetchError, TimeoutError):
            if self._jwks_uri is None or now - self._fetched_at >= _USABLE_FOR:
                raise
        else:
            self._fetched_at, self._invalidated = now, False
        return self._jwks_uri

    def invalidate(self, now: float) -> bool:
        """Make the next `resolve` fetch the metadata: the issuer may have moved its keys."""
        self._invalidated = True
        return self._asked_at < now

    async def _fetch(self, get: Get) -> str:
        failure = FetchError("no_metadata")
        for url in self._urls:
            try:
                jwks_uri = self._parse(await get(url))
            except FetchError as error:
                # The first URL is that of RFC 8414, so its failure says most, unless it is "not here".
                failure = error if failure.cause in ("no_metadata", "status") else failure
                if error.cause == "timeout":  # it left the others no time: ask it last from now on
                    self._urls = (*(other for other in self._urls if other != url), url)
            else:
                self._urls = (url, *(other for other in self._urls if other != url))
                return jwks_uri
        raise failure

    def _parse(self, document: Document) -> str:
        try:
            metadata = parse_object(document.body or b"")
        except MalformedToken:
            raise FetchError("not_json") from None
        if metadata.get("issuer") != self.name:
            raise FetchError("issuer_mismatch")
        jwks_uri = metadata.get("jwks_uri")
        if not isinstance(jwks_uri, str) or not fetchable(jwks_uri, self._allow):
            raise FetchError("insecure_jwks_uri")
        if _origin(jwks_uri) not in self._origins:
            raise FetchError("foreign_jwks_uri")
        return jwks_uri


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """The URLs to try, in order (RFC 8414 sections 3.1 and 5, OpenID Connect Discovery section 4.1).

    >>> metadata_urls("https://auth.example/tenant")[0]
    'https://auth.example/.well-known/oauth-authorization-server/tenant'
    """
    parts = urlsplit(issuer)
    path = parts.path.removesuffix("/")
    places = [
        f"/.well-known/oauth-authorization-server{path}",
        f"/.well-known/openid-configuration{path}",
        f"{path}/.well-known/openid-configuration",
    ]
    return tuple(urlunsplit((parts.scheme, parts.netloc, place, "", "")) for place in dict.fromkeys(places))


def _origin(url: str) -> str:
    """Scheme, host and port (RFC 6454 section 4), in one spelling."""
    parts = urlsplit(url)
    port = {"https": 443, "http": 80}[parts.scheme] if parts.port is None else parts.port
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _checked_origin(origin: str, allow: Allowed) -> str:
    if urlsplit(https_url(origin, "jwks_origins", allow)).path:
        raise ConfigurationError("jwks_origins= takes origins such as https://keys.example.com, without a path")
    return _origin(origin)

"""The location of an issuer's key set: a configured URL, or the `jwks_uri` in the issuer's metadata.

Rejects metadata (RFC 8414, OpenID Connect Discovery) whose `issuer` differs from the configured one in any character.
The issuer is never taken from a token.
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
"""Seconds: an issuer rarely moves its keys, and after a failed fetch of keys the metadata is fetched at once."""
_USABLE_FOR: Final = DAY
"""Seconds: an outage of the metadata endpoint alone does not stop fetches of keys."""

Get = Callable[[str], Awaitable[Document]]


class JWKSLocation(Protocol):
    """The location of a key set, as a URL or as a method to find the URL."""

    name: str
    """The name in events, logs and reprs."""

    async def resolve(self, get: Get, now: float, *, time_limit: float) -> str:
        """Return the URL. *time_limit*: seconds to fetch new metadata while an old URL is usable.

        Raises `FetchError`.
        """
        ...

    def invalidate(self, now: float) -> bool:
        """Record at *now* that the URL brought no keys. Return True if the next `resolve` may return another URL."""
        ...


@final
class FixedLocation:
    """A configured `jwks_uri`. Raises `ConfigurationError` for a URL that must not be fetched.

    *name*, which is logged, omits the query, because the query may hold a password.
    """

    __slots__ = ("_url", "name")

    def __init__(self, jwks_uri: str, allow: Allowed) -> None:
        if not isinstance(jwks_uri, str) or not fetchable(jwks_uri, allow):
            raise ConfigurationError(
                "jwks_uri= must be an https URL such as https://auth.example.com/jwks.json: "
                "for development on this machine use allow=HTTP_ON_LOOPBACK"
            )
        self._url = jwks_uri
        self.name: str = jwks_uri.partition("?")[0]

    async def resolve(self, get: Get, now: float, *, time_limit: float) -> str:  # noqa: ARG002 - the protocol's signature
        return self._url

    def invalidate(self, now: float) -> bool:  # noqa: ARG002 - the same
        return False


@final
class IssuerMetadata:
    """The `jwks_uri` in the issuer's metadata. The metadata is fetched again each hour and whenever the URL brings no
    keys; while that fails, the last `jwks_uri` is used for up to a day.

    The `jwks_uri` must have the issuer's origin or one of *jwks_origins*, such as `https://keys.example.com`, so that
    changed metadata cannot point to another host. *allow*: `HTTP_ON_LOOPBACK` for development. Raises
    `ConfigurationError`.
    """

    __slots__ = ("_allow", "_fetched_at", "_invalidated", "_jwks_uri", "_origins", "_requested_at", "_urls", "name")

    def __init__(self, issuer: str, *, jwks_origins: str | Iterable[str] = (), allow: Allow = ()) -> None:
        self._allow = allowed(allow)
        self.name: str = https_url(issuer, "issuer", self._allow)
        others = (_checked_origin(origin, self._allow) for origin in strings(jwks_origins, "jwks_origins"))
        self._origins = frozenset((_origin(issuer), *others))
        self._urls = metadata_urls(issuer)
        self._jwks_uri: str | None = None
        self._requested_at = self._fetched_at = 0.0
        self._invalidated = False

    async def resolve(self, get: Get, now: float, *, time_limit: float) -> str:
        """Return the URL; first fetch the metadata with *get* if it is old. Times are seconds. Raises `FetchError`."""
        import asyncio  # noqa: PLC0415 - loaded by services that fetch

        if self._jwks_uri is not None and now - self._fetched_at < _FRESH_FOR and not self._invalidated:
            return self._jwks_uri
        self._requested_at = now
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
        return self._requested_at < now

    async def _fetch(self, get: Get) -> str:
        failure = FetchError("no_metadata")
        for url in self._urls:
            try:
                jwks_uri = self._parse(await get(url))
            except FetchError as error:
                # Report the failure of the first URL, which is RFC 8414's, unless it was an unexpected status.
                failure = error if failure.cause in ("no_metadata", "status") else failure
                if error.cause == "timeout":  # it left no time for the others: try it last from now on
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
    """Return the URLs to try, in order (RFC 8414 sections 3.1 and 5, OpenID Connect Discovery section 4.1).

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
    """Return scheme, host and port (RFC 6454 section 4) in normalized form."""
    parts = urlsplit(url)
    port = {"https": 443, "http": 80}[parts.scheme] if parts.port is None else parts.port
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _checked_origin(origin: str, allow: Allowed) -> str:
    if urlsplit(https_url(origin, "jwks_origins", allow)).path:
        raise ConfigurationError("jwks_origins= takes origins such as https://keys.example.com, without a path")
    return _origin(origin)

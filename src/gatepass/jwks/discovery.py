"""Where an issuer's key set is: an address that was configured, or the `jwks_uri` of the issuer's own metadata.

Metadata (RFC 8414, OpenID Connect Discovery) counts only if its `issuer` is ours to the character; an issuer is never
learnt from a token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, final
from urllib.parse import urlsplit, urlunsplit

from gatepass.common.allow import Allow, Allowed, allowed
from gatepass.common.limits import DAY
from gatepass.common.settings import https_url, strings
from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.strict_json import parse_object
from gatepass.jwks.http import Document, FetchError, fetchable

__all__ = ["Address", "FixedAddress", "IssuerMetadata", "metadata_urls"]

_METADATA_FRESH = 3_600.0
_METADATA_USABLE = DAY

Get = Callable[[str], Awaitable[Document]]


class Address(Protocol):
    """Knows a key set's address, or how to ask for it."""

    name: str
    """By which events, logs and reprs speak of it."""

    async def resolve(self, get: Get, now: float, *, patience: float) -> str:
        """The address. Raises `FetchError`. *patience*: seconds for asking where an older answer would do."""
        ...

    def doubt(self, now: float) -> bool:
        """No keys came from the address: whether it was an old answer, and asking at *now* could bring another."""
        ...


@final
class FixedAddress:
    """A `jwks_uri` from the configuration. Raises `ConfigurationError` for what must not be fetched.

    Its query may be a password of a kind, so *name*, which is logged, is without.
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

    async def resolve(self, get: Get, now: float, *, patience: float) -> str:  # noqa: ARG002 - the shape of an Address
        return self._url

    def doubt(self, now: float) -> bool:  # noqa: ARG002 - the same
        return False


@final
class IssuerMetadata:
    """The `jwks_uri` that the issuer's metadata names: asked anew each hour and whenever no keys came from there, good
    for a day if asking fails.

    It must have the issuer's own origin or one of *jwks_origins*, such as `https://keys.example.com`: whoever changes
    the metadata cannot send us elsewhere. *allow*: `HTTP_ON_LOOPBACK` for development.
    Raises `ConfigurationError`.
    """

    __slots__ = ("_allow", "_answered_at", "_asked_at", "_doubted", "_jwks_uri", "_origins", "_urls", "name")

    def __init__(self, issuer: str, *, jwks_origins: str | Iterable[str] = (), allow: Allow = ()) -> None:
        self._allow = allowed(allow)
        self.name: str = https_url(issuer, "issuer", self._allow)
        self._origins: frozenset[str] = frozenset(
            (
                _origin(issuer),
                *(_named(origin, self._allow) for origin in strings(jwks_origins, "jwks_origins")),
            )
        )
        self._urls = metadata_urls(issuer)
        self._jwks_uri: str | None = None
        self._asked_at = self._answered_at = 0.0
        self._doubted = False

    async def resolve(self, get: Get, now: float, *, patience: float) -> str:
        """The address, asked by *get* if the last answer is old; *now*, *patience*: seconds. Raises `FetchError`."""
        import asyncio  # noqa: PLC0415 - whoever never fetches never pays for it

        if self._jwks_uri is not None and now - self._answered_at < _METADATA_FRESH and not self._doubted:
            return self._jwks_uri
        self._asked_at = now
        try:
            async with asyncio.timeout(None if self._jwks_uri is None else patience):
                self._jwks_uri = await self._ask(get)
        except (FetchError, TimeoutError):
            if self._jwks_uri is None or now - self._answered_at >= _METADATA_USABLE:
                raise
        else:
            self._answered_at, self._doubted = now, False
        return self._jwks_uri

    def doubt(self, now: float) -> bool:
        """The issuer may have moved its keys: the next `resolve` asks where they are."""
        self._doubted = True
        return self._asked_at < now

    async def _ask(self, get: Get) -> str:
        failure = FetchError("no_metadata")
        for url in self._urls:
            try:
                jwks_uri = self._read(await get(url))
            except FetchError as error:
                # The first place is where RFC 8414 puts it; what went wrong there says most, but for "not here".
                failure = error if failure.cause in ("no_metadata", "status") else failure
                if error.cause == "timeout":  # it took the others' time: the next time it comes last
                    self._urls = (*(other for other in self._urls if other != url), url)
            else:
                self._urls = (url, *(other for other in self._urls if other != url))
                return jwks_uri
        raise failure

    def _read(self, document: Document) -> str:
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


def _origin(url: str) -> str:
    """Scheme, host and port (RFC 6454 section 4), in one spelling."""
    parts = urlsplit(url)
    port = {"https": 443, "http": 80}[parts.scheme] if parts.port is None else parts.port
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _named(origin: str, allow: Allowed) -> str:
    if urlsplit(https_url(origin, "jwks_origins", allow)).path:
        raise ConfigurationError("jwks_origins= takes origins such as https://keys.example.com, without a path")
    return _origin(origin)


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where to look, in order (RFC 8414 sections 3.1 and 5, OpenID Connect Discovery section 4.1).

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

"""The resource server: turns credentials into an `AccessToken`, and an `AuthError` into an HTTP response.

Every adapter calls these methods, so a new check here applies to all frameworks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Unpack, final

from gatepass.common.allow import Allow
from gatepass.common.event_loop import RunBlocking
from gatepass.common.settings import require_instance
from gatepass.errors import AuthError, AuthUnavailable, ConfigurationError, MissingCredentials
from gatepass.http.access import AccessLevel
from gatepass.http.challenge import Challenge
from gatepass.http.cookies import BrowserRequest, CookieTransport
from gatepass.http.extractor import TokenExtractor
from gatepass.http.https import FORWARDING_HEADERS, HTTPSMode, HTTPSRule
from gatepass.http.requirement import Requirement, Rules, ScopeHierarchy
from gatepass.http.response import Caching, ErrorFormat, Response, ResponseTable, caching_for
from gatepass.tokens.access_token import AccessToken
from gatepass.tokens.verifier import TokenVerifier
from gatepass.tokens.verifiers import Verifiers

__all__ = ["Identity", "ResourceServer"]

_logger = logging.getLogger("gatepass")


@final
class ResourceServer:
    """One protected service: which tokens it accepts, and how it responds to refused requests.

    *verifiers*: one `TokenVerifier`, or several with different issuers, selected by the exact `iss`.
    *realm* and *resource_metadata* (an https URL, RFC 9728) go into every challenge, *challenge_scopes* into the one
    for requests without credentials; *extra_challenges* are challenges of other schemes that the service also accepts.
    *https*: `"require"` refuses a token that was sent over plain http, except from loopback; `"warn"` and `"off"` opt
    out (see `gatepass.http.https`). *implies*: which scopes include which.
    *cookies*: also accepts a token from the access cookie of a browser.
    *error_format*: `"problem"` (RFC 9457), `"oauth"` or `"empty"`; *problem_base*: the base URL of a problem's `type`.
    *malformed_status*: 401 replaces 400 in every response, for clients and proxies that cannot handle 400.
    *allow*: `HTTP_ON_LOOPBACK` accepts URLs on this machine, for development.

    Raises `ConfigurationError` when the settings contradict each other.

    >>> from gatepass import Key, TokenVerifier
    >>> verifier = TokenVerifier(issuer="https://auth.example", audience="https://api.example", keys=Key.generate())
    >>> server = ResourceServer(verifier)
    >>> try:
    ...     server.authenticate([])
    ... except AuthError as error:
    ...     server.respond(error).headers[0]
    ('WWW-Authenticate', 'Bearer realm="api"')
    """

    __slots__ = (
        "_extractor", "_hierarchy", "_https", "_responses", "_verifiers", "caching", "error_format", "may_block",
        "needs_event_loop", "sources",
    )  # fmt: skip

    forwarding_headers: Final = FORWARDING_HEADERS
    """Headers that proxies add, in lower case; adapters pass whether a request over plain http has any of them."""

    def __init__(
        self,
        verifiers: TokenVerifier | Iterable[TokenVerifier],
        *,
        realm: str = "api",
        resource_metadata: str | None = None,
        challenge_scopes: str | Iterable[str] = (),
        extra_challenges: Iterable[Challenge] = (),
        https: HTTPSMode = "require",
        implies: Mapping[str, str | Iterable[str]] | None = None,
        cookies: CookieTransport | None = None,
        error_format: ErrorFormat = "problem",
        problem_base: str | None = None,
        malformed_status: Literal[400, 401] = 400,
        allow: Allow = (),
    ) -> None:
        self._verifiers = Verifiers(verifiers)
        self._extractor = TokenExtractor(cookies)
        self.sources: frozenset[str] = self._extractor.names
        self.caching: Mapping[AccessLevel, Caching] = caching_for(self.sources)
        """The headers that an adapter adds to the application's own responses, by access level."""
        self._responses = ResponseTable(
            realm=realm,
            resource_metadata=resource_metadata,
            challenge_scopes=challenge_scopes,
            extra_challenges=extra_challenges,
            error_format=error_format,
            problem_base=problem_base,
            malformed_status=malformed_status,
            vary=self.caching["protected"].vary,
            allow=allow,
        )
        self.error_format: ErrorFormat = error_format
        self._https = HTTPSRule(https)
        self._hierarchy = ScopeHierarchy({} if implies is None else implies)
        hooks = self._verifiers.hooks
        self.may_block: bool = bool(hooks) or self._verifiers.may_wait
        """Whether `authenticate` may do I/O, so that an event loop must use `authenticate_async`."""
        self.needs_event_loop: bool = any(hook.is_async for hook in hooks)
        """Whether a hook is a coroutine function, so that only `authenticate_async` can work."""

    def authenticate(
        self,
        authorization: Sequence[str],
        *,
        url_scheme: str | None = None,
        peer: str | None = None,
        forwarded: bool = False,
        browser: BrowserRequest | None = None,
    ) -> AccessToken:
        """Return the verified token of a request, or raise an `AuthError`.

        *authorization*: the `Authorization` field lines as received. *url_scheme*: `"https"` or `"http"`, as the
        framework reports it; *peer*: the address of the peer; *forwarded*: whether the request has one of
        `forwarding_headers`. Adapters pass all three. Without url_scheme and peer the token came from elsewhere, such
        as a queue, and the rule of `https=` does not apply. *browser*: the parts of the request that the cookies need,
        where `"cookie"` is one of `sources`.
        """
        raw = self._extractor.token(authorization, browser)
        self._https.check(url_scheme, peer, forwarded=forwarded)
        return self._verifiers.verify(raw)

    async def authenticate_async(
        self,
        authorization: Sequence[str],
        *,
        run_blocking: RunBlocking,
        url_scheme: str | None = None,
        peer: str | None = None,
        forwarded: bool = False,
        browser: BrowserRequest | None = None,
    ) -> AccessToken:
        """Do what `authenticate` does, on an event loop: only calls that may block go through *run_blocking*."""
        raw = self._extractor.token(authorization, browser)
        self._https.check(url_scheme, peer, forwarded=forwarded)
        return await self._verifiers.verify_async(raw, run_blocking)

    def admit(
        self,
        level: AccessLevel,
        authorization: Sequence[str],
        *,
        url_scheme: str | None = None,
        peer: str | None = None,
        forwarded: bool = False,
        browser: BrowserRequest | None = None,
    ) -> AccessToken | None:
        """Authenticate for a route of this access *level*; return None if the request needs no token and has none."""
        if level == "public":
            return None
        try:
            return self.authenticate(
                authorization, url_scheme=url_scheme, peer=peer, forwarded=forwarded, browser=browser
            )
        except MissingCredentials:
            if level == "optional":
                return None
            raise

    async def admit_async(
        self,
        level: AccessLevel,
        authorization: Sequence[str],
        *,
        run_blocking: RunBlocking,
        url_scheme: str | None = None,
        peer: str | None = None,
        forwarded: bool = False,
        browser: BrowserRequest | None = None,
    ) -> AccessToken | None:
        """Do what `admit` does, on an event loop. Awaits nothing unless `may_block`."""
        if not self.may_block or level == "public":
            return self.admit(
                level, authorization, url_scheme=url_scheme, peer=peer, forwarded=forwarded, browser=browser
            )
        try:
            return await self.authenticate_async(
                authorization,
                run_blocking=run_blocking,
                url_scheme=url_scheme,
                peer=peer,
                forwarded=forwarded,
                browser=browser,
            )
        except MissingCredentials:
            if level == "optional":
                return None
            raise

    def authorize(self, token: AccessToken | None, **rules: Unpack[Rules]) -> None:
        """Raise an `AuthError` unless *token* meets *rules*, the keywords of `Requirement`."""
        self.enforce(token, Requirement(**rules))

    def enforce(self, token: AccessToken | None, requirement: Requirement) -> AccessToken:
        """Return *token* if it meets *requirement*. Raises an `AuthError`, also for None."""
        if token is None:
            raise MissingCredentials
        requirement.check(token, self._hierarchy)
        return token

    def seconds_left(self, token: AccessToken) -> float:
        """Return for how many seconds `authenticate` would still accept *token*. Connections may outlive a request.

        The clock and the leeway are those of its verifier; the result is negative after expiry.
        """
        return self._verifiers.seconds_left(token)

    def respond(self, error: AuthError, *, method: str = "GET") -> Response:
        """Return the HTTP response to *error*, and log one line with its `reason`."""
        level = logging.ERROR if isinstance(error, AuthUnavailable) else logging.INFO
        detail = f" {error.log_detail}" if error.log_detail else ""
        _logger.log(level, "refused: %s%s", error.reason, detail)
        return self._responses.answer(error, method=method)

    @staticmethod
    def is_preflight(method: str, *, origin: str | None, requested_method: str | None) -> bool:
        """Return whether this is a CORS preflight, to which browsers add no credentials (Fetch standard).

        *origin* and *requested_method* are the headers `Origin` and `Access-Control-Request-Method`.
        """
        return method == "OPTIONS" and bool(origin) and bool(requested_method)

    @staticmethod
    def expect(value: object) -> ResourceServer:
        """Return *value* if it is a `ResourceServer`; adapters call this at start-up. Raises `ConfigurationError`."""
        return require_instance(
            value, ResourceServer, "an adapter takes a ResourceServer; make one with ResourceServer(verifier)"
        )

    def require_sync(self) -> None:
        """Raise `ConfigurationError` if a hook is a coroutine function, for adapters without an event loop."""
        if self.needs_event_loop:
            raise ConfigurationError(
                "is_revoked= or check_subject= is a coroutine function, which a synchronous adapter cannot await; "
                "give a plain function"
            )


class Identity(NamedTuple):
    """The token of a request, if any, and the server that authenticated it. Adapters store it on the request."""

    server: ResourceServer
    token: AccessToken | None

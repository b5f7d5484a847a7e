"""The resource server: a request's credentials in, an `AccessToken` out; an `AuthError` in, an HTTP response out.

Every adapter calls these methods, so a new check reaches all frameworks from here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Unpack, final

from gatepass.common.allow import Allow
from gatepass.common.settings import require_instance
from gatepass.errors import AuthError, AuthUnavailable, ConfigurationError, MissingCredentials
from gatepass.http.access import AccessLevel
from gatepass.http.challenge import Challenge
from gatepass.http.cookies import BrowserRequest, CookieTransport
from gatepass.http.extractor import TokenExtractor
from gatepass.http.https import FORWARDING_HEADERS, HTTPSMode, HTTPSRule
from gatepass.http.requirement import Requirement, Rules, ScopeHierarchy
from gatepass.http.response import Caching, ErrorFormat, Response, ResponseTable, caching_for
from gatepass.keys.source import RunBlocking
from gatepass.tokens.access_token import AccessToken
from gatepass.tokens.verifier import TokenVerifier
from gatepass.tokens.verifiers import Verifiers

__all__ = ["Identity", "ResourceServer"]

_logger = logging.getLogger("gatepass")


@final
class ResourceServer:
    """One protected service: which tokens it accepts, and how it answers.

    *verifiers*: one `TokenVerifier`, or several with different issuers, told apart by the exact `iss`.
    *realm* and *resource_metadata* (an https URL, RFC 9728) go into every challenge, *challenge_scopes* into the one
    for requests without credentials; *extra_challenges* are challenges of other schemes that the service also takes.
    *https*: `"require"` refuses a token that came over plain http, but for loopback; `"warn"` or `"off"` are the named
    ways out (see `gatepass.http.https`). *implies*: which scopes include which.
    *cookies*: also takes a token from the access cookie of a browser.
    *error_format*: `"problem"` (RFC 9457), `"oauth"` or `"empty"`; *problem_base*: the base URL of a problem's `type`.
    *malformed_status*: 401 takes the place of 400 in every answer, for those who know no 400.
    *allow*: `HTTP_ON_LOOPBACK` takes URLs on this machine, for development.

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
        "_answers", "_extractor", "_hierarchy", "_https", "_verifiers", "caching", "error_format", "may_block",
        "needs_event_loop", "sources",
    )  # fmt: skip

    forwarding_headers: Final = FORWARDING_HEADERS
    """The names, in lower case, of what proxies add; adapters say whether a request over plain http has any."""

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
        self._answers = ResponseTable(
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
        """The verified token of a request, or an `AuthError`.

        *authorization*: the `Authorization` field lines as they came. *url_scheme*: `"https"` or `"http"`, as the
        framework reports it; *peer*: the peer's address; *forwarded*: whether one of `forwarding_headers` is there.
        Adapters give all three; without url_scheme and peer the token came by no connection, such as from a queue, and
        `https=` has nothing to judge. *browser*: what stands beside a cookie, where `"cookie"` is one of `sources`.
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
        """`authenticate` for an event loop: what may block goes through *run_blocking*, and only that."""
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
        """`authenticate` for a route with this access *level*; None where the request needs no token and has none."""
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
        """`admit` for an event loop. Without hooks nothing is awaited."""
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
        """Raise unless *token* meets *rules*, the keywords of `Requirement`."""
        self.enforce(token, Requirement(**rules))

    def enforce(self, token: AccessToken | None, requirement: Requirement) -> AccessToken:
        """The *token*, if it meets *requirement*. Raises an `AuthError`, also for None."""
        if token is None:
            raise MissingCredentials
        requirement.check(token, self._hierarchy)
        return token

    def seconds_left(self, token: AccessToken) -> float:
        """For how many seconds `authenticate` would still accept *token*, for connections that outlive a request.

        By the clock and the leeway of its verifier; negative after its end.
        """
        return self._verifiers.seconds_left(token)

    def respond(self, error: AuthError, *, method: str = "GET") -> Response:
        """The HTTP response to *error*, and one line in the log with its `reason`."""
        level = logging.ERROR if isinstance(error, AuthUnavailable) else logging.INFO
        detail = f" {error.log_detail}" if error.log_detail else ""
        _logger.log(level, "refused: %s%s", error.reason, detail)
        return self._answers.answer(error, method=method)

    @staticmethod
    def is_preflight(method: str, *, origin: str | None, requested_method: str | None) -> bool:
        """Whether this is a CORS preflight, to which browsers add no credentials (Fetch standard).

        *origin* and *requested_method* are the headers `Origin` and `Access-Control-Request-Method`.
        """
        return method == "OPTIONS" and bool(origin) and bool(requested_method)

    @staticmethod
    def expect(value: object) -> ResourceServer:
        """*value*, if it is a resource server; adapters ask when they are made. Raises `ConfigurationError`."""
        return require_instance(
            value, ResourceServer, "an adapter takes a ResourceServer; make one with ResourceServer(verifier)"
        )

    def require_sync(self) -> None:
        """For adapters without an event loop: raises `ConfigurationError` if a hook is a coroutine function."""
        if self.needs_event_loop:
            raise ConfigurationError(
                "is_revoked= or check_subject= is a coroutine function, which a synchronous adapter cannot await; "
                "give a plain function"
            )


class Identity(NamedTuple):
    """The token, if the request has one, and the server that judged the request: what an adapter keeps on it."""

    server: ResourceServer
    token: AccessToken | None

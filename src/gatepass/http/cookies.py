"""Tokens in the cookies of a browser's pages: opt-in, and never without a check of `Origin` for unsafe methods.

Browsers add a cookie to requests from any page, so a cookie does not show which page sent the request. Browsers also
send the page's origin, which a page cannot forge: it must equal one of the configured origins, character for character.
The cookies are `HttpOnly`, so that no script reads them, and named `__Host-`, so that no neighbour host can set one
(RFC 6265bis).

Parsers of the `Cookie` field differ in how they treat a repeated name or a comma; `cookie_token` refuses both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, final

from gatepass.common.allow import Allow, Allowed, allowed, is_loopback
from gatepass.common.settings import require_instance, strings
from gatepass.common.texts import plain
from gatepass.errors import ConfigurationError, MalformedCookie, MultipleTokens, UntrustedOrigin

__all__ = ["MAX_COOKIE_LENGTH", "BrowserRequest", "CookieTransport", "SameSite", "cookie_token"]

SameSite = Literal["strict", "lax"]

MAX_COOKIE_LENGTH: Final = 4_096
"""Octets of name and value together. Browsers drop a longer cookie silently."""

_MAX_FIELD_LENGTH: Final = 65_536
_TOKEN: Final = re.compile(r"[A-Za-z0-9._-]+")
_COMMA: Final = re.compile(r",[ \t]*")
_SAME_SITE: Final = {"strict": "Strict", "lax": "Lax"}
_NAME: Final = re.compile(r"__Host-[A-Za-z0-9._-]{1,64}")
_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?P<port>:[1-9][0-9]{0,4})?"
)
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))


@final
class CookieTransport:
    """The cookies of a browser session. `TokenEndpoints(cookies=)` sets them, `ResourceServer(cookies=)` reads one.

    *origins*: the origins of your own pages as browsers send them, such as `https://app.example.com`; other pages can
    use the cookies for safe requests only. *same_site*: `"strict"`, or `"lax"` so that users who follow a link from
    another site arrive signed in. *access_cookie* None leaves access tokens in the JSON response, for pages that send
    them in the header. *allow*: `HTTP_ON_LOOPBACK` accepts origins such as `http://localhost:5173`, for development;
    the cookies do not change.

    Raises `ConfigurationError` for settings that are weaker than they look.

    >>> CookieTransport(origins=["https://app.example.com"])
    <CookieTransport of https://app.example.com>
    """

    __slots__ = ("_origins", "_same_site", "access_cookie", "refresh_cookie")

    _origins: frozenset[str]
    _same_site: str
    access_cookie: str | None
    refresh_cookie: str

    def __init__(
        self,
        *,
        origins: str | Iterable[str],
        same_site: SameSite = "strict",
        access_cookie: str | None = "__Host-access",
        refresh_cookie: str = "__Host-refresh",
        allow: Allow = (),
    ) -> None:
        permitted = allowed(allow)
        if not isinstance(same_site, str) or same_site not in _SAME_SITE:
            raise ConfigurationError('same_site= must be "strict" or "lax": with None every site could use the cookies')
        own = frozenset(_origin(origin, permitted) for origin in strings(origins, "origins"))
        if not own:
            raise ConfigurationError("origins= is empty: name the origins of your pages, or no user could sign in")
        refresh = _host_name(refresh_cookie, "refresh_cookie")
        access = None if access_cookie is None else _host_name(access_cookie, "access_cookie")
        if access is not None and access.lower() == refresh.lower():
            raise ConfigurationError("access_cookie= and refresh_cookie= have the same name")
        for name, value in zip(self.__slots__, (own, _SAME_SITE[same_site], access, refresh), strict=True):
            object.__setattr__(self, name, value)

    def trusts(self, origin: str | None) -> bool:
        """Return whether *origin*, the value of `Origin`, is allowed: for the login route, which has no cookie yet."""
        return origin in self._origins

    def check_origin(self, request: BrowserRequest) -> None:
        """Raise `UntrustedOrigin` unless *request* has exactly one `Origin`, an allowed one."""
        if len(request.origin) != 1:
            raise UntrustedOrigin("several origins" if request.origin else "no origin")
        if not self.trusts(request.origin[0]):
            raise UntrustedOrigin("another origin")

    def access_token(self, request: BrowserRequest) -> str | None:
        """Return the access token in the cookie of *request*, or None.

        Raises `MultipleTokens`, `MalformedCookie`, and for an unsafe method or a handshake `UntrustedOrigin`.
        """
        found = None if self.access_cookie is None else cookie_token(request.cookie, self.access_cookie)
        if found is not None and not request.is_safe:
            self.check_origin(request)
        return found

    def refresh_token(self, request: BrowserRequest) -> str | None:
        """Return the refresh token in the cookie of *request*, or None. Checks the origin for every method."""
        found = cookie_token(request.cookie, self.refresh_cookie)
        if found is not None:
            self.check_origin(request)
        return found

    def set_cookie(self, name: str, value: str, *, max_age: int) -> tuple[str, str]:
        """Return the header pair that sets the cookie *name* for *max_age* seconds; 0 removes it.

        Raises `ValueError` for a token that browsers would drop.
        """
        if len(name) + len(value) > MAX_COOKIE_LENGTH:
            raise ValueError(
                f"browsers drop cookies of more than {MAX_COOKIE_LENGTH} octets; put fewer claims into this token"
            )
        # The attributes are sorted by name, as Django writes them.
        attributes = f"HttpOnly; Max-Age={max(max_age, 0)}; Path=/; SameSite={self._same_site}; Secure"
        return "Set-Cookie", f"{name}={value}; {attributes}"

    @staticmethod
    def expect(value: object) -> CookieTransport:
        """Return *value* if it is a `CookieTransport`. Raises `ConfigurationError`."""
        return require_instance(
            value, CookieTransport, 'cookies= takes a CookieTransport(origins=["https://app.example.com"])'
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a CookieTransport is immutable")

    def __repr__(self) -> str:
        return f"<CookieTransport of {', '.join(sorted(self._origins))}>"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserRequest:
    """The parts of a request that the cookie transport reads. Only the method shows in the repr.

    *method* is as received, None for a WebSocket handshake; *cookie*, *origin* and *upgrade* are the lines of these
    headers as received.
    """

    method: str | None
    cookie: tuple[str, ...] = field(default=(), repr=False)
    origin: tuple[str, ...] = field(default=(), repr=False)
    upgrade: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_safe(self) -> bool:
        """Whether the method is safe (RFC 9110 section 9.2.1). A WebSocket handshake counts as unsafe."""
        return self.method in _SAFE and not any("websocket" in line.lower() for line in self.upgrade)


def cookie_token(lines: Sequence[str], name: str) -> str | None:
    """Return the value of the cookie *name* in the `Cookie` lines of one request, as received, or None.

    An empty value counts as absent. Raises `MultipleTokens` and `MalformedCookie`.

    >>> cookie_token(["theme=dark; __Host-access=abc.def.ghi"], "__Host-access")
    'abc.def.ghi'
    """
    field = ";".join(lines)  # HTTP/2 may send each cookie on its own line (RFC 9113 section 8.2.3)
    if len(field) > _MAX_FIELD_LENGTH:
        raise MalformedCookie("the field is too long")
    if name not in field:
        return None
    pairs = [pair.lstrip(" \t").partition("=") for pair in field.split(";")]
    values = [value for found, equals, value in pairs if found == name and equals]
    # Some servers join two lines by a comma, and a neighbour host can put a comma into the value of its own cookie.
    after_commas = _COMMA.sub(",", field).count(f",{name}=")
    if len(values) + after_commas > 1:
        raise MultipleTokens("a repeated cookie")
    if after_commas:
        raise MalformedCookie("the cookie stands after a comma")
    if not values or not values[0]:
        return None
    if len(name) + len(values[0]) > MAX_COOKIE_LENGTH or not _TOKEN.fullmatch(values[0]):
        raise MalformedCookie("the value is no token")
    return values[0]


def _origin(value: str, allow: Allowed) -> str:
    found = _ORIGIN.fullmatch(value)
    secure = found is not None and found["scheme"] == "https"
    local = found is not None and not secure and is_loopback(found["host"].strip("[]"))
    if found is None or found["port"] == (":443" if secure else ":80") or not (secure or local):
        raise ConfigurationError(
            "origins= takes https origins as browsers send them, such as https://app.example.com: lower case, no path, "
            "no slash at the end, no :443"
        )
    if local and not allow.http_on_loopback:
        raise ConfigurationError("origins= takes http from this machine only with allow=HTTP_ON_LOOPBACK (development)")
    return value


def _host_name(value: str, name: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ConfigurationError(f'{name}= must begin with "__Host-": other names can be set by neighbour hosts')
    return plain(value)

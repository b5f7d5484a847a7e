"""The rule for tokens that were sent over plain http (RFC 6750 section 5.3, RFC 6749 section 3.2).

`require` refuses the request before the token is verified, `warn` logs once, `off` leaves the check to the proxy. A
loopback peer is exempt unless the request has one of the headers in `ResourceServer.forwarding_headers`, because its
client may be on another machine. An unknown peer, such as a unix socket's, is not exempt.

The rule detects misconfiguration. It does not protect a token from an attacker on the network, who has already read it.
"""

from __future__ import annotations

import ipaddress
import logging
import sys
from typing import Final, Literal, final

from gatepass.errors import ConfigurationError, InsecureTransport

__all__ = ["FORWARDING_HEADERS", "HTTPSMode", "HTTPSRule"]

HTTPSMode = Literal["require", "warn", "off"]

FORWARDING_HEADERS: Final = frozenset(("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"))
"""Headers that proxies add to forwarded requests, in lower case."""

_SECURE_SCHEMES: Final = frozenset(("https", "wss"))
# "testclient" is the peer name that Starlette's test client reports; a server reports addresses.
_LOOPBACK: Final = frozenset(("127.0.0.1", "::1", "testclient"))
_logger = logging.getLogger("gatepass")

_EVENT: Final = "a token was sent over plain http"
_MESSAGE: Final = (
    "%s. Without a proxy, serve https. Behind a proxy that terminates TLS, let it send X-Forwarded-Proto (in nginx: "
    "proxy_set_header X-Forwarded-Proto $scheme), and let this program trust it: %s. If the proxy enforces "
    'https itself, or for development across machines, give https="off" or "warn" to ResourceServer and to '
    'TokenEndpoints, in Django as GATEPASS["HTTPS"]. See docs/https.md'
)
# Hints by loaded adapter; where the server sets the scheme, by loaded server.
_ADAPTERS: Final = {
    "gatepass_flask": (
        "in Flask, as the last assignment, around AccessTokenMiddleware: "
        "app.wsgi_app = werkzeug.middleware.proxy_fix.ProxyFix(app.wsgi_app, x_proto=1)"
    ),
    "gatepass_django": 'in Django, SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")',
}
_SERVERS: Final = {
    "uvicorn": (
        "for uvicorn and its gunicorn workers, --forwarded-allow-ips=ADDRESS-OF-THE-PROXY ('*' for a unix socket)"
    ),
    "hypercorn": 'for hypercorn, ProxyFixMiddleware(app, mode="legacy", trusted_hops=1)',
    "daphne": "for daphne, --proxy-headers",
    "granian": "for granian, wrap_asgi_with_proxy_headers(app, trusted_hosts=ADDRESS-OF-THE-PROXY)",
}
# Waitress removes the header unless a trusted proxy is configured.
_WAITRESS: Final = "for waitress, --trusted-proxy=ADDRESS-OF-THE-PROXY --trusted-proxy-headers=x-forwarded-proto"


@final
class HTTPSRule:
    """The rule of one service. It logs one line per service."""

    __slots__ = ("_logged", "_mode")

    def __init__(self, mode: HTTPSMode) -> None:
        if mode not in ("require", "warn", "off"):
            raise ConfigurationError('https= must be "require", "warn" or "off"')
        self._mode = mode
        self._logged = False

    def check(self, url_scheme: str | None, peer: str | None, *, forwarded: bool) -> None:
        """Apply the rule to a request with a token. Raises `InsecureTransport`.

        *url_scheme* is the framework's, *peer* the address of the connection's other end, *forwarded* whether the
        request has one of `FORWARDING_HEADERS`. Without scheme and peer the rule does not apply: every framework
        reports the scheme of a request, so this token came from elsewhere, such as a queue or a test.
        """
        if (
            url_scheme in _SECURE_SCHEMES
            or self._mode == "off"
            or (url_scheme is None and peer is None and not forwarded)
        ):
            return
        if self._mode == "warn" and self._logged:
            return
        if not forwarded and (peer in _LOOPBACK or _is_loopback(peer)):
            return
        if self._mode == "require":
            self._log(logging.ERROR, f"{_EVENT} and was refused")
            raise InsecureTransport
        self._log(logging.WARNING, _EVENT)

    def _log(self, level: int, what: str) -> None:
        if not self._logged:
            self._logged = True
            _logger.log(level, _MESSAGE, what, "; ".join(_hints()))


def _hints() -> list[str]:
    adapters = [hint for module, hint in _ADAPTERS.items() if module in sys.modules]
    waitress = [_WAITRESS] if "waitress" in sys.modules else []
    if "gatepass_starlette" not in sys.modules:
        return [*adapters, *waitress] or [*_ADAPTERS.values(), *_SERVERS.values()]
    servers = [hint for module, hint in _SERVERS.items() if module in sys.modules]
    return [*adapters, *waitress, *(servers or _SERVERS.values())]


def _is_loopback(peer: str | None) -> bool:
    """Return whether *peer* is in 127.0.0.0/8, also as a mapped IPv6 address, or is `::1`."""
    try:
        address = ipaddress.ip_address(peer or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback

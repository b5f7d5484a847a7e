"""HTTPS only: what to do with a token that came over plain http (RFC 6750 section 5.3).

`require` refuses the request before the token is looked at, `warn` logs once, `off` leaves it to the proxy.
"""

from __future__ import annotations

import ipaddress
import logging
from typing import Literal, final

from gatepass.errors import ConfigurationError, InsecureTransport

__all__ = ["Transport", "TransportRule"]

TransportRule = Literal["require", "warn", "off"]

_SECURE_SCHEMES = frozenset(("https", "wss"))
_logger = logging.getLogger("gatepass")


@final
class Transport:
    """The rule, and whether its one warning was given."""

    __slots__ = ("_rule", "_warned")

    def __init__(self, rule: TransportRule) -> None:
        if rule not in ("require", "warn", "off"):
            raise ConfigurationError('transport= must be "require", "warn" or "off"')
        self._rule = rule
        self._warned = False

    def check(self, scheme: str | None, client: str | None) -> None:
        """Apply the rule to a request with a token. *scheme* is the framework's, *client* the peer's address."""
        if scheme in _SECURE_SCHEMES or self._rule == "off":
            return
        if self._rule == "require":
            raise InsecureTransport
        if not self._warned and scheme is not None and not _is_loopback(client):
            self._warned = True
            _logger.warning(
                "an access token came over plain http; serve https only, and if a proxy ends TLS, tell the framework "
                'so (see the documentation on HTTPS), then set transport="require"'
            )


def _is_loopback(client: str | None) -> bool:
    try:
        return ipaddress.ip_address(client or "").is_loopback
    except ValueError:
        return False

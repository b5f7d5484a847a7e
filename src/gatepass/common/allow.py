"""The named values of `allow=`: plain http on this machine, and issuers that are not https URLs.

Each opt-out has a name that a search finds. Other values are refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias, final

from gatepass.errors import ConfigurationError

__all__ = [
    "HTTPS_ALONE", "HTTP_ON_LOOPBACK", "NON_HTTPS_ISSUER", "Allow", "Allowed", "HttpOnLoopback", "NonHttpsIssuer",
    "allowed", "is_loopback",
]  # fmt: skip

_IPV6_LOOPBACK: Final = ipaddress.IPv6Address("::1")


@final
class HttpOnLoopback:
    """The type of `HTTP_ON_LOOPBACK`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "HTTP_ON_LOOPBACK"


@final
class NonHttpsIssuer:
    """The type of `NON_HTTPS_ISSUER`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NON_HTTPS_ISSUER"


HTTP_ON_LOOPBACK: Final = HttpOnLoopback()
"""Named opt-out for development: plain http to and from this machine is accepted too."""

NON_HTTPS_ISSUER: Final = NonHttpsIssuer()
"""Named opt-out: an issuer may be a name such as `urn:example:auth`. It is still compared character for character."""

Allow: TypeAlias = HttpOnLoopback | NonHttpsIssuer | Iterable[HttpOnLoopback | NonHttpsIssuer]


class Allowed(NamedTuple):
    """The opt-outs that an argument `allow=` contains."""

    http_on_loopback: bool = False
    non_https_issuer: bool = False


HTTPS_ALONE: Final = Allowed()
"""No opt-out: the default of `allow=`."""


def allowed(allow: Allow) -> Allowed:
    """Parse *allow*, one of the two values or several. Raises `ConfigurationError` for other values."""
    if allow == ():
        return HTTPS_ALONE
    values: tuple[object, ...] = (allow,)
    if isinstance(allow, Iterable) and not isinstance(allow, (str, Mapping)):  # a mapping would be read as its keys
        values = tuple(allow)
    if not all(isinstance(value, (HttpOnLoopback, NonHttpsIssuer)) for value in values):
        raise ConfigurationError(
            "allow= takes HTTP_ON_LOOPBACK or NON_HTTPS_ISSUER, which gatepass exports, or a tuple of them"
        )
    return Allowed(
        http_on_loopback=any(isinstance(value, HttpOnLoopback) for value in values),
        non_https_issuer=any(isinstance(value, NonHttpsIssuer) for value in values),
    )


def is_loopback(host: str | None) -> bool:
    """Return whether *host*, as `urlsplit` returns it, is this machine: `localhost`, 127.0.0.0/8 or ::1.

    Names below `localhost` do not count: a resolver may look them up in the network.
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return address.is_loopback if isinstance(address, ipaddress.IPv4Address) else address == _IPV6_LOOPBACK

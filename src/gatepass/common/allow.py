"""The named values that `allow=` takes, and what they let in: plain http to this machine, issuers that are names.

Each says what it is, so that a reader finds it. Everything else stays refused.
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
"""Named opt-out for development: plain http to and from this very machine is taken too."""

NON_HTTPS_ISSUER: Final = NonHttpsIssuer()
"""Named opt-out: an issuer may be a name, such as `urn:example:auth`, and is compared to the character all the same."""

Allow: TypeAlias = HttpOnLoopback | NonHttpsIssuer | Iterable[HttpOnLoopback | NonHttpsIssuer]


class Allowed(NamedTuple):
    """What an `allow=` says."""

    http_on_loopback: bool = False
    non_https_issuer: bool = False


HTTPS_ALONE: Final = Allowed()
"""Without any `allow=`."""


def allowed(allow: Allow) -> Allowed:
    """What *allow* says: one of the two values, or several. Raises `ConfigurationError`."""
    if allow == ():
        return HTTPS_ALONE
    values: tuple[object, ...] = (allow,)
    if isinstance(allow, Iterable) and not isinstance(allow, (str, Mapping)):  # not the keys of {...: False}
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
    """Whether *host* is this very machine: `localhost`, 127.0.0.0/8 or ::1, as `urlsplit` gives it.

    Names below `localhost` are not: a resolver may ask the network for them.
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return address.is_loopback if isinstance(address, ipaddress.IPv4Address) else address == _IPV6_LOOPBACK

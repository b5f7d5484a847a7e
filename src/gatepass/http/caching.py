"""What caches are told of an answer that depends on who asks, so that nobody is served what was made for another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

from gatepass.http.access import Access

__all__ = ["Caching", "caching_for"]


@final
@dataclass(frozen=True, slots=True)
class Caching:
    """*vary* names the request fields that the answer depends on (RFC 9110 section 12.5.5); *control* is the
    `Cache-Control` (RFC 9111 section 5.2) of answers that have none.
    """

    vary: tuple[str, ...] = ()
    control: str = ""

    def missing(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """The header pairs that an answer with *headers* still needs.

        >>> Caching(("Authorization", "Cookie")).missing([("Vary", "Accept, cookie")])
        [('Vary', 'Authorization')]
        """
        if not self.vary:
            return []
        named = [(name.lower(), value) for name, value in headers]
        listed = {item.strip().lower() for name, value in named if name == "vary" for item in value.split(",")}
        lacking = [] if "*" in listed else [name for name in self.vary if name.lower() not in listed]
        pairs = [("Vary", ", ".join(lacking))] if lacking else []
        if self.control and all(name != "cache-control" for name, _ in named):
            pairs.append(("Cache-Control", self.control))
        return pairs


_NOTHING: Final = Caching()
_STRANGER: Final = Caching(("Authorization",))
_COOKIE: Final = Caching(("Authorization", "Cookie"), "private")
# Shared caches keep no answer to a request with `Authorization` (RFC 9111 section 3.5), but may keep a stranger's.
_BY_HEADER: Final[dict[Access, Caching]] = {"public": _NOTHING, "protected": _NOTHING, "optional": _STRANGER}
# About cookies they have no such rule, and some do not look at `Vary`.
_BY_COOKIE: Final[dict[Access, Caching]] = {"public": _NOTHING, "protected": _COOKIE, "optional": _COOKIE}


def caching_for(sources: frozenset[str]) -> Mapping[Access, Caching]:
    """The rules of a service that takes tokens from *sources*, by how open a route is."""
    return MappingProxyType(_BY_COOKIE if "cookie" in sources else _BY_HEADER)

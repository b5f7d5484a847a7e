"""The views that a URLconf leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.urls import URLResolver

__all__ = ["views_of"]


def views_of(resolver: URLResolver) -> Iterator[Callable[..., Any]]:
    """Every view below *resolver*, those of included URLconfs too."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from views_of(entry)
        else:
            yield entry.callback

"""How long an answer says that it is fresh (RFC 9111 section 4.2), for a client that keeps one document."""

from __future__ import annotations

import re

__all__ = ["stated_freshness"]

_SECONDS = re.compile(r"[0-9]{1,9}")


def stated_freshness(cache_control: str, age: str) -> float | None:
    """Seconds, from the values of `Cache-Control` and `Age`; None where the answer says nothing.

    What forbids storing or contradicts itself counts as 0: the caller's least bound then decides.

    >>> stated_freshness("public, max-age=300", "60")
    240.0
    """
    directives = [directive.strip().lower().partition("=") for directive in cache_control.split(",")]
    names = {name for name, _, _ in directives}
    if names & {"no-store", "no-cache"}:
        return 0.0
    ages = {value.strip('"') for name, _, value in directives if name == "max-age"}
    if not ages:
        return None
    spent = float(age) if _SECONDS.fullmatch(age) else 0.0
    if len(ages) > 1 or not all(_SECONDS.fullmatch(value) for value in ages):
        return 0.0
    return max(0.0, float(ages.pop()) - spent)

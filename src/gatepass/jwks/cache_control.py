"""How long an answer says that it is fresh (RFC 9111 section 4.2), for a client that keeps one document."""

from __future__ import annotations

from gatepass.common.header_numbers import LARGEST_HEADER_NUMBER, header_number

__all__ = ["stated_freshness"]


def stated_freshness(cache_control: str, age: str) -> float | None:
    """Seconds, from the values of `Cache-Control` and `Age`; None where the answer says nothing.

    What forbids storing, contradicts itself or is absurd counts as 0: the caller's least bound then decides.

    >>> stated_freshness("public, max-age=300", "60")
    240.0
    """
    directives = [directive.strip().lower().partition("=") for directive in cache_control.split(",")]
    names = {name for name, _, _ in directives}
    if names & {"no-store", "no-cache"}:
        return 0.0
    ages = {header_number(value.strip('"')) for name, _, value in directives if name == "max-age"}
    if not ages:
        return None
    stated = ages.pop()
    if ages or stated is None or stated == LARGEST_HEADER_NUMBER:
        return 0.0
    spent = header_number(age.partition(",")[0].strip()) or 0  # of several the first (RFC 9111 section 5.1)
    return max(0.0, float(stated - spent))

"""Update pages with the figures of the benchmarks, each between its own markers."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DOCS", "renew"]

DOCS = Path(__file__).resolve().parent.parent / "docs"


def renew(page: Path, marker: str, tables: str) -> None:
    """Write *tables* between the two comments of *page* that name *marker*."""
    begin, end = f"<!-- {marker}: begin -->", f"<!-- {marker}: end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{page} lacks the markers for these figures: {begin} {end}")
    page.write_text(f"{before}{begin}\n\n{tables}\n\n{end}{after}", encoding="utf-8")

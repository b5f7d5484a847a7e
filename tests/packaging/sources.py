"""The project's own modules, found by walking the sources, so that none can hide from a test."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def source_files() -> dict[str, Path]:
    """Every module of the five packages by its dotted name."""
    found = {}
    for root in (REPOSITORY / "src", REPOSITORY / "adapters"):
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found

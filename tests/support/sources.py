"""The modules of the project, and the imports in a source text."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def source_files() -> dict[str, Path]:
    """Return every module of the five packages by its dotted name."""
    found = {}
    for root in (REPOSITORY / "src", REPOSITORY / "adapters"):
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(source: str) -> Iterator[tuple[str, str]]:
    """Yield each absolute import anywhere in *source*, as (module, imported name or "")."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.module or "", alias.name) for alias in node.names)

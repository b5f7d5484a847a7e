"""docs/architecture.md is up to date: its tables and drawings are generated from the code, and each name exists.

`GATEPASS_WRITE_TABLES=1 pytest tests/packaging/test_architecture.py` updates the tables and drawings.
"""

import ast
import re

import pytest
from tests.support import flows, rooms
from tests.support.drawings import flow_drawing, rooms_drawing
from tests.support.generated import WRITES, assert_generated

FLOWS = {
    "request": (flows.REQUEST, "The path of a request"),
    "refresh": (flows.REFRESH, "The path of a refresh token"),
    "unknown-key": (flows.UNKNOWN_KEY, "The path of a token with an unknown key"),
}
PARTS = {"rooms": (rooms.rooms_table, rooms_drawing)} | {
    name: (lambda steps=steps: flows.flow_table(steps), lambda steps=steps, title=title: flow_drawing(title, steps))
    for name, (steps, title) in FLOWS.items()
}


@pytest.fixture
def page(repository):
    return repository / "docs" / "architecture.md"


@pytest.mark.parametrize("name", PARTS)
def test_the_table_is_generated_from_the_code(page, name):
    table, _ = PARTS[name]

    assert_generated(page, name, "tests/packaging/test_architecture.py", table())


@pytest.mark.parametrize("name", PARTS)
def test_the_drawing_is_generated_from_the_code(repository, page, name):
    _, draw = PARTS[name]
    file = repository / "docs" / f"architecture-{name}.svg"

    if WRITES:
        file.write_text(draw(), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == draw(), "renew it as the first lines of this file say"
    assert f"({file.name})" in page.read_text(encoding="utf-8")


def defined(tree):
    """Yield the names that a module defines, with those of its classes as `Class.name`."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}.{inner}" for inner in defined(node))


@pytest.mark.parametrize("step", [step for steps, _ in FLOWS.values() for step in steps], ids=lambda step: step.title)
def test_each_step_is_defined_in_the_module_that_the_page_names(repository, step):
    path, _, name = step.where.partition(": ")
    folder = repository / ("adapters" if path.startswith("gatepass_") else "src/gatepass")

    assert name in set(defined(ast.parse((folder / path).read_text(encoding="utf-8"))))


def test_every_file_that_the_page_names_exists(repository, page):
    named = set(re.findall(r"`((?:[\w.]+/)+[\w.]*)`", page.read_text(encoding="utf-8")))
    roots = [repository, repository / "src" / "gatepass", repository / "adapters"]

    assert len(named) > 20
    assert sorted(name for name in named if not any((root / name).exists() for root in roots)) == []


def test_every_package_is_in_the_drawing(repository):
    packages = {path.parent.name for path in (repository / "src" / "gatepass").glob("*/__init__.py")}

    assert packages <= {room for layer in rooms.layers() for room in layer}
    assert set(rooms.CORE) <= {room for layer in rooms.layers() for room in layer}

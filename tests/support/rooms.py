"""The rooms of gatepass, read from `pyproject.toml` and the code, and their table in docs/architecture.md.

`[tool.importlinter]` gives the layers and the third-party packages, a package's docstring its purpose, and the import
statements the rooms that each one uses.
"""

import ast
import tomllib
from collections import defaultdict

from tests.support.generated import table
from tests.support.sources import REPOSITORY

CORE = ("errors", "common", "jose", "keys", "tokens", "http", "adapter")
"""The rooms that a service needs if it only verifies tokens with its own keys. The others are batteries."""
ADAPTERS = ("gatepass_flask", "gatepass_starlette", "gatepass_fastapi", "gatepass_django")
PACKAGE = REPOSITORY / "src" / "gatepass"
_SHOWN_AS = {"jwt": "PyJWT", "django": "Django", "flask": "Flask", "starlette": "Starlette", "fastapi": "FastAPI"}
_LEFT_OUT = {"werkzeug", "asgiref", "anyio", "rest_framework", "drf_spectacular"}
"""Packages that come with a framework."""


def contracts():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["tool"]["importlinter"]["contracts"]


def layers():
    """Return the rooms from the top down; each layer is a list of rooms."""
    (found,) = [contract["layers"] for contract in contracts() if contract["type"] == "layers"]
    return [layer.split(" | ") for layer in found if layer != "__main__"]


def third_party():
    """Return the packages that only a given room or adapter may import."""
    allowed = defaultdict(set)
    for contract in contracts():
        if contract["type"] == "protected" and not contract["protected_modules"][0].startswith("gatepass"):
            for importer in contract["allowed_importers"]:
                top, *inner = importer.split(".")
                if top == "gatepass" and inner[0] == "cli" and len(inner) > 1:
                    continue  # the demo starts one server for each framework
                room = inner[0] if top == "gatepass" else top
                allowed[room].update(set(contract["protected_modules"]) - _LEFT_OUT)
    return {room: sorted(_SHOWN_AS.get(name, name) for name in names) for room, names in allowed.items()}


def purpose(room):
    """Return the first sentence of the room's docstring."""
    path = PACKAGE / room / "__init__.py"
    return _first_sentence(path if path.exists() else PACKAGE / f"{room}.py")


def adapter_purpose(name):
    """Return the first sentence of an adapter's docstring."""
    return _first_sentence(REPOSITORY / "adapters" / name / "__init__.py")


def _first_sentence(path):
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".:")


def imported_rooms(room):
    """Return the rooms that *room* imports."""
    folder = PACKAGE / room
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{room}.py"]
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= {name.split(".")[1] for name in names if name.startswith("gatepass.")}
    return found - {room}


def rooms_table():
    """Return the rooms as a Markdown table, from the bottom up."""
    order = [room for layer in reversed(layers()) for room in layer]
    packages = third_party()
    rows = []
    for room in order:
        name = f"`{room}`" if room in CORE else f"`{room}` (battery)"
        used = imported_rooms(room)
        rooms = ", ".join(f"`{other}`" for other in order if other in used)
        rows.append([name, purpose(room), rooms, ", ".join(packages.get(room, []))])
    return table(["room", "what it is for", "imports", "third-party packages"], rows)

"""Imports of other packages by the sources. `lint-imports` checks the contract between our own packages."""

import sys

import pytest
from tests.support.sources import imported, source_files

FILES = source_files()
OURS = {module.partition(".")[0] for module in FILES}

# Each of these has a contract in pyproject.toml that names the packages that may import it.
FOREIGN = {
    "anyio",
    "asgiref",
    "click",
    "cryptography",
    "django",
    "drf_spectacular",
    "fastapi",
    "flask",
    "httpx",
    "jwt",
    "pytest",
    "redis",
    "rest_framework",
    "rich",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "werkzeug",
}
FOR_TYPE_CHECKERS = {"_typeshed"}

NETWORK = {"asyncio", "http.client", "http.server", "socket", "socketserver", "ssl", "urllib.request"}
MAY_CONNECT = ("gatepass.cli.demo", "gatepass.jwks")
# They check whether an event loop runs, and await a thread or a task on it.
MAY_AWAIT = {"gatepass.common.event_loop", "gatepass.keys.source"}


def imports_of(module: str) -> list[tuple[str, str]]:
    return list(imported(FILES[module].read_text(encoding="utf-8")))


def test_every_imported_third_party_package_has_a_contract(request: pytest.FixtureRequest):
    tops = {origin.partition(".")[0] for module in FILES for origin, _ in imports_of(module)}
    contract = (request.config.rootpath / "pyproject.toml").read_text(encoding="utf-8")

    assert tops - OURS - sys.stdlib_module_names - FOR_TYPE_CHECKERS == FOREIGN
    assert [name for name in sorted(FOREIGN) if f'"{name}"' not in contract.partition("[tool.importlinter]")[2]] == []


@pytest.mark.parametrize(
    "module", sorted(m for m in FILES if m.startswith("gatepass.") and not m.startswith(MAY_CONNECT))
)
def test_a_module_of_the_core_opens_no_connection(module):
    loaded = {name for origin, taken in imports_of(module) for name in (origin, f"{origin}.{taken}")}

    assert sorted(loaded & NETWORK - ({"asyncio"} if module in MAY_AWAIT else set())) == []


@pytest.mark.parametrize(
    "line",
    [
        "import socket",
        "from socket import socket",
        "def later():\n    import socket",
        "if TYPE_CHECKING:\n    import socket",
    ],
)
def test_an_import_is_found_in_any_form(line):
    assert [origin for origin, _ in imported(line)] == ["socket"]

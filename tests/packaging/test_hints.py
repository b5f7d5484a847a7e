"""Hints name a missing library as a requirement for pip, with the bounds of pyproject.toml, and name its extra."""

import subprocess
import sys
import tomllib
from importlib.util import find_spec

import pytest
from tests.support.needs import missing

from gatepass.adapter import extra_hint
from gatepass.common.settings import EXTRAS

NEEDED = {
    "gatepass_flask": ("flask", "flask"),
    "gatepass_starlette": ("starlette", "starlette"),
    "gatepass_fastapi": ("fastapi", "fastapi"),
    "gatepass_django": ("django", "django"),
    "gatepass_django.rest_framework": ("rest_framework", "drf"),
    "gatepass.stores.redis": ("redis", "redis"),
    "gatepass.stores.sql": ("sqlalchemy", "sql"),
}


@pytest.fixture(scope="module")
def extras(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def flat(extras, name):
    for requirement in extras[name]:
        inner = requirement.removeprefix("gatepass[").removesuffix("]")
        if inner == requirement:
            yield requirement
        else:
            for other in inner.split(","):
                yield from flat(extras, other)


def test_the_bounds_of_the_hints_are_those_of_the_extras(extras):
    assert {name: set(bounds) for name, bounds in EXTRAS.items()} == {
        name: set(flat(extras, name)) for name in extras if name != "all"
    }


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_hint_is_a_pip_command_and_names_the_extra(extra):
    hint = extra_hint(extra)

    assert hint.startswith("pip install '")
    assert hint.endswith(f"(the extra gatepass[{extra}])")
    assert all(f"'{bound}'" in hint for bound in EXTRAS[extra])


@pytest.mark.parametrize("module", NEEDED)
def test_the_hint_for_a_missing_library_is_printed(module):
    library, extra = NEEDED[module]
    if module == "gatepass_django.rest_framework" and find_spec("django") is None:
        missing("every extra and group", "django is not installed, which is missed first")
    program = f"import sys; sys.modules[{library!r}] = None; import {module}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=240)

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("ImportError: ")
    assert result.stderr.splitlines()[-1].endswith(extra_hint(extra))

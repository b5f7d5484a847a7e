"""The contents of an installation of gatepass: read from the installed distribution, never from the sources."""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path, PurePosixPath

import pytest
from tests.support.needs import reason_for

PACKAGES = ["gatepass", "gatepass_django", "gatepass_fastapi", "gatepass_flask", "gatepass_starlette"]
FRAMEWORKS = [
    "click",
    "django",
    "fastapi",
    "flask",
    "httpx",
    "rest_framework",
    "rich",
    "starlette",
    "uvicorn",
    "werkzeug",
]
SITE_PACKAGES = Path(sysconfig.get_path("purelib")).resolve()


def is_editable() -> bool:
    """Return whether the checkout itself is installed instead of a wheel (PEP 610)."""
    origin = importlib.metadata.distribution("gatepass").read_text("direct_url.json")
    return bool(origin and json.loads(origin).get("dir_info", {}).get("editable"))


# In tox, an editable install is an error, which these tests detect.
pytestmark = pytest.mark.skipif(
    is_editable() and not os.environ.get("GATEPASS_REQUIRE_EXTRAS"),
    reason=reason_for("the built wheel", "gatepass is installed editable"),
)


@pytest.fixture(scope="module")
def shipped() -> list[PurePosixPath]:
    files = importlib.metadata.files("gatepass")
    assert files
    return [PurePosixPath(file) for file in files if "__pycache__" not in file.parts]


def run(program: str) -> str:
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_imported_from_site_packages(package):
    spec = importlib.util.find_spec(package)

    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).resolve() == SITE_PACKAGES / package / "__init__.py"


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_marked_as_typed(package, shipped):
    assert PurePosixPath(package, "py.typed") in shipped


def test_only_the_five_packages_and_one_command_are_installed(shipped):
    tops = {file.parts[0] for file in shipped if not file.parts[0].endswith(".dist-info")}
    outside = {file.name for file in shipped if file.parts[0] == ".."}

    assert tops == {*PACKAGES, ".."}
    assert outside <= {"gatepass", "gatepass.exe"}
    assert len(outside) == 1


def test_the_packages_contain_only_python_py_typed_and_the_lists_of_known_secrets(shipped):
    inside = [file for file in shipped if file.parts[0] in PACKAGES]

    assert {str(file) for file in inside if file.suffix != ".py" and file.name != "py.typed"} == {
        "gatepass/keys/known_secrets.txt",
        "gatepass/keys/usual_words.txt",
    }


def test_every_source_module_is_shipped(shipped, repository):
    for root in (repository / "src", repository / "adapters"):
        for module in root.rglob("*.py"):
            assert PurePosixPath(module.relative_to(root).as_posix()) in shipped


def test_the_licence_is_shipped(shipped):
    assert [file.name for file in shipped if file.parts[1:2] == ("licenses",)] == ["LICENSE"]


def test_the_core_requires_only_pyjwt_and_cryptography():
    requires = importlib.metadata.requires("gatepass") or []

    names = sorted(line.split(">=")[0] for line in requires if "extra ==" not in line)

    assert names == ["cryptography", "pyjwt"]


def test_importing_the_core_imports_no_framework():
    loaded = run("import sys, gatepass; print(*sys.modules)").split()

    assert "gatepass" in loaded
    assert sorted(set(loaded) & set(FRAMEWORKS)) == []


def test_importing_the_core_loads_no_network_client():
    loaded = run("import sys, gatepass; print(*sys.modules)").split()

    assert sorted(set(loaded) & {"jwt.jwks_client", "urllib.request", "http.client", "ssl"}) == []


def test_the_command_is_installed_and_points_into_the_package():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="gatepass")

    assert entry.dist is not None
    assert entry.dist.name == "gatepass"
    assert entry.value.partition(":")[0].partition(".")[0] == "gatepass"


def test_the_command_without_its_extra_names_the_extra():
    """The modules are hidden, so this is tested even where they are installed."""
    program = (
        "import importlib.metadata, sys\n"
        "sys.modules['click'] = sys.modules['rich'] = None\n"
        "(entry,) = importlib.metadata.entry_points(group='console_scripts', name='gatepass')\n"
        "sys.argv = ['gatepass', '--help']\n"
        "sys.exit(entry.load()())\n"
    )
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)

    assert result.returncode != 0
    assert "gatepass[cli]" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("package", "hidden", "extra"),
    [
        ("gatepass_flask", "flask", "gatepass[flask]"),
        ("gatepass_starlette", "starlette", "gatepass[starlette]"),
        ("gatepass_fastapi", "fastapi", "gatepass[fastapi]"),
        ("gatepass_django", "django", "gatepass[django]"),
    ],
)
def test_an_adapter_without_its_framework_names_the_extra(package, hidden, extra):
    program = (
        "import sys\n"
        f"sys.modules[{hidden!r}] = None\n"
        "try:\n"
        f"    import {package}\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )

    assert extra in run(program)

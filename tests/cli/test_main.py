"""The command as a whole: its message without its extra, its version and help, and its errors."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from gatepass.adapter import extra_hint


def without(*modules, arguments=()):
    """Run the command in an interpreter that cannot import *modules*."""
    program = (
        f"import sys; sys.argv = ['gatepass', *{list(arguments)!r}]; "
        f"sys.modules.update(dict.fromkeys({list(modules)!r})); from gatepass.cli import main; main()"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_extra_the_command_names_the_extra(missing):
    result = without(missing, arguments=["keygen"])

    assert result.returncode == 2
    assert result.stderr == f"the gatepass command needs click and rich; install them with: {extra_hint('cli')}\n"
    assert result.stdout == ""


@pytest.mark.parametrize("missing", ["flask", "starlette", "fastapi", "django", "uvicorn", "waitress"])
def test_without_its_extra_the_demo_names_the_extra(missing):
    result = without(missing, arguments=["demo"])

    assert result.returncode == 2
    assert (
        result.stderr
        == f"Error: the demo needs four frameworks and two servers; install them with: {extra_hint('demo')}\n"
    )


def test_keygen_and_inspect_need_no_framework():
    assert without("flask", "starlette", "fastapi", "django", arguments=["keygen", "HS256"]).returncode == 0


def test_the_version_is_that_of_the_distribution(gatepass):
    assert gatepass("--version").stdout.decode().split()[-1] == version("gatepass")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["keygen", "-h"], ["inspect", "-h"], ["demo", "-h"], ["keys", "-h"], ["keys", "remove", "-h"]],
)
def test_every_command_has_help(gatepass, arguments):
    result = gatepass(*arguments)

    assert result.returncode == 0
    assert result.stdout.startswith(b"Usage: gatepass")


def test_an_unknown_command_gets_a_message(gatepass):
    result = gatepass("keygne")

    assert result.returncode == 2
    assert b"No such command" in result.stderr


def test_a_closed_output_pipe_causes_no_traceback():
    pipe = f"{sys.executable} -m gatepass keygen RS256 --format jwk | true"
    result = subprocess.run(["sh", "-c", pipe], capture_output=True, text=True, check=False, timeout=240)

    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr

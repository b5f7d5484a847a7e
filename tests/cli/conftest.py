"""The command as its user meets it: a process of its own; and, for long tables of cases, the same in this one."""

import io
import os
import subprocess
import sys

import pytest
from tests.support.inspected_tokens import KEY

from gatepass.cli import main


@pytest.fixture
def gatepass(tmp_path):
    """Run `gatepass` with these arguments in an empty folder."""

    def run(*arguments, stdin="", env=None):
        return subprocess.run(
            [sys.executable, "-m", "gatepass", *map(str, arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            check=False,
            cwd=tmp_path,
            timeout=240,
            env={**os.environ, **(env or {})},
        )

    return run


@pytest.fixture
def gatepass_here(tmp_path, monkeypatch, capfdbinary):
    """`gatepass` without the price of a process: the same entry point, arguments, folder and streams."""

    def run(*arguments, stdin="", env=None):
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        with monkeypatch.context() as changed:
            changed.chdir(tmp_path)
            changed.setattr(sys, "argv", ["gatepass", *map(str, arguments)])
            changed.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
            for name, value in (env or {}).items():
                changed.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        captured = capfdbinary.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text(KEY.public().to_pem())
    return path

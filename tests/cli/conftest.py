"""Run the command in a process of its own, as users do, or in this process for long tables of cases."""

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
    """Run `gatepass` in this process, which is faster: the same entry point, arguments, folder and streams."""

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

"""Install the libraries of other languages beside the temporary files of the tests, and exchange JSON lines with them.

The source tree is not changed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.needs import missing

HERE = Path(__file__).parent
CRATES = Path(os.environ.get("GATEPASS_CRATES", "/usr/share/cargo/registry"))
"""The folder of the sources of Debian's librust-*-dev packages."""


class JSONLines:
    """A program that reads JSON lines and writes one JSON line for each."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def request(self, command: str, **request: Any) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"command": command, **request}) + "\n")
        self._process.stdin.flush()
        return self.receive(command)

    def receive(self, about: str) -> dict[str, Any]:
        """Return the next line, which may come without a request."""
        assert self._process.stdout
        answer = self._process.stdout.readline()
        assert answer, f"the other program died over {about!r}"
        return json.loads(answer)


@contextmanager
def json_lines(*arguments: str | Path, cwd: Path) -> Iterator[JSONLines]:
    with subprocess.Popen(
        arguments, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        yield JSONLines(process)  # on exit Popen closes standard input, which ends the program


def install_node_peers(directory: Path) -> Path:
    """Install the packages in the directory in which `node peers.mjs` runs."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("Node.js", "node or npm is not installed")
    version = _output(node, "--version")
    if int(version.lstrip("v").split(".")[0]) < 20:
        missing("Node.js", f"{version} is too old for jose")
    for name in ("package.json", "peers.mjs", "provider.mjs"):
        shutil.copy(HERE / "node" / name, directory)
    quiet = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    try:
        installed = subprocess.run(
            [npm, "install", *quiet], cwd=directory, capture_output=True, text=True, timeout=300, check=False
        )
    except subprocess.TimeoutExpired:
        missing("Node.js", "npm did not finish")
    if installed.returncode != 0:
        missing("Node.js", "npm could not install jose, jsonwebtoken and oidc-provider")
    return directory


def build_rust_peer(directory: Path) -> Path:
    """Build the plain jsonwebtoken program without a network, and return its executable."""
    cargo, compiler = shutil.which("cargo"), shutil.which("cc")
    if cargo is None or compiler is None:
        missing("Rust", "cargo or a C compiler is not installed")
    if not any(CRATES.glob("jsonwebtoken-8.*")):
        missing("Rust", "version 8 of the crate jsonwebtoken is not installed")
    shutil.copytree(HERE / "rust", directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("target"))
    settings = directory / ".cargo" / "config.toml"
    settings.parent.mkdir()
    settings.write_text(
        f"[source.crates-io]\nreplace-with = 'debian'\n[source.debian]\ndirectory = '{CRATES}'\n", encoding="utf-8"
    )
    target = directory / "target"
    built = subprocess.run(
        [cargo, "build", "--offline", "--quiet", "--target-dir", target],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return target / "debug" / "gatepass-interop"


def _output(*arguments: str) -> str:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=240, check=True).stdout.strip()

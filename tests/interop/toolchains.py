"""Other languages' libraries, installed beside the tests' temporary files and spoken to line by line.

What a machine lacks is said in one sentence, with the command that brings it: as the reason of a skip or,
with GATEPASS_REQUIRE_INTEROP=1, of a failure. Nothing is written into the source tree.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

HERE = Path(__file__).parent
CRATES = Path(os.environ.get("GATEPASS_CRATES", "/usr/share/cargo/registry"))
"""Where Debian's librust-*-dev packages put their sources."""


def missing(what: str, remedy: str) -> NoReturn:
    """Skip for want of *what*, or fail if this machine is expected to have everything."""
    reason = f"{what}; to run these tests: {remedy}"
    if os.environ.get("GATEPASS_REQUIRE_INTEROP") == "1":
        pytest.fail(f"GATEPASS_REQUIRE_INTEROP=1, but {reason}", pytrace=False)
    pytest.skip(reason)


class Conversation:
    """A program that answers each JSON line with one JSON line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, command: str, **request: Any) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"command": command, **request}) + "\n")
        self._process.stdin.flush()
        return self.hear(command)

    def hear(self, about: str) -> dict[str, Any]:
        """The next line, also one that nobody asked for."""
        assert self._process.stdout
        answer = self._process.stdout.readline()
        assert answer, f"the other program died over {about!r}"
        return json.loads(answer)


@contextmanager
def conversation(*arguments: str | Path, cwd: Path) -> Iterator[Conversation]:
    with subprocess.Popen(
        arguments, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        yield Conversation(process)  # leaving closes its standard input, and with it the program


def install_node_peers(directory: Path) -> Path:
    """The directory in which `node peers.mjs` runs."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("Node.js or npm is not installed", "install Node.js 20 or newer together with npm")
    version = _output(node, "--version")
    if int(version.lstrip("v").split(".")[0]) < 20:
        missing(f"Node.js {version} is too old for jose", "install Node.js 20 or newer")
    for name in ("package.json", "peers.mjs", "provider.mjs"):
        shutil.copy(HERE / "node" / name, directory)
    quiet = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    installed = subprocess.run(
        [npm, "install", *quiet], cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )
    if installed.returncode != 0:
        missing("npm could not install jose, jsonwebtoken and oidc-provider", "give npm a registry that it can reach")
    return directory


def build_rust_peer(directory: Path) -> Path:
    """The executable of the plain jsonwebtoken program, built without a network."""
    cargo, compiler = shutil.which("cargo"), shutil.which("cc")
    if cargo is None or compiler is None:
        missing("cargo or a C compiler is not installed", "apt-get install cargo gcc")
    if not any(CRATES.glob("jsonwebtoken-8.*")):
        missing("version 8 of the Rust crate jsonwebtoken is not installed", "apt-get install librust-jsonwebtoken-dev")
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
